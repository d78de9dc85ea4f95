// Seeds that found a bug, or that alone find one of the mutants, with what they showed. They are run
// with every test run, for as long as the repository lives.
import type { SimulateOptions } from '@quorate/sim'

/** A seed that is worth keeping. */
export interface KeptSeed {
  /** Which algorithm it ran. */
  readonly algorithm: 'raft' | 'paxos'
  /** The seed. */
  readonly seed: number
  /** What it found. */
  readonly found: string
  /** Options that it needs. */
  readonly options?: Partial<SimulateOptions>
}

export const keptSeeds: readonly KeptSeed[] = [
  {
    algorithm: 'paxos',
    seed: 2,
    found: 'an entry accepted after a stop-sign by an acceptor whose last writes were lost',
  },
  {
    algorithm: 'paxos',
    seed: 15,
    found: 'messages without end between a leader and an acceptor that had lost entries',
  },
  {
    algorithm: 'raft',
    seed: 270,
    found: 'the first of all seeds, where followers commit what their leader has not verified',
  },
]
