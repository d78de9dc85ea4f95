// What is damaged on disk, before, across and after the snapshot: what the replica still vouches for,
// and what it writes over.
import type { ConsensusInit, IndexRange, NodeId } from '@quorate/core'
import { createRandom, encode, membershipOf, noTracer, resolveLimits } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { hardStateCodec, noHardState } from '../src/hard-state.ts'
import type { RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { append, entriesOf, snapshotAt } from './edge-bench.ts'

const members = membershipOf({ voters: ['a', 'b', 'c'] })

/** A replica in term 2 that held entries 1 to 6, all of term 1, and a snapshot at `snapshotIndex`. */
function start(
  snapshotIndex: number,
  faulty: readonly IndexRange[],
  commit = 3,
  appliedIndex = snapshotIndex,
) {
  const last = faulty.at(-1)?.last ?? 0
  const hardState = encode(hardStateCodec, { ...noHardState, term: 2, commit, initial: members })
  const init: ConsensusInit = {
    id: 'a',
    group: 'g',
    bootstrap: undefined,
    appliedIndex,
    now: 0,
    tracer: noTracer,
    random: createRandom(1),
    limits: resolveLimits({}),
    recovered: {
      hardState,
      snapshot: snapshotIndex === 0 ? undefined : snapshotAt(snapshotIndex, 1),
      firstIndex: 1,
      lastIndex: 6,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: 1 },
      ],
      tail: entriesOf(1, 1, 1, 1, 1, 1, 1).filter(({ index }) => index > last),
      membershipEntries: [],
      faulty,
    },
  }
  const core = raft({ preVote: false, checkQuorum: false }).create(init)
  let now = 10_000
  core.step({ type: 'tick' }, 1_000)
  const receive = (from: NodeId, message: RaftMessage): ReturnType<typeof core.step> =>
    core.step({ type: 'receive', from, message }, now)
  /** Whether it votes for a log of term 1 that ends at `lastIndex`. */
  let term = 5
  const votes = (lastIndex: number): boolean => {
    term += 1
    const request = {
      type: 'vote',
      pre: false,
      transfer: true,
      relay: false,
      candidate: 'b',
    } as const
    const { sendAfterPersist } = receive('b', { ...request, term, lastIndex, lastTerm: 1 })
    const reply = sendAfterPersist.find(({ message }) => message.type === 'voteReply')?.message
    return reply?.type === 'voteReply' && reply.granted
  }
  const campaigns = (): boolean => {
    // Woken late, a replica first listens: the second time it goes on.
    for (let tick = 0; tick < 3 && core.status().role === 'follower'; tick++) {
      now = Math.max(now, Math.min(core.wakeAt, now + 5_000))
      core.step({ type: 'tick' }, now)
    }
    return core.status().role === 'candidate'
  }
  return { core, receive, votes, campaigns }
}

describe('damage before the snapshot costs nothing', () => {
  test.each([[{ first: 1, last: 1 }], [{ first: 2, last: 3 }], [{ first: 3, last: 3 }]])(
    '%o',
    (range) => {
      const { core, votes, campaigns } = start(3, [range])
      expect(core.status()).toMatchObject({ firstIndex: 4, lastIndex: 6, commitIndex: 3 })
      expect(core.appliedPosition()).toMatchObject({ index: 3, epoch: 1 })
      expect(votes(5)).toBe(false)
      expect(votes(6)).toBe(true)
      expect(campaigns()).toBe(true)
    },
  )
})

describe('damage after it, or across its end, is refilled, and what was there is vouched for', () => {
  test.each<[string, readonly IndexRange[], number]>([
    ['after', [{ first: 5, last: 5 }], 4],
    ['right after', [{ first: 4, last: 4 }], 3],
    ['across', [{ first: 2, last: 4 }], 3],
    ['all of it', [{ first: 1, last: 6 }], 3],
    [
      'before and after',
      [
        { first: 1, last: 2 },
        { first: 6, last: 6 },
      ],
      5,
    ],
  ])('%s', (_name, faulty, lastIndex) => {
    const { core, receive, votes, campaigns } = start(3, faulty)
    expect(core.status()).toMatchObject({ lastIndex, commitIndex: 3 })
    // It held six entries: nobody with fewer is helped, and until it has them again it does not lead.
    expect(votes(5)).toBe(false)
    expect(campaigns()).toBe(false)
    // The term of a last entry that cannot be read may be any: one of the leader's own settles it.
    const terms = Array.from({ length: 6 - lastIndex }, () => 1)
    const rest = entriesOf(lastIndex + 1, ...terms, 20)
    const { persist } = receive('c', append(20, [lastIndex, 1], rest))
    // What is damaged is cut off before anything is written behind it.
    expect(persist).toMatchObject({ truncateFrom: lastIndex + 1, append: rest })
    expect(core.status()).toMatchObject({ lastIndex: 7 })
    expect(campaigns()).toBe(true)
  })
})

test('a snapshot that contradicts what is left takes that and the damage behind it away', () => {
  const { core, receive } = start(0, [{ first: 5, last: 6 }], 2)
  expect(core.status()).toMatchObject({ firstIndex: 1, lastIndex: 4, commitIndex: 2 })
  const snapshot = snapshotAt(4, 2)
  receive('c', { type: 'snapshotOffer', term: 20, id: 1, snapshot, others: [] })
  const { persist } = core.step({ type: 'snapshotFetched', snapshot }, core.wakeAt)
  // Entries 3 and 4 are not what the snapshot stands for: left behind they would come back.
  expect(persist).toMatchObject({ truncateFrom: 3, compactTo: 4, snapshot })
  expect(core.status()).toMatchObject({ firstIndex: 5, lastIndex: 4 })
})

test('a state that is ahead of a damaged log is not set back by a snapshot of less', () => {
  const { core, receive } = start(3, [{ first: 5, last: 6 }], 6, 6)
  expect(core.status()).toMatchObject({ lastIndex: 4, commitIndex: 4, appliedIndex: 6 })
  const snapshot = snapshotAt(5, 1)
  receive('c', { type: 'snapshotOffer', term: 20, id: 1, snapshot, others: [] })
  const { persist, install } = core.step({ type: 'snapshotFetched', snapshot }, 10_000)
  expect(persist).toMatchObject({ snapshot, compactTo: 5 })
  expect(install).toBeUndefined()
  // Nor is anything that it contains applied again.
  const effects = receive('c', append(20, [5, 1], entriesOf(6, 1, 20), 7))
  const persistedAll = (last: number): ReturnType<typeof receive> => {
    for (let seq = 1; seq < last; seq++) core.step({ type: 'persisted', seq }, 10_000)
    return core.step({ type: 'persisted', seq: last }, 10_000)
  }
  expect(effects.apply).toEqual([])
  const done = persistedAll(effects.persist?.seq as number)
  expect(done.apply.map(({ index }) => index)).toEqual([7])
})

test('a conflict before the damage is cut back, and the damage with it', () => {
  const { core, receive } = start(0, [{ first: 5, last: 6 }], 2)
  const { persist } = receive('c', append(20, [2, 1], entriesOf(3, 20)))
  expect(persist).toMatchObject({ truncateFrom: 3, append: [{ index: 3, epoch: 20 }] })
  expect(core.status()).toMatchObject({ lastIndex: 3 })
})
