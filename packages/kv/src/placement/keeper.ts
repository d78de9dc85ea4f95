// A host's part in a managed placement: it follows the map, has exactly the replicas that the map
// wants here, and answers for them. Nothing is dropped before the map has been confirmed.
import { ByteWriter, QuorateError, compareIds, decodeUtf8, isId } from '@quorate/core'
import type { CallOptions, NodeId, Partitioner, Replica, ShardId, Timer } from '@quorate/core'
import { encodeCommand } from '../machine/command.ts'
import { decodeResult } from '../machine/result.ts'
import type { Route } from '../routing/routes.ts'
import { errorOf } from '../routing/wire.ts'
import { rangeFromJson, rangeJson } from '../machine/key-range.ts'
import { hostsOf, shardsOf } from '../store/store.ts'
import type { Store } from '../store/store.ts'
import { decodeAdmin, encodeAdmin, encodeAnswerJson } from './admin.ts'
import type { AdminRequest, GroupView } from './admin.ts'
import { decodePlacement, encodeChange, hostTable } from './state.ts'
import type { Placement, PlacementMachine } from './state.ts'

const FETCH_TIMEOUT_MS = 3_000
const MAP_TIMEOUT_MS = 1_000
/** Every so many looks a host that holds the map asks a quorum all the same. */
const ASK_ANYWAY_EVERY = 8

/** What a keeper is made of. */
export interface KeeperContext {
  /** The store. */
  readonly store: Store
  /** The hosts of the group that held the map at first, or when this host left it. */
  readonly mapHosts: readonly NodeId[]
  /** Hosts that may know more, besides those of a new store. */
  readonly known: readonly NodeId[]
  /**
   * Whether this host starts the map's group anew. Otherwise what its replica remembers may be old,
   * and a shard that this host seems to found may have been here, moved away and been dropped.
   */
  readonly isFresh: boolean
  /** The placement of a new store. */
  readonly initial: Placement
  /** This host's replica of the map's group, where it has one now. */
  map(): { readonly replica: Replica; readonly machine: PlacementMachine } | undefined
  /** Starts a replica of the map's group, which joins it, or ends and drops the one that there is. */
  holdMap(hold: boolean): Promise<void>
  /** Drops what a crash has left of a map that others hold by now. */
  dropMap(): Promise<void>
  /** How often the map is looked at where nothing else calls for it, in milliseconds. */
  readonly intervalMs: number
  /** Starts a replica: with its first members, or to join a group that exists. */
  startReplica(shard: ShardId, members: readonly NodeId[] | undefined): Promise<void>
}

/** The placement of a new store, as a partitioner has it. */
export function initialPlacement(partitioner: Partitioner, mapHosts: readonly NodeId[]): Placement {
  const { version, replicas } = partitioner
  return {
    version,
    replicas,
    shards: shardsOf(partitioner).map(({ owners, range }) => {
      const placed = { epoch: 1, voters: owners.toSorted(compareIds) }
      return range === undefined ? placed : { ...placed, range: rangeJson(range) }
    }),
    hosts: hostTable(hostsOf(partitioner).map((id) => [id, 'active'] as const)),
    paused: false,
    map: { hosts: mapHosts },
  }
}

/** Keeps one host's replicas as the map wants them. */
export class Keeper {
  readonly mapRoute: Route
  readonly #context: KeeperContext
  #placement: Placement
  /** One change of this host's replicas at a time. */
  #lane: Promise<void> = Promise.resolve()
  #mapLane: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #fetching = false
  #polls = 1
  #asking: Promise<void> | undefined
  /** Whether what was left of earlier replicas is being dropped, or has been. */
  #clearing = false
  #closed = false
  /** Whether a quorum has said how the map is since this host started. */
  #isConfirmed: boolean
  /** The shards that this host seems to found, and that no quorum has spoken of yet. */
  readonly #unconfirmed = new Set<ShardId>()

  constructor(context: KeeperContext) {
    this.#context = context
    this.#isConfirmed = context.isFresh
    this.#placement = context.initial
    this.mapRoute = { shard: -1, epoch: 0, leader: undefined, members: context.mapHosts }
  }

  /** The map as this host knows it. */
  get placement(): Placement {
    return this.#placement
  }

  /** Starts the replicas that the map as it is known wants here, and follows it from now on. */
  async start(): Promise<void> {
    const { store } = this.#context
    store.manage(
      (payload, timeoutMs) => this.#answer(payload, timeoutMs),
      () => this.refresh(),
      () => this.#beforeTelling(),
    )
    if (this.#context.map() === undefined) {
      // Without the map's own log, only a quorum can say what this host may start.
      this.refresh()
      if (this.#context.known.length > 0) this.#lane = this.#lane.then(() => this.#findMap())
    } else {
      this.followMap()
      await this.#lane
    }
    this.#poll()
  }

  /** Goes by this host's own replica of the map, which it has from now on. */
  followMap(): void {
    const { machine } = this.#context.map() ?? {}
    if (machine === undefined) return
    machine.onChange(() => this.#install(machine.placement))
    this.#install(machine.placement)
  }

  /** Looks at the map again, as a quorum has it. */
  refresh(): void {
    if (this.#fetching || this.#closed) return
    this.#fetching = true
    this.fetch({ timeoutMs: FETCH_TIMEOUT_MS })
      .then(
        () => {},
        () => this.#findMap(),
      )
      .finally(() => {
        this.#fetching = false
      })
  }

  /** Nobody who is thought to hold the map answers for it: asks everybody who does. */
  async #findMap(): Promise<void> {
    const { store, initial, known } = this.#context
    const placed = [...Object.keys(initial.hosts), ...Object.keys(this.#placement.hosts)]
    const hosts = new Set([...this.mapRoute.members, ...known, ...placed])
    await Promise.all(
      [...hosts].map(async (host) => {
        if (host === store.host.id) return
        try {
          const answer = await this.ask(host, { op: 'where' }, FETCH_TIMEOUT_MS)
          const found = JSON.parse(decodeUtf8(answer)) as readonly NodeId[]
          const members = new Set([...this.mapRoute.members, ...found.filter(isId)])
          this.mapRoute.members = [...members].sort(compareIds)
        } catch (error) {
          store.host.logger.debug({ host, error }, 'a host does not say where the map is')
        }
      }),
    )
  }

  #hold(hold: boolean): void {
    if (this.#closed || hold === (this.#context.map() !== undefined)) return
    this.#mapLane = this.#mapLane.then(async () => {
      try {
        // Meanwhile it may be wanted again.
        const stays = !hold && this.#isMapHost(this.#placement)
        if (!this.#closed && !stays) await this.#context.holdMap(hold)
      } catch (error) {
        this.#clearing = false
        this.#context.store.host.logger.warn({ error }, 'the map is not held as it should be yet')
      }
    })
  }

  /** Reads the map as a quorum has it. */
  async fetch(options: CallOptions): Promise<Placement> {
    const payload = encodeAdmin({ op: 'placement' })
    const { router } = this.#context.store
    const bytes = await router.admin(this.mapRoute, payload, options, 'reading the map')
    const placement = decodePlacement(bytes)
    this.#install(placement)
    // What a quorum has said is the reason to give the map up; a replica that lags is none.
    if (!this.#isMapHost(placement)) this.#hold(false)
    if (!this.#isConfirmed) {
      this.#isConfirmed = true
      if (this.#unconfirmed.size > 0) this.#reconcileSoon()
      this.#unconfirmed.clear()
    }
    return placement
  }

  #isMapHost({ map }: Placement): boolean {
    const { id } = this.#context.store.host
    return map === undefined || map.hosts.includes(id) || map.move?.to.includes(id) === true
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
    await this.#mapLane
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
      // Whoever holds the map is told of changes; others have to ask, and so has who hears nothing.
      const held = this.#context.map()
      const due = this.#polls++ % ASK_ANYWAY_EVERY === 0
      if (due || this.#unconfirmed.size > 0 || !this.#isTold(held?.replica)) this.refresh()
      if (held !== undefined && !this.#isAsWanted()) this.#reconcileSoon()
      if (!this.#clearing) {
        this.#clearing = true
        this.#lane = this.#lane.then(() => this.#clear())
      }
      this.#poll()
    })
  }

  /** Whether this host's replica of the map hears of changes; one that was removed may not notice. */
  #isTold(replica: Replica | undefined): boolean {
    if (replica === undefined) return false
    const { leader, membership } = replica.consensus()
    const { voters, learners } = membership
    return leader !== undefined && (voters.includes(replica.id) || learners.includes(replica.id))
  }

  #install(placement: Placement): void {
    if (this.#closed || placement.version < this.#placement.version) return
    this.#placement = placement
    const { map: where } = placement
    if (where !== undefined) {
      this.mapRoute.members = [...new Set([...where.hosts, ...(where.move?.to ?? [])])]
      if (this.#isMapHost(placement)) this.#hold(true)
    }
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
    const founders = this.#founders(shard)
    const { store } = this.#context
    const isStored = store.host.stores(store.group(shard))
    if (founders !== undefined && !this.#isConfirmed && !isStored) {
      // It may have been here, moved away and been dropped: with nothing of it, this host waits.
      this.#unconfirmed.add(shard)
      return
    }
    await this.#context.startReplica(shard, founders)
  }

  /**
   * Who founds a shard's group, where this host is one of them and has had its replica ever since,
   * if only by name: one that was away when the others began is no stranger to them.
   */
  #founders(shard: ShardId): readonly NodeId[] | undefined {
    const { initial, store } = this.#context
    const held = this.#placement.shards[shard]
    const { id } = store.host
    const first = held?.founders ?? initial.shards[shard]?.voters ?? []
    return first.includes(id) && held?.left?.includes(id) !== true ? first : undefined
  }

  /** Drops a replica, once a quorum has confirmed that it belongs elsewhere. */
  async #end(shard: ShardId): Promise<void> {
    const { store } = this.#context
    const map = this.#context.map()
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
    const { store } = this.#context
    const map = this.#context.map()
    try {
      const confirmed = await this.fetch({ timeoutMs: FETCH_TIMEOUT_MS })
      if (map !== undefined && confirmed.version > map.machine.placement.version) {
        this.#clearing = false
        return
      }
      await map?.replica.takeSnapshot()
      if (!this.#isMapHost(confirmed)) {
        this.#mapLane = this.#mapLane.then(() => this.#dropMap())
        await this.#mapLane
      }
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

  async #dropMap(): Promise<void> {
    try {
      if (!this.#closed && !this.#isMapHost(this.#placement)) await this.#context.dropMap()
    } catch (error) {
      this.#clearing = false
      this.#context.store.host.logger.debug({ error }, 'what is left of the map is not dropped yet')
    }
  }

  async #answer(payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const request = decodeAdmin(payload)
    switch (request.op) {
      case 'where':
        return encodeAnswerJson(this.mapRoute.members)
      case 'placement': {
        const { replica, machine } = this.#map()
        await replica.readBarrier('quorum', { timeoutMs })
        return machine.query(new Uint8Array(0))
      }
      case 'change':
        return this.#map().replica.propose(encodeChange(request.command, request.operation), {
          timeoutMs,
        })
      case 'outcome': {
        const { replica, machine } = this.#map()
        await replica.readBarrier('quorum', { timeoutMs })
        return encodeAnswerJson(machine.outcome(request.operation))
      }
      case 'prepare':
        await this.fetch({ timeoutMs })
        await this.#lane
        if (this.#context.store.replica(request.shard) !== undefined) return encodeAnswerJson(true)
        throw new QuorateError('UNAVAILABLE', `shard ${request.shard} has no replica here yet`)
      case 'prepare-map':
        await this.fetch({ timeoutMs })
        await this.#mapLane
        if (this.#context.map() !== undefined) return encodeAnswerJson(true)
        throw new QuorateError('UNAVAILABLE', 'the map has no replica here yet')
      default:
        return answerForGroup(this.#context.store, request, timeoutMs)
    }
  }

  #map(): { readonly replica: Replica; readonly machine: PlacementMachine } {
    const { store } = this.#context
    const map = this.#context.map()
    if (map !== undefined) return map
    const leader = this.mapRoute.members.find((id) => store.host.reachable(id))
    throw new QuorateError('NOT_LEADER', `host ${store.host.id} does not hold the map`, {
      details: leader === undefined || leader === store.host.id ? {} : { leader },
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
