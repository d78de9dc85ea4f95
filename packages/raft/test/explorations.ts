// What is explored in full: every order of deliveries, losses, writes, crashes and timeouts within
// bounds, from several starting points. A message that is never delivered is one that was lost.
import type { ExploreOptions, ExploreResult } from '@quorate/sim'
import type { RaftMessage } from '../src/index.ts'
import { explorableRaft } from '../src/explorable.ts'
import { forget } from './scenarios.ts'

/** One exploration and what it is known to find: the counts change only with the protocol. */
export interface Exploration {
  readonly name: string
  readonly options: ExploreOptions<RaftMessage>
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

const pinned = process.env['RAFT_STATES'] === undefined

const base = {
  // Polls and shields only keep elections from happening; here all that can happen shall.
  consensus: explorableRaft({ preVote: false, checkQuorum: false }),
  members: { voters: ['a', 'b', 'c'] },
  epochMax: 3,
  messagesMax: 20,
  statesMax: statesMax(100_000),
} as const

function statesMax(fallback: number): number {
  return Number(process.env['RAFT_STATES'] ?? fallback)
}

const nothing = { timeouts: 0, proposals: 0, crashes: 0, duplicates: 0 } as const

type Group = Parameters<NonNullable<ExploreOptions<RaftMessage>['prepare']>>[0]

/** a leads term 1, and all hold its first entry. */
function led(group: Group): void {
  group.campaign('a')
  group.stabilize()
}

/** a has an entry of term 1 that nobody else has, and c leads term 2 with one that only it has: figure 8, in small. */
function diverged(group: Group): void {
  led(group)
  group.propose('a', new Uint8Array([1]))
  group.persist('a')
  for (const flight of group.matching()) group.drop(flight)
  group.campaign('c')
  group.persist('c')
  for (const flight of group.matching({ to: 'b' })) group.deliver(flight)
  group.persist('b')
  for (const flight of group.matching({ to: 'c' })) group.deliver(flight)
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

/** c is removed while its answers are under way, loses its disk, and is being added again. */
function returned(group: Group): void {
  led(group)
  group.propose('a', new Uint8Array([1]))
  group.persist('a')
  for (const flight of group.matching({ from: 'a' })) group.deliver(flight)
  for (const id of ['b', 'c']) group.persist(id)
  group.changeMembership('a', { voters: ['a', 'b'] })
  group.stabilize(['a', 'b'])
  forget(group, 'c')
  group.changeMembership('a', { voters: ['a', 'b', 'c'] })
  group.stabilize(['a', 'b'])
}

/** c has applied all that there is, and waits for a snapshot of more. */
function waiting(group: Group): void {
  led(group)
  group.propose('a', new Uint8Array([1]))
  group.stabilize()
  group.refill('c')
}

export const elections: readonly Exploration[] = [
  {
    name: 'a first election and a proposal',
    options: { ...base, ...nothing, timeouts: 1, proposals: 1 },
    expected: { states: 21_730, transitions: 73_125, depth: 26, complete: true },
  },
  {
    name: 'two candidates',
    options: { ...base, ...nothing, timeouts: 2 },
    expected: { states: 100_000, transitions: 291_758, depth: 13, complete: false },
  },
  {
    name: 'a first election with a crash at any moment',
    options: { ...base, ...nothing, timeouts: 1, crashes: 1 },
    expected: { states: 11_028, transitions: 30_924, depth: 19, complete: true },
  },
  {
    name: 'elections from logs that differ',
    options: { ...base, ...nothing, prepare: diverged, timeouts: 2 },
    expected: { states: 100_000, transitions: 348_322, depth: 21, complete: false },
  },
  {
    name: 'elections from logs that differ, with a crash and a disk that answers at once',
    options: {
      ...base,
      ...nothing,
      prepare: diverged,
      timeouts: 2,
      crashes: 1,
      persistAtOnce: true,
    },
    expected: { states: 100_001, transitions: 258_307, depth: 12, complete: false },
  },
  {
    name: 'a change of leader while an entry is on its way, with a message that comes twice',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      proposals: 1,
      duplicates: 1,
      persistAtOnce: true,
    },
    expected: { states: 100_001, transitions: 301_338, depth: 11, complete: false },
  },
  {
    name: 'a member that comes back without its data, while what it said before is under way',
    options: {
      ...base,
      ...nothing,
      prepare: returned,
      timeouts: 2,
      proposals: 1,
      persistAtOnce: true,
      statesMax: statesMax(50_000),
    },
    expected: { states: 50_000, transitions: 127_011, depth: 8, complete: false },
  },
]

export const changes: readonly Exploration[] = [
  {
    name: 'a change of leader while an entry is on its way',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 1 },
    expected: { states: 81_098, transitions: 284_361, depth: 27, complete: true },
  },
  {
    name: 'two entries, a timeout and a crash',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      proposals: 2,
      crashes: 1,
      persistAtOnce: true,
    },
    expected: { states: 100_000, transitions: 239_131, depth: 9, complete: false },
  },
  {
    name: 'a read while the leader changes',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      timeouts: 1,
      proposals: 1,
      reads: 1,
      persistAtOnce: true,
    },
    expected: { states: 100_001, transitions: 276_696, depth: 10, complete: false },
  },
  {
    name: 'a voter removed while the leader changes',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, targets: [{ voters: ['a', 'b'] }] },
    expected: { states: 85_384, transitions: 370_182, depth: 41, complete: true },
  },
  {
    name: 'joint consensus while the leader changes',
    options: {
      ...base,
      ...nothing,
      members: { voters: ['a', 'b'], learners: ['c'] },
      prepare: led,
      timeouts: 1,
      targets: [{ voters: ['a', 'c'] }],
      persistAtOnce: true,
    },
    expected: { states: 14_204, transitions: 42_586, depth: 32, complete: true },
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
    expected: { states: 100_000, transitions: 262_696, depth: 9, complete: false },
  },
  {
    name: 'leadership handed over, with a crash',
    options: {
      ...base,
      ...nothing,
      prepare: led,
      transfers: 1,
      proposals: 1,
      crashes: 1,
      persistAtOnce: true,
    },
    expected: { states: 100_000, transitions: 295_512, depth: 16, complete: false },
  },
  {
    name: 'a refill while the leader changes',
    options: {
      ...base,
      ...nothing,
      prepare: waiting,
      timeouts: 2,
      proposals: 1,
      snapshots: 2,
      persistAtOnce: true,
      statesMax: statesMax(50_000),
    },
    expected: { states: 50_001, transitions: 136_773, depth: 7, complete: false },
  },
]
