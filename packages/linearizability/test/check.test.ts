// The check around the search: budgets, taking turns, cancelling, going on, and what it refuses.
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  casRegister,
  check,
  checkAsync,
  createChecker,
  impossible,
  kv,
  operationsFromEvents,
  register,
  undecided,
  type HistoryEvent,
  type KvInput,
  type Operation,
  type RegisterInput,
  type Value,
} from '../src/index.ts'
import { hardHistory } from './hard.ts'

// Ten keys, fifty clients, three keys that lie; the worst of the others is hopeless to search.
const hard = hardHistory(2, { operations: 2000, clients: 50, keys: 10, lyingKeys: 3, puts: 0.05 })
const worstKey = hardHistory(2, {
  operations: 2000,
  clients: 50,
  keys: 10,
  lyingKeys: 0,
  puts: 0.05,
}).filter(({ input }) => input.key === 'key-9')

const stale: Operation<RegisterInput, Value>[] = [
  { client: 'a', input: { op: 'write', value: 1 }, call: 0, return: 10 },
  { client: 'b', input: { op: 'read' }, call: 20, return: 30, output: null },
]

describe('a history of 2,000 operations by 50 clients on 10 keys', () => {
  it('is decided although one part alone would take millions of steps', () => {
    expect(check(kv(), worstKey, { maxSteps: 1_000_000 })).toMatchObject({
      verdict: 'Unknown',
      reason: 'steps',
    })
    const result = check(kv(), hard, { maxSteps: 40_000 })
    expect(result.verdict).toBe('Illegal')
    expect(Number(result.illegal?.key.slice(4))).toBeLessThan(3)
    expect(result.steps).toBeLessThan(40_000)
    expect(result.peakBytes).toBeLessThan(4 * 2 ** 20)
  })

  it('takes turns: no part gets far ahead of the others', () => {
    const { parts, steps } = check(kv(), hard)
    const most = Math.max(...parts.map((part) => part.steps))
    expect(most).toBeLessThan(steps / 3)
    expect(parts.filter(({ reason }) => reason === 'skipped').length).toBeGreaterThan(3)
  })

  it('goes on where it stopped: slices of any size give the same answer in the same steps', () => {
    const whole = check(kv(), hard)
    for (const size of [1, 7, 1000, 1_000_000]) {
      const checker = createChecker(kv(), hard)
      while (!checker.run(size)) expect(checker.done).toBe(false)
      const result = checker.finish()
      expect(result.illegal?.key).toBe(whole.illegal?.key)
      expect(Math.abs(result.steps - whole.steps)).toBeLessThan(whole.steps / 20)
    }
  })

  it('decides every part if asked to', () => {
    const history = hardHistory(1, {
      operations: 2000,
      clients: 20,
      keys: 10,
      lyingKeys: 3,
      puts: 0.05,
    })
    const { parts, verdict } = check(kv(), history, { decideAll: true })
    expect(verdict).toBe('Illegal')
    expect(parts.map((part) => part.verdict).sort()).toEqual([
      ...Array.from({ length: 3 }, () => 'Illegal'),
      ...Array.from({ length: 7 }, () => 'Ok'),
    ])
  })
})

describe('long histories', () => {
  it('checks 20,000 operations of 50 clients in about one step each', () => {
    const history = hardHistory(3, {
      operations: 20_000,
      clients: 50,
      keys: 50,
      lyingKeys: 0,
      puts: 0,
      unknown: 0.01,
    })
    const result = check(kv(), history)
    expect(result.verdict).toBe('Ok')
    expect(result.steps).toBeLessThan(40_000)
  })

  it('finds the one stale read at the end of 5,000 operations on one register', () => {
    const history: Operation<RegisterInput, Value>[] = Array.from({ length: 5000 }, (_, i) => ({
      client: i % 5,
      input: { op: 'write', value: i },
      call: i * 10,
      return: i * 10 + 15,
    }))
    history.push({ client: 9, input: { op: 'read' }, call: 60_000, return: 60_001, output: 17 })
    const { verdict, illegal, steps } = check(register(), history)
    expect(verdict).toBe('Illegal')
    expect(illegal?.longest.length).toBe(5000)
    expect(illegal?.impossible).toMatchObject({ operation: 5000, refused: [5000] })
    expect(steps).toBeLessThan(100_000)
  })
})

describe('giving up', () => {
  it('says Unknown when the steps run out', () => {
    const result = check(kv(), hard, { maxSteps: 5000 })
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'steps' })
    expect(result.steps).toBeLessThan(5200)
    expect(result.illegal).toBeUndefined()
  })

  it('says Unknown when the memory runs out, and never holds more', () => {
    const maxMemoryBytes = 2 ** 20
    const result = check(kv(), worstKey, { maxMemoryBytes })
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'memory' })
    expect(result.peakBytes).toBeLessThanOrEqual(maxMemoryBytes)
  })

  it('gives up the largest part first, so that the small ones are still decided', () => {
    const easy = hardHistory(1, { operations: 900, clients: 20, keys: 3, lyingKeys: 0, puts: 1 })
    const { verdict, parts } = check(kv(), [...worstKey, ...easy], {
      maxMemoryBytes: 2 ** 20,
      maxSteps: 5_000_000,
    })
    expect(verdict).toBe('Unknown')
    const undecidedParts = parts.filter((part) => part.verdict === 'Unknown')
    expect(undecidedParts).toMatchObject([{ key: 'key-9', reason: 'memory' }])
    expect(parts.length).toBe(4)
  })

  it('says Unknown when the time runs out', () => {
    let now = 0
    const result = check(kv(), worstKey, { maxTime: 10, now: () => now++ })
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'time' })
  })

  it('says Unknown when it is cancelled before it starts', () => {
    const result = check(kv(), hard, { signal: AbortSignal.abort() })
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'cancelled', steps: 0 })
  })

  it('says Unknown when a signal arrives between two slices', async () => {
    const controller = new AbortController()
    let pauses = 0
    const result = await checkAsync(kv(), worstKey, {
      signal: controller.signal,
      sliceSteps: 1000,
      pause: async () => {
        await setImmediate()
        pauses += 1
        if (pauses === 3) controller.abort()
      },
    })
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'cancelled' })
    expect(pauses).toBe(3)
  })

  it('says Unknown when the model gives up', () => {
    const result = check({ ...register(), step: () => undecided }, stale)
    expect(result).toMatchObject({ verdict: 'Unknown', reason: 'model' })
  })

  it('still says Illegal where one part is, whatever happened to the others', () => {
    const bad: Operation<KvInput, Value>[] = [
      { client: 1, input: { op: 'get', key: 'other' }, call: 0, return: 1, output: 'never' },
    ]
    const result = check(kv(), [...worstKey, ...bad], { maxMemoryBytes: 2 ** 18 })
    expect(result).toMatchObject({ verdict: 'Illegal', illegal: { key: 'other' } })
  })
})

describe('what is left out', () => {
  it('is what failed and what was read with unknown outcome', () => {
    const result = check(casRegister(), [
      { client: 1, input: { op: 'write', value: 1 }, call: 0, return: 1, outcome: 'failed' },
      { client: 2, input: { op: 'read' }, call: 0 },
      { client: 3, input: { op: 'cas', from: null, to: 2 }, call: 0 },
      { client: 4, input: { op: 'read' }, call: 5, return: 6, output: 2 },
    ])
    expect(result).toMatchObject({ verdict: 'Ok', operations: 4, failed: 1, unread: 1 })
    expect(result.parts[0]).toMatchObject({ indices: [2, 3], longest: [0, 1] })
  })

  it('is Ok where nothing is left', () => {
    expect(check(register(), [])).toMatchObject({ verdict: 'Ok', parts: [], steps: 0 })
  })

  it('accepts an answer of which only the start is known', () => {
    const history: Operation<RegisterInput, Value>[] = [
      { client: 1, input: { op: 'read' }, call: 0, return: Infinity, output: 1 },
      { client: 2, input: { op: 'write', value: 1 }, call: 50, return: 60 },
    ]
    expect(check(register(), history).verdict).toBe('Ok')
    expect(check(register(), history.slice(0, 1)).verdict).toBe('Illegal')
  })
})

describe('the event form', () => {
  const events: HistoryEvent<RegisterInput, Value>[] = [
    { kind: 'call', id: 0, client: 'a', input: { op: 'write', value: 100 } },
    { kind: 'call', id: 1, client: 'b', input: { op: 'read' } },
    { kind: 'call', id: 2, client: 'c', input: { op: 'read' } },
    { kind: 'return', id: 2, output: null },
    { kind: 'return', id: 1, output: 100 },
    { kind: 'return', id: 0 },
  ]

  it('is a history by the order of its events', () => {
    expect(check(register(), operationsFromEvents(events)).verdict).toBe('Ok')
    const late = [events[0]!, events[5]!, events[2]!, events[3]!]
    expect(check(register(), operationsFromEvents(late)).verdict).toBe('Illegal')
  })

  it('has unknown outcomes where there is no return, and outcomes that say so', () => {
    const operations = operationsFromEvents([
      events[0]!,
      events[1]!,
      { kind: 'return', id: 1, outcome: 'failed' },
    ])
    expect(operations).toMatchObject([{ call: 0 }, { call: 1, return: 2, outcome: 'failed' }])
    expect(operations[0]).not.toHaveProperty('return')
  })

  it('must pair up', () => {
    expect(() => operationsFromEvents([events[0]!, events[0]!])).toThrow('called twice')
    expect(() => operationsFromEvents([events[5]!])).toThrow('without an open call')
    expect(() => operationsFromEvents([events[0]!, events[5]!, events[5]!])).toThrow('without')
  })
})

describe('mistakes', () => {
  const read = { client: 1, input: { op: 'read' }, call: 5, return: 6, output: 1 } as const
  it.each([
    [{ ...read, call: Number.NaN }, 'call must be a finite number'],
    [{ ...read, return: 4 }, 'return must be a number not before the call'],
    [{ ...read, return: Number.NaN }, 'return must be'],
    [{ ...read, return: undefined, outcome: 'ok' as const }, 'no return time'],
    [{ ...read, outcome: 'maybe' as never }, 'outcome must be'],
    [{ ...read, output: undefined }, 'the result must be a string, number'],
    [{ ...read, input: { op: 'drop' } as never }, 'op must be one of read, write'],
    [{ ...read, input: { op: '__proto__' } as never }, 'op must be one of'],
    [{ ...read, input: { op: 'write' } as never, output: null }, 'value must be'],
    [{ ...read, input: 7 as never }, 'the input must be an object'],
  ])('%j is refused: %s', (operation, message) => {
    expect(() => check(register(), [operation])).toThrow(TypeError)
    expect(() => check(register(), [operation])).toThrow(message)
  })

  it('in options are refused', () => {
    expect(() => check(register(), [], { maxSteps: 0 })).toThrow(TypeError)
    expect(() => check(register(), [], { maxMemoryBytes: Number.NaN })).toThrow(TypeError)
    expect(() => check(register(), [], { maxTime: 5 })).toThrow('maxTime needs now')
    expect(() => createChecker(register(), stale).run(-1)).toThrow(TypeError)
  })

  it('of a model whose step is not a function of its arguments are found', () => {
    let calls = 0
    const model = register()
    const step: typeof model.step = (state, input, output) => {
      calls += 1
      return calls > 2 && input.op === 'write' ? impossible : model.step(state, input, output)
    }
    expect(() => check({ ...model, step }, stale)).toThrow('not a function of its arguments')
  })
})
