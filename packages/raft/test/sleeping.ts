// Groups that sleep: who cannot campaign finds its leader anyway, and thousands of groups that start,
// sleep or lose their leader at the same moment do not act at the same moment.
import type { MembershipTarget, NodeId } from '@quorate/core'
import { expect } from 'vitest'
import type { RaftOptions } from '../src/index.ts'
import type { Group, Scenario, ScenarioContext } from './scenarios.ts'
import { elect, groupOf, live, put } from './scenarios.ts'

const abc: MembershipTarget = { voters: ['a', 'b', 'c'] }
const sleepy: RaftOptions = { hibernateAfterMs: 500 }

function asleep(group: Group, ids: readonly NodeId[] = group.ids): boolean {
  return ids.every((id) => group.replica(id).running.wakeAt === Number.POSITIVE_INFINITY)
}

/** Who cannot campaign starts again in a group that sleeps, having missed nothing or everything. */
function restarted(
  context: ScenarioContext,
  members: MembershipTarget,
  id: NodeId,
  own: Readonly<Record<NodeId, RaftOptions>> = {},
): void {
  const group = groupOf(context, members, sleepy, { own })
  elect(group, 'a')
  // A witness has no commands, which the checks of equal logs would take for a difference.
  const entries = members.witnesses === undefined ? 2 : 1
  if (entries === 2) put(group, 'a', 'x')
  live(group, 3_000)
  expect(asleep(group)).toBe(true)
  group.crash(id)
  group.restart(id)
  expect(group.replica(id).running.status().leader).toBeUndefined()
  const read = group.read(id)
  live(group, id === 'c' ? 2_500 : 1_200)
  expect(group.replica(id).running.status().leader).toBe('a')
  expect(group.calls.get(read).state).toBe('done')
  expect(group.replica(id).running.status().commitIndex).toBe(entries)
  live(group, 3_000)
  expect(asleep(group)).toBe(true)
}

const MEMBERS_DELAY_MS = 20

/** Many groups of one set of hosts, in the same time; messages take 20 ms. */
class Many {
  readonly groups: readonly Group[]
  /** Messages sent in each 10 ms. */
  readonly sent: number[] = [0]
  #now = 0
  readonly #sentAt = new Map<object, number>()

  constructor(context: ScenarioContext, count: number, options: RaftOptions) {
    this.groups = Array.from({ length: count }, (_, at) => {
      const group = groupOf(context, abc, options, { seed: at + 1 })
      group.watch = (event) => {
        if (event.type !== 'send') return
        this.sent[this.sent.length - 1] = (this.sent.at(-1) ?? 0) + 1
        this.#sentAt.set(event.message, this.#now)
      }
      return group
    })
  }

  live(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.#now += 10
      this.sent.push(0)
      for (const group of this.groups) {
        group.advance(10)
        for (const id of group.ids) group.persist(id)
        for (const flight of group.matching()) {
          if ((this.#sentAt.get(flight) ?? 0) <= this.#now - MEMBERS_DELAY_MS) group.deliver(flight)
        }
      }
    }
  }

  /** The messages of the busiest 10 ms since a time. */
  peak(sinceMs: number): number {
    return Math.max(...this.sent.slice(sinceMs / 10 + 1))
  }

  get now(): number {
    return this.#now
  }
}

export const sleeping: Readonly<Record<string, Scenario>> = {
  'a learner that starts again in a group that sleeps finds its leader': (context) =>
    restarted(context, { voters: ['a', 'b', 'c'], learners: ['l'] }, 'l'),

  'so does a witness': (context) =>
    restarted(context, { voters: ['a', 'b', 'w'], witnesses: ['w'] }, 'w'),

  'so does a voter that never campaigns': (context) =>
    restarted(context, abc, 'b', { b: { priority: 0 } }),

  'so does a voter that campaigns': (context) => restarted(context, abc, 'c'),

  'a learner that starts again when the leader of a sleeping group has died has one elected'(
    context,
  ) {
    const group = groupOf(context, { voters: ['a', 'b', 'c'], learners: ['l'] }, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 3_000)
    expect(asleep(group)).toBe(true)
    // Nobody is told.
    group.crash('a')
    group.crash('l')
    group.restart('l')
    const read = group.read('l')
    live(group, 6_000)
    expect(group.leader()).toBeDefined()
    expect(group.calls.get(read).state).toBe('done')
  },

  'a write at a follower has a leader elected where that of a sleeping group has died'(context) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 3_000)
    expect(asleep(group)).toBe(true)
    // The leader lives: it is woken, and stays in office.
    expect(group.rejection(group.propose('b', new Uint8Array(1)))).toBe('NOT_LEADER')
    live(group, 400)
    expect(asleep(group)).toBe(false)
    live(group, 3_000)
    expect(asleep(group)).toBe(true)
    expect(group.leader()).toBe('a')
    // Nobody is told.
    group.crash('a')
    expect(group.rejection(group.propose('b', new Uint8Array(1)))).toBe('NOT_LEADER')
    live(group, 4_000)
    put(group, group.leader() as NodeId, 'y')
  },

  'a leader that sleeps holds the others for there, whatever happens meanwhile'(context) {
    const group = groupOf(context, abc, sleepy)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 3_000)
    group.advance(60_000)
    group.step('a', { type: 'peerUnreachable', peer: 'c' })
    expect(asleep(group)).toBe(true)
    const { peers } = group.replica('a').running.status()
    expect(peers.map(({ active }) => active)).toEqual([true, true])
  },

  'a replica that joins and knows nobody stays silent, and is found'(context) {
    const group = groupOf(context, abc, sleepy)
    group.join('d')
    elect(group, 'a')
    live(group, 3_000)
    expect(asleep(group)).toBe(true)
    const call = group.changeMembership('a', { voters: ['a', 'b', 'c', 'd'] })
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
    group.crash('d')
    group.restart('d')
    live(group, 6_000)
    expect(asleep(group)).toBe(true)
  },

  'a leader whose every tick is late steps down once it hears nobody'(context) {
    for (const lateMs of [150, 450, 5_000]) {
      for (const everySecond of [false, true]) {
        const group = groupOf(context, abc)
        elect(group, 'a')
        const replica = group.replica('a')
        let ms = 0
        for (let tick = 0; ms < 12_000 && replica.running.status().role === 'leader'; tick++) {
          const late = everySecond && tick % 2 === 0 ? 0 : lateMs
          const before = replica.now
          replica.now = Math.max(replica.now, replica.running.wakeAt) + late
          ms += replica.now - before
          group.step('a', { type: 'tick' })
        }
        expect(replica.running.status().role).toBe('follower')
      }
    }
  },

  'a leader whose every tick is late and who is answered goes on'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    const replica = group.replica('a')
    for (let tick = 0; tick < 100; tick++) {
      replica.now = Math.max(replica.now, replica.running.wakeAt) + 150
      group.step('a', { type: 'tick' })
      group.stabilize()
    }
    expect(replica.running.status().role).toBe('leader')
  },

  'many groups that start at once do not act at once'(context) {
    const many = new Many(context, 250, {})
    many.live(1_500)
    const leaders = many.groups.filter((group) => group.leader() !== undefined).length
    expect(leaders).toBeGreaterThanOrEqual(245)
    many.live(2_500)
    for (const group of many.groups) {
      expect(group.leader()).toBeDefined()
      // Elections are not fought over again and again.
      expect(group.replica('a').running.status().epoch).toBeLessThanOrEqual(4)
    }
    // Heartbeats fall together by intent, in one frame a host: 2 and 2 answers for each group. An
    // election takes some twelve messages; had all begun at once, so many would be sent at once.
    const heartbeats = 4 * many.groups.length
    expect(many.peak(0)).toBeLessThanOrEqual(heartbeats + many.groups.length)
    expect(Math.max(...many.sent.slice(0, 10))).toBeLessThanOrEqual(many.groups.length)
  },

  'many groups that sleep and lose their leader at once do not act at once'(context) {
    const many = new Many(context, 250, sleepy)
    for (const group of many.groups) elect(group, 'a')
    many.live(3_000)
    for (const group of many.groups) expect(asleep(group)).toBe(true)
    const at = many.now
    for (const group of many.groups) {
      group.crash('a')
      for (const id of ['b', 'c']) group.step(id, { type: 'peerUnreachable', peer: 'a' })
    }
    many.live(900)
    // One question to the leader that is gone, from each follower, and no campaign yet.
    expect(many.sent.slice(at / 10 + 1).reduce((sum, count) => sum + count, 0)).toBe(0)
    many.live(2_000)
    const early = many.groups.filter((group) => group.leader() !== undefined).length
    expect(early).toBeGreaterThanOrEqual(225)
    many.live(5_000)
    for (const group of many.groups) {
      expect(group.leader()).toBeDefined()
      expect(group.replica('b').running.status().epoch).toBeLessThanOrEqual(4)
    }
    expect(many.peak(at + 20)).toBeLessThanOrEqual(2 * many.groups.length)
  },
}
