// What is explored in full: every order of deliveries, losses, writes, crashes and timeouts within
// bounds, from several starting points. A message that is never delivered is one that was lost.
import type { ExploreOptions } from '@quorate/sim'
import type { RaftMessage } from '../src/index.ts'
import { explorableRaft } from '../src/explorable.ts'

/** One exploration and what it is known to find: the counts change only with the protocol. */
export interface Exploration {
  readonly name: string
  readonly options: ExploreOptions<RaftMessage>
  readonly states: number
  readonly transitions: number
  readonly depth: number
  readonly complete: boolean
}

const base = {
  // Polls and shields only keep elections from happening; here all that can happen shall.
  consensus: explorableRaft({ preVote: false, checkQuorum: false }),
  members: { voters: ['a', 'b', 'c'] },
  epochMax: 3,
  messagesMax: 20,
  statesMax: Number(process.env['RAFT_STATES'] ?? 100_000),
} as const

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

export const elections: readonly Exploration[] = [
  {
    name: 'a first election and a proposal',
    options: { ...base, ...nothing, timeouts: 1, proposals: 1 },
    states: 0, transitions: 0, depth: 0, complete: true,
  },
  {
    name: 'two candidates',
    options: { ...base, ...nothing, timeouts: 2 },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'a first election with a crash at any moment',
    options: { ...base, ...nothing, timeouts: 1, crashes: 1 },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'elections from logs that differ',
    options: { ...base, ...nothing, prepare: diverged, timeouts: 2 },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'elections from logs that differ, with a crash and a disk that answers at once',
    options: { ...base, ...nothing, prepare: diverged, timeouts: 2, crashes: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'a change of leader while an entry is on its way, with a message that comes twice',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 1, duplicates: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
]

export const changes: readonly Exploration[] = [
  {
    name: 'a change of leader while an entry is on its way',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 1 },
    states: 0, transitions: 0, depth: 0, complete: true,
  },
  {
    name: 'two entries, a timeout and a crash',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 2, crashes: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'a read while the leader changes',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, proposals: 1, reads: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'a voter removed while the leader changes',
    options: { ...base, ...nothing, prepare: led, timeouts: 1, targets: [{ voters: ['a', 'b'] }] },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'joint consensus while the leader changes',
    options: {
      ...base, ...nothing, members: { voters: ['a', 'b'], learners: ['c'] }, prepare: led, timeouts: 1,
      targets: [{ voters: ['a', 'c'] }], persistAtOnce: true,
    },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'a snapshot fetched while the leader changes',
    options: { ...base, ...nothing, prepare: behind, timeouts: 2, proposals: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
  {
    name: 'leadership handed over, with a crash',
    options: { ...base, ...nothing, prepare: led, transfers: 1, proposals: 1, crashes: 1, persistAtOnce: true },
    states: 0, transitions: 0, depth: 0, complete: false,
  },
]
