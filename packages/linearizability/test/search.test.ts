// The parts of the search that no verdict shows on its own: exactness under hash collisions, sets
// of pending operations, memory that is given back, and operations that are free not to have happened.
import { describe, expect, it } from 'vitest'
import { kv, type Model, type Operation } from '../src/index.ts'
import { MemoryBudget } from '../src/search/memory.ts'
import { identity } from '../src/search/identity.ts'
import { emptySet, PendingSets } from '../src/search/pending-sets.ts'
import { prepare } from '../src/search/prepare.ts'
import { Search, type SearchStatus } from '../src/search/search.ts'
import { timeline } from '../src/search/timeline.ts'
import { Visited } from '../src/search/visited.ts'
import { linearizableByBruteForce, isUnknown } from './brute-force.ts'
import { corrupt, honestHistory } from './generate.ts'
import { models } from './models.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

function generated(name: string, seed: number): Operation[] {
  const random = new Random(seed)
  const object = objects[name]!()
  const options = { operations: 7, clients: 3, unknown: 0.05, failed: 0 }
  return corrupt(honestHistory(object, random, options), object, random)
}

const perModel = Math.ceil(Number(process.env['QUORATE_LIN_HISTORIES'] ?? 2000) / 4)
const oneObject = ['register', 'cas-register', 'queue', 'counter']

describe('hash collisions', () => {
  it('change no verdict even if every configuration has the same hash', () => {
    const counts: Record<string, number> = {}
    for (let seed = 1; seed <= 200; seed++) {
      for (const name of oneObject) {
        const [model, history] = [models[name]!(), generated(name, seed)]
        const statuses = [undefined, () => 0, () => 0xffffffff].map((hash) => {
          const { parts } = prepare(model, history)
          const order = timeline(model, parts[0]!)
          return new Search(model, order, new MemoryBudget(2 ** 24), hash).run(1e6)
        })
        expect(new Set(statuses).size).toBe(1)
        counts[statuses[0]!] = (counts[statuses[0]!] ?? 0) + 1
      }
    }
    expect(counts['linearizable']).toBeGreaterThan(100)
    expect(counts['impossible']).toBeGreaterThan(100)
  })

  it('are told apart word by word, and by length', () => {
    const visited = new Visited(new MemoryBudget(2 ** 24).share(noRelease), () => 42)
    const record = (words: number[]) => visited.add(Uint32Array.from(words), words.length)
    const records = Array.from({ length: 300 }, (_, i) => [i, i * 7, i % 3].slice(0, 1 + (i % 3)))
    expect(records.map(record)).toEqual(records.map(() => 'new'))
    expect(records.map(record)).toEqual(records.map(() => 'seen'))
    expect(visited.size).toBe(300)
  })
})

function noRelease(): void {}

describe('memory', () => {
  it('is all given back, whatever the end', () => {
    const ends: Record<string, number> = {}
    for (let seed = 1; seed <= 100; seed++) {
      for (const limit of [5500, 2 ** 24]) {
        const model = models['cas-register']!()
        const budget = new MemoryBudget(limit)
        const { parts } = prepare(model, generated('cas-register', seed))
        const search = new Search(model, timeline(model, parts[0]!), budget)
        const status = search.run(1e6)
        ends[status] = (ends[status] ?? 0) + 1
        expect(budget.used).toBe(0)
        expect(budget.peak).toBeLessThanOrEqual(limit)
      }
    }
    expect(Object.keys(ends).sort()).toEqual(['impossible', 'linearizable', 'out-of-memory'])
  })

  it('is taken from the largest holder first, and refused to the largest', () => {
    const budget = new MemoryBudget(100)
    const released: string[] = []
    const share = (name: string) => {
      const one = budget.share(() => {
        released.push(name)
        one.give(one.used)
      })
      return one
    }
    const [small, large, asking] = [share('small'), share('large'), share('asking')]
    expect([small.take(20), large.take(60), asking.take(10)]).toEqual([true, true, true])
    expect(asking.take(30)).toBe(true)
    expect(released).toEqual(['large'])
    expect(asking.take(60)).toBe(false)
    expect(released).toEqual(['large'])
    expect(budget.used).toBe(60)
  })
})

describe('sets of pending operations', () => {
  it('have one number each, in whatever order they are built', () => {
    const random = new Random(5)
    const sets = new PendingSets(12, new MemoryBudget(2 ** 20).share(noRelease))
    const numbers = new Map<string, number>()
    for (let round = 0; round < 500; round++) {
      const left = Array.from({ length: 12 }, (_, i) => i)
      const members: number[] = []
      let set = emptySet
      for (let size = random.below(8); size > 0; size--) {
        const [member = 0] = left.splice(random.below(left.length), 1)
        members.push(member)
        set = sets.with(set, member)
      }
      const name = members.sort((a, b) => a - b).join()
      expect(numbers.get(name) ?? set).toBe(set)
      numbers.set(name, set)
    }
    expect(new Set(numbers.values()).size).toBe(numbers.size)
    expect(numbers.size).toBeGreaterThan(200)
  })
})

describe('identity', () => {
  it('is shared exactly by data that no model can tell apart', () => {
    const same = [
      { a: 1, b: [2, 'x'] },
      { b: [2, 'x'], a: 1 },
    ]
    expect(identity(same[0])).toBe(identity(same[1]))
    const different = [
      0,
      -0,
      '0',
      null,
      undefined,
      false,
      [],
      {},
      [[]],
      [undefined],
      ['0'],
      0n,
      NaN,
      { a: undefined },
      { a: null },
      [1, 2],
      ['1,2'],
      { 0: 1, 1: 2 },
    ]
    expect(new Set(different.map((value) => identity(value))).size).toBe(different.length)
  })

  it('is unknown for what is not plain data', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const value of [
      () => 1,
      Symbol('x'),
      new Map(),
      new Date(0),
      cycle,
      { [Symbol('x')]: 1 },
    ]) {
      expect(identity(value)).toBeUndefined()
    }
  })
})

describe('operations that may not have happened', () => {
  it.each([
    'register',
    'cas-register',
    'queue',
    'append-list',
    'kv',
    'lock that expires',
    'counter',
  ])('are searched as the definition says: %s', (name) => {
    const model = models[name]!()
    const found: Record<string, number> = {}
    const wrong: string[] = []
    for (let seed = 1; seed <= perModel; seed++) {
      const random = new Random(seed)
      const object = objects[name]!()
      const options = { operations: 7, clients: 4, unknown: 0.05, failed: 0 }
      const honest = honestHistory(object, random, options)
      const history = random.chance(0.5) ? honest : corrupt(honest, object, random)
      const { parts } = prepare(model, history)
      const part = parts[random.below(parts.length)]
      if (part === undefined) continue
      const often = random.pick([0.3, 0.6])
      const optional = new Set([...part.operations.keys()].filter(() => random.chance(often)))
      const order = timeline(model, part, optional)
      const status = new Search(model, order, new MemoryBudget(2 ** 24)).run(1e6)
      const expected = someSubset(model, part.operations, optional) ? 'linearizable' : 'impossible'
      if (status !== expected) wrong.push(`seed ${seed}: ${status}, not ${expected}`)
      found[status] = (found[status] ?? 0) + 1
    }
    expect(wrong).toEqual([])
    expect(found['linearizable' satisfies SearchStatus]).toBeGreaterThan(perModel / 10)
    expect(found['impossible' satisfies SearchStatus]).toBeGreaterThan(perModel / 30)
  })
})

it('keeps the one of two like operations that expires later for later', () => {
  const add = (call: number, end: number): Operation => {
    return { client: call, input: { op: 'add', delta: 1 }, call, return: end, output: null }
  }
  const read = (output: number, call: number): Operation => {
    return { client: 'r', input: { op: 'read' }, call, return: call + 3, output }
  }
  const model = models['counter']!()
  // Only the second can be over by 10, and only the first is left after 12.
  const { parts } = prepare(model, [add(0, 100), add(1, 10), read(1, 12), read(2, 20)])
  const order = timeline(model, parts[0]!, new Set([0, 1]))
  expect(new Search(model, order, new MemoryBudget(2 ** 20)).run(1000)).toBe('linearizable')
})

/** Whether some choice of the optional operations, with any answers, is linearizable. */
function someSubset(
  model: Model,
  operations: readonly Operation[],
  optional: ReadonlySet<number>,
): boolean {
  const free = [...optional]
  return Array.from({ length: 2 ** free.length }, (_, choice) => choice).some((choice) => {
    const chosen = new Set(free.filter((_, i) => (choice & (1 << i)) !== 0))
    const history = operations
      .filter((_, at) => !optional.has(at) || chosen.has(at))
      .map((one) => (optional.has(operations.indexOf(one)) ? { ...one, wildcard: true } : one))
    return linearizableByBruteForce(withWildcards(model), wrapped(history))
  })
}

/** Hands the step the whole operation as input, so that it can ignore the answer of some. */
function wrapped(history: readonly Operation[]): Operation[] {
  return history.map((one) => ({ ...one, input: one }))
}

function withWildcards(model: Model): Model {
  return {
    name: model.name,
    init: () => model.init(),
    step: (state, input, output) => {
      const one = input as Operation & { readonly wildcard?: boolean }
      return model.step(
        state,
        one.input,
        one.wildcard === true || isUnknown(one) ? undefined : output,
      )
    },
    key: (state) => model.key(state),
  }
}

describe('parts', () => {
  it('are what shares keys, directly or through others', () => {
    const model = models['kv-transactions']!()
    const txn = (...keys: string[]) => ({
      client: 1,
      call: 0,
      return: 9,
      output: { committed: true },
      input: { op: 'txn', steps: keys.map((key) => ({ op: 'put', key, value: '1' })) },
    })
    const { parts } = prepare(model, [txn('a'), txn('b', 'c'), txn('d'), txn('c', 'e'), txn()])
    expect(parts.map(({ key, indices }) => [key, indices])).toEqual([
      ['a', [0]],
      ['b, c, e', [1, 3]],
      ['d', [2]],
      ['', [4]],
    ])
  })

  it('are one where an operation touches everything', () => {
    const model = models['set']!()
    const add = (value: number) => ({ client: 1, call: 0, input: { op: 'add', value } })
    const read = { client: 1, call: 0, return: 9, input: { op: 'read' }, output: [] }
    expect(prepare(model, [add(1), add(2)]).parts.length).toBe(2)
    expect(prepare(model, [add(1), read, add(2)]).parts.length).toBe(1)
  })

  it('keep keys apart that only look alike', () => {
    const get = (key: string) =>
      ({ client: 1, call: 0, return: 1, input: { op: 'get', key }, output: null }) as const
    const { parts } = prepare(kv(), [get('__proto__'), get('constructor'), get('')])
    expect(parts.map(({ key }) => key)).toEqual(['__proto__', 'constructor', ''])
  })
})
