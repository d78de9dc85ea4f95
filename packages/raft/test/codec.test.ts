// The bytes of messages and hard state: what was written is read, and whatever else comes is refused
// with `MALFORMED` and nothing worse.
import type { Entry, EntryKind } from '@quorate/core'
import { ByteWriter, decode, encode, isQuorateError } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hardStateCodec } from '../src/hard-state.ts'
import type { RaftMessage } from '../src/index.ts'
import { raftCodec } from '../src/index.ts'

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100 })
const term = fc.integer({ min: 0, max: 2 ** 40 })
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
const ids = fc.uniqueArray(id, { maxLength: 5 }).map((list) => list.sort())
const payload = fc.uint8Array({ maxLength: 40 })

const membership = fc.record({
  version: number,
  voters: ids,
  learners: ids,
  witnesses: ids,
  outgoing: ids,
  learnersNext: ids,
})

const append = fc
  .record({
    type: fc.constant('append' as const),
    id: number,
    prevIndex: number,
    prevTerm: term,
    commit: number,
    tail: fc.array(
      fc.record({
        growth: fc.integer({ min: 0, max: 3 }),
        kind: fc.constantFrom<EntryKind>('command', 'noop', 'membership'),
        payload,
      }),
      { maxLength: 8 },
    ),
    later: fc.integer({ min: 0, max: 5 }),
  })
  .map(({ tail, later, ...rest }): RaftMessage => {
    let epoch = rest.prevTerm
    const entries = tail.map(({ growth, kind, payload: bytes }, at): Entry => {
      epoch += growth
      return { index: rest.prevIndex + 1 + at, epoch, kind, payload: bytes }
    })
    return { ...rest, term: epoch + later, entries }
  })

const snapshot = fc.record({
  id,
  index: number,
  epoch: term,
  sizeBytes: number,
  checksum: fc.nat(0xffffffff),
  membership,
})

const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  append,
  fc.record({
    type: fc.constant('vote' as const),
    term,
    pre: fc.boolean(),
    transfer: fc.boolean(),
    relay: fc.boolean(),
    candidate: id,
    lastIndex: number,
    lastTerm: term,
  }),
  fc.record({
    type: fc.constant('voteReply' as const),
    term,
    pre: fc.boolean(),
    granted: fc.boolean(),
    candidate: id,
    voter: id,
  }),
  fc.record({
    type: fc.constant('appendReply' as const),
    term,
    id: number,
    ok: fc.boolean(),
    index: number,
    hint: number,
    hintTerm: term,
    blank: number,
  }),
  fc.record({
    type: fc.constant('heartbeat' as const),
    term,
    round: number,
    commit: number,
    leaderCommit: number,
    echo: number,
    hibernate: fc.boolean(),
    vouch: number,
  }),
  fc.record({
    type: fc.constant('heartbeatReply' as const),
    term,
    round: number,
    stamp: number,
    priority: number,
    blank: number,
    hibernating: fc.boolean(),
    starved: fc.array(id),
  }),
  fc.record({ type: fc.constant('commit' as const), term, commit: number }),
  fc.record({ type: fc.constant('refill' as const), term, index: number }),
  fc.record({
    type: fc.constant('snapshotOffer' as const),
    term,
    id: number,
    snapshot,
    others: fc.array(id),
  }),
  fc.record({ type: fc.constantFrom('timeoutNow' as const, 'wake' as const), term }),
  fc.record({ type: fc.constant('read' as const), term, token: number, lease: fc.boolean() }),
  fc.record({ type: fc.constant('readReply' as const), term, token: number, index: number }),
)

/** Reads bytes that may be anything; fails only where something other than `MALFORMED` is thrown. */
function readAny(bytes: Uint8Array): RaftMessage | undefined {
  try {
    return decode(raftCodec, bytes)
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED') || isQuorateError(error, 'INVALID_ARGUMENT'))
      return undefined
    throw error
  }
}

describe('messages', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(message, (given) => {
        expect(decode(raftCodec, encode(raftCodec, given))).toEqual(given)
      }),
      { numRuns: 2_000 },
    )
  })

  test('are written one way only: what can be read is written as the same bytes', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (given, at, byte) => {
        const bytes = encode(raftCodec, given)
        bytes[at % bytes.length] = byte
        const read = readAny(bytes)
        expect(read === undefined ? bytes : encode(raftCodec, read)).toEqual(bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  test('that are cut off anywhere are refused', () => {
    fc.assert(
      fc.property(message, fc.nat(), (given, at) => {
        const bytes = encode(raftCodec, given)
        expect(readAny(bytes.subarray(0, at % bytes.length))).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })

  test('that are noise are refused or read, never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        noise[0] = 1
        readAny(noise)
      }),
      { numRuns: 5_000 },
    )
  })

  test('of another version are refused', () => {
    expect(readAny(new Uint8Array([2, 11, 0]))).toBeUndefined()
    expect(readAny(new Uint8Array([1, 11, 0]))).toEqual({ type: 'wake', term: 0 })
    expect(readAny(new Uint8Array([1, 12, 0]))).toBeUndefined()
  })

  test('that announce more entries than can follow are refused before anything is allocated', () => {
    const writer = new ByteWriter()
    for (const byte of [1, 2]) writer.uint8(byte)
    for (const value of [1, 1, 0, 0, 0, 2 ** 40]) writer.varint(value)
    expect(readAny(writer.finish())).toBeUndefined()
  })

  test('carry payloads as views of the bytes that arrived', () => {
    const entry: Entry = {
      index: 1,
      epoch: 1,
      kind: 'command',
      payload: new Uint8Array(64).fill(7),
    }
    const bytes = encode(raftCodec, {
      type: 'append',
      term: 1,
      id: 1,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      entries: [entry],
    })
    const read = decode(raftCodec, bytes)
    expect(read.type === 'append' && read.entries[0]?.payload.buffer).toBe(bytes.buffer)
  })
})

test('a hard state is read as it was written', () => {
  const hard = fc.record({
    term,
    vote: fc.option(id, { nil: undefined }),
    commit: number,
    initial: fc.option(membership, { nil: undefined }),
    blank: fc.boolean(),
    floorIndex: number,
    floorTerm: term,
  })
  fc.assert(
    fc.property(hard, (given) => {
      expect(decode(hardStateCodec, encode(hardStateCodec, given))).toEqual(given)
    }),
  )
})
