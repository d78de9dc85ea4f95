// Partial connectivity, in the three patterns of Ng, Haridi and Carbone (Omni-Paxos, 2023): each time
// exactly one member reaches a quorum. Recovery is measured in simulated election timeouts.
import type { MembershipTarget, NodeId } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { expect } from 'vitest'
import type { RaftOptions } from '../src/index.ts'
import type { Group, Scenario, ScenarioContext } from './scenarios.ts'
import { elect, groupOf, live, put } from './scenarios.ts'

const ELECTION_TIMEOUT_MS = 1_000
const five: MembershipTarget = { voters: ['a', 'b', 'c', 'd', 'e'] }

/** Leaves only the links of one member. */
function star(group: Group, hub: NodeId): void {
  group.heal()
  for (const one of group.ids) {
    for (const two of group.ids) {
      if (one !== two && one !== hub && two !== hub) group.cut(one, two)
    }
  }
}

/** How many election timeouts pass before a command is committed. */
function recovery(group: Group, timeoutsMax = 30): number {
  const calls: number[] = []
  for (let ms = 0; ms < timeoutsMax * ELECTION_TIMEOUT_MS; ms += 10) {
    const leader = group.leader()
    const last = calls.at(-1)
    const open = last !== undefined && group.calls.get(last).state === 'open'
    const stuck = open && group.calls.get(last as number).at !== leader
    if (leader !== undefined && (!open || stuck)) calls.push(group.propose(leader, encodeUtf8('z')))
    group.advance(10)
    group.stabilize()
    if (calls.some((call) => group.calls.get(call).state === 'done')) {
      return (ms + 10) / ELECTION_TIMEOUT_MS
    }
  }
  throw new Error(`nothing is committed for ${timeoutsMax} election timeouts`)
}

/** Each pattern, made in a group of which `a` leads. */
const patterns: Readonly<Record<string, (group: Group) => void>> = {
  'quorum loss: the leader still hears one member, which alone reaches a quorum'(group) {
    put(group, 'a', 'x')
    star(group, 'c')
  },
  'constrained election: that member lacks entries, and the leader reaches it'(group) {
    group.partition(['a', 'b', 'd', 'e'], ['c'])
    for (let at = 0; at < 5; at++) put(group, 'a', `v${at}`)
    star(group, 'c')
  },
  'constrained election: that member lacks entries, and the leader is gone'(group) {
    group.partition(['a', 'b', 'd', 'e'], ['c'])
    for (let at = 0; at < 5; at++) put(group, 'a', `v${at}`)
    star(group, 'c')
    group.crash('a')
  },
  'constrained election: what that member lacks has been compacted'(group) {
    group.partition(['a', 'b', 'd', 'e'], ['c'])
    for (let at = 0; at < 5; at++) put(group, 'a', `v${at}`)
    live(group, 200)
    for (const id of ['b', 'd', 'e']) group.snapshot(id)
    group.stabilize()
    star(group, 'c')
    group.crash('a')
  },
  'chain: each hears its neighbours only'(group) {
    put(group, 'a', 'x')
    group.heal()
    for (const [at, one] of group.ids.entries()) {
      for (const [to, two] of group.ids.entries()) {
        if (Math.abs(at - to) > 1) group.cut(one, two)
      }
    }
  },
}

/** The longest and the mean recovery of a pattern over seeds. */
function recoveries(
  context: ScenarioContext,
  pattern: (group: Group) => void,
  options: RaftOptions,
  seeds: number,
): { readonly most: number; readonly mean: number } {
  const all: number[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const group = groupOf(context, five, options, { seed })
    elect(group, 'a')
    pattern(group)
    all.push(recovery(group))
    group.heal()
    for (const id of group.ids) if (!group.replica(id).up) group.restart(id)
    live(group, 5_000)
    const leader = group.leader() as NodeId
    put(group, leader, 'last')
  }
  return { most: Math.max(...all), mean: all.reduce((sum, each) => sum + each, 0) / all.length }
}

/** Each pattern as a scenario: within four election timeouts, and within three on average. */
function recovering(): Record<string, Scenario> {
  const all: Record<string, Scenario> = {}
  for (const [name, pattern] of Object.entries(patterns)) {
    all[name] = (context) => {
      const { most, mean } = recoveries(context, pattern, {}, 12)
      if (most > 4 || mean > 3)
        throw new Error(`recovers after at most ${most}, ${mean} on average`)
    }
  }
  return all
}

export const connectivity: Readonly<Record<string, Scenario>> = {
  ...recovering(),

  'a leader that loses its quorum names as its heir whom it hears'(context) {
    const group = groupOf(context, five)
    elect(group, 'a')
    put(group, 'a', 'x')
    star(group, 'c')
    live(group, 1_200)
    expect(group.leader()).toBe('c')
    expect(group.replica('a').running.status().role).toBe('follower')
  },

  'a vote that was passed on counts for the voter, once, and not for who passed it on'(context) {
    const group = groupOf(context, five, { preVote: false })
    elect(group, 'a')
    group.crash('a')
    star(group, 'c')
    group.cut('c', 'e')
    group.cut('c', 'd')
    // Only c answers b, whether once, directly, or for others whom it does not reach.
    for (let round = 0; round < 4; round++) {
      group.campaign('b')
      for (const flight of group.matching({ to: 'b' })) group.duplicate(flight)
      group.stabilize(['b', 'c'])
    }
    expect(group.replica('b').running.status().role).toBe('candidate')
    group.heal()
    star(group, 'c')
    live(group, 8_000)
    put(group, group.leader() as NodeId, 'y')
  },

  'requests are passed on only after a campaign that came to no end'(context) {
    const group = groupOf(context, five)
    let relayed = 0
    group.watch = (event) => {
      if (event.type !== 'send') return
      const { message, from } = event.message
      if (message.type === 'vote' && message.candidate !== from) relayed++
    }
    live(group, 3_000)
    put(group, group.leader() as NodeId, 'x')
    group.crash(group.leader() as NodeId)
    live(group, 3_000)
    put(group, group.leader() as NodeId, 'y')
    expect(relayed).toBe(0)
  },

  'a member that hears a leader passes nothing on'(context) {
    const group = groupOf(context, { voters: ['a', 'b', 'c'] })
    elect(group, 'a')
    group.cut('a', 'c')
    group.cut('c', 'a')
    const { epoch } = group.replica('a').running.status()
    let relayed = 0
    group.watch = (event) => {
      if (event.type === 'send' && event.message.message.type === 'vote') {
        if (event.message.message.candidate !== event.message.from) relayed++
      }
    }
    // Before the time at which leadership would move to b.
    live(group, 900)
    for (let round = 0; round < 3; round++) group.wake('c')
    group.stabilize()
    expect(relayed).toBe(0)
    expect(group.replica('a').running.status()).toMatchObject({ role: 'leader', epoch })
  },
}
