// Shrinking: what is left fails on its own, cannot be smaller, and is never an artefact of what was
// left out. QUORATE_LIN_HISTORIES enlarges it.
import { describe, expect, it } from 'vitest'
import {
  check,
  kv,
  register,
  shrink,
  type Operation,
  type RegisterInput,
  type Value,
} from '../src/index.ts'
import { corrupt, honestHistory } from './generate.ts'
import { hardHistory } from './hard.ts'
import { models } from './models.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

const perModel = Math.ceil(Number(process.env['QUORATE_LIN_HISTORIES'] ?? 2000) / 40)

describe.each(Object.keys(models))('%s', (name) => {
  it('shrinks to histories that are illegal and minimal', () => {
    const model = models[name]!()
    let shrunk = 0
    for (let seed = 1; seed <= perModel; seed++) {
      const random = new Random(seed)
      const object = objects[name]!()
      const options = { operations: 20, clients: 4, unknown: 0.05, failed: 0.05 }
      const history = corrupt(honestHistory(object, random, options), object, random)
      const before = check(model, history).verdict
      const small = shrink(model, history)
      expect([seed, small === undefined]).toEqual([seed, before === 'Ok'])
      if (small === undefined) continue
      shrunk += 1
      expect([seed, check(model, small.history).verdict]).toEqual([seed, 'Illegal'])
      expect([seed, small.minimal]).toEqual([seed, true])
      expect(small.history.length).toBeLessThanOrEqual(20)
      const core = small.core.map((at) => small.history[at]!)
      expect([seed, check(model, core).verdict]).toEqual([seed, 'Illegal'])
      for (const [at, index] of small.indices.entries()) {
        expect(history[index]).toMatchObject({
          client: small.history[at]!.client,
          call: small.history[at]!.call,
        })
      }
    }
    expect(shrunk).toBeGreaterThan(perModel / 10)
  })
})

describe('what is left', () => {
  const write = (client: string, value: number, call: number): Operation<RegisterInput, Value> => ({
    client,
    input: { op: 'write', value },
    call,
    return: call + 5,
    output: null,
  })
  const read = (value: Value, call: number): Operation<RegisterInput, Value> => ({
    client: 'r',
    input: { op: 'read' },
    call,
    return: call + 5,
    output: value,
  })

  it('keeps what gives a read its meaning, and says what the proof is', () => {
    const history = [
      write('a', 1, 0),
      read(1, 10),
      write('b', 2, 20),
      read(2, 30),
      read(1, 40),
      write('c', 3, 50),
    ]
    const small = shrink(register(), history)
    // Either read alone has its write; both in this order have none.
    expect(small).toMatchObject({ indices: [0, 2, 3, 4], core: [2, 3], minimal: true })
    const overlapping = [
      { ...write('a', 1, 0), return: 60 },
      write('b', 2, 20),
      read(1, 30),
      read(2, 40),
      read(1, 50),
    ]
    expect(shrink(register(), overlapping)).toMatchObject({
      indices: [0, 1, 2, 3],
      core: [2, 3],
    })
  })

  it('is a single operation where nothing could explain it', () => {
    const history = [write('a', 1, 0), read(1, 10), read(9, 20), write('a', 9, 30)]
    expect(shrink(register(), history)).toMatchObject({ indices: [2], core: [0] })
  })

  it('ends at the first impossible step', () => {
    const history = [write('a', 1, 0), read(7, 10), write('a', 7, 12), read(9, 100)]
    expect(shrink(register(), history)?.indices).toEqual([3])
    expect(shrink(register(), history.slice(0, 3))).toBeUndefined()
  })

  it('is a few dozen operations of a history of 2,000 by 50 clients', () => {
    const history = hardHistory(2, {
      operations: 2000,
      clients: 50,
      keys: 10,
      lyingKeys: 3,
      puts: 0.05,
    })
    const small = shrink(kv(), history)
    expect(check(kv(), small?.history ?? []).verdict).toBe('Illegal')
    expect(small?.history.length).toBeLessThan(50)
    expect(small?.core.length).toBeLessThan(16)
  })

  it('is not called minimal where a budget ran out, and is still illegal', () => {
    const history = hardHistory(2, {
      operations: 2000,
      clients: 50,
      keys: 10,
      lyingKeys: 3,
      puts: 0.05,
    })
    const small = shrink(kv(), history, { maxTrialSteps: 1 })
    expect(small?.minimal).toBe(false)
    expect(check(kv(), small?.history ?? []).verdict).toBe('Illegal')
    expect(shrink(kv(), history, { signal: AbortSignal.abort() })).toBeUndefined()
  })
})
