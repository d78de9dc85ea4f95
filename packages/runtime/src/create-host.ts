// Composes a host: opens its storage, starts its transport, and routes frames to replicas and
// services.
import type {
  CallOptions,
  ClusterId,
  ConsensusFactory,
  Emitter,
  GroupId,
  Lifecycle,
  Limits,
  Logger,
  NodeId,
} from '@quorate/core'
import {
  ByteReader,
  checkId,
  closeAll,
  compareIds,
  createEmitter,
  createRandom,
  isQuorateError,
  noMetrics,
  noTracer,
  QuorateError as Failure,
  randomSeed,
  resolveLimits,
  silentLogger,
  systemClock,
} from '@quorate/core'
import { createCalls } from './calls.ts'
import type { FrameRecord } from './frame.ts'
import { algorithmTag, FRAME_VERSION, readRecord, writeMessage } from './frame.ts'
import type { CallHandler, Host, HostEvents, HostOptions, ReplicaOptions } from './host.ts'
import { createOutbox } from './outbox.ts'
import type { HostedReplica } from './replica.ts'
import { openReplica } from './replica.ts'
import { createSnapshotServer, SNAPSHOT_SERVICE } from './snapshot-exchange.ts'
import { createTicker } from './ticker.ts'

const TICK_GRID_MS = 10

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

interface Hosted {
  readonly replica: HostedReplica
  readonly consensus: ConsensusFactory
  readonly tag: number
}

class RunningHost implements Host {
  readonly id: NodeId
  readonly cluster: ClusterId
  readonly limits: Limits
  readonly clock
  readonly random
  readonly logger: Logger
  readonly metrics
  readonly #options: HostOptions
  readonly #events: Emitter<HostEvents>
  readonly #outbox
  readonly #calls
  readonly #ticker
  readonly #snapshots
  readonly #replicas = new Map<GroupId, Hosted>()
  /** Groups that are being opened or dropped. */
  readonly #busy = new Set<GroupId>()
  readonly #reachable = new Set<NodeId>()
  readonly #malformed
  readonly #strays
  #status: Lifecycle = 'opening'
  #closing: Promise<void> | undefined

  constructor(options: HostOptions) {
    this.#options = options
    this.id = checkId(options.id, "a host's id")
    this.cluster = checkId(options.cluster ?? 'quorate', "a cluster's id")
    this.limits = resolveLimits(options.limits)
    this.clock = options.clock ?? systemClock()
    this.random = options.random ?? createRandom(randomSeed())
    this.logger = options.logger ?? silentLogger
    this.metrics = options.metrics ?? noMetrics
    this.#malformed = this.metrics.counter(
      'quorate_frames_malformed_total',
      'Frames that could not be read',
    )
    this.#strays = this.metrics.counter(
      'quorate_messages_stray_total',
      'Messages for groups that this host does not have',
    )
    this.#events = createEmitter<HostEvents>(this.logger)
    this.#outbox = createOutbox(this.clock, this.limits, options.transport)
    this.#calls = createCalls(this.id, this.clock, this.limits, this.logger, this.#outbox)
    this.#ticker = createTicker(this.clock, TICK_GRID_MS)
    this.#snapshots = createSnapshotServer(
      this.limits,
      (group) => this.#replicas.get(group)?.replica.log,
    )
  }

  get status(): Lifecycle {
    return this.#status
  }

  on: Host['on'] = (name, listener) => this.#events.on(name, listener)

  async open(): Promise<void> {
    const { storage, transport } = this.#options
    const { clock, logger, metrics, limits, cluster } = this
    await storage.open({ cluster, host: this.id, clock, logger, metrics })
    this.#calls.serve(
      SNAPSHOT_SERVICE,
      (request, { from }) => this.#snapshots.answer(from, request),
      'bulk',
    )
    await transport.start(
      {
        cluster,
        host: this.id,
        wireVersion: FRAME_VERSION,
        clock,
        random: this.random.fork('transport'),
        limits,
        logger,
        metrics,
      },
      {
        onFrame: (from, frame) => this.#onFrame(from, frame),
        onPeer: (peer, state) => this.#onPeer(peer, state),
      },
    )
    if (this.#status === 'opening') this.#status = 'open'
  }

  async createReplica(options: ReplicaOptions): Promise<HostedReplica> {
    this.#checkOpen()
    const group = checkId(options.group, "a group's id")
    if (this.#replicas.has(group) || this.#busy.has(group)) {
      throw new Failure('CONFLICT', `host ${this.id} already has a replica of group "${group}"`)
    }
    const { consensus } = options
    const tag = algorithmTag(consensus)
    this.#busy.add(group)
    try {
      const log = this.#options.storage.group(group, {
        name: consensus.name,
        format: consensus.format,
      })
      try {
        const { clock, limits, logger } = this
        const replica = await openReplica(
          {
            id: this.id,
            clock,
            limits,
            logger,
            random: this.random.fork(`group/${group}`),
            tracer: this.#options.tracer ?? noTracer,
            ticker: this.#ticker,
            calls: this.#calls,
            storage: this.#options.storage,
            send: (to, message) =>
              void this.#outbox.append(to, 'fast', (writer) =>
                writeMessage(writer, group, tag, consensus.codec, message),
              ),
            onFailed: (error) => this.#events.emit('replicaFailed', { group, error }),
          },
          options,
          log,
        )
        this.#replicas.set(group, { replica, consensus, tag })
        return replica
      } catch (error) {
        await log.close()
        throw error
      }
    } finally {
      this.#busy.delete(group)
    }
  }

  replica(group: GroupId): HostedReplica | undefined {
    return this.#replicas.get(group)?.replica
  }

  replicas(): readonly HostedReplica[] {
    return [...this.#replicas]
      .sort(([a], [b]) => compareIds(a, b))
      .map(([, hosted]) => hosted.replica)
  }

  async dropReplica(group: GroupId): Promise<void> {
    this.#checkOpen()
    if (this.#busy.has(group))
      throw new Failure('CONFLICT', `group "${group}" is being opened or dropped`)
    this.#busy.add(group)
    try {
      await this.#replicas.get(group)?.replica.close()
      this.#replicas.delete(group)
      await this.#options.storage.drop(group)
    } finally {
      this.#busy.delete(group)
    }
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

  close(options?: Parameters<Host['close']>[0]): Promise<void> {
    this.#closing ??= this.#release(options)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #release(options: Parameters<Host['close']>[0]): Promise<void> {
    this.#status = 'closing'
    const replicas = this.replicas()
    this.#calls.close()
    const { storage, transport } = this.#options
    try {
      // The last one first: replicas, then the snapshots that others read, the network, the disk.
      await closeAll([storage, transport, this.#snapshots, ...replicas], options)
    } finally {
      this.#ticker.close()
      this.#replicas.clear()
      this.#events.clear()
      this.#status = 'closed'
    }
  }

  #checkOpen(): void {
    if (this.#status !== 'open') throw new Failure('CLOSED', `host ${this.id} is ${this.#status}`)
  }

  #onPeer(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    if (this.#status !== 'open' && this.#status !== 'opening') return
    if (state === 'reachable') this.#reachable.add(peer)
    else this.#reachable.delete(peer)
    if (state === 'unreachable') this.#calls.peerLost(peer)
    for (const { replica } of this.#replicas.values()) replica.peer(peer, state)
    this.#events.emit('peer', { peer, state })
  }

  #onFrame(from: NodeId, frame: Uint8Array): void {
    if (this.#status !== 'open') return
    try {
      const reader = new ByteReader(frame)
      const version = reader.uint8()
      if (version !== FRAME_VERSION) throw new Failure('MALFORMED', `a frame of version ${version}`)
      while (reader.remaining > 0) this.#onRecord(from, readRecord(reader))
    } catch (error) {
      // A peer's bytes must never end this host. What follows in the frame cannot be found again.
      this.#malformed.add()
      this.#onMalformed(from, error)
    }
  }

  #onRecord(from: NodeId, record: FrameRecord): void {
    if (record.type !== 'message') return this.#calls.receive(from, record)
    const hosted = this.#replicas.get(record.group)
    if (hosted === undefined || hosted.tag !== record.tag) return this.#strays.add()
    let message: unknown
    try {
      const body = new ByteReader(record.body)
      message = hosted.consensus.codec.read(body)
      body.end()
    } catch (error) {
      this.#malformed.add()
      return this.#onMalformed(from, error)
    }
    hosted.replica.receive(from, message)
  }

  #onMalformed(from: NodeId, error: unknown): void {
    if (!isQuorateError(error)) throw error
    this.logger.warn({ from, code: error.code, reason: error.message }, 'a frame could not be read')
  }
}
