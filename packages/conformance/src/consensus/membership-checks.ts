// Checks of changes of membership: members that join, leave and are replaced, under every rule that an algorithm promises.
import type { MembershipTarget } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck, Group } from './harness.ts'
import { applied, check, elected, groupOf, level, others, until } from './harness.ts'

/** Asks whoever leads, again where it is refused, until the members are as wanted. */
function changed(group: Group, target: MembershipTarget): void {
  let call: number | undefined
  const wanted = [...target.voters].sort().join()
  until(group, `the members do not become ${wanted}`, () => {
    const leader = group.leader()
    if (leader === undefined) return false
    const { membership } = group.replica(leader).running.status()
    const done = membership.outgoing.length === 0 && membership.voters.join() === wanted
    if (done && group.history.membershipAt(group.history.length)?.voters.join() === wanted)
      return true
    const open = call !== undefined && group.calls.get(call).state === 'open'
    if (!open && !done) call = group.changeMembership(leader, target)
    return false
  })
}

/** Checks of changes of membership. */
export const membershipChecks: readonly ConsensusCheck[] = [
  {
    name: 'a voter is added, catches up, and counts',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness)
      applied(group, elected(group), ['x'])
      group.join('d')
      changed(group, { voters: ['a', 'b', 'c', 'd'] })
      until(group, 'the new voter does not catch up', () => level(group))
      group.crash('d')
      const up = ['a', 'b', 'c']
      const one = up.find((id) => id !== group.leader()) as string
      group.crash(one)
      const before = group.history.length
      const leader = up.find((id) => group.replica(id).up && group.leader() === id)
      if (leader !== undefined) group.propose(leader, encodeUtf8('y'))
      for (let round = 0; round < 20; round++) {
        group.advance(50)
        group.stabilize()
      }
      check(group.history.length === before, 'two of four committed')
    },
  },
  {
    name: 'a voter is removed, also the leader, and the rest goes on',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const rest = others(group, leader)
      changed(group, { voters: rest })
      const next = elected(group, rest)
      applied(group, next, ['x'])
    },
  },
  {
    name: 'all voters are replaced at once',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness)
      applied(group, elected(group), ['x'])
      for (const id of ['d', 'e', 'f']) group.join(id)
      changed(group, { voters: ['d', 'e', 'f'] })
      for (const id of ['a', 'b', 'c']) group.crash(id)
      const leader = elected(group, ['d', 'e', 'f'])
      applied(group, leader, ['y'])
      until(group, 'not level', () => level(group))
    },
  },
  {
    name: 'a lone voter is replaced by others, and stays as a learner',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness, { voters: ['a'] })
      applied(group, elected(group), ['x'])
      for (const id of ['b', 'c']) group.join(id)
      changed(group, { voters: ['b', 'c'], learners: ['a'] })
      applied(group, elected(group, ['b', 'c']), ['y'])
      until(group, 'the former voter does not follow', () => level(group))
    },
  },
  {
    name: 'a change against another version than the one in force is refused',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const { version } = group.replica(leader).running.status().membership
      group.join('d')
      const call = group.changeMembership(leader, { voters: ['a', 'b', 'c', 'd'] }, version + 1)
      group.stabilize()
      check(group.rejection(call) === 'CONFLICT', `it says ${group.rejection(call) ?? 'nothing'}`)
    },
  },
  {
    name: 'a learner receives everything and counts for nothing',
    needs: 'membership',
    run(harness) {
      const group = groupOf(harness, { voters: ['a', 'b'], learners: ['c'] })
      const leader = elected(group)
      check(leader !== 'c', 'a learner leads')
      applied(group, leader, ['x'])
      until(group, 'the learner does not catch up', () => level(group))
      const other = leader === 'a' ? 'b' : 'a'
      group.crash(other)
      const before = group.history.length
      group.propose(leader, encodeUtf8('y'))
      for (let round = 0; round < 20; round++) {
        group.advance(50)
        group.stabilize()
        check(group.leader() !== 'c', 'a learner leads')
      }
      check(group.history.length === before, 'a learner was counted')
    },
  },
]
