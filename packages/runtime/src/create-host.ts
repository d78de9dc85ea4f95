// Composes a host: opens its storage, starts its transport, and routes frames to replicas and
// services.
import type {
  AbortOptions,
  CallOptions,
  Clock,
  ClusterId,
  Emitter,
  GroupId,
  Lifecycle,
  Limits,
  Logger,
  Metrics,
  NodeId,
  Random,
  Unsubscribe,
} from '@quorate/core'
import {
  ByteReader,
  checkId,
  compareIds,
  createEmitter,
  createRandom,
  isQuorateError,
  noMetrics,
  noTracer,
  QuorateError as Failure,
  randomSeed,
  rejectUnknownOptions,
  requirePart,
  resolveLimits,
  silentLogger,
  systemClock,
} from '@quorate/core'
import type { Calls } from './calls.ts'
import { createCalls } from './calls.ts'
import type { FrameRecord } from './frame.ts'
import { FRAME_VERSION, readRecord, writeMessage } from './frame.ts'
import { answerForward, FORWARD_SERVICE } from './forwarding.ts'
import type { Readiness } from './handover.ts'
import { answerHandover, HANDOVER_SERVICE } from './handover.ts'
import { healthOf } from './health.ts'
import type {
  CallHandler,
  Host,
  HostEvents,
  HostHealth,
  HostOptions,
  ReplicaOptions,
} from './host.ts'
import type { HostedReplica, ReplicaContext } from './hosted-replica.ts'
import type { Meters } from './metrics.ts'
import { createMeters } from './metrics.ts'
import { openReplica } from './open-replica.ts'
import type { Outbox } from './outbox.ts'
import { createOutbox } from './outbox.ts'
import type { SnapshotServer } from './snapshot-exchange.ts'
import { createSnapshotServer, SNAPSHOT_SERVICE } from './snapshot-exchange.ts'
import type { Ticker } from './ticker.ts'
import { createTicker } from './ticker.ts'
import { createTurns } from './turns.ts'
import { ignore, within } from './waiting.ts'

const OPTIONS: readonly (keyof HostOptions)[] = [
  'id',
  'cluster',
  'transport',
  'storage',
  'rejoin',
  'limits',
  'clock',
  'random',
  'logger',
  'metrics',
  'tracer',
  'drainTimeoutMs',
  'closeTimeoutMs',
]
const REPLICA_OPTIONS: readonly (keyof ReplicaOptions)[] = [
  'group',
  'consensus',
  'stateMachine',
  'members',
  'snapshots',
]
const TICK_GRID_MS = 10
/** What each step of closing gets even where those before it used up the time. */
const LAST_CHANCE_MS = 100

/**
 * Opens a host: its storage first, then its transport.
 *
 * @throws QuorateError `INVALID_OPTIONS`, `INVALID_ARGUMENT`, and whatever storage and transport
 * refuse with; what had been opened is closed again
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const host = new RunningHost(options)
  try {
    await host.open()
    return host
  } catch (error) {
    await host.close().catch((closing: unknown) => {
      host.logger.warn({ error: closing }, 'closing after a failed start failed too')
    })
    throw error
  }
}

class RunningHost implements Host {
  readonly id: NodeId
  readonly cluster: ClusterId
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  readonly #options: HostOptions
  readonly #events: Emitter<HostEvents>
  readonly #meters: Meters
  readonly #outbox: Outbox
  readonly #calls: Calls
  readonly #ticker: Ticker
  readonly #snapshots: SnapshotServer
  readonly #context: ReplicaContext
  readonly #replicas = new Map<GroupId, HostedReplica>()
  /** Groups that are being opened or dropped, and the end of that. */
  readonly #busy = new Map<GroupId, Promise<unknown>>()
  readonly #reachable = new Set<NodeId>()
  /** How many replicas have been opened. */
  #opened = 0
  #status: Lifecycle = 'opening'
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Whether frames are still taken: also while the host hands over leadership. */
  #listening = true

  constructor(options: HostOptions) {
    rejectUnknownOptions(options, OPTIONS, 'createHost')
    this.#options = options
    this.id = checkId(options.id, "a host's id")
    const { transport, storage } = options
    requirePart('the transport of createHost', transport, ['start', 'send'], 'webSockets({ … })')
    requirePart('the storage of createHost', storage, ['open', 'group'], "fsStorage('./data')")
    this.cluster = checkId(options.cluster ?? 'quorate', "a cluster's id")
    this.limits = resolveLimits(options.limits)
    const turns = createTurns(options.clock ?? systemClock())
    this.clock = turns.clock
    this.random = options.random ?? createRandom(randomSeed())
    this.logger = options.logger ?? silentLogger
    this.metrics = options.metrics ?? noMetrics
    const { id, clock, limits, logger, random } = this
    // The same seed at the next start must not give the same identities again.
    const start = random.fork(`start/${clock.wallNow()}/${clock.now()}`)
    this.#meters = createMeters(this.metrics, id)
    this.#events = createEmitter<HostEvents>(logger)
    this.#outbox = createOutbox(turns, limits, options.transport, this.#meters)
    this.#calls = createCalls(id, clock, limits, logger, this.#outbox, this.#meters)
    this.#ticker = createTicker(clock, TICK_GRID_MS, this.#meters.stallSeconds)
    this.#snapshots = createSnapshotServer(clock, limits, (group) => this.#replicas.get(group)?.log)
    this.#context = {
      id,
      clock,
      incarnation: (group) => start.fork(`${id}/${group}/${++this.#opened}`),
      limits,
      logger,
      tracer: options.tracer ?? noTracer,
      meters: this.#meters,
      ticker: this.#ticker,
      calls: this.#calls,
      storage: options.storage,
      drainTimeoutMs: duration(options.drainTimeoutMs, 'drainTimeoutMs', 1_000),
      closeTimeoutMs: duration(options.closeTimeoutMs, 'closeTimeoutMs', 5_000),
      reachable: (peer) => this.reachable(peer),
      send: ({ group, tag, consensusFactory: { codec } }, to, message) =>
        void this.#outbox.append(to, 'fast', (writer) =>
          writeMessage(writer, group, tag, codec, message),
        ),
      onFailed: (group, error) => this.#events.emit('replicaFailed', { group, error }),
      onClosed: (replica) => this.#forget(replica),
    }
  }

  get status(): Lifecycle {
    return this.#status
  }

  on<Name extends keyof HostEvents>(
    name: Name,
    listener: (event: HostEvents[Name]) => void,
  ): Unsubscribe {
    return this.#events.on(name, listener)
  }

  async open(): Promise<void> {
    const { storage, transport } = this.#options
    const { clock, logger, metrics, limits, cluster } = this
    await storage.open({ cluster, host: this.id, clock, logger, metrics })
    this.#calls.serve(
      SNAPSHOT_SERVICE,
      (request, { from }) => this.#snapshots.answer(from, request),
      'bulk',
    )
    this.#calls.serve(HANDOVER_SERVICE, (request) =>
      answerHandover(request, (group) => this.#canLead(group)),
    )
    this.#calls.serve(FORWARD_SERVICE, (request, { signal }) =>
      answerForward(request, signal, (group) => {
        const replica = this.#replicas.get(group)
        return replica && ((command, how) => replica.propose(command, how))
      }),
    )
    await transport.start(
      {
        cluster,
        host: this.id,
        wireVersion: FRAME_VERSION,
        ...storage.identity?.(),
        rejoin: this.#options.rejoin,
        clock,
        random: this.random.fork('transport'),
        limits,
        logger,
        metrics,
      },
      {
        // With whatever else arrives until the turn begins; frames and peers keep their order.
        onFrame: (from, frame) => this.clock.defer(() => this.#onFrame(from, frame)),
        onPeer: (peer, state) => this.clock.defer(() => this.#onPeer(peer, state)),
      },
    )
    if (this.#status === 'opening') this.#status = 'open'
  }

  async createReplica(options: ReplicaOptions): Promise<HostedReplica> {
    rejectUnknownOptions(options, REPLICA_OPTIONS, 'createReplica')
    this.#checkOpen()
    requirePart('the consensus of createReplica', options.consensus, ['create'], 'raft()')
    const group = checkId(options.group, "a group's id")
    if (this.#options.rejoin && options.members) {
      throw new Failure(
        'INVALID_OPTIONS',
        `a host that rejoins has forgotten its votes: make group "${group}" without members (createKv: with rejoin)`,
      )
    }
    if (this.#replicas.has(group) || this.#busy.has(group)) {
      throw new Failure('CONFLICT', `host ${this.id} already has a replica of group "${group}"`)
    }
    return this.#occupy(group, () => this.#openReplica(group, options))
  }

  replica(group: GroupId): HostedReplica | undefined {
    return this.#replicas.get(group)
  }

  replicas(): readonly HostedReplica[] {
    return [...this.#replicas.values()].sort((a, b) => compareIds(a.group, b.group))
  }

  stores(group: GroupId): boolean {
    return this.#options.storage.groups().some(({ id }) => id === group)
  }

  async dropReplica(group: GroupId): Promise<void> {
    this.#checkOpen()
    if (this.#busy.has(group))
      throw new Failure('CONFLICT', `group "${group}" is being opened or dropped`)
    await this.#occupy(group, async () => {
      await this.#replicas.get(group)?.close()
      this.#replicas.delete(group)
      await this.#options.storage.drop(group)
    })
  }

  /** A closed replica makes room for another one of its group. */
  #forget(replica: HostedReplica): void {
    if (this.#replicas.get(replica.group) === replica) this.#replicas.delete(replica.group)
  }

  reachable(peer: NodeId): boolean {
    return peer === this.id || this.#reachable.has(peer)
  }

  setPeer(peer: NodeId, address: string | undefined): void {
    this.#checkOpen()
    this.#options.transport.setPeer(peer, address)
  }

  serve(service: string, handler: CallHandler): ReturnType<Host['serve']> {
    return this.#calls.serve(service, handler)
  }

  async call(
    to: NodeId,
    service: string,
    request: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    this.#checkOpen()
    if (!this.reachable(to))
      throw new Failure('UNAVAILABLE', `host ${to} is not reachable from ${this.id}`)
    return this.#calls.call(to, service, request, options)
  }

  health(): HostHealth {
    const { spaceLow } = this.#options.storage
    const draining = this.#draining !== undefined
    return healthOf(this.#status, draining, spaceLow, this.#replicas.values())
  }

  drain(options: AbortOptions = {}): Promise<void> {
    this.#draining ??= Promise.all(
      [...this.#replicas.values()].map((replica) => replica.drain(options)),
    ).then(() => undefined)
    return this.#draining
  }

  close(options: AbortOptions = {}): Promise<void> {
    this.#closing ??= this.#closeOrderly(options)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #closeOrderly(options: AbortOptions): Promise<void> {
    const wasOpen = this.#status === 'open'
    this.#status = 'closing'
    if (wasOpen) await this.drain(options)
    this.#listening = false
    this.#calls.close()
    try {
      await this.#release(options)
    } finally {
      this.#ticker.close()
      this.#replicas.clear()
      this.#events.clear()
      this.#status = 'closed'
    }
  }

  /** Replicas first, then the snapshots that others read, the network and the disk; all in bounded time. */
  async #release(options: AbortOptions): Promise<void> {
    const { storage, transport } = this.#options
    const { clock, closeTimeoutMs } = this.#context
    const until = clock.now() + closeTimeoutMs
    const failures: unknown[] = []
    const step = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        const left = Math.max(LAST_CHANCE_MS, until - clock.now())
        const onLate = (error: unknown): void =>
          this.logger.warn({ error }, `${what} failed to close, too late to be told`)
        if ((await within(clock, work(), left, options, onLate)) === 'late') {
          failures.push(new Failure('TIMEOUT', `${what} did not close in time`))
        }
      } catch (error) {
        failures.push(error)
      }
    }
    await step('a replica', () => this.#releaseReplicas())
    await step('snapshots', () => this.#snapshots.close())
    await step('the transport', () => transport.close(options))
    await step('the storage', () => storage.close(options))
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1)
      throw new AggregateError(failures, `host ${this.id} did not close cleanly`)
  }

  async #releaseReplicas(): Promise<void> {
    const ends = [...this.#replicas.values()].map((replica) => replica.release())
    // Those that are being opened find the host closed, and undo what they did.
    const opening = [...this.#busy.values()].map((busy) => busy.catch(ignore))
    const ended = await Promise.allSettled([...ends, ...opening])
    const failed = ended.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #occupy<T>(group: GroupId, work: () => Promise<T>): Promise<T> {
    const done = work()
    this.#busy.set(group, done)
    try {
      return await done
    } finally {
      this.#busy.delete(group)
    }
  }

  async #openReplica(group: GroupId, options: ReplicaOptions): Promise<HostedReplica> {
    const { name, format } = options.consensus
    const log = this.#options.storage.group(group, { name, format })
    let replica: HostedReplica
    try {
      replica = await openReplica(this.#context, options, log)
    } catch (error) {
      await log.close()
      throw error
    }
    if (this.#status !== 'open') {
      await replica.release()
      this.#checkOpen()
    }
    this.#replicas.set(group, replica)
    return replica
  }

  #canLead(group: GroupId): Readiness {
    if (this.#status !== 'open' || this.#draining !== undefined) return 'no'
    return this.#replicas.get(group)?.canLead() ?? 'no'
  }

  #checkOpen(): void {
    if (this.#status !== 'open') throw new Failure('CLOSED', `host ${this.id} is ${this.#status}`)
  }

  #onPeer(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    if (!this.#listening) return
    if (state === 'reachable') this.#reachable.add(peer)
    else this.#reachable.delete(peer)
    if (state === 'unreachable') this.#calls.peerLost(peer)
    for (const replica of this.#replicas.values()) replica.peer(peer, state)
    this.#events.emit('peer', { peer, state })
  }

  #onFrame(from: NodeId, frame: Uint8Array): void {
    if (!this.#listening) return
    this.#meters.received.add(frame.length)
    try {
      const reader = new ByteReader(frame)
      const version = reader.uint8()
      if (version !== FRAME_VERSION) throw new Failure('MALFORMED', `a frame of version ${version}`)
      while (reader.remaining > 0) this.#onRecord(from, readRecord(reader))
    } catch (error) {
      // A peer's bytes must never end this host. What follows in the frame cannot be found again.
      this.#meters.malformed.add()
      this.#onMalformed(from, error)
    }
  }

  #onRecord(from: NodeId, record: FrameRecord): void {
    if (record.type !== 'message') return this.#calls.receive(from, record)
    const replica = this.#replicas.get(record.group)
    if (replica === undefined || replica.tag !== record.tag) return this.#meters.strays.add()
    let message: unknown
    try {
      const body = new ByteReader(record.body)
      message = replica.consensusFactory.codec.read(body)
      body.end()
    } catch (error) {
      this.#meters.malformed.add()
      return this.#onMalformed(from, error)
    }
    replica.receive(from, message)
  }

  #onMalformed(from: NodeId, error: unknown): void {
    if (!isQuorateError(error)) throw error
    this.logger.warn({ from, code: error.code, reason: error.message }, 'a frame could not be read')
  }
}

function duration(value: number | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback
  if (Number.isFinite(value) && value >= 0) return value
  throw new Failure('INVALID_OPTIONS', `${name} must be a number of milliseconds, 0 or more`)
}
