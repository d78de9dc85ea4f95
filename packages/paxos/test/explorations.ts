// What is explored in full: every order of deliveries, losses, writes, crashes and timeouts within
// bounds, from several starting points. A message that is never delivered is one that was lost.
import type { ExploreOptions, ExploreResult } from '@quorate/sim'
import { ballotOf } from '../src/ballot.ts'
import { explorablePaxos } from '../src/explorable.ts'
import type { PaxosMessage } from '../src/index.ts'
import { damage, withDamage } from './damaged.ts'
import { beginWithoutC, lateNews, loseDisk } from './lost-disk.ts'

/** One exploration and what it is known to find: the counts change only with the protocol. */
export interface Exploration {
  readonly name: string
  readonly options: ExploreOptions<PaxosMessage>
  readonly expected: Outcome
}

/** How much an exploration found. */
export interface Outcome {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  readonly complete: boolean
}

/** What is compared with what is expected: all of it, or only that no promise was broken where more is explored. */
export function outcomeOf(result: ExploreResult, { expected }: Exploration): Outcome {
  const { states, transitions, depth, complete, counterexample } = result
  if (counterexample !== undefined) {
    throw new Error(`${String(counterexample.error)}\n${counterexample.trace.join('\n')}`)
  }
  return pinned ? { states, transitions, depth, complete } : expected
}

const pinned = process.env['PAXOS_STATES'] === undefined

/** Nobody sleeps in the little time that there is, so nobody has to look for a sleeper either. */
const awake = { hibernateAfterMs: 0 }

const base = {
  // Asking first only keeps proposers from duelling; here all that can happen shall.
  consensus: explorablePaxos(awake, false),
  members: { voters: ['a', 'b', 'c'] },
  epochMax: ballotOf({ round: 4, priority: 0, rank: 0 }),
  messagesMax: 20,
  statesMax: Number(process.env['PAXOS_STATES'] ?? 76_500),
} as const

const nothing = { timeouts: 0, proposals: 0, crashes: 0, duplicates: 0 } as const

type Group = Parameters<NonNullable<ExploreOptions<PaxosMessage>['prepare']>>[0]

/** a leads, and all hold its first entry. */
function led(group: Group): void {
  group.campaign('a')
  group.stabilize()
  group.propose('a', new Uint8Array([0]))
  group.stabilize()
}

/** a accepted an entry that nobody else has, and c leads a larger ballot with one that only it has. */
function diverged(group: Group): void {
  led(group)
  group.propose('a', new Uint8Array([1]))
  group.persist('a')
  for (const flight of group.matching()) group.drop(flight)
  group.advance(2_000)
  for (const flight of group.matching()) group.drop(flight)
  group.crash('a')
  group.restart('a')
  group.campaign('c')
  group.stabilize(['b', 'c'])
  group.propose('c', new Uint8Array([2]))
  group.persist('c')
  for (const flight of group.matching()) group.drop(flight)
}

/** c lacks what a has compacted. */
function behind(group: Group): void {
  led(group)
  group.cut('a', 'c')
  group.propose('a', new Uint8Array([1]))
  group.stabilize()
  group.snapshot('a')
  group.stabilize()
  group.heal()
}

/** b has lost its disk, and a, with which it had begun the second epoch, is down; c is about to hear of it. */
function lost(group: Group): void {
  led(group)
  beginWithoutC(group)
  loseDisk(group, 'b')
  const news = lateNews(group)
  group.crash('a')
  group.send('a', 'c', news)
}

const ofB = { id: 'b', first: 2, last: 3 } as const

/** As {@link lost}, with a disk of b that only cannot read what the second epoch began with, and what followed. */
function damaged(group: Group): void {
  led(group)
  beginWithoutC(group)
  damage(group, ofB)
  const news = lateNews(group)
  group.crash('a')
  group.send('a', 'c', news)
}

export const duels: readonly Exploration[] = [
  {
    name: 'a first ballot and a proposal',
    options: { ...base, ...nothing, timeouts: 1, proposals: 1 },
    expected: { states: 76_500, transitions: 254_584, depth: 15, complete: false },
  },
  {
    name: 'two proposers',
    options: { ...base, ...nothing, timeouts: 2, proposals: 1 },
    expected: { states: 76_500, transitions: 210_387, depth: 11, complete: false },
  },
  {
    name: 'three ballots, with disks that answer at once',
    options: { ...base, ...nothing, timeouts: 3, proposals: 2, persistAtOnce: true },
    expected: { states: 76_503, transitions: 157_642, depth: 8, complete: false },
  },
  {
    name: 'two proposers and a crash at any moment',
    options: { ...base, ...nothing, timeouts: 2, proposals: 1, crashes: 1 },
    expected: { states: 76_502, transitions: 191_864, depth: 10, complete: false },
  },
  {
    name: 'ballots over logs that differ',
    options: { ...base, ...nothing, prepare: diverged, timeouts: 3 },
    expected: { states: 76_500, transitions: 280_202, depth: 17, complete: false },
  },
  {
    name: 'ballots over logs that differ, with a crash and disks that answer at once',
    options: {
      ...base,
      ...nothing,
      prepare: diverged,
      timeouts: 3,
      crashes: 1,
      persistAtOnce: true,
    },
    expected: { states: 76_501, transitions: 240_757, depth: 11, complete: false },
  },
  {
    name: 'an election that asks first',
    options: { ...base, ...nothing, consensus: explorablePaxos(awake), timeouts: 2, proposals: 1 },
    expected: { states: 76_503, transitions: 200_919, depth: 14, complete: false },
  },
]

export const changes: readonly Exploration[] = [
  {
    name: 'a voter that lost its disk, and is told of its group by one that lags behind',
    options: { ...base, ...nothing, prepare: lost, timeouts: 4, persistAtOnce: true },
    expected: { states: 3_750, transitions: 15_445, depth: 25, complete: true },
  },
  {
    name: 'a voter that has lost the beginning of the epoch in which it had voted',
    options: {
      ...base,
      ...nothing,
      consensus: withDamage(base.consensus, ofB),
      prepare: damaged,
      timeouts: 4,
      persistAtOnce: true,
    },
    expected: { states: 12_204, transitions: 50_117, depth: 19, complete: true },
  },
  {
    name: 'a change of leader while an entry is on its way',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 1 },
    expected: { states: 9_864, transitions: 31_438, depth: 25, complete: true },
  },
  {
    name: 'a change of leader with a message that comes twice and a crash',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      proposals: 2,
      duplicates: 1,
      crashes: 1,
      persistAtOnce: true,
    },
    expected: { states: 76_500, transitions: 190_768, depth: 7, complete: false },
  },
  {
    name: 'a read while the leader changes',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 2,
      proposals: 1,
      reads: 1,
      persistAtOnce: true,
    },
    expected: { states: 76_500, transitions: 199_305, depth: 8, complete: false },
  },
  {
    name: 'a stop-sign while the leader changes',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      proposals: 1,
      targets: [{ voters: ['a', 'b'] }],
    },
    expected: { states: 76_502, transitions: 235_274, depth: 11, complete: false },
  },
  {
    name: 'a stop-sign that removes the leader, with a crash',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      crashes: 1,
      targets: [{ voters: ['b', 'c'] }],
      persistAtOnce: true,
    },
    expected: { states: 76_501, transitions: 197_050, depth: 9, complete: false },
  },
  {
    name: 'a stop-sign that makes a learner a voter',
    options: {
      ...base,
      ...nothing,
      members: { voters: ['a', 'b'], learners: ['c'] },
      prepare: led,
      timeouts: 1,
      proposals: 1,
      targets: [{ voters: ['a', 'c'] }],
      persistAtOnce: true,
    },
    expected: { states: 76_501, transitions: 198_499, depth: 10, complete: false },
  },
  {
    name: 'a snapshot fetched while the leader changes',
    options: {
      ...base,
      ...nothing,
      prepare: behind,
      timeouts: 2,
      proposals: 1,
      persistAtOnce: true,
    },
    expected: { states: 76_500, transitions: 220_121, depth: 11, complete: false },
  },
]
