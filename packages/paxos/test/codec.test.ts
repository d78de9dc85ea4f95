// The bytes of messages and hard state: what was written is read, and whatever else comes is refused
// with `MALFORMED` and nothing worse.
import type { Entry, EntryKind } from '@quorate/core'
import { ByteWriter, decode, encode, isQuorateError } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ballotOf, ownerOf, partsOf } from '../src/ballot.ts'
import { NEVER_TOLD, hardStateCodec } from '../src/hard-state.ts'
import type { PaxosMessage } from '../src/index.ts'
import { paxosCodec } from '../src/index.ts'

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100 })
const flag = fc.boolean()
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
const ids = fc.uniqueArray(id, { maxLength: 5 }).map((list) => list.sort())
const membership = fc.record({
  version: number,
  voters: ids,
  learners: ids,
  witnesses: ids,
  outgoing: ids,
  learnersNext: ids,
})
const snapshot = fc.record({
  id,
  index: number,
  epoch: number,
  sizeBytes: number,
  checksum: fc.nat(0xffffffff),
  membership,
})
const tail = fc.array(
  fc.record({
    growth: fc.integer({ min: 0, max: 3 }),
    kind: fc.constantFrom<EntryKind>('command', 'noop', 'membership'),
    payload: fc.uint8Array({ maxLength: 40 }),
  }),
  { maxLength: 8 },
)

/** Fills in entries after `prev`, and a ballot that is no smaller than theirs. */
function withEntries<T extends { readonly prev: number }>(
  record: fc.Arbitrary<T>,
): fc.Arbitrary<T & { config: number; ballot: number; entries: readonly Entry[] }> {
  return fc
    .tuple(record, tail, fc.nat(1_000), fc.nat(5), fc.nat(9))
    .map(([rest, items, first, later, config]) => {
      let epoch = first
      const entries = items.map(({ growth, kind, payload }, at): Entry => {
        epoch += growth
        return { index: rest.prev + 1 + at, epoch, kind, payload }
      })
      return { ...rest, config, ballot: epoch + later, entries }
    })
}

function of<K extends PaxosMessage['type'], R extends object>(
  type: K,
  fields: { [F in keyof R]: fc.Arbitrary<R[F]> } = {} as never,
): fc.Arbitrary<PaxosMessage> {
  return fc.record({ type: fc.constant(type), config: number, ballot: number, ...fields }) as never
}

const message: fc.Arbitrary<PaxosMessage> = fc.oneof(
  of('prepare', { accepted: number, length: number, decided: number, transfer: flag }),
  withEntries(
    fc.record({
      type: fc.constant('promise' as const),
      accepted: number,
      length: number,
      decided: number,
      blank: flag,
      floor: fc.option(fc.record({ accepted: number, length: number }), { nil: undefined }),
      prev: number,
    }),
  ),
  withEntries(
    fc.record({
      type: fc.constant('accept' as const),
      prev: number,
      prevEpoch: number,
      syncTo: number,
      decided: number,
    }),
  ),
  withEntries(
    fc.record({
      type: fc.constant('pulled' as const),
      prev: number,
      decided: number,
      base: fc.option(membership, { nil: undefined }),
    }),
  ),
  of('accepted', { index: number, gap: flag, partial: flag, blank: flag }),
  of('decide', { decided: number }),
  of('heartbeat', { round: number, happy: flag, hibernate: flag, decided: number, echo: number }),
  of('heartbeatReply', {
    round: number,
    stamp: number,
    priority: number,
    decided: number,
    blank: flag,
    briefed: flag,
    hibernating: flag,
    starved: fc.array(id),
  }),
  of('ask', { round: number }),
  of('answer', { round: number, happy: flag, led: flag, priority: number, decided: number }),
  of('pull', { first: number, last: number }),
  of('refill', { index: number }),
  of('offer', { snapshot, others: fc.array(id) }),
  of('read', { token: number, lease: flag }),
  of('readReply', { token: number, index: number }),
  of('inspect', { token: number }),
  of('inspected', { token: number, length: number, blank: flag }),
  of('nack'),
  of('takeOver'),
  of('wake'),
)

/** Reads bytes that may be anything; fails only where something other than a refusal is thrown. */
function readAny(bytes: Uint8Array): PaxosMessage | undefined {
  try {
    return decode(paxosCodec, bytes)
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
        expect(decode(paxosCodec, encode(paxosCodec, given))).toEqual(given)
      }),
      { numRuns: 3_000 },
    )
  })

  test('are written one way only: what can be read is written as the same bytes', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (given, at, byte) => {
        const bytes = encode(paxosCodec, given)
        bytes[at % bytes.length] = byte
        const read = readAny(bytes)
        expect(read === undefined ? bytes : encode(paxosCodec, read)).toEqual(bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  test('that are cut off anywhere are refused', () => {
    fc.assert(
      fc.property(message, fc.nat(), (given, at) => {
        const bytes = encode(paxosCodec, given)
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

  test('of another version or kind are refused', () => {
    expect(readAny(new Uint8Array([1, 18, 1, 0]))).toEqual({ type: 'wake', config: 1, ballot: 0 })
    expect(readAny(new Uint8Array([2, 18, 1, 0]))).toBeUndefined()
    expect(readAny(new Uint8Array([1, 19, 1, 0]))).toBeUndefined()
  })

  test('that announce more entries than can follow are refused before anything is allocated', () => {
    const writer = new ByteWriter()
    for (const byte of [1, 3]) writer.uint8(byte)
    for (const value of [1, 1, 0, 0, 0, 0, 2 ** 40]) writer.varint(value)
    expect(readAny(writer.finish())).toBeUndefined()
  })
})

test('a hard state is read as it was written, and none that contradicts itself', () => {
  fc.assert(
    fc.property(
      number,
      number,
      number,
      fc.option(membership, { nil: undefined }),
      (a, b, decided, initial) => {
        const [accepted, promised] = a < b ? [a, b] : [b, a]
        const floor = initial === undefined ? undefined : { accepted: decided, length: promised }
        const lost = {
          decided: promised,
          accepted,
          floor: { accepted, length: decided },
          configMax: a,
        }
        const relearn = decided % 2 === 0 ? lost : undefined
        const state = { promised, accepted, decided, blankTo: NEVER_TOLD, floor, relearn, initial }
        expect(decode(hardStateCodec, encode(hardStateCodec, state))).toEqual(state)
        if (accepted === promised) return
        const turned = { ...state, promised: accepted, accepted: promised }
        expect(() => decode(hardStateCodec, encode(hardStateCodec, turned))).toThrow('promised')
        const more = { ...state, relearn: { ...lost, accepted: promised + 1 } }
        expect(() => decode(hardStateCodec, encode(hardStateCodec, more))).toThrow('promised')
      },
    ),
  )
})

test('ballots are ordered by round, priority and rank, and each has one owner', () => {
  const part = fc.record({
    round: fc.integer({ min: 1, max: 2 ** 40 }),
    priority: fc.nat(100),
    rank: fc.nat(31),
  })
  fc.assert(
    fc.property(part, part, (a, b) => {
      expect(partsOf(ballotOf(a))).toEqual(a)
      const order = a.round - b.round || a.priority - b.priority || a.rank - b.rank
      expect(Math.sign(ballotOf(a) - ballotOf(b))).toBe(Math.sign(order))
    }),
  )
  const voters = ['a', 'b', 'c']
  const members = {
    version: 1,
    voters,
    learners: [],
    witnesses: [],
    outgoing: [],
    learnersNext: [],
  }
  const owner = (round: number, rank: number): string | undefined =>
    ownerOf(ballotOf({ round, priority: 1, rank }), members)
  expect([owner(1, 0), owner(9, 2), owner(1, 3), owner(0, 0), owner(2 ** 40 + 1, 0)]).toEqual([
    'a',
    'c',
    undefined,
    undefined,
    undefined,
  ])
})
