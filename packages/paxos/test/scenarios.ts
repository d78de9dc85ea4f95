// What a transcript shows badly, because it is about time, size or options: each a function over a
// whole group, so that tests of behaviour and of coverage run the same.
import type { Limits, MembershipTarget, NodeId, Tracer } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { CoreCluster } from '@quorate/sim'
import { expect } from 'vitest'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'
import { mixed } from './chaos.ts'
import type { Damage } from './damaged.ts'
import { damage, withDamage } from './damaged.ts'
import { beginWithoutC, lateNews, loseDisk } from './lost-disk.ts'

type Group = CoreCluster<PaxosMessage>

/** What a scenario may be run with. */
export interface ScenarioContext {
  readonly tracer: Tracer
}

export type Scenario = (context: ScenarioContext) => void

interface GroupOptions {
  readonly paxos?: PaxosOptions
  readonly own?: Readonly<Record<NodeId, PaxosOptions>>
  readonly limits?: Partial<Limits>
  readonly damage?: Damage
}

function groupOf(
  { tracer }: ScenarioContext,
  members: MembershipTarget,
  { paxos = {}, own = {}, limits, damage: damaged }: GroupOptions = {},
): Group {
  const plain = mixed(paxos, own)
  const consensus = damaged === undefined ? plain : withDamage(plain, damaged)
  return new CoreCluster<PaxosMessage>({ consensus, members, limits, tracer: () => tracer })
}

/** Lets time pass with a network and disks that answer at once. */
function live(group: Group, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    group.advance(10)
    group.stabilize()
  }
}

function elect(group: Group, id: NodeId): void {
  group.campaign(id)
  group.stabilize()
  expect(group.leader()).toBe(id)
}

function put(group: Group, id: NodeId, text: string): void {
  const call = group.propose(id, encodeUtf8(text))
  group.stabilize()
  expect(group.calls.get(call).state).toBe('done')
}

function expectAsleep(group: Group): void {
  for (const id of group.ids) {
    const { up, core } = group.replica(id)
    if (up) expect(core?.wakeAt).toBe(Number.POSITIVE_INFINITY)
  }
}

const abc: MembershipTarget = { voters: ['a', 'b', 'c'] }
const withLearner: MembershipTarget = { voters: ['a', 'b', 'c'], learners: ['l'] }
const sleepy: GroupOptions = { paxos: { hibernateAfterMs: 500 } }

const sleeping: Readonly<Record<string, Scenario>> = {
  'an idle group sleeps, wakes for a write and a read, and elects when its leader has died'(
    context,
  ) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    put(group, 'a', 'y')
    expect(group.replica('c').appliedIndex).toBe(2)
    live(group, 2_000)
    expectAsleep(group)
    const read = group.read('b')
    live(group, 200)
    expect(group.calls.get(read).state).toBe('done')
    live(group, 2_000)
    group.step('b', { type: 'peerUnreachable', peer: 'a' })
    live(group, 500)
    expect(group.leader()).toBe('a')
    live(group, 2_000)
    expectAsleep(group)
    group.crash('a')
    group.step('b', { type: 'peerUnreachable', peer: 'a' })
    live(group, 5_000)
    put(group, group.leader() as NodeId, 'z')
  },

  'a write at a follower has a leader elected where that of a sleeping group has died'(context) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    // The leader lives: it is woken, and stays in office.
    expect(group.rejection(group.propose('b', encodeUtf8('y')))).toBe('NOT_LEADER')
    live(group, 200)
    expect(group.replica('a').running.wakeAt).toBeLessThan(Number.POSITIVE_INFINITY)
    live(group, 2_000)
    expectAsleep(group)
    expect(group.leader()).toBe('a')
    // Nobody is told.
    group.crash('a')
    expect(group.rejection(group.propose('b', encodeUtf8('y')))).toBe('NOT_LEADER')
    live(group, 5_000)
    put(group, group.leader() as NodeId, 'z')
  },

  'a leader that sleeps holds the others for there, whatever happens meanwhile'(context) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    group.advance(60_000)
    group.step('a', { type: 'peerUnreachable', peer: 'c' })
    expectAsleep(group)
    const { peers } = group.replica('a').running.status()
    expect(peers.map(({ active }) => active)).toEqual([true, true])
  },

  'a group does not sleep before everybody knows what is decided'(context) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    group.partition(['a', 'b'], ['c'])
    put(group, 'a', 'x')
    live(group, 3_000)
    expect(group.replica('a').running.wakeAt).toBeLessThan(Number.POSITIVE_INFINITY)
    group.heal()
    live(group, 4_000)
    expectAsleep(group)
    expect(group.replica('c').appliedIndex).toBe(1)
  },

  'a voter that starts again in a group that sleeps finds its leader and leaves it in office'(
    context,
  ) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    const { epoch } = group.replica('a').running.status()
    group.crash('c')
    group.restart('c')
    live(group, 4_000)
    expect(group.replica('c').running.status()).toMatchObject({ leader: 'a', epoch })
    expectAsleep(group)
  },

  'a voter that never leads by itself finds its leader too'(context) {
    const group = groupOf(context, abc, {
      ...sleepy,
      own: { c: { priority: 0, hibernateAfterMs: 500 } },
    })
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    group.crash('c')
    group.restart('c')
    live(group, 5_000)
    expect(group.replica('c').running.status()).toMatchObject({ leader: 'a' })
    expectAsleep(group)
  },

  'a learner that starts again in a group that sleeps finds its leader'(context) {
    const group = groupOf(context, withLearner, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    const { epoch } = group.replica('a').running.status()
    group.crash('l')
    group.restart('l')
    const read = group.read('l')
    live(group, 4_000)
    expect(group.calls.get(read).state).toBe('done')
    expect(group.replica('l').running.status()).toMatchObject({ leader: 'a', epoch })
    expectAsleep(group)
  },

  'a learner that starts again when the leader of a sleeping group has died has one elected'(
    context,
  ) {
    const group = groupOf(context, withLearner, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    expectAsleep(group)
    group.crash('a')
    group.crash('l')
    group.restart('l')
    live(group, 8_000)
    const leader = group.leader() as NodeId
    expect(['b', 'c']).toContain(leader)
    expect(group.replica('l').running.status().leader).toBe(leader)
    put(group, leader, 'y')
    expect(group.replica('l').appliedIndex).toBe(2)
  },
}

const preferring: Readonly<Record<string, Scenario>> = {
  'leadership moves to the voter of highest priority, and stays'(context) {
    const group = groupOf(context, abc, { own: { b: { priority: 2 }, c: { priority: 5 } } })
    group.crash('c')
    live(group, 3_000)
    expect(group.leader()).toBe('b')
    group.restart('c')
    live(group, 3_000)
    expect(group.leader()).toBe('c')
    const { epoch } = group.replica('c').running.status()
    live(group, 30_000)
    expect(group.replica('c').running.status().epoch).toBe(epoch)
  },

  'a voter of priority 0 waits for others, and takes over when asked'(context) {
    // In a group that may sleep it would look for its leader instead.
    const awake = { hibernateAfterMs: 0 }
    const own = { a: { priority: 0 }, b: { priority: 0 } }
    const group = groupOf(context, abc, { paxos: awake, own })
    expect(group.replica('a').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    live(group, 3_000)
    expect(group.leader()).toBe('c')
    const call = group.transfer('c', 'a')
    group.stabilize()
    expect(group.calls.get(call).state).toBe('done')
    expect(group.leader()).toBe('a')
  },

  'whoever misses the leader first leaves one round to a neighbour of higher priority'(context) {
    const group = groupOf(context, abc, { own: { c: { priority: 5 } } })
    group.campaign('a')
    group.stabilize(['a', 'b', 'c'])
    expect(group.leader()).toBeUndefined()
    // c hears of it and does nothing. The round is over, and so is the next.
    group.wake('a')
    group.cut('a', 'c')
    group.stabilize(['a', 'b'])
    group.wake('a')
    group.stabilize(['a', 'b'])
    expect(group.leader()).toBe('a')
  },
}

/** A group whose first `count` entries are decided, and which d and e have not heard of. */
function grown(context: ScenarioContext, count: number): Group {
  const limits = { messageBytesMax: 16, inflightBytesMax: 64 }
  const group = groupOf(context, abc, { limits })
  elect(group, 'a')
  for (let n = 0; n < count; n++) put(group, 'a', `value ${n}`.slice(0, 8))
  return group
}

const growing: Readonly<Record<string, Scenario>> = {
  'a new member fetches entries from several donors at once'(context) {
    const group = grown(context, 60)
    group.join('d')
    group.changeMembership('a', { voters: ['a', 'b', 'c', 'd'] })
    const gave = new Map<NodeId, number>()
    let most = 0
    group.watch = (event) => {
      if (event.type === 'send' && event.message.message.type === 'pulled') {
        const { from } = event.message
        gave.set(from, (gave.get(from) ?? 0) + 1)
      }
      const asked = group.matching({ from: 'd', where: ({ type }) => type === 'pull' })
      most = Math.max(most, new Set(asked.map(({ to }) => to)).size)
    }
    live(group, 500)
    expect(group.replica('d').appliedIndex).toBe(61)
    expect(most).toBe(3)
    for (const id of ['a', 'b', 'c']) expect(gave.get(id)).toBeGreaterThan(5)
  },

  'a donor that is silent holds a new member up only once'(context) {
    const group = grown(context, 60)
    group.cut('d', 'b')
    group.join('d')
    group.changeMembership('a', { voters: ['a', 'b', 'c', 'd'] })
    let asked = 0
    group.watch = (event) => {
      if (event.type !== 'send' || event.message.to !== 'b') return
      if (event.message.from === 'd' && event.message.message.type === 'pull') asked++
    }
    live(group, 1_000)
    expect(group.replica('d').appliedIndex).toBe(61)
    expect(asked).toBeLessThanOrEqual(2)
  },

  'a donor that has compacted its log does not keep others from giving entries'(context) {
    const group = grown(context, 60)
    group.snapshot('b')
    group.join('d')
    group.changeMembership('a', { voters: ['a', 'b', 'c', 'd'] })
    live(group, 1_000)
    expect(group.replica('d').appliedIndex).toBe(61)
    expect(group.replica('d').durable.snapshot).toBeUndefined()
  },

  'a change whose new voters do not come is given up, and nothing has happened'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    const call = group.changeMembership('a', { voters: ['a', 'b', 'x'] })
    live(group, 12_000)
    expect(group.rejection(call)).toBe('UNAVAILABLE')
    expect(group.replica('a').running.status().membership).toMatchObject({ version: 1 })
    put(group, 'a', 'x')
  },
}

const refilling: Readonly<Record<string, Scenario>> = {
  'a follower is refilled from a snapshot, whatever its log holds'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    for (let n = 0; n < 5; n++) put(group, 'a', `${n}`)
    expect(group.replica('c').appliedIndex).toBe(5)
    const call = group.refill('c')
    // Nothing is left to do in the group: the leader adds an entry and takes a snapshot for it.
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
    expect(group.replica('c').durable.snapshot?.index).toBe(6)
    put(group, 'a', 'more')
    expect(group.replica('c').appliedIndex).toBe(7)
  },

  'a follower that waits to be refilled accepts and promises as before, and applies nothing'(
    context,
  ) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.partition(['a', 'b'], ['c'])
    const call = group.refill('c')
    group.partition(['a', 'c'], ['b'])
    for (let n = 0; n < 3; n++) {
      group.propose('a', encodeUtf8(`${n}`))
      // Its request is lost; entries and their acknowledgements are not.
      for (const flight of group.matching({ from: 'c', where: ({ type }) => type === 'refill' })) {
        group.drop(flight)
      }
      group.stabilize()
    }
    expect(group.replica('a').appliedIndex).toBe(4)
    expect(group.replica('c').appliedIndex).toBe(1)
    expect(group.replica('c').running.status()).toMatchObject({ lastIndex: 4, commitIndex: 4 })
    group.heal()
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
    expect(group.replica('c').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'a refill goes on under another leader'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.crash('a')
    const call = group.refill('c')
    live(group, 5_000)
    // c does not lead from a state like this.
    expect(group.leader()).toBe('b')
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
  },

  'a refill that nobody can give ends, and the replica goes on with what it has'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.crash('a')
    group.crash('b')
    const call = group.refill('c')
    live(group, 12_000)
    expect(group.rejection(call)).toBe('UNAVAILABLE')
    group.restart('a')
    live(group, 4_000)
    put(group, group.leader() as NodeId, 'y')
    expect(group.replica('c').appliedIndex).toBe(2)
  },

  'a leader is not refilled, nor a replica twice at once'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    expect(group.rejection(group.refill('a'))).toBe('CONFLICT')
    group.partition(['a', 'b'], ['c'])
    group.refill('c')
    expect(group.rejection(group.refill('c'))).toBe('CONFLICT')
  },

  'the snapshot of a state that is to be replaced is given to nobody'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.partition(['a', 'b'], ['c'])
    group.refill('c')
    group.snapshot('c')
    expect(group.replica('c').durable.snapshot).toBeUndefined()
    expect(group.replica('c').pending).toEqual([])
  },
}

const losing: Readonly<Record<string, Scenario>> = {
  'a voter that lost its disk is not talked into an epoch in which it had accepted something'(
    context,
  ) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    beginWithoutC(group)
    expect(group.leader()).toBe('a')
    expect(group.replica('a').appliedIndex).toBe(3)
    const versions = (): number[] =>
      group.ids.map((id) => group.replica(id).running.status().membership.version)
    expect(versions()).toEqual([2, 2, 1])
    loseDisk(group, 'b')
    group.partition(['b', 'c'], ['a'])
    const news = lateNews(group)
    // c, which knows of the first epoch only, tells b of that one; of the second both hear afterwards.
    for (let n = 0; n < 300 && group.replica('b').appliedIndex === 0; n++) live(group, 10)
    expect(versions()).toEqual([2, 1, 1])
    group.step('c', { type: 'receive', from: 'a', message: news })
    live(group, 10_000)
    expect(versions()).toEqual([2, 2, 2])
    // b counts for nothing, so that c, which knows nothing of it either, cannot lead.
    expect(group.leader()).toBeUndefined()
    group.heal()
    live(group, 20_000)
    expect(group.replica('b').appliedIndex).toBe(group.replica('a').appliedIndex)
    expect(versions()).toEqual([3, 3, 3])
    put(group, group.leader() as NodeId, 'z')
    // And now it counts again.
    group.crash('a')
    live(group, 20_000)
    put(group, group.leader() as NodeId, 'zz')
  },
}

/** How often a group of members was renewed for somebody. */
function renewals(group: Group): number {
  return group.replica('a').running.status().membership.version - 1
}

/** Fifty entries in the log of b, and then only so many: what it knew to be decided is damaged. */
function damageMany(group: Group, lost: Damage): void {
  elect(group, 'a')
  for (let n = 0; n < 50; n++) put(group, 'a', `${n}`.padStart(8))
  live(group, 1_200)
  put(group, 'a', 'last')
  live(group, 200)
  damage(group, lost)
}

const relearning: Readonly<Record<string, Scenario>> = {
  'decided entries that a disk has lost are all fetched at once, and its replica counts again'(
    context,
  ) {
    const lost = { id: 'b', first: 5, last: 51 }
    const limits = { messageBytesMax: 80 }
    const group = groupOf(context, abc, { damage: lost, limits })
    damageMany(group, lost)
    let pulls = 0
    group.watch = (event) => {
      if (event.type === 'send' && event.message.message.type === 'pull') pulls += 1
    }
    live(group, 20)
    expect(group.replica('b').running.status()).toMatchObject({ lastIndex: 51, commitIndex: 51 })
    expect(pulls).toBeLessThan(12)
    live(group, 200)
    expect(renewals(group)).toBe(0)
    group.crash('c')
    put(group, 'a', 'with b alone')
  },

  'what a disk has lost in a group that sleeps is fetched, and the group sleeps again'(context) {
    const lost = { id: 'b', first: 2, last: 51 }
    const group = groupOf(context, abc, { ...sleepy, damage: lost })
    damageMany(group, lost)
    live(group, 5_000)
    expect(group.replica('b').running.status()).toMatchObject({ commitIndex: 51, leader: 'a' })
    expectAsleep(group)
    expect(renewals(group)).toBe(0)
  },

  'who has lost decided entries is silent while nobody can bring them, and leads afterwards'(
    context,
  ) {
    const lost = { id: 'b', first: 2, last: 51 }
    const group = groupOf(context, abc, { damage: lost })
    damageMany(group, lost)
    group.partition(['b'], ['a', 'c'])
    live(group, 5_000)
    expect(group.replica('b').running.status()).toMatchObject({ role: 'follower', lastIndex: 1 })
    group.heal()
    live(group, 1_000)
    const call = group.transfer('a', 'b')
    live(group, 1_000)
    expect(group.calls.get(call).state).toBe('done')
    put(group, 'b', 'as a leader')
  },
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  ...losing,
  ...relearning,
  ...sleeping,
  ...preferring,
  ...growing,
  ...refilling,
}
