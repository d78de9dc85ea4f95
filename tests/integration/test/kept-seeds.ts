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

export const keptSeeds: readonly KeptSeed[] = []
