// Seeds that found a bug, or that alone find one of the mutants, with what they showed. They are run
// with every test run, for as long as the repository lives.
import type { SimulateOptions } from '@quorate/sim'
import { faultKinds } from '@quorate/sim'

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
    algorithm: 'paxos',
    seed: 516,
    found: 'a learner that cut off decided entries which it had learned before it started again',
    options: {
      network: {
        loss: 0,
        duplication: 0,
        delayMinMs: 0.2,
        delayMeanMs: 0.5,
        tail: 0,
        reorder: false,
      },
      clients: 4,
      durationMs: 5_769,
      plan: [
        { atMs: 401, kind: 'failed-sync', host: 'leader' },
        { atMs: 3_069, kind: 'clog', from: 'h5', to: 'h2', forMs: 2_552 },
        {
          atMs: 3_600,
          kind: 'membership',
          group: 'g2',
          voters: ['h2', 'h3', 'h4'],
          learners: ['h1', 'h5'],
        },
        { atMs: 5_264, kind: 'failed-sync', host: 'h5' },
      ],
    },
  },
  {
    algorithm: 'paxos',
    seed: 7_310_443,
    found: 'a follower that waited for entries of others which its leader had brought meanwhile',
    options: {
      durationMs: 10000,
      spares: 0,
      everything: true,
      faults: ['rot', 'crash', 'partition', 'blackout'],
      network: {
        loss: 0.1597298213278233,
        duplication: 0.12272940463054675,
        delayMinMs: 0.2,
        delayMeanMs: 10.02008736290151,
        tail: 0,
        reorder: true,
      },
      plan: [
        { atMs: 944, kind: 'blackout', downMs: [854, 836, 848, 519, 1308] },
        {
          atMs: 1590,
          kind: 'partition',
          mode: 'halves',
          host: 'h4',
          order: ['h4', 'h2', 'h1', 'h5', 'h3'],
          forMs: 861,
        },
        { atMs: 2055, kind: 'rot', host: 'h3', group: 'g2', entries: 8, how: 'lost-write' },
        { atMs: 3717, kind: 'crash', host: 'h4', power: true, downMs: 3797 },
        { atMs: 4853, kind: 'rot', host: 'h2', group: 'g2', entries: 1, how: 'lost-write' },
        { atMs: 5812, kind: 'blackout', downMs: [306, 961, 485, 1896, 1147] },
        { atMs: 7130, kind: 'rot', host: 'h3', group: 'g2', entries: 8, how: 'misdirected' },
        { atMs: 8895, kind: 'crash', host: 'h1', power: true, downMs: 3080 },
      ],
    },
  },
  {
    algorithm: 'paxos',
    seed: 31_000_104,
    found: 'a log that was adopted for the ballot of entries that its disk had lost',
    options: {
      durationMs: 10_000,
      spares: 0,
      everything: true,
      faults: ['rot', 'crash', 'partition', 'blackout'],
      network: {
        loss: 0.20809537781525528,
        duplication: 0.020043676529061673,
        delayMinMs: 0.2,
        delayMeanMs: 6.006823811822656,
        tail: 0,
        reorder: true,
      },
      plan: [
        { atMs: 839, kind: 'crash', host: 'leader', power: false, downMs: 2270 },
        { atMs: 1966, kind: 'blackout', downMs: [415, 1867, 75, 636, 1573] },
        { atMs: 1989, kind: 'rot', host: 'h1', group: 'g1', entries: 7, how: 'misdirected' },
        { atMs: 4005, kind: 'blackout', downMs: [1671, 1168, 415, 147, 228] },
        { atMs: 4288, kind: 'rot', host: 'h1', group: 'g1', entries: 4, how: 'bits' },
        {
          atMs: 5918,
          kind: 'partition',
          mode: 'halves',
          host: 'h1',
          order: ['h2', 'h1', 'h4', 'h3', 'h5'],
          forMs: 484,
        },
        { atMs: 6033, kind: 'blackout', downMs: [646, 1153, 1035, 1395, 1117] },
        { atMs: 7319, kind: 'rot', host: 'h2', group: 'g1', entries: 2, how: 'bits' },
        { atMs: 7470, kind: 'crash', host: 'h5', power: true, downMs: 3118 },
        { atMs: 8544, kind: 'crash', host: 'h1', power: false, downMs: 733 },
        { atMs: 9097, kind: 'blackout', downMs: [72, 587, 1112, 1474, 1193] },
        { atMs: 9842, kind: 'rot', host: 'h1', group: 'g1', entries: 6, how: 'bits' },
      ],
    },
  },
  {
    algorithm: 'paxos',
    seed: 850,
    found: 'an entry that a disk had acknowledged right before it was replaced',
    options: {
      faults: ['rot', 'wipe', 'crash', 'partition'],
      beyondModel: true,
      durationMs: 10_000,
    },
  },
  {
    algorithm: 'paxos',
    seed: 7_311_384,
    found: 'an entry that a disk had acknowledged right before it rotted',
    options: {
      faults: ['rot', 'wipe', 'crash', 'partition'],
      beyondModel: true,
      durationMs: 7442,
      network: {
        loss: 0.083719344380144,
        duplication: 0.3489109565992531,
        delayMinMs: 0.2,
        delayMeanMs: 0.5,
        tail: 0,
        reorder: true,
      },
      plan: [
        { atMs: 1272, kind: 'rot', host: 'h5', group: 'g1', entries: 1, how: 'lost-write' },
        { atMs: 2794, kind: 'rot', host: 'h4', group: 'g1', entries: 3, how: 'misdirected' },
        {
          atMs: 4976,
          kind: 'partition',
          mode: 'ring',
          host: 'leader',
          order: ['h2', 'h4', 'h5', 'h1', 'h3'],
          forMs: 3349,
        },
        { atMs: 5212, kind: 'wipe', host: 'h5' },
        { atMs: 5878, kind: 'rot', host: 'h2', group: 'g1', entries: 4, how: 'bits' },
        { atMs: 7337, kind: 'rot', host: 'h2', group: 'g1', entries: 6, how: 'misdirected' },
      ],
    },
  },
  {
    algorithm: 'paxos',
    seed: 5_000_595,
    found: 'members named for the beginning of a log by one that knew only those of its snapshot',
    options: {
      faults: ['wipe', 'crash', 'partition', 'clog', 'membership', 'transfer'],
      everything: true,
      beyondModel: true,
      durationMs: 10_000,
    },
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
    algorithm: 'raft',
    seed: 910_000_115,
    found: 'a check that forgot what a disk had acknowledged before it was replaced',
    options: {
      beyondModel: true,
      durationMs: 2_000,
      network: {
        loss: 0,
        duplication: 0.08778188266485387,
        delayMinMs: 0.2,
        delayMeanMs: 0.5,
        tail: 0,
        reorder: false,
      },
      plan: [{ atMs: 1_383, kind: 'wipe', host: 'h3' }],
    },
  },
  {
    algorithm: 'raft',
    seed: 61_001_210,
    found: 'a check that took what an earlier leader removed, late, for the loss of an entry',
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
  {
    algorithm: 'paxos',
    seed: 3_033_744_337,
    found: 'a repair that began again for each message of it that another had overtaken',
  },
  {
    algorithm: 'paxos',
    seed: 61_000_228,
    found: 'a member that was told of entries, but not of the members, and could not tell the next',
  },
]

/** Seeds that found something in the log on disk, or in what a cluster does with it. */
export const keptOnFiles: readonly KeptSeed[] = [
  {
    algorithm: 'raft',
    seed: 282,
    found:
      'the file of a snapshot that was finished, and not yet in force, went when an older one came into force',
  },
  {
    algorithm: 'paxos',
    seed: 1887,
    found: 'a log that forgot the epoch before its first entry with the segment that told it',
    options: { faults: faultKinds.filter((kind) => kind !== 'rot') },
  },
  { algorithm: 'raft', seed: 1984, found: 'the same under the other algorithm' },
  {
    algorithm: 'paxos',
    seed: 19,
    found:
      'a bug instead of a refusal, where rot took the state of a group and the entries after it',
    options: {
      faults: ['rot', 'crash', 'partition', 'blackout', 'snapshot'],
      everything: true,
      spares: 0,
      durationMs: 10_000,
    },
  },
]
