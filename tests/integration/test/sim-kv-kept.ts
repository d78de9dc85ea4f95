// Schedules that found a bug, with what they showed. They are run with every test run, for as long as
// the repository lives.
import type { AlgorithmName } from './sim-kv-plan.ts'
import type { Layout } from './sim-kv-sweep.ts'

/** A schedule that is worth keeping. */
export interface KeptSchedule {
  /** Which algorithm it ran. */
  readonly algorithm: AlgorithmName
  /** How keys were in shards. Default `slots`. */
  readonly layout?: Layout | undefined
  /** The seed. */
  readonly seed: number
  /** Whether groups fell asleep as the seed decides. Default: they never did. */
  readonly sleeps?: boolean | undefined
  /** What it found. */
  readonly found: string
}

export const keptSchedules: readonly KeptSchedule[] = [
  {
    algorithm: 'raft',
    seed: 4,
    found:
      'a host founds a shard anew whose data it had dropped: its snapshot of the map was not durable',
  },
  { algorithm: 'raft', seed: 8, found: 'a move to a host that is gone is never given up' },
  {
    algorithm: 'raft',
    seed: 127,
    found: 'a write that had been done was refused with NO_SPACE when it was asked again',
  },
  {
    algorithm: 'raft',
    seed: 978,
    found: 'a former leader of the map takes a step of a move that has ended: a learner stays',
  },
  {
    algorithm: 'raft',
    seed: 780,
    sleeps: true,
    found: 'a client is led back by maps to a leader that is gone, and asks nobody else',
  },
  {
    algorithm: 'paxos',
    seed: 7,
    found: 'a write that had been done was refused with NO_SPACE when it was asked again',
  },
  {
    algorithm: 'paxos',
    seed: 71,
    found: 'the data of a replica that had moved away stays on a disk after a crash',
  },
  {
    algorithm: 'paxos',
    seed: 150,
    found: 'a former leader of the map gives a shard an epoch that the map has not got to',
  },
  {
    algorithm: 'paxos',
    seed: 780,
    sleeps: true,
    found: 'a client is led back by maps to a leader that is gone, and asks nobody else',
  },
  {
    algorithm: 'raft',
    layout: 'ranges',
    seed: 5,
    found: 'a founder that was away when its group began is never told who the members are',
  },
  {
    algorithm: 'raft',
    layout: 'ranges',
    seed: 16,
    found: 'a watch that begins while keys are on their way does not show what happens to them',
  },
  {
    algorithm: 'paxos',
    layout: 'ranges',
    seed: 6,
    found: 'a founder that was away when its group began has no vote once a replica has moved',
  },
]
