// One simulated machine: a disk and an oscillator that stay, and a process on them that is started,
// paused, killed and started again, with the production runtime inside.
import type {
  Clock,
  ConsensusFactory,
  Limits,
  Logger,
  NodeId,
  QuorateError,
  Random,
  Replica,
  StateMachine,
  Tracer,
} from '@quorate/core'
import type { Host } from '@quorate/runtime'
import { createHost } from '@quorate/runtime'
import type { SimDisk } from './disk.ts'
import type { DiskImage } from './disk-image.ts'
import type { HostOscillator, HostScope } from './host-clock.ts'
import { hostClock } from './host-clock.ts'
import type { MachineStorage, StorageFactory } from './machine-storage.ts'
import type { SimNetwork } from './network.ts'
import { SimStorage } from './storage.ts'
import type { Timeline } from './timeline.ts'
import { WatchedStorage } from './watched-storage.ts'

/** What a host is given by the run that it belongs to. */
export interface SimHostContext {
  /** Time. */
  readonly timeline: Timeline
  /** The network. */
  readonly network: SimNetwork
  /** Limits to replace. */
  readonly limits: Partial<Limits> | undefined
  /** The members that every replica is told at its first start; `undefined` for spares. */
  membersOf(): readonly NodeId[] | undefined
  /** Makes the storage of a start. Default: the simulator's own. */
  readonly storage?: StorageFactory | undefined
  /** The groups. */
  readonly groups: readonly string[]
  /** When replicas take snapshots. */
  readonly snapshots: { readonly everyEntries: number; readonly keepEntries: number }
  /** What runs on it besides the groups; it is up once this has resolved. Default: nothing. */
  readonly program?: ((host: Host) => Promise<void>) | undefined
  /** The randomness of one start. */
  randomOf(start: number): Random
  /** The algorithm of one group, watched. */
  consensusOf(group: string): ConsensusFactory
  /** A new state machine for one group. */
  machineOf(group: string): StateMachine
  /** Where events and marks go. */
  readonly tracer: Tracer
  /** Where log lines go. */
  readonly logger: Logger
  /** It runs. */
  onUp(): void
  /** A replica has stopped for good. */
  onFailed(error: QuorateError): void
  /** It could not start. */
  onStartFailed(error: unknown): void
}

/** One start of a host. */
class Process implements HostScope {
  over = false
  pausedUntilMs = 0
  host: Host | undefined
  storage: MachineStorage | undefined
  clock: Clock | undefined
  readonly #timeline: Timeline
  #held: (() => void)[] = []

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  enter(run: () => void): void {
    if (this.over) return
    if (this.#timeline.nowMs < this.pausedUntilMs) this.#held.push(run)
    else run()
  }

  /** Holds everything back for a while; what came meanwhile happens afterwards, in order. */
  pause(forMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.#timeline.nowMs + forMs)
    this.#timeline.after(forMs, () => this.#resume())
  }

  #resume(): void {
    if (this.over || this.#timeline.nowMs < this.pausedUntilMs) return
    const held = this.#held
    this.#held = []
    for (const run of held) this.#timeline.after(0, () => this.enter(run))
  }
}

/** One machine. */
export class SimHost {
  /** Its name. */
  readonly id: NodeId
  /** Its disk. */
  readonly disk: SimDisk
  /** Its hardware clock. */
  readonly oscillator: HostOscillator
  /** How often it was started. */
  starts = 0
  /** Whether it is gone for good: it starts no more. */
  destroyed = false
  readonly #context: SimHostContext
  #process: Process | undefined

  /** A machine that is switched off. */
  constructor(id: NodeId, disk: SimDisk, oscillator: HostOscillator, context: SimHostContext) {
    this.id = id
    this.disk = disk
    this.oscillator = oscillator
    this.#context = context
  }

  /** Whether a process runs, ready or not. */
  get on(): boolean {
    return this.#process !== undefined
  }

  /** Whether it is ready and not paused. */
  get responsive(): boolean {
    const process = this.#process
    return process?.host !== undefined && this.#context.timeline.nowMs >= process.pausedUntilMs
  }

  /** What runs on it, while it is up. */
  get host(): Host | undefined {
    return this.#process?.host
  }

  /** What its process may do things in, while there is one. */
  get scope(): HostScope | undefined {
    return this.#process
  }

  /** Its replica of a group, while it is up. */
  replica(group: string): Replica | undefined {
    return this.#process?.host?.replica(group)
  }

  /** Its log of a group with all writes under way, while it is up. */
  written(group: string): DiskImage | undefined {
    return this.#process?.storage?.writtenOf(group)
  }

  /** Runs something in its process, once it is not paused; never, where it ends before. */
  enter(run: () => void): void {
    this.#process?.enter(run)
  }

  /** Starts a process. */
  start(): void {
    if (this.#process !== undefined || this.destroyed) return
    const { timeline, network } = this.#context
    const process = new Process(timeline)
    this.#process = process
    const random = this.#context.randomOf(this.starts)
    const storage = this.#storage(process, random)
    process.storage = storage
    this.starts++
    this.#open(process, storage, random, network).then(
      () => {
        if (!process.over) this.#context.onUp()
      },
      (error: unknown) => {
        if (process.over) return
        this.crash(false)
        this.#context.onStartFailed(error)
      },
    )
  }

  /** Ends the process without warning. */
  crash(power: boolean): void {
    const process = this.#process
    if (process === undefined) return
    this.#process = undefined
    process.over = true
    process.storage?.crash(power)
    this.#context.network.drop(this.id, process)
  }

  /** Ends the process at the end of a run; its disk stays as it is. */
  leave(): void {
    const process = this.#process
    this.#process = undefined
    if (process !== undefined) process.over = true
  }

  /** Stops the process for a while, as a virtual machine's migration does. */
  pause(forMs: number): void {
    this.#process?.pause(forMs)
  }

  #storage(scope: Process, random: Random): MachineStorage {
    const { timeline, storage } = this.#context
    const { disk, starts } = this
    if (storage === undefined) return new SimStorage(timeline, scope, disk)
    const context = { timeline, scope, disk, start: starts, random: random.fork('storage') }
    return new WatchedStorage(context, storage)
  }

  async #open(
    process: Process,
    storage: MachineStorage,
    random: Random,
    network: SimNetwork,
  ): Promise<void> {
    const { timeline, limits, groups, snapshots, tracer, logger, program } = this.#context
    const members = this.#context.membersOf()
    const host = await createHost({
      id: this.id,
      transport: network.transport(this.id, process),
      storage,
      limits,
      clock: hostClock(timeline, this.oscillator, process),
      random,
      tracer,
      logger,
    })
    host.on('replicaFailed', ({ error }) => {
      if (!process.over) this.#context.onFailed(error)
    })
    for (const group of groups) {
      await host.createReplica({
        group,
        consensus: this.#context.consensusOf(group),
        stateMachine: this.#context.machineOf(group),
        members: members === undefined ? undefined : { voters: members },
        snapshots,
      })
    }
    await program?.(host)
    process.host = host
  }
}
