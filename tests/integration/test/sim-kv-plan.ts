// One schedule, decided by its seed: how large the store is, how bad network and disks are, what goes
// wrong, and what operators order meanwhile. All of it is data, so that it can be printed.
import type { ConsensusFactory, NodeId, Random } from '@quorate/core'
import { createRandom } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import type { DiskFaults, Fault, NetworkFaults, PartitionMode } from '@quorate/sim'
import type { Algorithm, SimRanges } from './sim-kv-store.ts'

/** Clocks of two hosts may differ by twice as much, which is less than leases allow for. */
const DRIFT_MAX = 0.04

/** What an operator orders, or what happens to hosts and clients. Times are in simulated milliseconds. */
export type Order = { readonly atMs: number } & (
  | { readonly kind: 'move'; readonly shard: number; readonly from: number; readonly to: NodeId }
  | { readonly kind: 'join' | 'drain' | 'cordon' | 'leave'; readonly host: NodeId }
  | { readonly kind: 'lead'; readonly shard: number; readonly to: number }
  | { readonly kind: 'pause' | 'resume' }
  /** The range that holds a key is split there, or merged with the one after it. */
  | { readonly kind: 'split' | 'merge'; readonly key: string }
  /** A host is gone for good. */
  | { readonly kind: 'destroy'; readonly host: NodeId }
  /** Connections of clients break. */
  | { readonly kind: 'reset'; readonly host: NodeId }
)

/** A time in which no client begins anything, in simulated milliseconds. */
export interface Lull {
  readonly atMs: number
  readonly forMs: number
}

/** When nobody asks for anything, and after how long groups then fall asleep. */
export interface Sleep {
  /** 0: never. */
  readonly hibernateAfterMs: number
  readonly lulls: readonly Lull[]
}

/** What a schedule is decided by, besides its seed. */
export interface DrawOptions {
  /** How long things go wrong. Default 4,000. */
  readonly durationMs?: number | undefined
  /** Whether groups may fall asleep; otherwise all is the same but that nobody does. Default `true`. */
  readonly sleeps?: boolean | undefined
}

/** Everything about one schedule. */
export interface Schedule {
  readonly seed: number
  readonly algorithm: Algorithm
  readonly sleep: Sleep
  readonly members: readonly NodeId[]
  readonly spares: readonly NodeId[]
  readonly mapHosts: readonly NodeId[]
  readonly shards: number
  readonly replicas: number
  readonly clients: number
  readonly thinkMs: number
  readonly snapshots: { readonly everyEntries: number; readonly keepEntries: number }
  readonly intervalMs: number
  readonly replaceAfterMs: number
  readonly lagEntriesMax: number
  readonly durationMs: number
  readonly network: NetworkFaults
  readonly disk: DiskFaults
  readonly faults: readonly Fault[]
  readonly orders: readonly Order[]
  /** Absent where shards are hash slots. */
  readonly ranges?: SimRanges | undefined
}

/** The algorithms. */
export type AlgorithmName = 'raft' | 'paxos'

/** An algorithm with settings of its own. */
export function drawAlgorithm(
  name: AlgorithmName,
  random: Random,
  hibernateAfterMs = 0,
): Algorithm {
  const electionTimeoutMs = 150 + random.below(250)
  const heartbeatIntervalMs = Math.floor(electionTimeoutMs / (3 + random.below(3)))
  const timing = { electionTimeoutMs, heartbeatIntervalMs, clockDriftMax: 0.1, hibernateAfterMs }
  const consensus: ConsensusFactory =
    name === 'raft'
      ? raft({ ...timing, preVote: random.fraction() < 0.7, checkQuorum: true })
      : paxos({ ...timing, quorumReads: random.fraction() < 0.3 })
  if (name === 'raft') return { name, consensus }
  // A ballot names its leader, a round does not, and an entry is decided again in later rounds.
  return { name, consensus, promises: { leaderPerEpoch: false, epochsAgree: false } }
}

/** Decides a schedule. Each decision has its own source, so that changing one changes no other. */
export function drawSchedule(
  name: AlgorithmName,
  seed: number,
  { durationMs = 4_000, sleeps = true }: DrawOptions = {},
): Schedule {
  const root = createRandom(seed).fork('schedule')
  const size = root.fork('size')
  const members = hostNames(1, 4 + size.below(2))
  const spares = hostNames(members.length + 1, 6 - members.length)
  const hosts = [...members, ...spares]
  const mapHosts = members.slice(0, members.length === 5 && size.fraction() < 0.4 ? 5 : 3)
  const shards = 2 + size.below(3)
  const snapshots = root.fork('snapshots')
  const timing = root.fork('timing')
  const sleep = sleeps ? drawSleep(root.fork('sleep'), durationMs) : AWAKE
  return {
    seed,
    algorithm: drawAlgorithm(name, root.fork('algorithm'), sleep.hibernateAfterMs),
    sleep,
    members,
    spares,
    mapHosts,
    shards,
    replicas: 3,
    clients: 3 + size.below(3),
    thinkMs: 20 + size.below(60),
    snapshots: {
      everyEntries: snapshots.fraction() < 0.6 ? 10 + snapshots.below(60) : 1_000_000,
      keepEntries: snapshots.below(20),
    },
    intervalMs: 40 + timing.below(80),
    replaceAfterMs: 800 + timing.below(1_500),
    lagEntriesMax: timing.below(64),
    durationMs,
    network: drawNetwork(root.fork('network')),
    disk: drawDisk(root.fork('disk')),
    faults: drawFaults(root.fork('faults'), hosts, durationMs),
    orders: drawOrders(root.fork('orders'), hosts, spares, shards, durationMs),
  }
}

/** Where a range can begin without parting keys of one tag. */
const BETWEEN_TAGS = ['{b}', '{c}', '{d}', '{e}', '{f}', 'n1', 'n2', 'n3']
/** Where it parts them. */
const WITHIN_TAGS = ['{a}2', '{b}2', '{c}2', '{d}2', '{e}2', '{f}2']

/** The same schedule for a store of sorted ranges, which are split and merged meanwhile. */
export function drawRanged(name: AlgorithmName, seed: number, options: DrawOptions = {}): Schedule {
  const plain = drawSchedule(name, seed, options)
  const { durationMs } = plain
  const random = createRandom(seed).fork('schedule').fork('ranges')
  const tagsStay = random.fraction() < 0.6
  const keys = tagsStay ? BETWEEN_TAGS : [...BETWEEN_TAGS, ...WITHIN_TAGS]
  const automatic = !tagsStay && random.fraction() < 0.5
  const splits = shuffled(random, keys)
    .slice(0, plain.shards - 1)
    .toSorted()
  const orders = [...plain.orders]
  for (let count = 3 + random.below(6); count > 0; count--) {
    const atMs = 200 + random.below(durationMs - 200)
    const kind = random.fraction() < 0.6 ? 'split' : 'merge'
    orders.push({ atMs, kind, key: pick(random, keys) })
  }
  const sizes = {
    splitBytes: 60 + random.below(60),
    mergeAfterMs: 300 + random.below(1_000),
  }
  return {
    ...plain,
    ranges: { splits, tagsStay, automatic: automatic ? sizes : false },
    orders: orders.sort((a, b) => a.atMs - b.atMs),
  }
}

const AWAKE: Sleep = { hibernateAfterMs: 0, lulls: [] }

/** In four schedules of ten groups fall asleep, and clients let them at times. */
function drawSleep(random: Random, durationMs: number): Sleep {
  if (random.fraction() >= 0.4) return AWAKE
  const hibernateAfterMs = 50 + random.below(300)
  const lulls = Array.from({ length: 1 + random.below(3) }, () => ({
    atMs: 200 + random.below(durationMs - 200),
    forMs: 2 * hibernateAfterMs + 200 + random.below(800),
  }))
  return { hibernateAfterMs, lulls: lulls.sort((a, b) => a.atMs - b.atMs) }
}

function hostNames(from: number, count: number): readonly NodeId[] {
  return Array.from({ length: count }, (_, at) => `h${from + at}`)
}

function drawNetwork(random: Random): NetworkFaults {
  const on = (what: string): boolean => random.fork(what).fraction() < 0.5
  const [loss, duplication, mean] = [random.fraction(), random.fraction(), random.fraction()]
  return {
    loss: on('loss') ? loss * loss * 0.15 : 0,
    duplication: on('duplication') ? duplication * duplication * 0.3 : 0,
    delayMinMs: 0.2,
    delayMeanMs: on('delay') ? 0.5 + mean * mean * 15 : 0.5,
    tail: on('tail') ? 0.001 : 0,
    reorder: on('reorder'),
  }
}

function drawDisk(random: Random): DiskFaults {
  const [slow, mean, stall] = [random.fraction(), random.fraction(), random.fraction()]
  return {
    writeMinMs: 0.1,
    writeMeanMs: slow < 0.5 ? 0.5 + mean * mean * 10 : 0.5,
    stall: stall < 0.5 ? 0.001 : 0,
  }
}

const KINDS = [
  'crash',
  'partition',
  'clog',
  'pause',
  'drift',
  'jump',
  'slow-disk',
  'full-disk',
  'failed-sync',
  'snapshot',
] as const

function drawFaults(
  random: Random,
  hosts: readonly NodeId[],
  durationMs: number,
): readonly Fault[] {
  const faults: Fault[] = []
  for (const kind of KINDS) {
    const own = random.fork(kind)
    // Crashes and partitions are what moves are most in danger from.
    const often = kind === 'crash' || kind === 'partition'
    if (own.fraction() > (often ? 0.8 : 0.35)) continue
    const count = 1 + own.below(often ? 3 : 2)
    for (let at = 0; at < count; at++) faults.push(drawFault(own, kind, hosts, durationMs))
  }
  return faults.sort((a, b) => a.atMs - b.atMs)
}

function drawFault(
  random: Random,
  kind: (typeof KINDS)[number],
  hosts: readonly NodeId[],
  durationMs: number,
): Fault {
  const atMs = 300 + random.below(durationMs - 300)
  const one = pick(random, hosts)
  // `leader` is whoever leads the map, and with it all moves.
  const host = random.fraction() < 0.35 ? 'leader' : one
  const span = (min: number, max: number): number => min + random.below(max - min + 1)
  switch (kind) {
    case 'crash':
      return { atMs, kind, host, power: random.fraction() < 0.5, downMs: span(20, 1_500) }
    case 'partition': {
      const modes: readonly PartitionMode[] = ['halves', 'isolate', 'bridge', 'one-way', 'ring']
      const order = shuffled(random, hosts)
      return { atMs, kind, mode: pick(random, modes), host, order, forMs: span(100, 1_500) }
    }
    case 'clog':
      return { atMs, kind, from: one, to: pick(random, hosts), forMs: span(50, 1_500) }
    case 'pause':
      return { atMs, kind, host, forMs: span(10, 2_000) }
    case 'drift':
      return { atMs, kind, host: one, rate: 1 + (2 * random.fraction() - 1) * DRIFT_MAX }
    case 'jump':
      return { atMs, kind, host: one, byMs: span(0, 7_200_000) - 3_600_000 }
    case 'slow-disk':
      return { atMs, kind, host, factor: span(5, 100), forMs: span(100, 1_500) }
    case 'full-disk':
      return { atMs, kind, host, forMs: span(100, 1_500) }
    case 'failed-sync':
      return { atMs, kind, host }
    case 'snapshot':
      return { atMs, kind, group: `kv-${random.below(2)}`, host: one }
  }
}

function drawOrders(
  random: Random,
  hosts: readonly NodeId[],
  spares: readonly NodeId[],
  shards: number,
  durationMs: number,
): readonly Order[] {
  const orders: Order[] = []
  const atMs = (): number => 200 + random.below(durationMs - 200)
  const shard = (): number => random.below(shards)
  for (const host of spares) {
    if (random.fraction() < 0.7) orders.push({ atMs: atMs(), kind: 'join', host })
  }
  for (let count = 1 + random.below(4); count > 0; count--) {
    const to = pick(random, hosts)
    orders.push({ atMs: atMs(), kind: 'move', shard: shard(), from: random.below(3), to })
  }
  for (let count = random.below(3); count > 0; count--) {
    orders.push({ atMs: atMs(), kind: 'lead', shard: shard(), to: random.below(3) })
  }
  if (random.fraction() < 0.6) {
    const host = pick(random, hosts)
    const first = {
      atMs: atMs(),
      kind: random.fraction() < 0.7 ? 'drain' : 'cordon',
      host,
    } as const
    orders.push(first)
    const undone = { atMs: first.atMs + random.below(1_500), host }
    if (random.fraction() < 0.4) orders.push({ ...undone, kind: 'join' })
    else if (random.fraction() < 0.5) orders.push({ ...undone, kind: 'leave' })
  }
  if (random.fraction() < 0.2) {
    const paused = atMs()
    orders.push({ atMs: paused, kind: 'pause' })
    orders.push({ atMs: paused + random.below(1_000), kind: 'resume' })
  }
  if (random.fraction() < 0.35)
    orders.push({ atMs: atMs(), kind: 'destroy', host: pick(random, hosts) })
  for (let count = random.below(3); count > 0; count--) {
    orders.push({ atMs: atMs(), kind: 'reset', host: pick(random, hosts) })
  }
  return orders.sort((a, b) => a.atMs - b.atMs)
}

/** One of several, all alike. */
function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T
}

function shuffled<T>(random: Random, from: readonly T[]): readonly T[] {
  const order = [...from]
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const swap = order[at] as T
    order[at] = order[other] as T
    order[other] = swap
  }
  return order
}
