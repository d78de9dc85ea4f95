// Odd cases at one core, by single steps: what a network or a disk does once in a year.
import type { Effects, NodeId } from '@quorate/core'
import { encodeUtf8, membershipOf } from '@quorate/core'
import { CoreCluster } from '@quorate/sim'
import { expect } from 'vitest'
import type { AppendRequest, RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { append, Bench, entriesOf, snapshotAt, voted } from './edge-bench.ts'
import type { Scenario, ScenarioContext } from './scenarios.ts'
import { elect, live, put } from './scenarios.ts'

export const edges: Readonly<Record<string, Scenario>> = {
  'only what a message has verified is committed, whatever else the log holds'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1)))
    // The leader of term 2 has committed 3 entries of its own; of this log it has seen one.
    bench.from('c', append(2, [1, 1], [], 3))
    expect(bench.core.status()).toMatchObject({ commitIndex: 1, lastIndex: 3 })
    bench.from('c', append(2, [0, 0], entriesOf(1, 1, 1), 3))
    expect(bench.core.status()).toMatchObject({ commitIndex: 2, lastIndex: 3 })
  },

  'what no leader can have sent changes nothing'({ tracer }) {
    const bench = new Bench(tracer)
    const nonsense: AppendRequest[] = [
      append(1, [0, 0], entriesOf(2, 1)),
      append(1, [0, 0], entriesOf(1, 2)),
      append(2, [0, 0], entriesOf(1, 2, 1)),
      append(1, [0, 0], [{ index: 1, epoch: 1, kind: 'membership', payload: encodeUtf8('?') }]),
    ]
    for (const message of nonsense) {
      bench.from('b', message)
      expect(bench.core.status()).toMatchObject({ lastIndex: 0, commitIndex: 0 })
    }
    // A commit index past the entries is not believed beyond them, and not beyond the log.
    bench.from('b', append(3, [0, 0], entriesOf(1, 3), 99))
    expect(bench.core.status()).toMatchObject({ lastIndex: 1, commitIndex: 1 })
    bench.from('b', { type: 'commit', term: 3, commit: 99 })
    const beat = { round: 1, leaderCommit: 99, echo: 7, hibernate: false, vouch: 7 } as const
    bench.from('b', { type: 'heartbeat', term: 3, commit: 99, ...beat })
    expect(bench.core.status()).toMatchObject({ lastIndex: 1, commitIndex: 1 })
  },

  'a second leader of one term is not believed, nor a message from itself'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1)))
    bench.from('c', append(1, [1, 1], [], 1))
    bench.from('a', append(9, [0, 0], [], 1))
    expect(bench.core.status()).toMatchObject({ leader: 'b', commitIndex: 0, epoch: 1 })
    const leader = new Bench(tracer)
    leader.lead()
    leader.from('c', append(1, [0, 0], entriesOf(1, 1), 1))
    expect(leader.core.status()).toMatchObject({ role: 'leader', commitIndex: 0 })
  },

  'committed entries are never cut back, whatever a leader claims'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1), 2))
    const effects = bench.from('c', append(2, [0, 0], entriesOf(1, 2, 2, 2)))
    expect(effects.persist?.truncateFrom).toBeUndefined()
    expect(bench.core.status()).toMatchObject({ commitIndex: 2, lastIndex: 3 })
  },

  'elected by others before its own vote is durable, it waits for its disk'({ tracer }) {
    const bench = new Bench(tracer, { preVote: false })
    bench.now = bench.core.wakeAt
    expect(bench.step({ type: 'tick' }).send).toHaveLength(0)
    for (const from of ['b', 'c']) {
      bench.from(from, voted(from, true))
    }
    expect(bench.core.status().role).toBe('candidate')
    bench.persisted()
    expect(bench.core.status().role).toBe('leader')
  },

  'terms and indexes are whole up to 53 bits'({ tracer }) {
    const bench = new Bench(tracer)
    const term = 2 ** 52
    bench.from('b', append(term, [0, 0], entriesOf(1, term - 1)))
    expect(bench.core.status()).toMatchObject({ epoch: term, lastIndex: 1 })
    const vote = {
      type: 'vote',
      pre: false,
      transfer: true,
      relay: false,
      candidate: 'c',
      lastIndex: 9,
      lastTerm: term,
    } as const
    bench.from('c', { ...vote, term: term + 1 })
    expect(bench.core.status().epoch).toBe(term + 1)
    const { persist } = bench.from('b', append(term + 1, [1, term - 1], entriesOf(2, term + 1)))
    expect(persist?.append).toMatchObject([{ index: 2, epoch: term + 1 }])
  },

  'one voter counts once'({ tracer }) {
    const bench = new Bench(tracer, { preVote: false })
    bench.now = bench.core.wakeAt
    bench.step({ type: 'tick' })
    for (let n = 0; n < 3; n++) {
      bench.from('x', voted('x', true))
      bench.from('b', voted('b', false))
      bench.from('b', voted('b', true))
    }
    bench.persisted()
    expect(bench.core.status().role).toBe('candidate')
  },

  'an acknowledgement of more than there is, or of a message never sent, is ignored'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = {
      type: 'appendReply',
      term: 1,
      ok: true,
      hint: 0,
      hintTerm: 0,
      blank: 0,
    } as const
    bench.from('b', { ...reply, id: 1, index: 2 })
    bench.from('b', { ...reply, id: 99, index: 1 })
    bench.from('x', { ...reply, id: 1, index: 1 })
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('b', { ...reply, id: 1, index: 1 })
    expect(bench.core.status().commitIndex).toBe(1)
  },

  "old entries that arrive after the leadership they were read for are nobody's"({ tracer }) {
    const bench = new Bench(tracer, {}, { logWindowBytesMax: 100 })
    bench.lead()
    const reply = {
      type: 'appendReply',
      term: 1,
      ok: true,
      hint: 0,
      hintTerm: 0,
      blank: 0,
    } as const
    bench.from('b', { ...reply, id: 1, index: 1 })
    bench.step({ type: 'applied', index: 1 })
    for (let n = 0; n < 3; n++) {
      bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
      bench.persisted()
      bench.from('b', { ...reply, id: n + 3, index: n + 2 })
      bench.step({ type: 'applied', index: n + 2 })
    }
    const asked = bench.from('c', { ...reply, id: 2, index: 1 })
    const request = asked.readEntries[0]
    expect(request).toMatchObject({ first: 2 })
    bench.from('b', {
      type: 'heartbeatReply',
      term: 2,
      round: 0,
      stamp: 0,
      priority: 1,
      blank: 0,
      hibernating: false,
      starved: [],
    })
    expect(bench.core.status()).toMatchObject({ role: 'follower', epoch: 2 })
    const late = bench.step({
      type: 'entriesRead',
      id: request?.id as number,
      entries: entriesOf(2, 1, 1, 1),
    })
    expect(late.send).toHaveLength(0)
  },

  'a follower that no longer has what it acknowledged is believed, and what it said before is not'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = { type: 'appendReply', term: 1, hintTerm: 0, blank: 0 } as const
    const matchOf = (id: NodeId): number | undefined =>
      bench.core.status().peers.find((peer) => peer.id === id)?.matchIndex
    bench.from('b', { ...reply, ok: true, id: 1, index: 1, hint: 0 })
    bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x')] })
    bench.from('b', { ...reply, ok: true, id: 3, index: 2, hint: 0 })
    expect(matchOf('b')).toBe(2)
    bench.step({ type: 'propose', id: 2, commands: [encodeUtf8('y')] })
    bench.from('b', { ...reply, ok: false, id: 4, index: 2, hint: 0 })
    expect(matchOf('b')).toBe(0)
    // An answer from before it lost its entries, and the refusal once more.
    bench.from('b', { ...reply, ok: true, id: 4, index: 2, hint: 0 })
    expect(matchOf('b')).toBe(0)
    bench.from('b', { ...reply, ok: true, id: 5, index: 3, hint: 0 })
    bench.from('b', { ...reply, ok: false, id: 4, index: 2, hint: 0 })
    expect(matchOf('b')).toBe(3)
  },

  'an acknowledgement that comes late, or of an earlier term, takes nothing back and adds nothing'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = { type: 'appendReply', ok: true, hint: 0, hintTerm: 0, blank: 0 } as const
    const matches = (): number[] => bench.core.status().peers.map((peer) => peer.matchIndex)
    bench.from('b', { ...reply, term: 1, id: 1, index: 1 })
    bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x')] })
    bench.from('b', { ...reply, term: 1, id: 3, index: 2 })
    bench.from('b', { ...reply, term: 1, id: 1, index: 1 })
    expect(matches()).toEqual([2, 0])
    bench.from('c', { ...reply, term: 0, id: 2, index: 1 })
    expect(matches()).toEqual([2, 0])
  },

  'a lease counts from when the round was sent, not from when it was answered'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    bench.from('b', {
      type: 'appendReply',
      term: 1,
      id: 1,
      ok: true,
      index: 1,
      hint: 0,
      hintTerm: 0,
      blank: 0,
    })
    bench.now = bench.core.wakeAt
    bench.step({ type: 'tick' })
    const sent = bench.now
    bench.now = sent + 500
    bench.from('b', {
      type: 'heartbeatReply',
      term: 1,
      round: 1,
      stamp: 1,
      priority: 1,
      blank: 0,
      hibernating: false,
      starved: [],
    })
    bench.now = sent + 890
    expect(bench.step({ type: 'read', id: 1, mode: 'lease' }).reads).toEqual([{ id: 1, index: 1 }])
    bench.now = sent + 910
    expect(bench.step({ type: 'read', id: 2, mode: 'lease' }).reads).toEqual([])
  },

  'one change of membership runs at a time, from appended to committed'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const change = (id: number, voters: string[]): Effects<RaftMessage> =>
      bench.step({ type: 'changeMembership', id, target: { voters }, expectedVersion: undefined })
    const reply = { type: 'appendReply', ok: true, hint: 0, hintTerm: 0, blank: 0 } as const
    // Before the first entry of the term is committed, none at all.
    expect(change(1, ['a', 'b']).rejected[0]?.code).toBe('PROPOSAL_DROPPED')
    bench.from('b', { ...reply, term: 1, id: 1, index: 1 })
    expect(change(2, ['a', 'b']).rejected).toEqual([])
    expect(change(3, ['a']).rejected[0]?.code).toBe('CONFLICT')
    expect(bench.core.status().membership.voters).toEqual(['a', 'b'])
    bench.persisted()
    expect(bench.from('b', { ...reply, term: 1, id: 3, index: 2 }).completed).toEqual([{ id: 2 }])
    expect(change(4, ['a']).rejected).toEqual([])
  },

  'a peer without its past confirms no leader and commits no entry'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = { type: 'appendReply', ok: true, hint: 0, hintTerm: 0 } as const
    bench.from('c', { ...reply, term: 1, id: 2, index: 1, blank: 7 })
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('b', { ...reply, term: 1, id: 1, index: 1, blank: 0 })
    expect(bench.core.status().commitIndex).toBe(1)
    bench.step({ type: 'read', id: 1, mode: 'quorum' })
    const beat = {
      type: 'heartbeatReply',
      term: 1,
      round: 1,
      stamp: 1,
      priority: 1,
      hibernating: false,
      starved: [],
    } as const
    expect(bench.from('c', { ...beat, blank: 7 }).reads).toEqual([])
    expect(bench.from('b', { ...beat, blank: 0 }).reads).toEqual([{ id: 1, index: 1 }])
    // A confirmed round is not enough: whoever it may have voted for could still be elected.
    const vouched = (): readonly NodeId[] => {
      bench.now = bench.core.wakeAt
      const { send } = bench.step({ type: 'tick' })
      return send
        .filter(({ message }) => message.type === 'heartbeat' && message.vouch === 7)
        .map(({ to }) => to)
    }
    expect(vouched()).toEqual([])
    // An entry has been appended for it. It must be committed without it, and be in its log.
    expect(bench.core.status()).toMatchObject({ lastIndex: 2, commitIndex: 1 })
    bench.from('c', { ...reply, term: 1, id: 4, index: 2, blank: 7 })
    bench.persisted()
    expect(bench.core.status().commitIndex).toBe(1)
    expect(vouched()).toEqual([])
    bench.from('b', { ...reply, term: 1, id: 3, index: 2, blank: 0 })
    expect(bench.core.status().commitIndex).toBe(2)
    expect(vouched()).toEqual(['c'])
    // An answer to an earlier round says nothing of now.
    bench.from('c', { ...beat, stamp: 2, blank: 0 })
    bench.step({ type: 'read', id: 2, mode: 'quorum' })
    expect(bench.from('c', { ...beat, round: 0, blank: 0 }).reads).toEqual([])
  },

  'joint consensus is left only once it is committed itself'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = { type: 'appendReply', ok: true, hint: 0, hintTerm: 0, blank: 0 } as const
    bench.from('b', { ...reply, term: 1, id: 1, index: 1 })
    bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x')] })
    bench.step({
      type: 'changeMembership',
      id: 2,
      target: { voters: ['a'] },
      expectedVersion: undefined,
    })
    bench.persisted()
    bench.from('b', { ...reply, term: 1, id: 3, index: 2 })
    expect(bench.core.status()).toMatchObject({
      commitIndex: 2,
      lastIndex: 3,
      membership: { voters: ['a'], outgoing: ['a', 'b', 'c'] },
    })
    bench.from('b', { ...reply, term: 1, id: 4, index: 3 })
    expect(bench.core.status()).toMatchObject({ commitIndex: 3, lastIndex: 4 })
    expect(bench.persisted().completed).toEqual([{ id: 2 }])
  },

  'old entries that have been compacted meanwhile are offered as a snapshot'({ tracer }) {
    const bench = new Bench(tracer, {}, { logWindowBytesMax: 100 })
    bench.lead()
    const reply = {
      type: 'appendReply',
      term: 1,
      ok: true,
      hint: 0,
      hintTerm: 0,
      blank: 0,
    } as const
    bench.from('b', { ...reply, id: 1, index: 1 })
    bench.step({ type: 'applied', index: 1 })
    for (let n = 0; n < 3; n++) {
      bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
      bench.persisted()
      bench.from('b', { ...reply, id: n + 3, index: n + 2 })
      bench.step({ type: 'applied', index: n + 2 })
    }
    const { readEntries } = bench.from('c', { ...reply, id: 2, index: 1 })
    bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(4, 1), compactTo: 4 })
    const { send } = bench.step({
      type: 'entriesRead',
      id: readEntries[0]?.id as number,
      entries: undefined,
    })
    expect(send.map(({ to, message }) => [to, message.type])).toEqual([['c', 'snapshotOffer']])
  },

  'a snapshot of what is committed here is acknowledged with what is'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1), 2))
    const { sendAfterPersist, fetchSnapshot } = bench.from('b', {
      type: 'snapshotOffer',
      term: 1,
      id: 2,
      snapshot: snapshotAt(1, 1),
      others: [],
    })
    expect(fetchSnapshot).toBeUndefined()
    expect(sendAfterPersist[0]?.message).toMatchObject({ type: 'appendReply', ok: true, index: 2 })
  },

  'asked to campaign while it may not, a replica stays where it is'({ tracer }) {
    const bench = new Bench(tracer)
    const learner = membershipOf({ voters: ['b', 'c'], learners: ['a'] }, 2)
    const meta = { ...snapshotAt(5, 1), membership: learner }
    bench.from('b', { type: 'snapshotOffer', term: 1, id: 1, snapshot: meta, others: [] })
    bench.step({ type: 'snapshotFetched', snapshot: meta })
    bench.from('b', { type: 'timeoutNow', term: 1 })
    expect(bench.core.status()).toMatchObject({ role: 'learner', epoch: 1 })
    expect(bench.core.wakeAt).toBe(Number.POSITIVE_INFINITY)
  },

  'a snapshot whose last entry is in the log is not fetched'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1)))
    const offer = bench.from('b', {
      type: 'snapshotOffer',
      term: 1,
      id: 2,
      snapshot: snapshotAt(2, 1),
      others: [],
    })
    expect(offer.fetchSnapshot).toBeUndefined()
    expect(bench.core.status().commitIndex).toBe(2)
  },

  'a snapshot being fetched is not given up for a newer one of the same leader'({ tracer }) {
    const bench = new Bench(tracer)
    const offer = (from: NodeId, term: number, id: number, index: number): Effects<RaftMessage> =>
      bench.from(from, {
        type: 'snapshotOffer',
        term,
        id,
        snapshot: snapshotAt(index, 1),
        others: [],
      })
    expect(offer('b', 1, 1, 3).fetchSnapshot?.snapshot.index).toBe(3)
    expect(offer('b', 1, 2, 5).fetchSnapshot).toBeUndefined()
    expect(offer('b', 1, 3, 3).fetchSnapshot).toBeUndefined()
    expect(offer('c', 2, 1, 6).fetchSnapshot?.snapshot.index).toBe(6)
    bench.step({ type: 'snapshotFetchFailed', snapshot: snapshotAt(6, 1) })
    expect(offer('c', 2, 2, 7).fetchSnapshot?.snapshot.index).toBe(7)
    const { sendAfterPersist } = bench.step({ type: 'snapshotFetched', snapshot: snapshotAt(7, 1) })
    expect(sendAfterPersist[0]).toMatchObject({ to: 'c', message: { ok: true, id: 2, index: 7 } })
  },

  'a fetched snapshot that the log has caught up with keeps what follows it'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1)))
    const wish = bench.from('b', {
      type: 'snapshotOffer',
      term: 1,
      id: 2,
      snapshot: snapshotAt(3, 1),
      others: ['c', 'a'],
    })
    expect(wish.fetchSnapshot?.from).toEqual(['b', 'c'])
    bench.from('b', append(1, [1, 1], entriesOf(2, 1, 1, 1)))
    const { persist, install } = bench.step({ type: 'snapshotFetched', snapshot: snapshotAt(3, 1) })
    expect(persist).toMatchObject({ compactTo: 3, append: [] })
    expect(persist?.truncateFrom).toBeUndefined()
    expect(install?.index).toBe(3)
    expect(bench.core.status()).toMatchObject({ firstIndex: 4, lastIndex: 4 })
  },

  'a fetched snapshot that entries have overtaken is left alone'({ tracer }) {
    const bench = new Bench(tracer)
    const snapshot = snapshotAt(2, 1)
    bench.from('b', { type: 'snapshotOffer', term: 1, id: 2, snapshot, others: [] })
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1), 3))
    const effects = bench.step({ type: 'snapshotFetched', snapshot })
    expect(effects.persist).toBeUndefined()
    expect(effects.install).toBeUndefined()
  },

  "a snapshot older than the newest, or of what is not applied, is not made the group's"({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1), 3))
    bench.persisted()
    bench.step({ type: 'applied', index: 2 })
    const take = (index: number): Effects<RaftMessage> =>
      bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(index, 9), compactTo: index })
    expect(take(3).persist).toBeUndefined()
    // The term is the log's, whatever the driver believes.
    expect(take(2).persist).toMatchObject({ snapshot: { index: 2, epoch: 1 }, compactTo: 2 })
    expect(take(1).persist).toBeUndefined()
  },

  'entries read to be applied are not applied after a snapshot has replaced them'({ tracer }) {
    const bench = new Bench(tracer, {}, { logWindowBytesMax: 1, applyBytesMax: 1 })
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1)))
    bench.persisted()
    const { readEntries } = bench.from('b', { type: 'commit', term: 1, commit: 3 })
    expect(readEntries).toHaveLength(1)
    const snapshot = snapshotAt(9, 1)
    bench.from('b', { type: 'snapshotOffer', term: 1, id: 2, snapshot, others: [] })
    bench.step({ type: 'snapshotFetched', snapshot })
    const { apply } = bench.step({
      type: 'entriesRead',
      id: readEntries[0]?.id as number,
      entries: entriesOf(1, 1, 1, 1),
    })
    expect(apply).toHaveLength(0)
    // The same number again, once something else is being read.
    bench.persisted()
    bench.step({ type: 'applied', index: 9 })
    bench.from('b', append(1, [9, 1], entriesOf(10, 1, 1), 11))
    expect(bench.persisted().apply).toHaveLength(1)
    const again = bench.step({ type: 'applied', index: 10 })
    expect(again.readEntries).toHaveLength(1)
    const other = bench.step({
      type: 'entriesRead',
      id: again.readEntries[0]?.id as number,
      entries: undefined,
    })
    expect(other.apply).toHaveLength(0)
  },

  'a damaged log is filled from peers, and no vote helps a log that lacks what was acknowledged'(
    context,
  ) {
    const group = damaged(context, [{ first: 3, last: 4 }])
    live(group, 6_000)
    // b lacks what only a and c hold; c does not hold it any more, and still does not elect b.
    expect(group.leader()).toBeUndefined()
    group.restart('a')
    live(group, 6_000)
    expect(group.leader()).toBe('a')
    put(group, 'a', 'last')
    live(group, 200)
    for (const id of group.ids)
      expect(group.replica(id).durable.entries.map(({ epoch }) => epoch).length).toBe(
        group.history.length,
      )
    group.crash('a')
    live(group, 6_000)
    expect(group.leader()).toBeDefined()
  },

  'where the last entry itself is damaged, its term is taken to be the latest seen'(context) {
    const group = damaged(context, [{ first: 5, last: 6 }])
    live(group, 6_000)
    expect(group.leader()).toBeUndefined()
    group.restart('a')
    live(group, 6_000)
    expect(group.leader()).toBe('a')
  },
}

/** a and c hold six entries, b four; c comes back with damage; a is down. */
function damaged(
  { tracer }: ScenarioContext,
  faulty: readonly { readonly first: number; readonly last: number }[],
): CoreCluster<RaftMessage> {
  let broken = false
  const consensus = raft()
  const group = new CoreCluster<RaftMessage>({
    consensus: {
      ...consensus,
      create(init) {
        const { recovered } = init
        const damage = broken && init.id === 'c' && recovered.lastIndex === 6
        if (!damage) return consensus.create({ ...init, tracer })
        const last = faulty[faulty.length - 1]?.last ?? 0
        const tail = recovered.tail.filter(({ index }) => index > last)
        return consensus.create({ ...init, tracer, recovered: { ...recovered, tail, faulty } })
      },
    },
    members: { voters: ['a', 'b', 'c'] },
  })
  elect(group, 'a')
  for (let at = 0; at < 3; at++) put(group, 'a', `v${at}`)
  group.partition(['a', 'c'], ['b'])
  put(group, 'a', 'x')
  put(group, 'a', 'y')
  group.crash('a')
  group.crash('c')
  group.heal()
  broken = true
  group.restart('c')
  return group
}
