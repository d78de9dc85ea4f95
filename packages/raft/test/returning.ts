// A replica that comes back under its id with nothing: what its earlier incarnation said may still be
// under way, and must count for nothing that it does now.
import type { Membership, NodeId } from '@quorate/core'
import {
  createRandom,
  encode,
  encodeUtf8,
  membershipCodec,
  membershipOf,
  resolveLimits,
} from '@quorate/core'
import { expect } from 'vitest'
import type { AppendRequest, RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'
import type { Group, Scenario } from './scenarios.ts'
import { elect, forget, groupOf, live, put } from './scenarios.ts'

const abc = { voters: ['a', 'b', 'c'] }
const five = { voters: ['a', 'b', 'c', 'd', 'e'] }

function matchOf(group: Group, id: NodeId): number | undefined {
  const { peers } = group.replica('a').running.status()
  return peers.find((peer) => peer.id === id)?.matchIndex
}

/** Delivers and writes until nothing is left but what `held` holds back. */
function settle(group: Group, held: (message: RaftMessage, from: NodeId) => boolean): void {
  for (let more = true; more;) {
    more = false
    for (const id of group.ids) if (group.replica(id).up && group.persist(id) > 0) more = true
    for (const flight of group.matching()) {
      if (held(flight.message, flight.from)) continue
      group.deliver(flight)
      more = true
    }
  }
}

/** c loses its disk and catches up; returns the heartbeat that vouches for it, which is still under way. */
function vouchedSoon(group: Group): ReturnType<Group['matching']>[number] {
  forget(group, 'c')
  const vouches = (message: RaftMessage): boolean =>
    message.type === 'heartbeat' && message.vouch !== 0
  for (let beat = 0; beat < 10; beat++) {
    group.wake('a')
    settle(group, vouches)
    const [found] = group.matching({ where: vouches })
    if (found !== undefined) return found
  }
  throw new Error('c is not vouched for')
}

export const returning: Readonly<Record<string, Scenario>> = {
  'a founder that comes back with nothing is told who the members are, and can lead'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    forget(group, 'c')
    expect(group.replica('c').running.status().membership.voters).toEqual([])
    live(group, 3_000)
    expect(group.replica('c').running.status().membership.voters).toEqual(['a', 'b', 'c'])
    const handed = group.transfer('a', 'c')
    live(group, 500)
    expect(group.calls.get(handed).state).toBe('done')
    expect(group.leader()).toBe('c')
    put(group, 'c', 'y')
  },

  'a founder with nothing is told who the members are, however much is written meanwhile'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    forget(group, 'c')
    // Once the leader knows of it, there is an entry that it can be vouched for with at once.
    group.wake('a')
    settle(group, () => false)
    put(group, 'a', 'y')
    live(group, 3_000)
    expect(group.replica('c').running.status().membership.voters).toEqual(['a', 'b', 'c'])
  },

  'what a removed member acknowledged does not count for it when it comes back'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    // c acknowledges two entries, and its answers take their time.
    const late = (message: RaftMessage, from: NodeId): boolean =>
      from === 'c' && message.type === 'appendReply'
    group.propose('a', encodeUtf8('x'))
    group.propose('a', encodeUtf8('y'))
    settle(group, late)
    const removed = group.changeMembership('a', { voters: ['a', 'b'] })
    settle(group, late)
    expect(group.calls.get(removed).state).toBe('done')
    const old = group.matching({ from: 'c' })
    expect(old.length).toBeGreaterThanOrEqual(2)
    forget(group, 'c')
    group.cut('a', 'c')
    const added = group.changeMembership('a', { voters: ['a', 'b', 'c'] })
    settle(group, (_message, from) => from === 'c')
    for (const flight of old) group.deliver(flight)
    expect(matchOf(group, 'c')).toBe(0)
    // Nor has it caught up, so it is no voter yet.
    settle(group, (_message, from) => from === 'c')
    expect(group.replica('a').running.status().membership.voters).toEqual(['a', 'b'])
    group.heal()
    live(group, 1_000)
    expect(group.calls.get(added).state).toBe('done')
    put(group, 'a', 'z')
    expect(group.replica('c').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'a vote from before a disk was lost elects nobody who lacks what was committed since'(context) {
    const group = groupOf(context, five, { preVote: false, checkQuorum: false })
    elect(group, 'a')
    // c campaigns. b votes for it, which c is still to hear; its request to d takes its time.
    group.campaign('c')
    group.persist('c')
    const [toB] = group.matching({ from: 'c', to: 'b' })
    const [toD] = group.matching({ from: 'c', to: 'd' })
    for (const flight of group.matching({ from: 'c' })) {
      if (flight !== toB && flight !== toD) group.drop(flight)
    }
    if (toB === undefined || toD === undefined) throw new Error('c asks nobody')
    group.deliver(toB)
    group.persist('b')
    const [vote] = group.matching({ from: 'b', to: 'c' })
    if (vote === undefined) throw new Error('b does not vote')
    const held = (message: RaftMessage): boolean =>
      message === vote.message || message === toD.message
    forget(group, 'b')
    group.partition(['a', 'b', 'd', 'e'], ['c'])
    for (let beat = 0; beat < 6; beat++) {
      group.wake('a')
      settle(group, held)
    }
    // b counts again. Now d, without which c has no quorum, misses an entry.
    group.partition(['a', 'b', 'e'], ['c'], ['d'])
    const call = group.propose('a', encodeUtf8('x'))
    settle(group, held)
    expect(group.calls.get(call).state).toBe('done')
    group.heal()
    group.deliver(toD)
    group.persist('d')
    group.stabilize()
    expect(group.replica('c').running.status().role).not.toBe('leader')
    live(group, 8_000)
    put(group, group.leader() as NodeId, 'y')
  },

  'who was vouched for does not vote in the term in which it may have voted before'({ tracer }) {
    const membership: Membership = membershipOf({ voters: ['a', 'b', 'c', 'd', 'e'] }, 2)
    const core = raft({ preVote: true, checkQuorum: false }).create({
      id: 'a',
      group: 'g',
      bootstrap: undefined,
      appliedIndex: 0,
      now: 0,
      tracer,
      random: createRandom(1),
      limits: resolveLimits({}),
      recovered: {
        hardState: undefined,
        snapshot: undefined,
        firstIndex: 1,
        lastIndex: 0,
        epochs: [{ from: 0, epoch: 0 }],
        tail: [],
        membershipEntries: [],
        faulty: [],
      },
    })
    const receive = (
      from: NodeId,
      message: RaftMessage,
      now: number,
    ): ReturnType<typeof core.step> => core.step({ type: 'receive', from, message }, now)
    const payload = encode(membershipCodec, membership)
    const entries: AppendRequest['entries'] = [{ index: 1, epoch: 3, kind: 'membership', payload }]
    const first = { type: 'append', term: 3, id: 1, prevIndex: 0, prevTerm: 0, commit: 1 } as const
    receive('b', { ...first, entries }, 0)
    core.step({ type: 'persisted', seq: 1 }, 0)
    const vote = {
      type: 'vote',
      pre: false,
      transfer: false,
      relay: false,
      candidate: 'c',
      lastIndex: 9,
      lastTerm: 3,
    } as const
    // Without its past it gives no vote at all.
    const blank = receive('c', { ...vote, term: 3 }, 0)
    expect(blank.sendAfterPersist[0]?.message).toMatchObject({ granted: false })
    const beat = { round: 1, commit: 1, leaderCommit: 1, echo: 0, hibernate: false } as const
    const [named] = receive('b', { type: 'heartbeat', term: 3, ...beat, vouch: 0 }, 0).send
    const memory = named?.message.type === 'heartbeatReply' ? named.message.blank : 0
    expect(memory).not.toBe(0)
    receive('b', { type: 'heartbeat', term: 3, ...beat, round: 2, vouch: memory }, 0)
    core.step({ type: 'persisted', seq: 2 }, 0)
    // It loses its leader, polls in vain, and is asked for the term that it is still in.
    core.step({ type: 'tick' }, core.wakeAt)
    expect(core.status()).toMatchObject({ role: 'candidate', epoch: 3, leader: undefined })
    const asked = receive('c', { ...vote, term: 3 }, core.wakeAt)
    expect(asked.sendAfterPersist[0]?.message).toMatchObject({ granted: false })
    const next = receive('c', { ...vote, term: 4 }, core.wakeAt)
    expect(next.sendAfterPersist[0]?.message).toMatchObject({ granted: true })
  },

  'who has nothing and was fed by a leader of before does not take it for committed'(context) {
    const group = groupOf(context, five, { preVote: false, checkQuorum: false })
    elect(group, 'a')
    // a does not hear that b leads, and goes on with entries that nobody else will ever have.
    group.partition(['a'], ['b', 'c', 'd', 'e'])
    group.propose('a', encodeUtf8('1'), encodeUtf8('2'), encodeUtf8('3'))
    group.persist('a')
    elect(group, 'b')
    for (const text of ['x', 'y', 'z']) put(group, 'b', text)
    // c loses its disk, with it the term of b, and comes back on the side of a.
    group.partition(['a', 'c'], ['b', 'd', 'e'])
    forget(group, 'c')
    for (let beat = 0; beat < 2; beat++) {
      group.wake('a')
      group.stabilize()
    }
    expect(group.replica('c').running.status()).toMatchObject({ lastIndex: 5, epoch: 1 })
    // To b, c is still who acknowledged x, y and z.
    group.partition(['b', 'c', 'd', 'e'], ['a'])
    live(group, 3_000)
    expect(group.replica('c').appliedIndex).toBe(group.replica('b').appliedIndex)
  },

  'who loses its disk twice is not vouched for as who it was in between'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    const vouch = vouchedSoon(group)
    // c has all of it, b lacks the last one, and what is said for c arrives when c has lost it again.
    group.cut('a', 'b')
    const call = group.propose('a', encodeUtf8('y'))
    settle(group, (message) => message === vouch.message)
    expect(group.calls.get(call).state).toBe('open')
    forget(group, 'c')
    group.deliver(vouch)
    group.persist('c')
    group.wake('a')
    settle(group, (message, from) => from === 'a' && message.type === 'append')
    expect(group.replica('a').running.status().commitIndex).toBe(3)
    // Nor does it vote: b is not to be elected by who does not know what it held.
    group.crash('a')
    live(group, 10_000)
    expect(group.leader()).toBe(undefined)
    group.restart('a')
    group.heal()
    live(group, 5_000)
    put(group, group.leader() as NodeId, 'z')
    group.crash(group.leader() === 'b' ? 'a' : 'b')
    live(group, 5_000)
    put(group, group.leader() as NodeId, 'c counts again')
  },

  'who loses its disk twice counts again, under the same leader'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.drop(vouchedSoon(group))
    forget(group, 'c')
    live(group, 2_000)
    group.crash('b')
    put(group, 'a', 'y')
  },

  'what was acknowledged before it was vouched for commits as soon as that counts'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    const vouch = vouchedSoon(group)
    group.partition(['a', 'c'], ['b'])
    const call = group.propose('a', encodeUtf8('y'))
    settle(group, (message) => message === vouch.message)
    expect(group.calls.get(call).state).toBe('open')
    live(group, 500)
    expect(group.calls.get(call).state).toBe('done')
  },

  'a member that is removed, wiped and added again, over and over, serves each time'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    for (let round = 0; round < 4; round++) {
      put(group, 'a', `r${round}`)
      const removed = group.changeMembership('a', { voters: ['a', 'b'] })
      live(group, 300)
      expect(group.calls.get(removed).state).toBe('done')
      forget(group, 'c')
      const added = group.changeMembership('a', abc)
      live(group, 2_000)
      expect(group.calls.get(added).state).toBe('done')
    }
    group.crash('b')
    put(group, 'a', 'last')
    expect(group.replica('c').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'freshness of a follower that has started again is never proved by what it sent before'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expect(group.calls.get(group.read('b', { maxStalenessMs: 300 })).state).toBe('done')
    group.crash('b')
    group.restart('b')
    live(group, 1_500)
    // Its count of answers begins anew, and the leader goes along with it.
    const again = group.read('b', { maxStalenessMs: 300 })
    expect(group.calls.get(again)).toMatchObject({ state: 'done' })
  },
}
