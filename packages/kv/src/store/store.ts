// A host's part of a store: its replicas, the service by which other hosts reach them, and the
// router by which programs on this host reach all of them.
import { ByteReader, ByteWriter, QuorateError, compareIds, createEmitter } from '@quorate/core'
import type {
  CallOptions,
  Emitter,
  NodeId,
  Partitioner,
  Replica,
  ShardId,
  Unsubscribe,
} from '@quorate/core'
import type { Host } from '@quorate/runtime'
import type { KvEvents, KvStatus } from '../kv.ts'
import { peekHeader } from '../machine/command.ts'
import { rangeOfBytes } from '../machine/key-range.ts'
import type { KeyRange } from '../machine/key-range.ts'
import type { ShardMachine } from '../machine/shard-machine.ts'
import { fingerprint, isRanged } from '../routing/fingerprint.ts'
import type { Exchange } from '../routing/routed-call.ts'
import { createRouter } from '../routing/router.ts'
import type { Router } from '../routing/router.ts'
import { encodeMap, routeTable } from '../routing/routes.ts'
import type { ClusterMap, RouteTable } from '../routing/routes.ts'
import {
  errorReply,
  okReply,
  readReply,
  readRequest,
  writeReply,
  writeRequest,
} from '../routing/wire.ts'
import type { KvReply, KvRequest } from '../routing/wire.ts'
import { logTime } from './log-time.ts'
import { decodeReport, encodeJson, statusOf } from './report.ts'
import type { HostReport, ReplicaReport } from './report.ts'
import { watchRedundancy } from './redundancy.ts'
import { ShardReplica } from './shard-replica.ts'
import { Suspicion } from './suspicion.ts'

/** Bytes that a command's wrapping may need on its way through the layers below. */
const COMMAND_OVERHEAD_BYTES = 1_024
const REPORT_TIMEOUT_MS = 1_000
const scratch = new ByteWriter(4_096)

/** What a host's part of a store is made of. */
export interface StoreContext {
  /** The host. */
  readonly host: Host
  /** The store's name. */
  readonly name: string
  /** Keys to shards, and shards to hosts at the start. */
  readonly partitioner: Partitioner
  /** A host that cannot be reached for so many milliseconds is suspect. */
  readonly suspectAfterMs?: number | undefined
}

/** A host's part of a store. */
export class Store {
  readonly host: Host
  readonly name: string
  readonly partitioner: Partitioner
  readonly routes: RouteTable
  readonly router: Router
  readonly events: Emitter<KvEvents>
  readonly fingerprint: number
  /** Most bytes of one command. */
  readonly commandBytesMax: number
  readonly #shards = new Map<ShardId, ShardReplica>()
  /** The shards whose replica here has stopped for good. */
  readonly #failed = new Set<ShardId>()
  readonly #addresses = new Map<NodeId, string>()
  #hosts: readonly NodeId[]
  readonly #logTime: ReturnType<typeof logTime>
  readonly #suspicion: Suspicion
  readonly #cleanup: Unsubscribe[] = []
  #learning: Promise<void> | undefined
  #onAdmin: (payload: Uint8Array, timeoutMs: number) => Promise<Uint8Array> = refuseAdmin
  #onRefresh: () => void = () => {}
  #onMap: () => Promise<void> = () => Promise.resolve()

  constructor({ host, name, partitioner, suspectAfterMs }: StoreContext) {
    this.host = host
    this.name = name
    this.partitioner = partitioner
    this.fingerprint = fingerprint(partitioner)
    this.commandBytesMax = host.limits.commandBytesMax - COMMAND_OVERHEAD_BYTES
    this.events = createEmitter(host.logger)
    this.#logTime = logTime(host.clock)
    const shards = shardsOf(partitioner)
    this.#hosts = hostsOf(partitioner)
    this.routes = routeTable({
      version: partitioner.version,
      ranged: isRanged(partitioner),
      shards: shards.map(({ owners, range }) => ({
        epoch: 1,
        leader: undefined,
        members: owners,
        range,
      })),
      addresses: new Map(),
    })
    this.router = createRouter({
      clock: host.clock,
      random: host.random.fork(`kv/${name}`),
      exchange: this.#exchange(),
      routes: this.routes,
      shardOf: (key) => partitioner.shardOf(key),
      refresh: () => {
        this.#believeReplicas()
        this.#onRefresh()
      },
    })
    const hosts = (): readonly NodeId[] => this.#hosts
    this.#suspicion = new Suspicion({ host, store: name, suspectAfterMs, hosts })
    this.#cleanup.push(
      () => this.#suspicion.close(),
      host.serve(this.service, (request) => this.#serve(request)),
      watchRedundancy({
        host,
        store: name,
        replicas: partitioner.replicas,
        held: () => this.replicas(),
      }),
    )
  }

  /** The name of the service by which other hosts reach this one's replicas. */
  get service(): string {
    return `kv-${this.name}`
  }

  /** The name of a shard's group. */
  group(shard: ShardId): string {
    return `${this.name}-${shard}`
  }

  /** The replica of a shard, where this host has one. */
  replica(shard: ShardId): ShardReplica | undefined {
    return this.#shards.get(shard)
  }

  /** Whether this host's replica of a shard has stopped for good. */
  hasFailed(shard: ShardId): boolean {
    return this.#failed.has(shard)
  }

  /** Takes a replica into service. */
  add(shard: ShardId, replica: Replica, machine: ShardMachine): void {
    const { clock } = this.host
    const served = new ShardReplica({
      replica,
      machine,
      clock,
      logTime: this.#logTime,
      send: (to, request, respond) => this.#send(to, request, respond),
      sampled: this.routes.ranged,
      mapVersion: () => this.routes.version,
    })
    this.#shards.set(shard, served)
    this.#believe(shard, replica.consensus().leader)
    this.routes.learn(shard, machine.epoch, machine.range)
    served.onClose(
      replica.on('leadership', ({ leader, epoch }) => {
        this.#believe(shard, leader)
        this.events.emit('leadership', { shard, leader, term: epoch })
      }),
      replica.on('failed', (error) => {
        // Whoever asks is sent on to the others, as if this host never had one.
        this.#failed.add(shard)
        this.remove(shard)
        this.events.emit('replicaFailed', { shard, error })
      }),
      machine.onApplied(() => {
        this.routes.learn(shard, machine.epoch, machine.range)
        this.events.emit('applied', { shard, revision: machine.revision })
      }),
    )
  }

  /** The hosts that cannot be reached from here, for a while by now. */
  suspects(): ReadonlySet<NodeId> {
    return this.#suspicion.suspects()
  }

  /** The time that commands are stamped with. */
  timeMs(): number {
    return this.#logTime.now()
  }

  /** The replicas in service. */
  replicas(): readonly Replica[] {
    return [...this.#shards.values()].map(({ replica }) => replica)
  }

  /** Takes a replica out of service; its group goes on. */
  remove(shard: ShardId): void {
    this.#shards.get(shard)?.close()
    this.#shards.delete(shard)
  }

  /**
   * Sets who answers requests about the placement, who is told that routes seem wrong, and who is
   * asked for something newer before the map is told to others.
   */
  manage(
    onAdmin: (payload: Uint8Array, timeoutMs: number) => Promise<Uint8Array>,
    onRefresh: () => void = () => {},
    onMap: () => Promise<void> = () => Promise.resolve(),
  ): void {
    this.#onAdmin = onAdmin
    this.#onRefresh = onRefresh
    this.#onMap = onMap
  }

  /** Takes over a newer map, and with it the hosts that there are. */
  install(map: ClusterMap, hosts: readonly NodeId[]): void {
    this.routes.install(map)
    this.#hosts = hosts
  }

  /** Does a request, from wherever it came, and calls `respond` once. */
  handle(request: KvRequest, respond: (reply: KvReply) => void): void {
    try {
      this.#dispatch(request, respond)
    } catch (error) {
      respond(errorReply(this.routes.version, error))
    }
  }

  /** Does a request on another host, or on this one. */
  forward(to: NodeId, request: KvRequest, respond: (reply: KvReply) => void): void {
    if (to === this.host.id) this.handle(request, respond)
    else this.#send(to, request, respond)
  }

  /** How this host's replicas stand. */
  report(): HostReport {
    const replicas = [...this.#shards]
      .sort(([a], [b]) => a - b)
      .map(([shard, served]) => this.#replicaReport(shard, served))
    return { host: this.host.id, address: this.#addresses.get(this.host.id), replicas }
  }

  /** How the whole store stands, as far as hosts answer. */
  async status(options: CallOptions = {}): Promise<KvStatus> {
    const timeoutMs = Math.min(options.timeoutMs ?? REPORT_TIMEOUT_MS, REPORT_TIMEOUT_MS)
    const reports = await Promise.all(
      this.#hosts.map(async (host) => {
        if (host === this.host.id) return this.report()
        const reply = await this.ask(host, { kind: 'report', timeoutMs })
        return reply.ok ? decodeReport(reply.body) : undefined
      }),
    )
    return statusOf({
      name: this.name,
      cluster: this.host.cluster,
      mapVersion: this.routes.version,
      hosts: this.#hosts,
      suspects: this.suspects(),
      reports: reports.filter((report) => report !== undefined),
      replicas: this.partitioner.replicas,
      shards: this.routes.all,
      ranged: this.routes.ranged,
      group: (shard) => this.group(shard),
    })
  }

  /** Does a request on a host and resolves with the reply, also where it is an error. */
  ask(to: NodeId, request: KvRequest): Promise<KvReply> {
    return new Promise((resolve) => this.forward(to, request, resolve))
  }

  /** Says where clients reach this host; `undefined`: nowhere any more. */
  announce(address: string | undefined): void {
    if (address === undefined) this.#addresses.delete(this.host.id)
    else this.#addresses.set(this.host.id, address)
  }

  /** The map as this host knows it. */
  map(): ClusterMap {
    const { version, ranged, all } = this.routes
    const shards = all.map(({ epoch, leader, members, range }) => ({
      epoch,
      leader,
      members,
      range,
    }))
    return { version, ranged, shards, addresses: this.#addresses }
  }

  /** Ends everything but the replicas' groups. */
  close(): void {
    this.router.close()
    for (const cleanup of this.#cleanup.splice(0)) cleanup()
    for (const shard of this.#shards.values()) shard.close()
    this.#shards.clear()
    this.events.clear()
  }

  #dispatch(request: KvRequest, respond: (reply: KvReply) => void): void {
    const { timeoutMs } = request
    switch (request.kind) {
      case 'command': {
        const { shard, epoch } = peekHeader(request.payload)
        return this.#served(shard).command(request.payload, epoch, timeoutMs, respond)
      }
      case 'query':
        return this.#served(request.shard).query(request, respond)
      case 'watch':
        return this.#served(request.shard).watch(request, respond)
      case 'barrier':
        return this.#served(request.shard).barrier(request.epoch, timeoutMs, respond)
      case 'map':
        return void Promise.all([this.#learnAddresses(), this.#onMap()]).then(
          () => respond(this.#ok(encodeMap(this.map()))),
          (error: unknown) => respond(errorReply(this.routes.version, error)),
        )
      case 'report':
        return respond(this.#ok(encodeJson(this.report())))
      case 'status':
        return void this.status({ timeoutMs }).then(
          (status) => respond(this.#ok(encodeJson(status))),
          (error: unknown) => respond(errorReply(this.routes.version, error)),
        )
      case 'admin':
        return void this.#onAdmin(request.payload, timeoutMs).then(
          (body) => respond(this.#ok(body)),
          (error: unknown) => respond(errorReply(this.routes.version, error)),
        )
    }
  }

  #ok(body: Uint8Array): KvReply {
    return okReply(this.routes.version, body)
  }

  #served(shard: ShardId): ShardReplica {
    const served = this.#shards.get(shard)
    if (served !== undefined) return served
    const leader = this.routes.all[shard]?.leader
    throw new QuorateError('NOT_LEADER', `host ${this.host.id} has no replica of shard ${shard}`, {
      details: leader === undefined || leader === this.host.id ? {} : { leader },
    })
  }

  #replicaReport(shard: ShardId, { replica, machine, requests }: ShardReplica): ReplicaReport {
    const status = replica.consensus()
    const { role, leader, appliedIndex, commitIndex, lastIndex, membership } = status
    const { keys, bytes, sessions, epoch } = machine.info()
    return {
      shard,
      group: replica.group,
      host: this.host.id,
      role,
      leader,
      term: status.epoch,
      epoch,
      voters: membership.voters,
      learners: membership.learners,
      appliedIndex,
      commitIndex,
      lastIndex,
      sessions,
      keys,
      bytes,
      requests,
    }
  }

  #exchange(): Exchange {
    return {
      send: (to, request, respond) => this.forward(to, request, respond),
      nearest: (hosts) => {
        if (hosts.includes(this.host.id)) return this.host.id
        return hosts.find((host) => this.host.reachable(host))
      },
    }
  }

  #send(to: NodeId, request: KvRequest, respond: (reply: KvReply) => void): void {
    scratch.reset()
    scratch.uint32(this.fingerprint)
    writeRequest(scratch, request)
    const { timeoutMs } = request
    this.host.call(to, this.service, scratch.finish(), { timeoutMs }).then(
      (bytes) => {
        let reply: KvReply
        try {
          reply = readReply(bytes)
        } catch (cause) {
          // It was asked and it has answered: whatever it did is done.
          const message = `host ${to} gave an answer that cannot be read`
          reply = errorReply(0, new QuorateError('OUTCOME_UNKNOWN', message, { cause }))
        }
        respond(reply)
      },
      (error: unknown) => respond(errorReply(0, error)),
    )
  }

  #serve(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const respond = (reply: KvReply): void => {
        scratch.reset()
        writeReply(scratch, reply)
        resolve(scratch.finish())
      }
      try {
        const reader = new ByteReader(bytes)
        this.checkFingerprint(reader.uint32())
        this.handle(readRequest(bytes.subarray(4)), respond)
      } catch (error) {
        respond(errorReply(this.routes.version, error))
      }
    })
  }

  /** Throws unless the other side sends keys to the same shards. */
  checkFingerprint(theirs: number): void {
    if (theirs === this.fingerprint) return
    throw new QuorateError(
      'INVALID_OPTIONS',
      `store "${this.name}" is partitioned in another way here: compare shards and partitioner`,
    )
  }

  /** What local replicas know of leaders is the best that there is. */
  #believeReplicas(): void {
    for (const [shard, { replica }] of this.#shards) {
      const { leader } = replica.consensus()
      // One that sleeps does not miss its leader: it is asked itself, where that has just failed.
      if (leader !== this.routes.route(shard).failed) this.#believe(shard, leader)
    }
  }

  #believe(shard: ShardId, leader: NodeId | undefined): void {
    if (leader !== undefined) this.routes.route(shard).leader = leader
  }

  /** Asks hosts whose address is not known for theirs. */
  #learnAddresses(): Promise<void> {
    this.#learning ??= this.#askAddresses().finally(() => {
      this.#learning = undefined
    })
    return this.#learning
  }

  async #askAddresses(): Promise<void> {
    const unknown = this.#hosts.filter(
      (host) => !this.#addresses.has(host) && host !== this.host.id,
    )
    await Promise.all(
      unknown.map(async (host) => {
        const reply = await this.ask(host, { kind: 'report', timeoutMs: REPORT_TIMEOUT_MS })
        const address = reply.ok ? decodeReport(reply.body).address : undefined
        if (address !== undefined) this.#addresses.set(host, address)
      }),
    )
  }
}

function refuseAdmin(): Promise<Uint8Array> {
  return Promise.reject(new QuorateError('NOT_SUPPORTED', 'the store has no administration yet'))
}

/** A shard as a partitioner has it. */
export interface PlacedShard {
  /** The hosts that should hold it; none where there is no shard of that number. */
  readonly owners: readonly NodeId[]
  /** The keys in it, where shards are sorted ranges. */
  readonly range?: KeyRange | undefined
}

/** The shards of a partitioner, by number. */
export function shardsOf(partitioner: Partitioner): readonly PlacedShard[] {
  if (!isRanged(partitioner)) {
    return Array.from({ length: partitioner.shards }, (_, shard) => ({
      owners: partitioner.owners(shard),
    }))
  }
  const shards: PlacedShard[] = []
  for (const { shard, start, end, owners } of partitioner.ranges) {
    while (shards.length <= shard) shards.push({ owners: [] })
    const range = rangeOfBytes({ start, end: end ?? NO_BYTES })
    shards[shard] = { owners, range }
  }
  return shards
}

interface WithMembers {
  readonly members?: readonly { readonly id: NodeId }[]
}

/** The hosts of a new store, in order: also those that have no shard yet. */
export function hostsOf(partitioner: Partitioner): readonly NodeId[] {
  const { members = [] } = partitioner as Partitioner & WithMembers
  const named = members.map(({ id }) => id)
  const owners = shardsOf(partitioner).flatMap((shard) => shard.owners)
  return [...new Set([...named, ...owners])].sort(compareIds)
}

const NO_BYTES = new Uint8Array(0)
