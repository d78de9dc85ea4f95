// What is left of a group becomes the group: read first, then written, then grown again.
import type { DurableState, MembershipTarget, NodeId } from '@quorate/core'
import { isQuorateError, noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { bestSurvivor, planQuorumLoss } from '../src/quorum-loss.ts'
import type { Group } from './scenarios.ts'
import { elect, groupOf, live, put } from './scenarios.ts'

/** What `load` would give of a replica's disk. */
function stateOf(group: Group, id: NodeId, faulty: DurableState['faulty'] = []): DurableState {
  const { hardState, snapshot, firstIndex, baseEpoch, entries } = group.replica(id).durable
  const epochs = [
    { from: firstIndex - 1, epoch: baseEpoch },
    ...entries.map(({ index, epoch }) => ({ from: index, epoch })),
  ]
  return {
    hardState,
    snapshot,
    firstIndex,
    lastIndex: firstIndex + entries.length - 1,
    epochs,
    tail: entries,
    membershipEntries: entries.filter(({ kind }) => kind === 'membership'),
    faulty,
  }
}

function lost(members: MembershipTarget): Group {
  const group = groupOf({ tracer: noTracer }, members)
  elect(group, 'a')
  if (members.witnesses !== undefined) return group
  put(group, 'a', 'x')
  group.partition(['a', 'b', 'c'], ['d', 'e'])
  put(group, 'a', 'y')
  for (const id of group.ids) group.crash(id)
  return group
}

const five: MembershipTarget = { voters: ['a', 'b', 'c', 'd', 'e'] }

test('the survivor with the best log is made the group, keeps everything, and grows again', () => {
  const group = lost(five)
  const left = new Map(['c', 'd'].map((id) => [id, stateOf(group, id)]))
  const survivor = bestSurvivor(left)
  expect(survivor).toBe('c')
  const plan = planQuorumLoss(survivor, left.get(survivor) as DurableState)
  expect(plan).toMatchObject({
    survivor: 'c',
    lastIndex: 3,
    lastTerm: 1,
    before: { version: 1, voters: ['a', 'b', 'c', 'd', 'e'] },
    after: { version: 2, voters: ['c'], outgoing: [] },
  })
  expect(plan.undecided).toBe(plan.lastIndex - plan.commitIndex)
  // So far nothing has changed: that was the dry run.
  const replica = group.replica('c')
  expect(replica.durable.entries).toHaveLength(3)
  replica.durable = {
    ...replica.durable,
    hardState: plan.batch.hardState,
    entries: [...replica.durable.entries, ...plan.batch.append],
  }
  group.heal()
  group.restart('c')
  live(group, 5_000)
  expect(group.leader()).toBe('c')
  expect(group.replica('c').appliedIndex).toBe(5)
  group.join('f')
  group.join('g')
  const grow = group.changeMembership('c', { voters: ['c', 'f', 'g'] }, 2)
  live(group, 2_000)
  expect(group.calls.get(grow).state).toBe('done')
  put(group, 'c', 'z')
})

test('no plan is made from a replica that cannot carry the group', () => {
  const group = lost({ ...five, witnesses: ['e'], learners: ['l'] })
  const codeOf = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (isQuorateError(error)) return error.code
    }
    return 'none'
  }
  expect(codeOf(() => planQuorumLoss('e', stateOf(group, 'e')))).toBe('INVALID_ARGUMENT')
  expect(codeOf(() => planQuorumLoss('l', stateOf(group, 'l')))).toBe('INVALID_ARGUMENT')
  const faulty = [{ first: 2, last: 2 }]
  expect(codeOf(() => planQuorumLoss('c', stateOf(group, 'c', faulty)))).toBe('STORAGE_CORRUPT')
  const blank = { ...stateOf(group, 'c'), hardState: undefined }
  expect(codeOf(() => planQuorumLoss('c', blank))).toBe('STORAGE_CORRUPT')
  expect(codeOf(() => bestSurvivor(new Map([['c', blank]])))).toBe('INVALID_ARGUMENT')
})

test('of equal logs the first by id survives, and a damaged one never', () => {
  const group = lost(five)
  const states = new Map(['c', 'b', 'a'].map((id) => [id, stateOf(group, id)]))
  expect(bestSurvivor(states)).toBe('a')
  states.set('a', stateOf(group, 'a', [{ first: 1, last: 1 }]))
  expect(bestSurvivor(states)).toBe('b')
})
