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
    seed: 150_734_904,
    found: 'a read without a leader by a voter that lacked the end of the epoch before on its disk',
  },
  {
    algorithm: 'raft',
    seed: 270,
    found: 'a log cut back too late where a conflict comes before what a disk had lost',
  },
  {
    algorithm: 'raft',
    seed: 20_118,
    found: 'the same, in the three faults that it takes',
    options: {
      network: {
        loss: 0,
        duplication: 0,
        delayMinMs: 0.2,
        delayMeanMs: 28.862988350538952,
        tail: 0,
        reorder: true,
      },
      durationMs: 5_517,
      plan: [
        {
          atMs: 3_696,
          kind: 'partition',
          mode: 'one-way',
          host: 'leader',
          order: ['h3', 'h4', 'h1', 'h2', 'h5'],
          forMs: 3_025,
        },
        { atMs: 4_437, kind: 'transfer', group: 'g1', to: 'h2' },
        { atMs: 4_624, kind: 'rot', host: 'h2', group: 'g1', entries: 3, how: 'lost-write' },
      ],
    },
  },
  {
    algorithm: 'raft',
    seed: 150_736_340,
    found: 'a learner that asked a minute long for a snapshot which nobody had any more',
  },
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
]
