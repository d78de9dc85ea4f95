// Checks of a voter that comes back under its id with an empty disk. What it had acknowledged and
// promised is gone, and whoever does not tell it apart from a new member loses what a quorum had kept.
import type { NodeId } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck, ConsensusHarness, Group } from './harness.ts'
import {
  applied,
  check,
  commandsOf,
  elected,
  electedByOthers,
  equal,
  groupOf,
  level,
  loseDisk,
  others,
  until,
} from './harness.ts'

/** More messages than any campaign of one candidate against one voter takes. */
const CAMPAIGN_MESSAGES = 12

/** Lets time pass, everything being delivered, whatever comes of it. */
function live(group: Group, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) {
    group.stabilize()
    group.advance(50)
  }
}

/** Whether some replicas have applied everything that anybody has. */
function even(group: Group, ids: readonly NodeId[]): boolean {
  return ids.every((id) => group.replica(id).appliedIndex === group.history.length)
}

/** Lets `a` go ahead against `c` alone, by so many messages; what they say further stays under way. */
function goAhead(group: Group, messages: number): void {
  group.partition(['a', 'c'], ['b'])
  let delivered = 0
  for (let rounds = 0; delivered < messages && rounds < 200; rounds++) {
    group.persist('a')
    group.persist('c')
    const flight = group.messages[0]
    if (flight === undefined) group.wake('a')
    else {
      group.deliver(flight)
      delivered++
    }
  }
  group.persist('a')
}

/** Lets `b` and `c` find a leader, `b` where it can be, while the clock of `a` stands still. */
function overtake(group: Group): void {
  group.partition(['b', 'c'], ['a'])
  const leads = (id: NodeId): boolean => group.replica(id).running.status().role === 'leader'
  for (let rounds = 0; !leads('b') && !leads('c'); rounds++) {
    check(rounds < 200, 'two of three elect nobody')
    // Only the clock of c moves where b has asked in vain, as it may have promised to wait for a.
    group.wake(rounds % 4 === 3 ? 'c' : 'b')
    group.stabilize(['b', 'c'])
  }
}

/** Two candidates and one voter, which loses its disk when it has answered both. */
function rivals(harness: ConsensusHarness, messages: number): void {
  const group = groupOf(harness)
  goAhead(group, messages)
  overtake(group)
  loseDisk(group, 'c')
  // What a had asked of c, and what c had answered, arrives now; a knows of nobody else.
  group.partition(['a', 'c'], ['b'])
  const propose = (id: NodeId): void => {
    const { role } = group.replica(id).running.status()
    if (role === 'leader') group.propose(id, encodeUtf8(id))
    group.stabilize(['a', 'c'])
  }
  group.stabilize(['a', 'c'])
  propose('a')
  group.partition(['b', 'c'], ['a'])
  propose('b')
  group.stabilize(['b', 'c'])
  group.heal()
  const leader = elected(group)
  applied(group, leader, ['z'])
  until(group, 'those with a disk do not agree', () => even(group, ['a', 'b']))
}

/** A leader that was replaced without knowing meets a voter that has forgotten who replaced it. */
function replaced(harness: ConsensusHarness): void {
  const group = groupOf(harness)
  const old = elected(group)
  until(group, 'not level', () => level(group))
  const rest = others(group, old)
  group.partition(rest, [old])
  const next = electedByOthers(group, rest)
  const lost = others(group, old, next)[0] as NodeId
  loseDisk(group, lost)
  group.partition([old, lost], [next])
  group.propose(old, encodeUtf8('of the old leader'))
  for (let beats = 0; beats < 5; beats++) {
    group.stabilize([old, lost])
    group.wake(old)
  }
  group.partition([next, lost], [old])
  group.propose(next, encodeUtf8('of the new leader'))
  for (let beats = 0; beats < 5; beats++) {
    group.stabilize([next, lost])
    group.wake(next)
  }
  group.heal()
  applied(group, elected(group), ['z'])
  until(group, 'those with a disk do not agree', () => even(group, [old, next]))
}

/** Checks of a voter whose disk is lost. */
export const lostDiskChecks: readonly ConsensusCheck[] = [
  {
    name: 'an acknowledged entry is not lost with the disk of a voter that held it',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      until(group, 'not level', () => level(group))
      const [behind, lost] = others(group, leader) as [NodeId, NodeId]
      group.partition([leader, lost], [behind])
      applied(group, leader, ['x'], [leader, lost])
      const before = group.history.length
      loseDisk(group, lost)
      // Only the leader's disk has x now, and the two others cannot know that there is one.
      group.crash(leader)
      group.partition([behind, lost])
      live(group, 10_000)
      check(group.history.length === before, 'two that lack an acknowledged entry went on')
      group.restart(leader)
      group.partition([leader, lost])
      live(group, 5_000)
      group.heal()
      applied(group, elected(group), ['y'])
      until(group, 'those with a disk do not agree', () => even(group, [leader, behind]))
      equal(commandsOf(group), ['x', 'y'], 'other commands')
    },
  },
  {
    name: 'a voter that lost its disk does not vote again where it may have voted before',
    needs: 'failover',
    run(harness) {
      for (let messages = 0; messages <= CAMPAIGN_MESSAGES; messages++) rivals(harness, messages)
      replaced(harness)
    },
  },
  {
    name: 'a voter that lost its disk is filled again, and counts',
    needs: 'rejoin',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['x', 'y'])
      const lost = others(group, leader)[0] as NodeId
      loseDisk(group, lost)
      until(group, 'it is not filled again', () => level(group))
      // Vouching for it may take a while, and an entry or an epoch of its own.
      live(group, 10_000)
      const down = others(group, elected(group), lost)[0] as NodeId
      group.crash(down)
      const up = others(group, down)
      applied(group, elected(group, up), ['z'], up)
      check(even(group, up), 'it lacks what it was counted for')
    },
  },
]
