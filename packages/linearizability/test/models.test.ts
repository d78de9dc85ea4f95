// What every model owes the search, tried on states, inputs and answers from seeds: if one of these
// does not hold, the search may cut what it must not.
import { describe, expect, it } from 'vitest'
import {
  impossible,
  modelByName,
  modelNames,
  isModelName,
  undecided,
  powerSet,
} from '../src/index.ts'
import { models } from './models.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

describe.each(Object.keys(models))('%s', (name) => {
  const model = models[name]!()

  /** Visits states that a run of the object leads to, with an operation for each. */
  function walk(visit: (state: unknown, input: unknown, random: Random) => void): void {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed)
      const object = objects[name]!()
      let state = model.init()
      for (let step = 0; step < 8; step++) {
        const input = object.think(random)
        visit(state, input, random)
        const output = random.chance(0.1) ? undefined : object.act(input, random)
        const after = model.step(state, input, output)
        // A lost answer may let the state part from the object's.
        if (after === impossible) break
        state = after
      }
    }
  }

  it('leaves the state as it is wherever an operation is read-only and possible', () => {
    let seen = 0
    const object = objects[name]!()
    walk((state, input, random) => {
      for (const output of [undefined, object.lie(input as never, random), true, false, null]) {
        if (model.validate?.(input, output, output !== undefined) !== undefined) continue
        if (model.readOnly?.(input, output) !== true) continue
        const after = model.step(state, input, output)
        if (output === undefined || after === impossible) continue
        seen += 1
        expect(model.key(after)).toBe(model.key(state))
      }
    })
    expect(seen).toBeGreaterThan(model.readOnly === undefined ? -1 : 10)
  })

  it('is never read-only with an unknown answer where it can change the state', () => {
    walk((state, input) => {
      if (model.readOnly?.(input, undefined) !== true) return
      expect(model.key(model.step(state, input, undefined))).toBe(model.key(state))
    })
  })

  it('has a possible step for every operation with an unknown answer', () => {
    walk((state, input) => {
      expect(model.step(state, input, undefined)).not.toBe(impossible)
    })
  })

  it('steps to the same key from the same arguments and never changes its state', () => {
    walk((state, input, random) => {
      const key = model.key(state)
      const output = random.chance(0.5) ? undefined : objects[name]!().lie(input as never, random)
      const after = model.step(state, input, output)
      const again = model.step(state, input, output)
      expect(model.key(state)).toBe(key)
      const keys = [after, again].map((one) => (one === impossible ? 'impossible' : model.key(one)))
      expect(keys[0]).toBe(keys[1])
    })
  })

  it('describes every state and operation in one line', () => {
    walk((state, input) => {
      const lines = [model.describeState?.(state), model.describe?.(input, undefined)]
      for (const line of lines) expect(line ?? '-').toMatch(/^.+$/)
    })
  })

  it('accepts what the object does and refuses other shapes', () => {
    walk((_, input) => {
      expect(model.validate?.(input, undefined, false)).toBeUndefined()
    })
    for (const wrong of [null, 'read', {}, { op: 'no such' }, { op: 1 }]) {
      expect(model.validate?.(wrong, undefined, false)).toBeTypeOf('string')
    }
  })
})

describe.each(Object.keys(models).filter((name) => !/expires|forgetful/.test(name)))(
  '%s, one client alone',
  (name) => {
    it('refuses every answer that the object does not give', () => {
      const model = models[name]!().joint ?? models[name]!()
      const wrong: unknown[] = []
      let refused = 0
      for (let seed = 1; seed <= 300; seed++) {
        const random = new Random(seed)
        const object = objects[name]!()
        let state = model.init()
        for (let step = 0; step < 10; step++) {
          const input = object.think(random)
          const answer = object.act(input, random)
          for (const lie of [object.lie(input, random), object.lie(input, random)]) {
            if (mayAnswer(name, input.op, answer, lie)) continue
            refused += 1
            const isRefused = model.step(state, input, lie) === impossible
            if (!isRefused) wrong.push([seed, input, answer, lie])
          }
          state = model.step(state, input, answer)
          if (state === impossible) wrong.push([seed, input, answer, 'refused'])
        }
      }
      expect(wrong).toEqual([])
      expect(refused).toBeGreaterThan(300)
    })
  },
)

/** Whether an answer other than the object's is as good: the same, none where none is needed, a greater token. */
function mayAnswer(name: string, op: string, answer: unknown, lie: unknown): boolean {
  const needsNone = /^(add|remove|append|write|put|enqueue|delete)$/.test(op)
  if (needsNone && (answer === null || lie === null)) return true
  if (op === 'acquire' && typeof lie === 'number' && typeof answer === 'number') return true
  return inOrder(lie, name) === inOrder(answer, name)
}

/** An answer as text; that of a set has no order. */
function inOrder(answer: unknown, name: string): string {
  return JSON.stringify(
    name === 'set' && Array.isArray(answer) ? answer.map(String).sort() : answer,
  )
}

describe('the models by name', () => {
  it('have their names', () => {
    expect(modelNames.map((name) => modelByName(name).name)).toEqual(modelNames)
    expect(modelNames.length).toBe(9)
    expect(isModelName('kv')).toBe(true)
    expect(isModelName('toString')).toBe(false)
  })

  it('take their options', () => {
    const empty = modelByName('kv', { absent: '' })
    expect(empty.step(empty.init(), { op: 'get', key: 'x' }, '')).not.toBe(impossible)
    expect(empty.step(empty.init(), { op: 'get', key: 'x' }, null)).toBe(impossible)
    expect(modelByName('register', { initial: 7 }).init()).toBe(7)
    const held = { holder: 1, last: 1, fence: 0 }
    const second = { op: 'acquire', lock: 'l' }
    expect(modelByName('lock').step(held, second, 2)).toBe(impossible)
    expect(modelByName('lock', { expires: true }).step(held, second, 2)).not.toBe(impossible)
    expect(() => modelByName('kv', { absent: [] as never })).toThrow(TypeError)
  })

  it('of the lock: no token is given twice, whoever held it before', () => {
    const model = modelByName('lock')
    const acquire = { op: 'acquire', lock: 'l' }
    const held = model.step(model.init(), acquire, 3)
    const free = model.step(held as never, { op: 'release', lock: 'l', token: 3 }, true)
    expect(model.step(free as never, acquire, 3)).toBe(impossible)
    expect(model.step(free as never, acquire, 2)).toBe(impossible)
    expect(model.step(free as never, acquire, 4)).not.toBe(impossible)
  })
})

describe('a keyed model as a whole', () => {
  it('has the same key whether an object was touched or never', () => {
    const joint = modelByName('kv').joint!
    const put = joint.step(joint.init(), { op: 'put', key: 'x', value: 1 }, null)
    expect(joint.key(put)).not.toBe(joint.key(joint.init()))
    expect(joint.key(joint.step(put, { op: 'delete', key: 'x' }, true))).toBe(
      joint.key(joint.init()),
    )
  })
})

describe('malformed operations', () => {
  it.each([
    ['kv', { op: 'put', key: 1, value: 'x' }, null, 'key must be a string'],
    ['kv', { op: 'append', key: 'k', value: 1 }, null, 'value must be a string'],
    ['kv', { op: 'cas', key: 'k', from: 1, to: 2 }, 'yes', 'the result must be a boolean'],
    ['kv', { op: 'put', key: 'k', value: 'x' }, 'old', 'the result must be absent or null'],
    ['register', { op: 'write', value: Number.NaN }, null, 'value must be'],
    ['register', { op: 'write', value: { deep: 1 } }, null, 'value must be'],
    ['set', { op: 'read' }, [[1]], 'the result must be an array'],
    ['queue', { op: 'enqueue', value: null }, null, 'must not be null'],
    ['counter', { op: 'add', delta: 0.5 }, null, 'delta must be a safe integer'],
    ['lock', { op: 'release', lock: 'l', token: '1' }, true, 'token must be a safe integer'],
    ['append-list', { op: 'read', key: 'k' }, 'x', 'the result must be an array'],
    ['kv-transactions', { op: 'txn', steps: 'x' }, null, 'steps must be an array'],
    ['kv-transactions', { op: 'txn', steps: [{ op: 'cas' }] }, null, 'step 0: op must be one of'],
    ['kv-transactions', { op: 'txn', steps: [] }, true, 'an object with committed'],
    ['kv-transactions', { op: 'txn', steps: [] }, { committed: 1 }, 'committed must be a boolean'],
    [
      'kv-transactions',
      { op: 'txn', steps: [{ op: 'get', key: 'x' }] },
      { committed: true },
      'reads must be an array of 1 values',
    ],
  ] as const)('of %s: %j → %j', (name, input, output, complaint) => {
    expect(modelByName(name).validate?.(input, output, true)).toContain(complaint)
  })
})

describe('the power set', () => {
  it('gives up, and does not guess, where there are too many states', () => {
    const model = powerSet<number, string, null>(
      {
        name: 'wild',
        init: () => [0],
        step: (state) => [state * 2 + 1, state * 2 + 2],
        key: (state) => state,
      },
      { maxStates: 4 },
    )
    const two = model.step(model.init(), 'x', null)
    const four = model.step(two as readonly number[], 'x', null)
    expect(model.key(four as readonly number[])).toBe(
      '["number:3","number:4","number:5","number:6"]',
    )
    expect(model.step(four as readonly number[], 'x', null)).toBe(undecided)
  })
})
