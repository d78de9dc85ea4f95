// What a peer can cost the host that it calls: its share of what is under way and no more, no file
// left open, no text of its choice kept; and calls of the host to itself, which promise the same.
import { describe, expect, it } from 'vitest'
import type { LogStorage } from '@quorate/core'
import {
  ByteReader,
  ByteWriter,
  encodeUtf8,
  isQuorateError,
  QuorateError,
  resolveLimits,
} from '@quorate/core'
import { createHost } from '@quorate/runtime'
import { readRecord, writeCall, writeFailure } from '../src/frame.ts'
import { createSnapshotServer } from '../src/snapshot-exchange.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

const nothing = new Uint8Array(0)

async function alone(limits = {}) {
  const clock = manualClock()
  const wires = createWires(clock)
  const transport = wires.transport('a')
  const host = await createHost({ id: 'a', clock, limits, storage: scriptedStorage(), transport })
  for (const peer of ['b', 'c']) {
    await wires.transport(peer).start({} as never, { onFrame() {}, onPeer() {} })
  }
  await clock.settle()
  return { clock, wires, host }
}

describe('a peer that calls', () => {
  it('has half of what may be under way, and leaves the rest to others', async () => {
    const { clock, wires, host } = await alone({ pendingCallsMax: 8 })
    const served: string[] = []
    const ends: (() => void)[] = []
    host.serve('slow', (_request, { from }) => {
      served.push(from)
      return new Promise((resolve) => ends.push(() => resolve(nothing)))
    })
    let id = 0
    const call = async (from: string, count: number): Promise<void> => {
      const writer = new ByteWriter()
      writer.uint8(1)
      for (let at = 0; at < count; at++) writeCall(writer, ++id, 'slow', nothing)
      wires.inject(from, 'a', writer.finish())
      await clock.settle()
    }
    await call('b', 100)
    expect(served).toEqual(['b', 'b', 'b', 'b'])
    await call('c', 1)
    expect(served.at(-1)).toBe('c')
    // What has ended makes room again, for the same peer too.
    for (const end of ends.splice(0)) end()
    await clock.settle()
    await call('b', 100)
    expect(served.filter((from) => from === 'b')).toHaveLength(8)
    for (const end of ends.splice(0)) end()
    await host.close()
    expect(clock.timers).toBe(0)
  })

  it('names codes of errors, and no text of its own choice', () => {
    const read = (code: string): string => {
      const writer = new ByteWriter()
      writeFailure(writer, 1, new QuorateError(code as 'TIMEOUT', 'why'))
      try {
        const record = readRecord(new ByteReader(writer.finish()))
        return record.type === 'failure' ? record.error.code : record.type
      } catch (error) {
        return isQuorateError(error) ? error.code : String(error)
      }
    }
    expect(read('A_CODE_OF_A_NEWER_HOST')).toBe('A_CODE_OF_A_NEWER_HOST')
    for (const text of ['', 'x'.repeat(1_000_000), 'A'.repeat(65), 'NO SPACE', 'A"B', 'A\nB']) {
      expect(read(text)).toBe('MALFORMED')
    }
  })

  it('and stops in the middle of a snapshot leaves no file open for long', async () => {
    const clock = manualClock()
    const open = new Set<number>()
    let reads = 0
    const log = {
      async *readSnapshot(_id: string, { offset = 0 }: { offset?: number } = {}) {
        const read = ++reads
        open.add(read)
        try {
          for (let at = offset; at < 1_000; at += 10) yield new Uint8Array(10)
        } finally {
          open.delete(read)
        }
      },
    } as unknown as LogStorage
    const server = createSnapshotServer(clock, resolveLimits({}), () => log)
    const ask = (from: string, offset: number): Promise<Uint8Array> => {
      const writer = new ByteWriter()
      writer.text('g')
      writer.text('snap')
      writer.varint(offset)
      writer.varint(100)
      return server.answer(from, writer.finish())
    }
    await ask('b', 0)
    await ask('c', 0)
    expect(open.size).toBe(2)
    // Who goes on asking keeps its reader, however long it takes.
    for (let at = 1; at < 6; at++) {
      await clock.advance(10_000)
      expect(await ask('c', at * 100)).toHaveLength(100)
    }
    expect(reads).toBe(2)
    expect(open.size).toBe(1)
    await clock.advance(60_000)
    expect(open.size).toBe(0)
    expect(clock.timers).toBe(0)
    // And who comes back goes on where it stood.
    expect(await ask('c', 600)).toHaveLength(100)
    await server.close()
    expect(open.size).toBe(0)
    expect(clock.timers).toBe(0)
  })
})

describe('a call of the host to itself', () => {
  it('ends with its deadline, its signal, its error, and with the host', async () => {
    const { clock, host } = await alone()
    host.serve('slow', () => new Promise(() => {}))
    host.serve('bug', () => {
      throw new TypeError('a bug')
    })
    const abort = new AbortController()
    const unknown = { code: 'OUTCOME_UNKNOWN' }
    const checks = [
      expectRejection(host.call('a', 'slow', nothing, { timeoutMs: 50 }), unknown),
      expectRejection(host.call('a', 'slow', nothing, { signal: abort.signal }), unknown),
      expectRejection(host.call('a', 'bug', nothing), unknown),
      expectRejection(host.call('a', 'none', nothing), { code: 'UNAVAILABLE' }),
      expectRejection(host.call('a', 'slow', encodeUtf8('x')), unknown),
    ]
    await clock.advance(50)
    abort.abort()
    await host.close()
    await Promise.all(checks)
    expect(clock.timers).toBe(0)
  })
})
