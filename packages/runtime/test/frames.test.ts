// The bytes between hosts: every record survives, none can end the host that reads it, and what
// exceeds a frame is split between records or refused.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Lane } from '@quorate/core'
import {
  ByteReader,
  ByteWriter,
  encodeUtf8,
  isQuorateError,
  QuorateError,
  resolveLimits,
} from '@quorate/core'
import { createHost } from '@quorate/runtime'
import {
  algorithmTag,
  readRecord,
  writeCall,
  writeFailure,
  writeMessage,
  writeResult,
} from '../src/frame.ts'
import { createOutbox } from '../src/outbox.ts'
import { createTurns } from '../src/turns.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { silentMeters } from './fixtures/meters.ts'
import { createWires } from './fixtures/wires.ts'

const { codec } = scriptedConsensus()

function records(): Uint8Array {
  const writer = new ByteWriter()
  writeMessage(writer, 'group-1', 300, codec, 'hello')
  writeCall(writer, 70_000, 'kv', encodeUtf8('request'))
  writeResult(writer, 5, encodeUtf8('result'))
  writeFailure(writer, 6, new QuorateError('NOT_LEADER', 'b leads', { details: { leader: 'b' } }))
  writeFailure(writer, 7, new TypeError('a bug'))
  return writer.finish()
}

describe('records', () => {
  it('are read as they were written', () => {
    const reader = new ByteReader(records())
    const read = Array.from({ length: 5 }, () => readRecord(reader))
    reader.end()
    expect(read).toMatchObject([
      { type: 'message', group: 'group-1', tag: 300 },
      { type: 'call', id: 70_000, service: 'kv', body: encodeUtf8('request') },
      { type: 'result', id: 5, body: encodeUtf8('result') },
      {
        type: 'failure',
        id: 6,
        error: {
          code: 'NOT_LEADER',
          retryable: true,
          message: 'b leads',
          details: { leader: 'b' },
        },
      },
      {
        type: 'failure',
        id: 7,
        error: { code: 'OUTCOME_UNKNOWN', message: 'a bug', retryable: false },
      },
    ])
  })

  it('cut short or with a bit flipped give a record or MALFORMED, nothing else', () => {
    const whole = records()
    const read = (bytes: Uint8Array): boolean => {
      const reader = new ByteReader(bytes)
      try {
        while (reader.remaining > 0) readRecord(reader)
        return true
      } catch (error) {
        return isQuorateError(error, 'MALFORMED')
      }
    }
    for (let length = 0; length < whole.length; length++)
      expect(whole.subarray(0, length)).toSatisfy(read)
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Uint8Array.from(whole)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(flipped).toSatisfy(read)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), read), { numRuns: 5_000 })
  })

  it('carry no details that would not be plain JSON', () => {
    const cyclic: Record<string, unknown> = {}
    const writer = new ByteWriter()
    writeFailure(
      writer,
      1,
      new QuorateError('TIMEOUT', '\ud800 lone', { details: { long: 'x'.repeat(2_000), cyclic } }),
    )
    expect(readRecord(new ByteReader(writer.finish()))).toMatchObject({
      error: { message: '\ufffd lone', details: {} },
    })
  })

  it('of different algorithms have different tags', () => {
    const tags = ['raft', 'paxos', 'scripted'].flatMap((name) =>
      [1, 2].map((wireVersion) => algorithmTag({ name, wireVersion })),
    )
    expect(new Set(tags).size).toBe(tags.length)
  })
})

describe('the outbox', () => {
  const setUp = (frameBytesMax: number) => {
    const clock = manualClock()
    const sent: { to: string; frame: Uint8Array; lane: Lane | undefined }[] = []
    const limits = resolveLimits({ commandBytesMax: 10, messageBytesMax: 10, frameBytesMax })
    const transport = {
      send(to: string, frame: Uint8Array, lane?: Lane) {
        sent.push({ to, frame, lane })
        return 'queued' as const
      },
    }
    const outbox = createOutbox(createTurns(clock), limits, transport, silentMeters())
    const put = (to: string, text: string, lane: Lane = 'fast') =>
      outbox.append(to, lane, (w) => writeCall(w, 1, 'kv', encodeUtf8(text)))
    const bodies = (): string[] =>
      sent.flatMap(({ frame }) => {
        const reader = new ByteReader(frame)
        expect(reader.uint8()).toBe(1)
        const found: string[] = []
        while (reader.remaining > 0) {
          const record = readRecord(reader)
          if (record.type === 'call') found.push(new TextDecoder().decode(record.body))
        }
        return found
      })
    return { clock, sent, put, bodies }
  }

  it('gathers by peer and lane until the end of the turn', async () => {
    const { clock, sent, put } = setUp(5_000)
    for (const to of ['b', 'c', 'b']) put(to, 'x')
    put('b', 'y', 'bulk')
    expect(sent).toEqual([])
    await clock.settle()
    expect(sent.map(({ to, lane }) => `${to} ${lane}`)).toEqual(['b fast', 'c fast', 'b bulk'])
    await clock.settle()
    expect(sent).toHaveLength(3)
  })

  it('starts a new frame rather than exceed one, and loses nothing', async () => {
    const { clock, sent, put, bodies } = setUp(5_000)
    const texts = Array.from({ length: 40 }, (_, at) => `${at}-`.padEnd(700, 'x'))
    for (const text of texts) expect(put('b', text)).toBe('queued')
    await clock.settle()
    expect(bodies()).toEqual(texts)
    expect(sent.length).toBeGreaterThan(5)
    for (const { frame } of sent) expect(frame.length).toBeLessThanOrEqual(5_000)
  })

  it('drops what would not fit alone, and keeps what came before', async () => {
    const { clock, put, bodies } = setUp(5_000)
    expect(put('b', 'y'.repeat(6_000))).toBe('dropped')
    put('b', 'before')
    expect(put('b', 'z'.repeat(6_000))).toBe('dropped')
    put('b', 'after')
    await clock.settle()
    expect(bodies()).toEqual(['before', 'after'])
  })
})

describe('a host', () => {
  it('survives any frame of a peer', async () => {
    const clock = manualClock()
    const wires = createWires(clock)
    const consensus = scriptedConsensus()
    const warnings: unknown[] = []
    const host = await createHost({
      id: 'a',
      clock,
      storage: scriptedStorage(),
      transport: wires.transport('a'),
      logger: { debug() {}, info() {}, warn: (fields) => void warnings.push(fields), error() {} },
    })
    await host.createReplica({
      group: 'group-1',
      consensus,
      stateMachine: listMachine(),
      members: { voters: ['a', 'b'] },
    })
    const good = Uint8Array.of(1, ...records())
    const random = host.random.fork('test')
    for (let round = 0; round < 2_000; round++) {
      const frame = Uint8Array.from(good.subarray(0, random.below(good.length) + 1))
      for (let change = random.below(3); change > 0; change--)
        frame[random.below(frame.length)] = random.below(256)
      wires.inject('b', 'a', frame)
    }
    await clock.settle()
    expect(host.status).toBe('open')
    expect(host.replica('group-1')?.status).toBe('open')
    expect(warnings.length).toBeGreaterThan(100)
    await host.close({ signal: AbortSignal.abort() })
  })

  it('keeps messages of another algorithm, and of groups it does not have, from its replicas', async () => {
    const clock = manualClock()
    const wires = createWires(clock)
    const consensus = scriptedConsensus()
    const host = await createHost({
      id: 'a',
      clock,
      storage: scriptedStorage(),
      transport: wires.transport('a'),
    })
    await host.createReplica({
      group: 'g',
      consensus,
      stateMachine: listMachine(),
      members: { voters: ['a', 'b'] },
    })
    const send = async (group: string, tag: number): Promise<void> => {
      const writer = new ByteWriter()
      writer.uint8(1)
      writeMessage(writer, group, tag, codec, 'hello')
      wires.inject('b', 'a', writer.finish())
      await clock.settle()
    }
    const received = () =>
      consensus.cores.get('a')?.inputs.filter(({ type }) => type === 'receive').length
    await send('g', algorithmTag({ name: 'raft', wireVersion: 1 }))
    await send('other', algorithmTag(consensus))
    expect(received()).toBe(0)
    await send('g', algorithmTag(consensus))
    expect(received()).toBe(1)
    await host.close({ signal: AbortSignal.abort() })
  })
})
