// Sequential consistency against its definition, and what it forgives that linearizability does not.
import { describe, expect, it } from 'vitest'
import {
  check,
  checkSequential,
  impossible,
  kv,
  register,
  type Model,
  type Operation,
  type RegisterInput,
  type Value,
} from '../src/index.ts'
import { isUnknown } from './brute-force.ts'
import { corrupt, honestHistory } from './generate.ts'
import { models } from './models.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

/** Every order that keeps each client's own; unknown operations at any later point, or never. */
function sequentialByBruteForce(model: Model, history: readonly Operation[]): boolean {
  const whole = model.joint ?? model
  const extend = (state: unknown, remaining: readonly Operation[]): boolean =>
    remaining.every(isUnknown) ||
    remaining.some((operation) => {
      const tooEarly = remaining.some(
        (other) =>
          !isUnknown(other) && other.client === operation.client && other.call < operation.call,
      )
      if (tooEarly) return false
      const output = isUnknown(operation) ? undefined : operation.output
      const after = whole.step(state, operation.input, output)
      const rest = remaining.filter((other) => other !== operation)
      return after !== impossible && extend(after, rest)
    })
  return extend(
    whole.init(),
    history.filter(({ outcome }) => outcome !== 'failed'),
  )
}

describe.each(Object.keys(models))('%s', (name) => {
  it('agrees with brute force', () => {
    const model = models[name]!()
    const found = { Ok: 0, Illegal: 0, Unknown: 0 }
    const wrong: string[] = []
    let forgiven = 0
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed)
      const object = objects[name]!()
      const options = { operations: 6, clients: 3, unknown: 0.1, failed: 0.05 }
      const lying = corrupt(honestHistory(object, random, options), object, random)
      const history = lying.map((one, at) => ({ ...one, call: at * 2, ...ended(one, at) }))
      const { verdict, order } = checkSequential(model, history)
      const expected = sequentialByBruteForce(model, history) ? 'Ok' : 'Illegal'
      if (verdict !== expected) wrong.push(`seed ${seed}: ${verdict}, not ${expected}`)
      if (verdict === 'Ok' && !replays(model, history, order ?? []))
        wrong.push(`seed ${seed}: order`)
      if (verdict === 'Ok' && check(model, history).verdict === 'Illegal') forgiven += 1
      found[verdict] += 1
    }
    expect(wrong).toEqual([])
    expect(found.Ok).toBeGreaterThan(35)
    expect(found.Illegal).toBeGreaterThan(10)
    expect(forgiven).toBeGreaterThan(0)
  })
})

/** One after the other, so that no client does two things at once and real time is strict. */
function ended(operation: Operation, at: number): Partial<Operation> {
  return isUnknown(operation) || operation.outcome === 'failed'
    ? { outcome: operation.outcome ?? 'unknown', return: undefined }
    : { return: at * 2 + 1 }
}

function replays(model: Model, history: readonly Operation[], order: readonly number[]): boolean {
  const whole = model.joint ?? model
  let state = whole.init()
  for (const at of order) {
    const operation = history[at]!
    state = whole.step(state, operation.input, isUnknown(operation) ? undefined : operation.output)
    if (state === impossible) return false
  }
  const completed = [...history.keys()].filter(
    (at) => !isUnknown(history[at]!) && history[at]!.outcome !== 'failed',
  )
  return completed.every((at) => order.includes(at)) && new Set(order).size === order.length
}

describe('sequential consistency', () => {
  const write = (client: string, value: number, call: number): Operation<RegisterInput, Value> => ({
    client,
    input: { op: 'write', value },
    call,
    return: call + 1,
  })
  const read = (client: string, value: Value, call: number): Operation<RegisterInput, Value> => ({
    client,
    input: { op: 'read' },
    call,
    return: call + 1,
    output: value,
  })

  it('forgives a stale read of another client, but not of one that knows better', () => {
    expect(checkSequential(register(), [write('a', 1, 0), read('b', null, 5)]).verdict).toBe('Ok')
    expect(checkSequential(register(), [write('a', 1, 0), read('a', null, 5)]).verdict).toBe(
      'Illegal',
    )
  })

  it('is not local: two keys can each be fine and the whole not', () => {
    const op = (
      client: string,
      call: number,
      input: object,
      output: Value,
    ): Operation<never, Value> => ({
      client,
      call,
      return: call + 1,
      input: input as never,
      output,
    })
    const history = [
      op('a', 0, { op: 'put', key: 'x', value: 1 }, null),
      op('a', 2, { op: 'get', key: 'y' }, null),
      op('b', 0, { op: 'put', key: 'y', value: 1 }, null),
      op('b', 2, { op: 'get', key: 'x' }, null),
    ]
    expect(checkSequential(kv(), history).verdict).toBe('Illegal')
    for (const key of ['x', 'y']) {
      const one = history.filter(({ input }) => (input as { key: string }).key === key)
      expect(checkSequential(kv(), one).verdict).toBe('Ok')
    }
  })

  it('gives up within its budgets', () => {
    const history = Array.from({ length: 40 }, (_, i) => write(`c${i % 10}`, i, i * 3))
    history.push(read('z', 1000, 500))
    expect(checkSequential(register(), history, { maxSteps: 1000 })).toMatchObject({
      verdict: 'Unknown',
      reason: 'steps',
    })
    expect(checkSequential(register(), history, { maxMemoryBytes: 10_000 })).toMatchObject({
      verdict: 'Unknown',
      reason: 'memory',
    })
    expect(checkSequential(register(), history, { signal: AbortSignal.abort() })).toMatchObject({
      verdict: 'Unknown',
      reason: 'cancelled',
    })
  })

  it('needs clients that do one thing at a time', () => {
    const both = [write('a', 1, 0), { ...write('a', 2, 0), call: 0.5 }]
    expect(() => checkSequential(register(), both)).toThrow('two operations at once')
  })
})
