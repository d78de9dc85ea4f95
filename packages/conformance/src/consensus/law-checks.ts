// Checks of the ordering law and of what must be durable before it counts. The cluster itself watches
// the law at every step; these checks bring about the situations in which it could be broken.
import { encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck, Group } from './harness.ts'
import {
  applied,
  check,
  commandsOf,
  elected,
  equal,
  groupOf,
  level,
  others,
  until,
} from './harness.ts'

/** Delivers everything, again and again, and lets no write of `held` complete. */
function deliverWithout(group: Group, held: readonly string[]): void {
  const free = group.ids.filter((id) => !held.includes(id))
  for (let round = 0; round < 60; round++) {
    for (const id of free) group.persist(id)
    for (const flight of group.matching()) group.deliver(flight)
  }
}

/** Checks of what comes before what. */
export const lawChecks: readonly ConsensusCheck[] = [
  {
    name: 'batches are numbered from 1, one by one, across everything that happens',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['u', 'v', 'w', 'x', 'y', 'z'])
      check(group.replica(leader).handedSeq > 3, 'hardly anything was written')
    },
  },
  {
    name: 'entries are handed out in order, each once, and never beyond the commit index',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      for (const text of ['u', 'v', 'w']) group.propose(leader, encodeUtf8(text))
      for (const text of ['x', 'y', 'z']) group.propose(leader, encodeUtf8(text))
      until(group, 'not level', () => level(group) && commandsOf(group).length === 6)
      equal(commandsOf(group), ['u', 'v', 'w', 'x', 'y', 'z'], 'another order')
    },
  },
  {
    name: 'nobody leads before a quorum has its votes on disk',
    needs: 'failover',
    run(harness) {
      const group = groupOf(harness)
      for (let round = 0; round < 40; round++) {
        group.advance(100)
        deliverWithout(group, ['b', 'c'])
        check(
          group.leader() === undefined,
          `${group.leader() ?? ''} leads by votes that are not durable`,
        )
      }
    },
  },
  {
    name: 'nothing commits before a quorum has it on disk',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      // Once all know each other, a proposal travels without time having to pass.
      applied(group, leader, ['w'])
      const before = group.history.length
      group.propose(leader, encodeUtf8('x'))
      deliverWithout(group, others(group, leader))
      check(group.history.length === before, 'an entry committed that one disk holds')
      until(group, 'not applied', () => commandsOf(group).includes('x'))
    },
  },
  {
    name: 'a leader counts its own disk only once the write is done',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      // Once all know each other, a proposal travels without time having to pass.
      applied(group, leader, ['w'])
      const down = others(group, leader)[0] as string
      group.crash(down)
      const before = group.history.length
      group.propose(leader, encodeUtf8('x'))
      deliverWithout(group, [leader])
      check(group.history.length === before, 'a leader counted a write that is not done')
      group.persist(leader)
      until(group, 'not applied', () => commandsOf(group).includes('x'))
    },
  },
  {
    name: 'a group of one commits once its disk has the entry, and not before',
    run(harness) {
      const group = groupOf(harness, { voters: ['a'] })
      elected(group)
      const before = group.history.length
      group.propose('a', encodeUtf8('x'))
      check(group.history.length === before, 'committed before it was durable')
      group.propose('a', encodeUtf8('y'))
      group.persist('a', 1)
      check(group.history.length === before + 1, 'one write was done, and not one entry committed')
      group.persist('a')
      check(group.history.length === before + 2, 'not committed once it was durable')
    },
  },
  {
    name: 'what was committed survives a crash of everybody',
    run(harness) {
      const group = groupOf(harness)
      applied(group, elected(group), ['x', 'y'])
      for (const id of group.ids) group.crash(id)
      for (const id of group.ids) group.restart(id)
      const leader = elected(group)
      applied(group, leader, ['z'])
      until(group, 'not level', () => level(group))
      equal(commandsOf(group), ['x', 'y', 'z'], 'other commands')
    },
  },
  {
    name: 'a replica that has stored anything need not be told the members again',
    run(harness) {
      const group = groupOf(harness)
      applied(group, elected(group), ['x'])
      until(group, 'not level', () => level(group))
      for (const id of group.ids) {
        group.crash(id)
        Object.assign(group.replica(id), { bootstrap: undefined })
      }
      for (const id of group.ids) group.restart(id)
      applied(group, elected(group), ['y'])
      until(group, 'not level', () => level(group))
      for (const id of group.ids) {
        const { voters } = group.replica(id).running.status().membership
        check(voters.join() === 'a,b,c', `${id} takes ${voters.join()} for the voters`)
      }
    },
  },
  {
    name: 'an epoch is not forgotten by a restart',
    run(harness) {
      const group = groupOf(harness)
      elected(group)
      for (const id of group.ids) {
        group.persist(id)
        const before = group.replica(id).running.status().epoch
        group.crash(id)
        group.restart(id)
        const after = group.replica(id).running.status().epoch
        check(after >= before, `${id} was in epoch ${before} and came back in ${after}`)
      }
    },
  },
]
