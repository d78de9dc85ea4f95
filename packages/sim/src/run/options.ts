// What a simulation is run with, and what the seed decides where nothing was said: the size of the
// cluster, which faults there are, and how bad they get.
import type {
  ConsensusFactory,
  Limits,
  NodeId,
  Random,
  ReadMode,
  StateMachine,
} from '@quorate/core'
import { createRandom } from '@quorate/core'
import type { Promises } from '../model/history.ts'
import type { DiskFaults } from './disk.ts'
import type { Fault, FaultKind } from './faults.ts'
import { drawPlan, faultKinds } from './faults.ts'
import type { StorageFactory } from './machine-storage.ts'
import type { NetworkFaults } from './network.ts'
import type { OperationRecord } from './oracle.ts'

/** What clients do. */
export interface Operation {
  /** A command is replicated and applied; a query is answered from the state after a read barrier. */
  readonly kind: 'command' | 'query'
  /** What the state machine is given. */
  readonly bytes: Uint8Array
}

/** Makes the operations of clients. */
export interface Workload {
  /** The next operation of a client, from its own randomness. */
  next(random: Random, client: number, count: number): Operation
}

/** What a simulation is run with. Everything that is not given is drawn from the seed. */
export interface SimulateOptions {
  /** The algorithm, or what draws its settings for a run. */
  readonly consensus: ConsensusFactory | ((random: Random) => ConsensusFactory)
  /** Makes the state machine of one replica: a new one at each start, and one as the reference. */
  readonly stateMachine: () => StateMachine
  /** What the clients do. */
  readonly workload: Workload
  /** Decides everything: an integer from 0 to 2^32 − 1. */
  readonly seed: number
  /** What the algorithm promises. Default: everything. */
  readonly promises?: Promises | undefined
  /** How many hosts are members at the start. Default 1 to 7, mostly 3 or 5. */
  readonly members?: number | undefined
  /** How many hosts there are besides. Default 0 to 2. */
  readonly spares?: number | undefined
  /** How many groups. Default 1 or 2. */
  readonly groups?: number | undefined
  /** How many clients. Default 1 to 8. */
  readonly clients?: number | undefined
  /** How long faults go on, in simulated milliseconds. Default 20,000. */
  readonly durationMs?: number | undefined
  /** How long the group has to recover afterwards, in simulated milliseconds. Default 60,000. */
  readonly recoveryMs?: number | undefined
  /** Which kinds of fault there may be; each is in a run or not. Default: all but `rot`, `wipe`. */
  readonly faults?: readonly FaultKind[] | undefined
  /** Whether every allowed kind of fault is in the run, and the network at its worst. Default false. */
  readonly everything?: boolean | undefined
  /** The faults themselves, instead of drawing them. */
  readonly plan?: readonly Fault[] | undefined
  /** Whether the network itself loses, doubles and delays frames. Default: drawn. */
  readonly network?: Partial<NetworkFaults> | undefined
  /** Which barriers reads use. Default `quorum`; a `lease` read must be within the drift allowed. */
  readonly reads?: readonly ReadMode[] | undefined
  /** By how much the rate of a clock may be off. Default 0.1. */
  readonly driftMax?: number | undefined
  /**
   * Makes the storage of each start of a host, on simulated files: a real one under the faults of a disk.
   * With `rot` it is sectors of its files that rot. It has to refuse to start then (`STORAGE_CORRUPT`),
   * and its disk is replaced; or to call entries faulty; or to go back to an older snapshot and the log
   * that follows it. Default: a log of the simulator's own.
   */
  readonly storage?: StorageFactory | undefined
  /** Limits to replace. Default: some seeds have some very small ones. */
  readonly limits?: Partial<Limits> | undefined
  /** Whether equal states have equal snapshots, byte for byte, so that replicas can be compared by them. Default false. */
  readonly canonicalSnapshots?: boolean | undefined
  /** Whether faults may exceed what can be survived: then nothing has to work, and still nothing may be wrong. Default false. */
  readonly beyondModel?: boolean | undefined
  /** Whether to keep every message and event for a diagram. Default false. */
  readonly record?: boolean | undefined
  /** Judges the clients' history, besides the built-in oracle; returns what is wrong with it. */
  readonly judge?:
    | ((history: readonly OperationRecord[]) => string | undefined | Promise<string | undefined>)
    | undefined
}

/** Everything about one run, decided. */
export interface RunSetup {
  /** The algorithm. */
  readonly consensus: ConsensusFactory
  /** The members at the start. */
  readonly members: readonly NodeId[]
  /** All hosts. */
  readonly hosts: readonly NodeId[]
  /** The groups. */
  readonly groups: readonly string[]
  /** How many clients. */
  readonly clients: number
  /** The mean pause of a client between operations, in milliseconds. */
  readonly thinkMs: number
  /** How long faults go on. */
  readonly durationMs: number
  /** How bad the network is meanwhile. */
  readonly network: NetworkFaults
  /** How bad the disks are meanwhile. */
  readonly disk: DiskFaults
  /** After how many entries replicas take snapshots. */
  readonly snapshotEvery: number
  /** How many entries stay behind a snapshot. */
  readonly snapshotKeep: number
  /** Limits of the hosts that are not the default ones. */
  readonly limits: Partial<Limits>
  /** What goes wrong. */
  readonly plan: readonly Fault[]
  /** Which read barriers there are. */
  readonly reads: readonly ReadMode[]
}

/** A network and a disk on which nothing goes wrong. */
export const calmNetwork: NetworkFaults = Object.freeze({
  loss: 0,
  duplication: 0,
  delayMinMs: 0.2,
  delayMeanMs: 0.5,
  tail: 0,
  reorder: false,
})

/** A disk on which nothing goes wrong. */
export const calmDisk: DiskFaults = Object.freeze({ writeMinMs: 0.1, writeMeanMs: 0.5, stall: 0 })

/** Decides a run. Each decision has its own source, so that giving one changes no other. */
export function drawSetup(options: SimulateOptions): RunSetup {
  const root = createRandom(options.seed)
  const source = (what: string): Random => root.fork(`setup/${what}`)
  const { durationMs = 20_000, everything = false, beyondModel = false } = options
  const size = source('size').fraction()
  const count =
    options.members ??
    (everything
      ? 5
      : size < 0.08
        ? 1
        : size < 0.14
          ? 2
          : size < 0.55
            ? 3
            : size < 0.6
              ? 4
              : size < 0.95
                ? 5
                : 7)
  const spares = options.spares ?? source('spares').below(3)
  const hosts = Array.from({ length: count + spares }, (_, at) => `h${at + 1}`)
  const groups = Array.from(
    { length: options.groups ?? 1 + source('groups').below(2) },
    (_, at) => `g${at + 1}`,
  )
  const kinds = chooseKinds(options, source('kinds'))
  const snapshots = source('snapshots')
  const planned =
    options.plan ??
    drawPlan(root.fork('plan'), kinds, {
      hosts,
      groups,
      durationMs,
      meanMs: everything ? 4_000 : 1_500 + source('rate').below(8_000),
      rotting: beyondModel ? hosts : rottingHosts(source('rotting'), hosts.slice(0, count), kinds),
      votersMin: Math.min(3, count),
      driftMax: options.driftMax ?? 0.1,
    })
  return {
    consensus:
      typeof options.consensus === 'function'
        ? options.consensus(root.fork('consensus'))
        : options.consensus,
    members: hosts.slice(0, count),
    hosts,
    groups,
    clients: options.clients ?? 1 + source('clients').below(8),
    thinkMs: 5 + source('think').below(150),
    durationMs,
    network: { ...drawNetwork(source('network'), everything), ...options.network },
    disk: drawDisk(source('disk'), everything),
    snapshotEvery: everything || snapshots.fraction() < 0.5 ? 5 + snapshots.below(60) : 1_000_000,
    snapshotKeep: snapshots.below(20),
    limits: options.limits ?? drawLimits(root.fork('setup/limits')),
    plan: planned,
    reads: options.reads ?? ['quorum'],
  }
}

function chooseKinds(options: SimulateOptions, random: Random): readonly FaultKind[] {
  const allowed = options.faults ?? faultKinds.filter((kind) => kind !== 'rot')
  if (options.everything === true) return allowed
  // One seed in ten is quiet, so that ordinary operation is looked at too.
  if (random.fork('quiet').fraction() < 0.1) return []
  return allowed.filter((kind) => random.fork(kind).fraction() < 0.5)
}

/** Data may rot on so few hosts that no quorum is lost, and not at all where quorums move. */
function rottingHosts(
  random: Random,
  members: readonly NodeId[],
  kinds: readonly FaultKind[],
): readonly NodeId[] {
  if (kinds.includes('membership')) return []
  const count = Math.floor((members.length - 1) / 2)
  const from = random.below(members.length)
  return members.filter((_, at) => (at + members.length - from) % members.length < count)
}

function drawNetwork(random: Random, everything: boolean): NetworkFaults {
  const on = (what: string): boolean => random.fork(what).fraction() < 0.5 || everything
  const amount = random.fork('amounts')
  const [loss, duplication, mean] = [amount.fraction(), amount.fraction(), amount.fraction()]
  return {
    loss: on('loss') ? loss * loss * 0.3 : 0,
    duplication: on('duplication') ? duplication * duplication * 0.5 : 0,
    delayMinMs: 0.2,
    delayMeanMs: on('delay') ? 0.5 + mean * mean * 40 : 0.5,
    tail: on('tail') ? 0.001 : 0,
    reorder: on('reorder'),
  }
}

/** Small limits bring out what large ones hide: each has its turn, alone or with others. */
function drawLimits(random: Random): Partial<Limits> {
  if (random.fraction() < 0.5) return {}
  const small = (most: number): number => 1 + random.below(most)
  const choices: readonly (() => Partial<Limits>)[] = [
    () => ({ batchCommandsMax: small(4) }),
    () => ({ messageBytesMax: small(200) }),
    () => ({ inflightMessagesMax: small(3) }),
    () => ({ inflightBytesMax: small(200) }),
    () => ({ uncommittedBytesMax: 200 + small(2_000) }),
    () => ({ applyBytesMax: small(200) }),
    () => ({ logWindowBytesMax: small(500) }),
    () => ({ pendingCallsMax: 16 + small(16) }),
    () => ({ snapshotChunkBytes: 16 + small(64) }),
  ]
  return choices.reduce<Partial<Limits>>((limits, choose) => {
    const drawn = choose()
    return random.fraction() < 0.25 ? { ...limits, ...drawn } : limits
  }, {})
}

function drawDisk(random: Random, everything: boolean): DiskFaults {
  const slow = random.fork('slow').fraction() < 0.5 || everything
  const mean = random.fork('mean').fraction()
  const stall = random.fork('stall').fraction() < 0.5 || everything ? 0.001 : 0
  return { writeMinMs: 0.1, writeMeanMs: slow ? 0.5 + mean * mean * 20 : 0.5, stall }
}
