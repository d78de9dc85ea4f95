// A host's part in a managed placement: it follows the map, has exactly the replicas that the map
// wants here, and answers for them. Nothing is dropped before the map has been confirmed.
import { ByteWriter, QuorateError, compareIds } from '@quorate/core'
import type { CallOptions, NodeId, Replica, ShardId, Timer } from '@quorate/core'
import { encodeCommand } from '../machine/command.ts'
import { decodeResult } from '../machine/result.ts'
import type { Route } from '../routing/routes.ts'
import { errorOf } from '../routing/wire.ts'
import { rangeFromJson, rangeJson } from '../machine/key-range.ts'
import type { PlacedShard, Store } from '../store/store.ts'
import { decodeAdmin, encodeAdmin, encodeAnswerJson } from './admin.ts'
import type { AdminRequest, GroupView } from './admin.ts'
import { decodePlacement, encodeChange, hostTable } from './state.ts'
import type { Placement, PlacementMachine } from './state.ts'

const FETCH_TIMEOUT_MS = 3_000
const MAP_TIMEOUT_MS = 1_000

/** What a keeper is made of. */
export interface KeeperContext {
  /** The store. */
  readonly store: Store
  /** The hosts of the group that holds the map. */
  readonly mapHosts: readonly NodeId[]
  /** The placement of a new store. */
  readonly initial: Placement
  /** This host's replica of the map's group, where it has one. */
  readonly map: { readonly replica: Replica; readonly machine: PlacementMachine } | undefined
  /** How often the map is looked at where nothing else calls for it, in milliseconds. */
  readonly intervalMs: number
  /** Starts a replica: with its first members, or to join a group that exists. */
  startReplica(shard: ShardId, members: readonly NodeId[] | undefined): Promise<void>
}

/** The placement of a new store, as a partitioner has it. */
export function initialPlacement(shards: readonly PlacedShard[], version: number): Placement {
  const hosts = [...new Set(shards.flatMap(({ owners }) => owners))].sort(compareIds)
  return {
    version,
    shards: shards.map(({ owners, range }) => {
      const placed = { epoch: 1, voters: owners.toSorted(compareIds) }
      return range === undefined ? placed : { ...placed, range: rangeJson(range) }
    }),
    hosts: hostTable(hosts.map((id) => [id, 'active'] as const)),
    paused: false,
  }
}

/** Keeps one host's replicas as the map wants them. */
export class Keeper {
  readonly mapRoute: Route
  readonly #context: KeeperContext
  #placement: Placement
  /** One change of this host's replicas at a time. */
  #lane: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #fetching = false
  #asking: Promise<void> | undefined
  /** Whether what was left of earlier replicas is being dropped, or has been. */
  #clearing = false
  #closed = false

  constructor(context: KeeperContext) {
    this.#context = context
    this.#placement = context.initial
    this.mapRoute = { shard: -1, epoch: 0, leader: undefined, members: context.mapHosts }
  }

  /** The map as this host knows it. */
  get placement(): Placement {
    return this.#placement
  }

  /** Starts the replicas that the map as it is known wants here, and follows it from now on. */
  async start(): Promise<void> {
    const { store, map } = this.#context
    store.manage(
      (payload, timeoutMs) => this.#answer(payload, timeoutMs),
      () => this.refresh(),
      () => this.#beforeTelling(),
    )
    if (map === undefined) {
      // Without the map's own log, only a quorum can say what this host may start.
      this.refresh()
    } else {
      map.machine.onChange(() => this.#install(map.machine.placement))
      this.#install(map.machine.placement)
      await this.#lane
    }
    this.#poll()
  }

  /** Looks at the map again, as a quorum has it. */
  refresh(): void {
    if (this.#fetching || this.#closed) return
    this.#fetching = true
    const settled = (): void => {
      this.#fetching = false
    }
    this.fetch({ timeoutMs: FETCH_TIMEOUT_MS }).then(settled, settled)
  }

  /** Reads the map as a quorum has it. */
  async fetch(options: CallOptions): Promise<Placement> {
    const payload = encodeAdmin({ op: 'placement' })
    const { router } = this.#context.store
    const bytes = await router.admin(this.mapRoute, payload, options, 'reading the map')
    const placement = decodePlacement(bytes)
    this.#install(placement)
    return placement
  }

  /** Asks a host. */
  async ask(host: NodeId, request: AdminRequest, timeoutMs: number): Promise<Uint8Array> {
    const payload = encodeAdmin(request)
    const reply = await this.#context.store.ask(host, { kind: 'admin', timeoutMs, payload })
    if (!reply.ok) throw errorOf(reply.error)
    return reply.body
  }

  /** Stops following the map and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#lane
  }

  /** Whoever asks for the map may have been told that there is a newer one: looks first. */
  async #beforeTelling(): Promise<void> {
    const { store } = this.#context
    const { ranged, all } = store.routes
    const { shards } = this.#placement
    const newer = all.some(({ shard, epoch }) => epoch > (shards[shard]?.epoch ?? 0))
    if (!ranged || (!newer && shards.every(({ handover }) => handover === undefined))) return
    this.#asking ??= this.fetch({ timeoutMs: MAP_TIMEOUT_MS })
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#asking = undefined
      })
    await this.#asking
  }

  #poll(): void {
    this.#timer = this.#context.store.host.clock.setTimer(this.#context.intervalMs, () => {
      // Whoever holds the map is told of changes; others have to ask.
      if (this.#context.map === undefined) this.refresh()
      else if (!this.#isAsWanted()) this.#reconcileSoon()
      if (!this.#clearing) {
        this.#clearing = true
        this.#lane = this.#lane.then(() => this.#clear())
      }
      this.#poll()
    })
  }

  #install(placement: Placement): void {
    if (this.#closed || placement.version < this.#placement.version) return
    this.#placement = placement
    const shards = placement.shards.map(({ epoch, voters, move, range }) => ({
      epoch,
      leader: undefined,
      // While a shard moves, its leader can be on either side.
      members: [...new Set([...voters, ...(move?.to ?? [])])],
      range: range && rangeFromJson(range),
    }))
    const { version, hosts } = placement
    const map = { version, shards, addresses: new Map() }
    this.#context.store.install(map, Object.keys(hosts))
    this.#reconcileSoon()
  }

  #wants(shard: ShardId, placement: Placement = this.#placement): boolean {
    const held = placement.shards[shard]
    const { id } = this.#context.store.host
    return held?.voters.includes(id) === true || held?.move?.to.includes(id) === true
  }

  #isAsWanted(): boolean {
    const { store } = this.#context
    return [...this.#placement.shards.keys()].every(
      (shard) =>
        this.#wants(shard) === (store.replica(shard) !== undefined || store.hasFailed(shard)),
    )
  }

  #reconcileSoon(): void {
    this.#lane = this.#lane.then(() => this.#reconcile())
  }

  async #reconcile(): Promise<void> {
    const { store } = this.#context
    for (const shard of this.#placement.shards.keys()) {
      if (this.#closed) return
      try {
        const has = store.replica(shard) !== undefined || store.hasFailed(shard)
        if (this.#wants(shard) && !has) await this.#begin(shard)
        if (!this.#wants(shard) && has) await this.#end(shard)
      } catch (error) {
        store.host.logger.warn({ shard, error }, 'a replica is not as the map wants it yet')
      }
    }
  }

  async #begin(shard: ShardId): Promise<void> {
    const { initial, startReplica, store } = this.#context
    const held = this.#placement.shards[shard]
    const first = held?.founders ?? initial.shards[shard]?.voters ?? []
    const isNew = held?.epoch === 1 && first.includes(store.host.id)
    await startReplica(shard, isNew ? first : undefined)
  }

  /** Drops a replica, once a quorum has confirmed that it belongs elsewhere. */
  async #end(shard: ShardId): Promise<void> {
    const { store, map } = this.#context
    const confirmed = await this.fetch({ timeoutMs: FETCH_TIMEOUT_MS })
    if (this.#wants(shard, confirmed)) return
    // After a restart this host must know that the shard has moved, or it would found it anew.
    if (map !== undefined && confirmed.version > map.machine.placement.version) return
    await map?.replica.takeSnapshot()
    store.remove(shard)
    await store.host.dropReplica(store.group(shard))
  }

  /** Once in each life: drops what a crash has left of replicas that belong elsewhere. */
  async #clear(): Promise<void> {
    const { store, map } = this.#context
    try {
      const confirmed = await this.fetch({ timeoutMs: FETCH_TIMEOUT_MS })
      if (map !== undefined && confirmed.version > map.machine.placement.version) {
        this.#clearing = false
        return
      }
      await map?.replica.takeSnapshot()
      for (const shard of confirmed.shards.keys()) {
        const has = store.replica(shard) !== undefined || store.hasFailed(shard)
        const stays = has || this.#wants(shard, confirmed) || !store.host.stores(store.group(shard))
        if (stays || this.#closed) continue
        await store.host.dropReplica(store.group(shard))
      }
    } catch (error) {
      this.#clearing = false
      store.host.logger.debug({ error }, 'what is left of replicas elsewhere is not dropped yet')
    }
  }

  async #answer(payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const request = decodeAdmin(payload)
    switch (request.op) {
      case 'where':
        return encodeAnswerJson(this.#context.mapHosts)
      case 'placement': {
        const { replica, machine } = this.#map()
        await replica.readBarrier('quorum', { timeoutMs })
        return machine.query(new Uint8Array(0))
      }
      case 'change':
        return this.#map().replica.propose(encodeChange(request.command), { timeoutMs })
      case 'prepare':
        await this.fetch({ timeoutMs })
        await this.#lane
        if (this.#context.store.replica(request.shard) !== undefined) return encodeAnswerJson(true)
        throw new QuorateError('UNAVAILABLE', `shard ${request.shard} has no replica here yet`)
      default:
        return answerForGroup(this.#context.store, request, timeoutMs)
    }
  }

  #map(): { readonly replica: Replica; readonly machine: PlacementMachine } {
    const { map, store, mapHosts } = this.#context
    if (map !== undefined) return map
    throw new QuorateError('NOT_LEADER', `host ${store.host.id} does not hold the map`, {
      details: { leader: mapHosts[0] },
    })
  }
}

/** Answers what concerns one shard's group; its leader must be here. */
export async function answerForGroup(
  store: Store,
  request: AdminRequest,
  timeoutMs: number,
): Promise<Uint8Array> {
  if (!('shard' in request)) {
    throw new QuorateError('NOT_SUPPORTED', 'the placement of this store is not managed')
  }
  const { shard } = request
  const served = store.replica(shard)
  const status = served?.replica.consensus()
  if (served === undefined || status?.role !== 'leader') {
    throw new QuorateError('NOT_LEADER', `host ${store.host.id} does not lead shard ${shard}`, {
      details: status?.leader === undefined ? {} : { leader: status.leader },
    })
  }
  const { replica, machine } = served
  switch (request.op) {
    case 'group': {
      const behind = hostTable([]) as unknown as Record<NodeId, number>
      for (const { id, matchIndex } of status.peers) {
        if (matchIndex > 0) behind[id] = status.commitIndex - matchIndex
      }
      const { membership, leader } = status
      const settled = membership.outgoing.length === 0
      const { epoch, bytes } = machine.info()
      const led = { leader: leader ?? replica.id, membership, settled, behind }
      const view: GroupView = { ...led, epoch, bytes }
      return encodeAnswerJson(view)
    }
    case 'asked':
      return encodeAnswerJson(served.asked())
    case 'membership': {
      const { voters, learners, version } = request
      const options = { timeoutMs, expectedVersion: version }
      return encodeAnswerJson(await replica.changeMembership({ voters, learners }, options))
    }
    case 'transfer':
      await replica.transferLeadership(request.to, { timeoutMs })
      return encodeAnswerJson(true)
    case 'fence': {
      const command = { type: 'fence', shard, epoch: 0, next: request.epoch } as const
      const payload = encodeCommand({ ...command, timeMs: store.timeMs() })
      const result = decodeResult(await replica.propose(payload, { timeoutMs }))
      if (!result.ok) throw new QuorateError(result.code, result.message)
      const writer = new ByteWriter(8)
      writer.varint(result.revision)
      return writer.finish()
    }
    default:
      throw new QuorateError('NOT_SUPPORTED', `a shard's leader does not know "${request.op}"`)
  }
}
