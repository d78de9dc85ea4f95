// Hosts with whatever program is put on them, on a virtual clock, network and disk, under the hand of
// a test: `simulate` decides everything about a run itself, here the test does.
import type {
  Clock,
  ClientDialer,
  ClientListener,
  GroupId,
  Limits,
  Logger,
  NodeId,
  Random,
} from '@quorate/core'
import { createRandom, isQuorateError, membershipOf, silentLogger } from '@quorate/core'
import type { Host, ReplicaOptions } from '@quorate/runtime'
import type { Promises } from '../model/history.ts'
import { defaultPromises } from '../model/history.ts'
import { InvariantViolation } from '../model/violation.ts'
import { ClientNetwork } from './client-network.ts'
import type { DiskFaults, DiskWatcher } from './disk.ts'
import { SimDisk } from './disk.ts'
import type { Fault, FaultKind } from './faults.ts'
import { GroupWatch } from './group-watch.ts'
import type { HostScope } from './host-clock.ts'
import { HostOscillator, hostClock } from './host-clock.ts'
import type { StorageFactory } from './machine-storage.ts'
import { Nemesis } from './nemesis.ts'
import type { NetworkCounts, NetworkFaults } from './network.ts'
import { SimNetwork } from './network.ts'
import { calmDisk, calmNetwork } from './options.ts'
import { SimHost } from './sim-host.ts'
import { Timeline } from './timeline.ts'
import { createTurn } from './turn.ts'
import type { HostWatcher, WatchedState } from './watched-host.ts'
import { watchedHost } from './watched-host.ts'

/** Something that becomes durable on one host. The hook that is told of it may stop any host. */
export interface DurableEvent {
  /** The host. */
  readonly host: NodeId
  /**
   * `reaching`: about to become durable; where the host is stopped now it does not. `reached`:
   * durable, and not even the host knows it yet.
   */
  readonly when: 'reaching' | 'reached'
  /** What: entries and state of these groups, or the removal of one group's data. */
  readonly what: 'write' | 'drop'
  /** What is written, or the group that is removed. */
  readonly writes: readonly DurableWrite[]
}

/** What one group writes. */
export interface DurableWrite {
  /** The group. */
  readonly group: GroupId
  /** The kinds of the entries appended, in order. */
  readonly entries: readonly string[]
  /** Whether a snapshot begins to count. */
  readonly snapshot: boolean
}

/** What a cluster is made of. Everything else is calm until the test says otherwise. */
export interface SimClusterOptions {
  /** Decides delays, elections and whatever else is left to chance: an integer from 0 to 2^32 − 1. */
  readonly seed: number
  /** The hosts. They are down until they are started. */
  readonly hosts: readonly NodeId[]
  /** Runs at each start of a host; the host is up once it has resolved. */
  readonly program: (host: Host, start: HostStart) => Promise<void>
  /** The groups that faults aimed at a leader or a group mean; the first counts for leaders. */
  readonly groups?: readonly GroupId[] | undefined
  /** What the algorithm promises. Default: everything. */
  readonly promises?: Promises | undefined
  /** How bad the network is. Default: calm. */
  readonly network?: Partial<NetworkFaults> | undefined
  /** How bad the disks are. Default: calm. */
  readonly disk?: Partial<DiskFaults> | undefined
  /** Limits to replace. */
  readonly limits?: Partial<Limits> | undefined
  /**
   * Makes the storage of each start of a host, on simulated files; it has to be right about them as in
   * `simulate`. Default: a log of the simulator's own.
   */
  readonly storage?: StorageFactory | undefined
  /** Told of everything that becomes durable; with a `storage`, of removals alone. */
  readonly onDurable?: ((event: DurableEvent) => void) | undefined
  /** Where a host's log lines go. Default: nowhere. */
  readonly loggerOf?: ((host: NodeId) => Logger) | undefined
}

/** What a program is given besides its host. */
export interface HostStart {
  /** Takes clients under the host's name as address. */
  readonly listener: ClientListener
}

/** A client's place in a cluster. */
export interface SimClient {
  /** Its name. */
  readonly name: string
  /** Its clock, which is right. */
  readonly clock: Clock
  /** Its randomness. */
  readonly random: Random
  /** Connects to hosts: an address is a host's name. */
  readonly dialer: ClientDialer
  /** Ends it without a word: nothing of it happens any more, and its connections break. */
  vanish(): void
}

/** A simulated cluster. */
export interface SimCluster {
  /** Milliseconds since the start. */
  readonly nowMs: number
  /** Events that happened. */
  readonly events: number
  /** The hash of everything that happened. */
  readonly traceHash: string
  /** What has ended the run, where something did: a broken promise or a bug's own error. */
  readonly failure: { readonly error: unknown } | undefined
  /** Faults of {@link SimCluster.plan} that took effect, by kind. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** What the network between hosts did. */
  readonly network: Readonly<NetworkCounts>
  /** Lets time pass until `untilMs`, until `done` says so, or until something fails. */
  run(untilMs: number, done?: () => boolean): Promise<void>
  /** Does something at a time from now. */
  after(delayMs: number, run: () => void): void
  /** Ends the run. */
  fail(error: unknown): void
  /** Folds a number into the trace hash. */
  trace(value: number): void
  /** Starts a host that is down. */
  start(id: NodeId): void
  /** Ends a host's process without warning, `power` also what its disk had not synced. */
  crash(id: NodeId, power?: boolean): void
  /** Ends a host for good. */
  destroy(id: NodeId): void
  /** Whether a host has a process, ready or not. */
  isOn(id: NodeId): boolean
  /** A host that is up. */
  host(id: NodeId): Host | undefined
  /** Does something in a host's process, once it is not paused; never where it ends before. */
  enter(id: NodeId, run: () => void): void
  /** The groups that a host's disk holds, in order. */
  stored(id: NodeId): readonly GroupId[]
  /** Whoever leads a group with the largest epoch. */
  leaderOf(group: GroupId): NodeId | undefined
  /** How many entries of a group have been applied by anybody. */
  committed(group: GroupId): number
  /** Schedules faults; their times count from now. */
  plan(faults: readonly Fault[]): void
  /** Ends every fault, mends every link, and starts every host that is down and not destroyed. */
  mend(): void
  /** A new client. */
  client(name: string): SimClient
  /** Cuts or mends the link between a client and a host. */
  setClientCut(client: string, host: NodeId, cut: boolean): void
  /** Breaks all connections of clients to a host, which may dial again. */
  resetClients(host: NodeId): void
  /**
   * Compares the state machines of replicas that have applied equally much, byte for byte.
   *
   * @throws InvariantViolation `state-machine-safety`
   */
  compareStates(): Promise<void>
  /** Ends everything. */
  close(): void
}

/** Makes a cluster; nothing runs yet. */
export async function simCluster(options: SimClusterOptions): Promise<SimCluster> {
  return new Cluster(options, new Timeline(await createTurn()))
}

/** What is known of one host across its starts. */
interface Known extends HostWatcher {
  readonly host: SimHost
  readonly dropped: Set<GroupId>
}

class Cluster implements SimCluster {
  readonly #options: SimClusterOptions
  readonly #timeline: Timeline
  readonly #network: SimNetwork
  readonly #clients: ClientNetwork
  readonly #nemesis: Nemesis
  readonly #root: Random
  readonly #known = new Map<NodeId, Known>()
  readonly #watches = new Map<GroupId, GroupWatch>()
  readonly #calm: { readonly network: NetworkFaults; readonly disk: DiskFaults }

  constructor(options: SimClusterOptions, timeline: Timeline) {
    this.#options = options
    this.#timeline = timeline
    this.#root = createRandom(options.seed)
    this.#calm = {
      network: { ...calmNetwork, reorder: options.network?.reorder ?? false },
      disk: calmDisk,
    }
    const faults = { ...calmNetwork, ...options.network }
    const random = this.#root.fork('network')
    this.#network = new SimNetwork(timeline, random, options.hosts, faults)
    this.#clients = new ClientNetwork(timeline, this.#root.fork('clients'), {
      delayMinMs: faults.delayMinMs,
      delayMeanMs: faults.delayMeanMs,
    })
    for (const id of options.hosts) this.#known.set(id, this.#makeHost(id))
    this.#nemesis = new Nemesis({
      timeline,
      hosts: [...this.#known.values()].map(({ host }) => host),
      network: this.#network,
      disk: calmDisk,
      groups: options.groups ?? [],
      leaderOf: (group) => this.#leaderHost(group),
      crash: (host, power) => this.crash(host.id, power),
      wipe: (host) => host.disk.wipe(),
      happened: () => {},
    })
  }

  get nowMs(): number {
    return this.#timeline.nowMs
  }

  get events(): number {
    return this.#timeline.events
  }

  get traceHash(): string {
    return this.#timeline.traceHash
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#timeline.failure
  }

  get faults(): Readonly<Partial<Record<FaultKind, number>>> {
    return this.#nemesis.counts
  }

  get network(): Readonly<NetworkCounts> {
    return this.#network.counts
  }

  run(untilMs: number, done?: () => boolean): Promise<void> {
    return this.#timeline.run(untilMs, done)
  }

  after(delayMs: number, run: () => void): void {
    this.#timeline.after(delayMs, run)
  }

  fail(error: unknown): void {
    this.#timeline.fail(error)
  }

  trace(value: number): void {
    this.#timeline.trace(6, value)
  }

  start(id: NodeId): void {
    this.#host(id).start()
  }

  crash(id: NodeId, power = false): void {
    const host = this.#host(id)
    const { scope } = host
    if (scope === undefined) return
    host.crash(power)
    this.#clients.drop(scope)
    for (const watch of this.#watches.values()) watch.down(id)
    this.#known.get(id)?.machines.clear()
    this.#timeline.trace(4, this.#options.hosts.indexOf(id))
  }

  destroy(id: NodeId): void {
    this.#host(id).destroyed = true
    this.crash(id, true)
  }

  isOn(id: NodeId): boolean {
    return this.#host(id).on
  }

  host(id: NodeId): Host | undefined {
    return this.#host(id).host
  }

  enter(id: NodeId, run: () => void): void {
    this.#host(id).enter(run)
  }

  stored(id: NodeId): readonly GroupId[] {
    return [...this.#host(id).disk.groups]
      .filter(([, { image }]) => image.hardState !== undefined || image.lastIndex > 0)
      .map(([group]) => group)
      .sort()
  }

  leaderOf(group: GroupId): NodeId | undefined {
    return this.#leaderHost(group)?.id
  }

  committed(group: GroupId): number {
    return this.#watches.get(group)?.history.length ?? 0
  }

  plan(faults: readonly Fault[]): void {
    this.#nemesis.start(faults)
  }

  mend(): void {
    this.#network.setFaults(this.#calm.network)
    this.#clients.mend()
    this.#clients.delays = calmNetwork
    this.#nemesis.stop()
  }

  client(name: string): SimClient {
    const scope = new ClientScope()
    const oscillator = new HostOscillator(this.#timeline, 0, 0)
    return {
      name,
      clock: hostClock(this.#timeline, oscillator, scope),
      random: this.#root.fork(`client/${name}`),
      dialer: this.#clients.dialer(name, scope),
      vanish: () => {
        scope.over = true
        this.#clients.drop(scope)
      },
    }
  }

  setClientCut(client: string, host: NodeId, cut: boolean): void {
    this.#clients.setCut(client, host, cut)
  }

  resetClients(host: NodeId): void {
    this.#clients.reset((link) => link.host === host)
  }

  async compareStates(): Promise<void> {
    for (const group of this.#watches.keys()) {
      const first = new Map<number, { readonly id: NodeId; readonly text: string }>()
      for (const [id, { machines }] of this.#known) {
        const machine = machines.get(group)
        if (machine?.index === undefined) continue
        const { index } = machine
        let text = ''
        for await (const chunk of machine.snapshot()) text += chunk.join()
        const other = first.get(index)
        if (other === undefined) first.set(index, { id, text })
        else if (other.text !== text) {
          const what = `${other.id} and ${id} differ at ${index} of ${group}`
          throw new InvariantViolation('state-machine-safety', what)
        }
      }
    }
  }

  close(): void {
    for (const { host } of this.#known.values()) host.leave()
  }

  #host(id: NodeId): SimHost {
    const known = this.#known.get(id)
    if (known === undefined) throw new TypeError(`there is no host ${id}`)
    return known.host
  }

  #makeHost(id: NodeId): Known {
    const root = this.#root
    const disk = { ...calmDisk, ...this.#options.disk }
    const clock = root.fork(`clock/${id}`)
    const skew = clock.below(600_000) - 300_000
    const oscillator = new HostOscillator(this.#timeline, clock.below(1_000_000), skew)
    const dropped = new Set<GroupId>()
    const simDisk = new SimDisk(id, root.fork(`disk/${id}`), disk, this.#diskWatcher(dropped))
    const host: SimHost = new SimHost(id, simDisk, oscillator, {
      timeline: this.#timeline,
      network: this.#network,
      limits: this.#options.limits,
      membersOf: () => undefined,
      storage: this.#options.storage,
      groups: [],
      snapshots: { everyEntries: 0, keepEntries: 0 },
      program: (running) => this.#program(known, running),
      randomOf: (start) => root.fork(`host/${id}/${start}`),
      consensusOf: noGroups,
      machineOf: noGroups,
      tracer: { enabled: false, event: () => {}, mark: () => {} },
      logger: this.#options.loggerOf?.(id) ?? silentLogger,
      onUp: () => {},
      onFailed: (error) => this.#onFailed(host, error),
      onStartFailed: (error) => this.#onFailed(host, error),
    })
    const known: Known = {
      host,
      dropped,
      machines: new Map<GroupId, WatchedState>(),
      holds: (group) => this.stored(id).includes(group),
      watchOf: (group, options) => this.#watchOf(group, options),
      dropReplica: (group) => this.#watches.get(group)?.down(id),
      fail: (error) => this.#timeline.fail(error),
    }
    return known
  }

  async #program(known: Known, running: Host): Promise<void> {
    const { id, scope } = known.host
    if (scope === undefined) return
    const listener = this.#clients.listener(id, scope)
    await this.#options.program(watchedHost(running, known), { listener })
  }

  #diskWatcher(dropped: Set<GroupId>): DiskWatcher {
    const { onDurable } = this.#options
    const watcher: DiskWatcher = {
      persisting: (id, group, image, batch) =>
        this.#watches.get(group)?.persisting(id, image, batch),
      persisted: (id, group, image, batch) => this.#watches.get(group)?.persisted(id, image, batch),
      dropping: (id, group, done) => {
        // One that held no entry was still waiting for its group, and may begin it after all.
        const { image } = this.#host(id).disk.groups.get(group) ?? {}
        if (!done && image !== undefined && image.lastIndex > 0) dropped.add(group)
        const writes = [{ group, entries: [], snapshot: false }]
        onDurable?.({ host: id, when: done ? 'reached' : 'reaching', what: 'drop', writes })
      },
    }
    if (onDurable === undefined) return watcher
    const told =
      (when: DurableEvent['when']): NonNullable<DiskWatcher['reached']> =>
      (host, batches) => {
        const writes = batches.map(({ group, batch: { append, snapshot } }) => ({
          group,
          entries: append.map(({ kind }) => kind),
          snapshot: snapshot !== undefined,
        }))
        onDurable({ host, when, what: 'write', writes })
      }
    return { ...watcher, reaching: told('reaching'), reached: told('reached') }
  }

  #watchOf(group: GroupId, { members }: ReplicaOptions): GroupWatch {
    let watch = this.#watches.get(group)
    if (watch === undefined) {
      watch = new GroupWatch({
        group,
        promises: { ...defaultPromises, ...this.#options.promises } as typeof defaultPromises,
        disks: new Map([...this.#known].map(([id, { host }]) => [id, host.disk])),
        writtenOf: (id) => this.#host(id).written(group),
        fail: (error) => this.#timeline.fail(error),
        changed: () => {},
      })
      this.#watches.set(group, watch)
    }
    // Whoever waits for a group can be there before those who found it.
    if (members !== undefined) watch.history.found(membershipOf(members))
    return watch
  }

  #leaderHost(group: GroupId): SimHost | undefined {
    let best: { readonly host: SimHost; readonly epoch: number } | undefined
    const cores = this.#watches.get(group)?.cores() ?? new Map()
    for (const [id, core] of cores) {
      const status = core.status()
      if (status.role !== 'leader') continue
      if (best === undefined || status.epoch > best.epoch) {
        best = { host: this.#host(id), epoch: status.epoch }
      }
    }
    return best?.host
  }

  /** Whom its disk has failed is started again by its operator; anything else is a bug. */
  #onFailed(host: SimHost, error: unknown): void {
    const codes = ['STORAGE_FAILED', 'NO_SPACE'] as const
    if (!codes.some((code) => isQuorateError(error, code))) return this.#timeline.fail(error)
    this.#timeline.after(100, () => {
      this.crash(host.id)
      this.#timeline.after(400, () => host.start())
    })
  }
}

class ClientScope implements HostScope {
  over = false

  enter(run: () => void): void {
    if (!this.over) run()
  }
}

function noGroups(): never {
  throw new TypeError('the host itself has no groups here')
}
