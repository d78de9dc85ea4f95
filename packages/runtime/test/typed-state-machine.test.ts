// State machines over values: what travels is bytes, what is written and read is typed, and what
// cannot be read never makes replicas differ.
import { describe, expect, it } from 'vitest'
import type { Codec, Replica, StateMachine } from '@quorate/core'
import { encode, encodeUtf8 } from '@quorate/core'
import { jsonCodec, typedStateMachine } from '@quorate/runtime'

const number: Codec<number> = {
  write: (writer, value) => writer.varint(value),
  read: (reader) => reader.varint(),
}

function counter(later = false) {
  let total = 0
  const seen: number[] = []
  const machine = typedStateMachine({
    command: number,
    result: jsonCodec<{ total: number }>(),
    query: jsonCodec<string>(),
    answer: jsonCodec<number | null>(),
    apply(by, index) {
      seen.push(index)
      total += by
      const result = { total }
      return later ? Promise.resolve(result) : result
    },
    ask: (what) => (what === 'total' ? total : null),
    snapshot: () => [encode(number, total)],
    async restore(chunks) {
      for await (const chunk of chunks) total = chunk[0] ?? 0
    },
  })
  return { machine, seen }
}

/** A replica that applies at once, one command at a time. */
function replicaOf(machine: StateMachine): Replica {
  let index = 0
  return {
    propose: async (payload: Uint8Array) => (await machine.apply([{ index: ++index, payload }]))[0],
    query: async (query: Uint8Array) => machine.query(query),
  } as unknown as Replica
}

describe('a typed state machine', () => {
  it('gives each command its own result, in order, at once or later', async () => {
    for (const later of [false, true]) {
      const { machine, seen } = counter(later)
      const commands = [1, 2, 300].map((by, at) => ({ index: at + 5, payload: encode(number, by) }))
      const results = machine.apply(commands)
      expect(results instanceof Promise).toBe(later)
      const result = jsonCodec<{ total: number }>()
      expect(await results).toEqual([1, 3, 303].map((total) => encode(result, { total })))
      expect(seen).toEqual([5, 6, 7])
    }
  })

  it('gives callers a typed view of a replica', async () => {
    const { machine } = counter()
    const typed = machine.on(replicaOf(machine))
    expect(await typed.propose(5)).toEqual({ total: 5 })
    expect(await typed.propose(6)).toEqual({ total: 11 })
    expect(await typed.query('total')).toBe(11)
    expect(await typed.query('other')).toBe(null)
  })

  it('keeps its state in a snapshot', async () => {
    const { machine } = counter()
    await machine.apply([{ index: 1, payload: encode(number, 7) }])
    const copy = counter().machine
    async function* chunks(): AsyncIterable<Uint8Array> {
      yield* machine.snapshot() as Iterable<Uint8Array>
    }
    await copy.restore(chunks())
    expect(await copy.on(replicaOf(copy)).query('total')).toBe(7)
  })

  it('throws for bytes that its codecs did not write', () => {
    const { machine } = counter()
    const malformed = expect.objectContaining({ code: 'MALFORMED' }) as unknown
    const payload = Uint8Array.of(1, 2)
    expect(() => machine.apply([{ index: 1, payload }])).toThrow(malformed as Error)
    expect(() => machine.query(encodeUtf8('no'))).toThrow(malformed as Error)
  })
})
