// Bugs that implementations of Raft are known to have had, one by one, at one core.
import type { ConsensusInit, Entry, NodeId } from '@quorate/core'
import {
  createRandom,
  encode,
  encodeUtf8,
  membershipCodec,
  membershipOf,
  noTracer,
  resolveLimits,
} from '@quorate/core'
import { expect, test } from 'vitest'
import { hardStateCodec, noHardState } from '../src/hard-state.ts'
import type { RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'
import type { RaftState } from '../src/state.ts'
import { append, Bench, entriesOf, snapshotAt, voted } from './edge-bench.ts'

test('a refused poll brings the later term along', () => {
  const bench = new Bench(noTracer)
  bench.now = bench.core.wakeAt
  bench.step({ type: 'tick' })
  expect(bench.core.status()).toMatchObject({ role: 'candidate', epoch: 0 })
  const refused = { type: 'voteReply', pre: true, granted: false, candidate: 'a' } as const
  bench.from('b', { ...refused, term: 5, voter: 'b' })
  expect(bench.core.status()).toMatchObject({ role: 'follower', epoch: 5 })
})

test('a leader of an earlier term is told that there is a later one', () => {
  const bench = new Bench(noTracer)
  bench.from('b', append(3, [0, 0], entriesOf(1, 3)))
  const late = bench.from('c', append(2, [0, 0], entriesOf(1, 2)))
  expect(late.send).toMatchObject([{ to: 'c', message: { type: 'heartbeatReply', term: 3 } }])
  const poll = { type: 'vote', pre: true, transfer: false, relay: false, candidate: 'c' } as const
  const asked = bench.from('c', { ...poll, term: 2, lastIndex: 9, lastTerm: 2 })
  expect(asked.sendAfterPersist).toMatchObject([{ message: { granted: false, term: 3 } }])
})

test('a promise that the disk does not remember yet does not leave', () => {
  const bench = new Bench(noTracer)
  const beat = { round: 1, commit: 0, leaderCommit: 0, echo: 0, hibernate: false } as const
  const first = bench.from('b', { type: 'heartbeat', term: 1, ...beat, vouch: 0 })
  expect(first.send).toEqual([])
  expect(first.sendAfterPersist).toMatchObject([{ message: { type: 'heartbeatReply' } }])
  bench.persisted()
  const next = bench.from('b', { type: 'heartbeat', term: 1, ...beat, round: 2, vouch: 0 })
  expect(next.send).toMatchObject([{ message: { type: 'heartbeatReply', round: 2 } }])
})

/** A replica that starts from a log, with members a, b and c at its beginning. */
function started(entries: readonly Entry[], commit: number): ConsensusInit {
  const initial = membershipOf({ voters: ['a', 'b', 'c'] })
  const term = entries.at(-1)?.epoch ?? 0
  return {
    id: 'a',
    group: 'g',
    bootstrap: undefined,
    appliedIndex: 0,
    now: 0,
    tracer: noTracer,
    random: createRandom(1),
    limits: resolveLimits({}),
    recovered: {
      hardState: encode(hardStateCodec, { ...noHardState, term, commit, initial }),
      snapshot: undefined,
      firstIndex: 1,
      lastIndex: entries.length,
      epochs: [
        { from: 0, epoch: 0 },
        ...entries.map(({ index, epoch }) => ({ from: index, epoch })),
      ],
      tail: entries,
      membershipEntries: entries.filter(({ kind }) => kind === 'membership'),
      faulty: [],
    },
  }
}

function membersEntry(index: number, version: number, ...voters: NodeId[]): Entry {
  const payload = encode(membershipCodec, membershipOf({ voters }, version))
  return { index, epoch: 1, kind: 'membership', payload }
}

test('who is the only voter elects itself at once only where that is committed', () => {
  const entries = [...entriesOf(1, 1), membersEntry(2, 2, 'a')]
  expect(raft().create(started(entries, 2)).wakeAt).toBe(0)
  // The others may elect by the membership before.
  expect(raft().create(started(entries, 1)).wakeAt).toBeGreaterThanOrEqual(1_000)
})

test('a token of a read is not used again after a restart', () => {
  const tokens = new Set<number>()
  for (let start = 0; start < 20; start++) {
    const core = raft().create({ ...started(entriesOf(1, 1), 1), random: createRandom(start) })
    const receive = (message: RaftMessage): unknown =>
      core.step({ type: 'receive', from: 'b', message }, 0)
    receive(append(1, [1, 1], [], 1))
    for (let id = 0; id < 5; id++) {
      const [sent] = core.step({ type: 'read', id, mode: 'quorum' }, 0).send
      if (sent?.message.type === 'read') tokens.add(sent.message.token)
    }
  }
  expect(tokens.size).toBe(100)
})

test('entries under way for one peer are not taken for those of another', () => {
  const bench = new Bench(noTracer, {}, { logWindowBytesMax: 100 })
  bench.lead()
  const reply = { type: 'appendReply', term: 1, ok: true, hint: 0, hintTerm: 0 } as const
  bench.from('b', { ...reply, id: 1, index: 1, blank: 0 })
  bench.step({ type: 'applied', index: 1 })
  for (let n = 0; n < 3; n++) {
    bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
    bench.persisted()
    bench.from('b', { ...reply, id: n + 3, index: n + 2, blank: 0 })
    bench.step({ type: 'applied', index: n + 2 })
  }
  const { readEntries } = bench.from('c', { ...reply, id: 2, index: 1, blank: 0 })
  const id = readEntries[0]?.id as number
  const { send } = bench.step({ type: 'entriesRead', id, entries: entriesOf(2, 1, 1, 1) })
  expect(send.map(({ to }) => to)).toEqual(['c'])
})

test('an older term is older, however large terms are', () => {
  const bench = new Bench(noTracer)
  const term = 2 ** 32 + 5
  bench.from('b', append(term, [0, 0], entriesOf(1, term)))
  const beat = { round: 9, commit: 0, leaderCommit: 0, echo: 0, hibernate: false } as const
  const { send } = bench.from('b', { type: 'heartbeat', term: 7, ...beat, vouch: 0 })
  expect(send).toMatchObject([{ message: { type: 'heartbeatReply', term, round: 0 } }])
})

test('only who asks by itself is reported to lack a leader', () => {
  const bench = new Bench(noTracer)
  bench.from('b', append(1, [0, 0], entriesOf(1, 1)))
  bench.persisted()
  const poll = { type: 'vote', term: 2, pre: true, transfer: false, relay: false } as const
  const last = { lastIndex: 1, lastTerm: 1 } as const
  const beat = { round: 1, commit: 0, leaderCommit: 0, echo: 0, hibernate: false } as const
  const starved = (): unknown =>
    bench.from('b', { type: 'heartbeat', term: 1, ...beat, vouch: 0 }).send[0]?.message
  bench.from('b', { ...poll, ...last, candidate: 'c' })
  bench.from('x', { ...poll, ...last, candidate: 'x' })
  expect(starved()).toMatchObject({ starved: [] })
  bench.from('c', { ...poll, ...last, candidate: 'c' })
  expect(starved()).toMatchObject({ starved: ['c'] })
})

const acknowledged = { type: 'appendReply', term: 1, ok: true, hint: 0, hintTerm: 0 } as const

test('a refusal proves nothing to be equal', () => {
  const bench = new Bench(noTracer)
  bench.lead()
  bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x'), encodeUtf8('y')] })
  bench.from('c', { ...acknowledged, ok: false, id: 2, index: 2, blank: 0 })
  expect(bench.core.status().peers).toMatchObject([{ id: 'b' }, { id: 'c', matchIndex: 0 }])
})

test('a log that was lost is believed only as far as it is equal', () => {
  const bench = new Bench(noTracer)
  bench.lead()
  bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x'), encodeUtf8('y')] })
  bench.from('c', { ...acknowledged, id: 2, index: 3, blank: 0 })
  const refused = { ...acknowledged, ok: false, id: 3, index: 3, blank: 0 } as const
  bench.step({ type: 'propose', id: 2, commands: [encodeUtf8('z')] })
  bench.from('c', { ...refused, hint: 2, hintTerm: 0 })
  expect(bench.core.status().peers).toMatchObject([{ id: 'b' }, { id: 'c', matchIndex: 0 }])
})

test('alone in one half of a joint membership, a leader does not read alone', () => {
  const bench = new Bench(noTracer)
  bench.lead()
  bench.from('b', { ...acknowledged, id: 1, index: 1, blank: 0 })
  const change = { type: 'changeMembership', id: 1, target: { voters: ['a'] } } as const
  bench.step({ ...change, expectedVersion: undefined })
  expect(bench.core.status().membership).toMatchObject({ voters: ['a'], outgoing: ['a', 'b', 'c'] })
  expect(bench.step({ type: 'read', id: 2, mode: 'quorum' }).reads).toEqual([])
})

test('a snapshot in the middle of a change restores both halves', () => {
  const bench = new Bench(noTracer)
  const joint = { ...membershipOf({ voters: ['a', 'd'] }, 2), outgoing: ['a', 'b', 'c'] }
  const snapshot = { ...snapshotAt(4, 1), membership: joint }
  bench.from('b', { type: 'snapshotOffer', term: 1, id: 1, snapshot, others: [] })
  bench.step({ type: 'snapshotFetched', snapshot })
  expect(bench.core.status().membership).toEqual(joint)
})

test('a snapshot holds the members in force where it stands', () => {
  const bench = new Bench(noTracer)
  const entries = [...entriesOf(1, 1, 1), membersEntry(3, 2, 'a', 'b')]
  bench.from('b', append(1, [0, 0], entries, 2))
  bench.persisted()
  bench.step({ type: 'applied', index: 2 })
  const taken = bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(2, 1), compactTo: 0 })
  expect(taken.persist?.snapshot?.membership).toMatchObject({ version: 1, voters: ['a', 'b', 'c'] })
})

test('a log cut back over two memberships brings back the one before both', () => {
  const bench = new Bench(noTracer)
  const changes = [membersEntry(2, 2, 'a', 'b'), membersEntry(3, 3, 'a')]
  bench.from('b', append(1, [0, 0], [...entriesOf(1, 1), ...changes]))
  expect(bench.core.status().membership.version).toBe(3)
  bench.from('c', append(2, [1, 1], entriesOf(2, 2)))
  expect(bench.core.status().membership).toMatchObject({ version: 1, voters: ['a', 'b', 'c'] })
})

test('a snapshot never replaces a newer one', () => {
  const bench = new Bench(noTracer)
  bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1), 3))
  bench.persisted()
  bench.step({ type: 'applied', index: 3 })
  const take = (index: number): unknown =>
    bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(index, 1), compactTo: 0 }).persist
  expect(take(3)).toBeDefined()
  expect(take(2)).toBeUndefined()
})

test('the answer to a read commits nothing', () => {
  const bench = new Bench(noTracer)
  bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1), 1))
  const [sent] = bench.step({ type: 'read', id: 1, mode: 'quorum' }).send
  const token = sent?.message.type === 'read' ? sent.message.token : 0
  const { reads } = bench.from('b', { type: 'readReply', term: 1, token, index: 3 })
  expect(reads).toEqual([{ id: 1, index: 3 }])
  expect(bench.core.status().commitIndex).toBe(1)
})

test('a change against another version of the membership is refused', () => {
  const bench = new Bench(noTracer)
  bench.lead()
  bench.from('b', { ...acknowledged, id: 1, index: 1, blank: 0 })
  const change = { type: 'changeMembership', target: { voters: ['a', 'b'] } } as const
  const refused = bench.step({ ...change, id: 1, expectedVersion: 2 })
  expect(refused.rejected).toMatchObject([{ id: 1, code: 'CONFLICT' }])
  expect(bench.step({ ...change, id: 2, expectedVersion: 1 }).rejected).toEqual([])
})

test('a refusal that cannot be true sends nothing again that matches', () => {
  const bench = new Bench(noTracer)
  bench.lead()
  bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x'), encodeUtf8('y')] })
  bench.from('c', { ...acknowledged, id: 2, index: 3, blank: 0 })
  bench.step({ type: 'propose', id: 2, commands: [encodeUtf8('z')] })
  bench.from('c', { ...acknowledged, ok: false, id: 3, index: 3, hint: 3, blank: 0 })
  const [, c] = bench.core.status().peers
  expect(c).toMatchObject({ matchIndex: 3 })
  expect(c?.nextIndex).toBeGreaterThan(3)
})

test('a follower that does not know all that is committed does not sleep', () => {
  const bench = new Bench(noTracer, { hibernateAfterMs: 500 })
  bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1), 1))
  const beat = { round: 1, echo: 0, hibernate: true, vouch: 0 } as const
  bench.from('b', { type: 'heartbeat', term: 1, ...beat, commit: 1, leaderCommit: 2 })
  expect(Number.isFinite(bench.core.wakeAt)).toBe(true)
  bench.from('b', { type: 'heartbeat', term: 1, ...beat, commit: 2, leaderCommit: 2 })
  expect(bench.core.wakeAt).toBe(Number.POSITIVE_INFINITY)
})

test('who is no voter is not counted, nor kept', () => {
  const bench = new Bench(noTracer, { preVote: false })
  bench.now = bench.core.wakeAt
  bench.step({ type: 'tick' })
  const { votes } = (bench.core as unknown as { readonly r: RaftState }).r
  for (let n = 0; n < 1_000; n++) bench.from('b', { ...voted('b', true), voter: `x${n}` })
  expect(votes.size).toBe(0)
  bench.persisted()
  expect(bench.core.status().role).toBe('candidate')
})

test('a message of the last term there is leaves room to campaign in', () => {
  const bench = new Bench(noTracer)
  const beat = {
    round: 1,
    commit: 0,
    leaderCommit: 0,
    echo: 0,
    hibernate: false,
    vouch: 0,
  } as const
  const last = 2 ** 53 - 1
  bench.from('b', { type: 'heartbeat', ...beat, term: last })
  expect(bench.core.status().epoch).toBe(0)
  // However far somebody has driven the terms, those after are taken.
  const far = 2 ** 53 - 2 ** 32
  bench.from('b', { type: 'heartbeat', ...beat, term: far })
  bench.from('b', { type: 'heartbeat', ...beat, term: far + 1 })
  expect(bench.core.status()).toMatchObject({ epoch: far + 1, leader: 'b' })
  bench.from('b', { type: 'heartbeat', ...beat, term: last })
  expect(bench.core.status().epoch).toBe(far + 1)
})
