// Runs with a purpose: for bugs that a random combination of faults meets once in a hundred thousand
// seeds, a cluster and a plan under which they show in a few. Everything else is still the seed's.
import { createRandom } from '@quorate/core'
import type { ConsensusFactory, Random } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import type { Fault, SimulateOptions } from '@quorate/sim'
import type { AlgorithmName } from './sim-sweep.ts'
import { settingsOf } from './sim-sweep.ts'

/** A kind of run. */
export type Direction = 'leases' | 'lost-leaders' | 'snapshots' | 'rolling-restart' | 'many-groups'

const timing = { electionTimeoutMs: 300, heartbeatIntervalMs: 50, clockDriftMax: 0.1 }

const factories: Readonly<Record<AlgorithmName, () => ConsensusFactory>> = {
  raft: () => raft({ ...timing, preVote: false }),
  paxos: () => paxos(timing),
}

const calm = {
  loss: 0,
  duplication: 0,
  delayMinMs: 0.2,
  delayMeanMs: 1,
  tail: 0,
  reorder: false,
} as const

/** Members of a group of so many. */
const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `h${at + 1}`)

/** Faults one after the other, as `next` draws them, each a while after the one before. */
function chain(
  random: Random,
  untilMs: number,
  next: (atMs: number) => readonly Fault[],
  gapMs: () => number,
): readonly Fault[] {
  const faults: Fault[] = []
  for (let atMs = 1_500 + random.below(500); atMs < untilMs; atMs += gapMs()) {
    faults.push(...next(atMs))
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs)
}

function shuffled(random: Random, from: readonly string[]): readonly string[] {
  return from
    .map((name) => ({ name, at: random.uint32() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ name }) => name)
}

type Directed = Partial<SimulateOptions>

const profiles: Readonly<Record<Direction, (random: Random) => Directed>> = {
  /**
   * A leader is heard no more, and gets its last acknowledgements late: until it has missed those that
   * should follow it believes that it leads, and nothing but the end of its lease keeps it from answering.
   */
  leases: (random) => {
    const order = names(3)
    const silence = (atMs: number): readonly Fault[] => [
      { atMs: atMs - 900, kind: 'transfer', group: 'g1', to: 'h1' },
      { atMs, kind: 'clog', from: 'h2', to: 'h1', forMs: 280 },
      { atMs, kind: 'clog', from: 'h3', to: 'h1', forMs: 280 },
      { atMs: atMs + 5, kind: 'partition', mode: 'one-way', host: 'h1', order, forMs: 1_200 },
      { atMs: atMs + 290, kind: 'partition', mode: 'isolate', host: 'h1', order, forMs: 900 },
    ]
    return {
      members: 3,
      clients: 8,
      reads: ['lease'],
      network: calm,
      durationMs: 15_000,
      plan: chain(random, 13_000, silence, () => 2_600 + random.below(400)),
    }
  },

  /**
   * Leaders are lost with entries that few have, and come back to lead again, while every entry travels
   * in a message of its own: what figure 8 of the Raft paper needs.
   */
  'lost-leaders': (random) => {
    const lose = (atMs: number): readonly Fault[] => [
      {
        atMs,
        kind: 'crash',
        host: 'leader',
        power: true,
        downMs: 50 + random.below(300),
      },
    ]
    return {
      members: 5,
      clients: 8,
      limits: { messageBytesMax: 1, inflightMessagesMax: 1, batchCommandsMax: 1 },
      network: { ...calm, delayMeanMs: 100 },
      durationMs: 20_000,
      plan: chain(random, 19_000, lose, () => 150 + random.below(150)),
    }
  },

  /** Snapshots all the time, and hosts that come back only to find that they need one. */
  snapshots: (random) => {
    const fall = (atMs: number): readonly Fault[] => [
      { atMs, kind: 'crash', host: 'leader', power: true, downMs: 200 + random.below(1_500) },
      { atMs: atMs + random.below(300), kind: 'snapshot', group: 'g1', host: 'leader' },
    ]
    return {
      members: 3,
      groups: 1,
      clients: 8,
      limits: { applyBytesMax: 100 },
      network: { ...calm, delayMeanMs: 10 },
      durationMs: 15_000,
      plan: chain(random, 14_000, fall, () => 300 + random.below(900)),
    }
  },

  /** Every host in turn is stopped and started again under load, three times over. */
  'rolling-restart': (random) => ({
    members: 5,
    groups: 3,
    clients: 8,
    network: calm,
    durationMs: 32_000,
    plan: [0, 1, 2].flatMap((round) =>
      names(5).map((host, at) => ({
        atMs: 1_000 + round * 10_000 + at * 2_000 + random.below(200),
        kind: 'crash' as const,
        host,
        power: false,
        downMs: 300 + random.below(500),
      })),
    ),
  }),

  /** Many more groups than hosts, which all fall together. */
  'many-groups': (random) => ({
    members: 5,
    groups: 64,
    clients: 16,
    network: { ...calm, delayMeanMs: 3 },
    durationMs: 8_000,
    plan: [
      { atMs: 1_500, kind: 'blackout', downMs: names(5).map(() => 100 + random.below(900)) },
      { atMs: 4_000, kind: 'crash', host: 'leader', power: true, downMs: 1_000 },
      {
        atMs: 5_500,
        kind: 'partition',
        mode: 'halves',
        host: 'h1',
        order: shuffled(random, names(5)),
        forMs: 1_000,
      },
      { atMs: 7_000, kind: 'failed-sync', host: 'h2' },
    ],
  }),
}

/** A run of a kind. */
export function directed(direction: Direction, name: AlgorithmName, seed: number): SimulateOptions {
  const random = createRandom(seed).fork(direction)
  return {
    ...settingsOf(name),
    consensus: factories[name](),
    spares: 0,
    groups: 1,
    reads: ['quorum'],
    limits: {},
    ...profiles[direction](random),
    seed,
  }
}

/** All kinds of run. */
export const directions: readonly Direction[] = Object.keys(profiles) as Direction[]
