// Composes a store on a host: one replicated group for each shard that the partitioner places
// there, and routes to all others.
import { QuorateError, isId, requirePart } from '@quorate/core'
import type {
  AbortOptions,
  ConsensusFactory,
  EventSource,
  Lifecycle,
  NodeId,
  Partitioner,
  Replica,
  ShardId,
  Unsubscribe,
} from '@quorate/core'
import type { Host, SnapshotPolicy } from '@quorate/runtime'
import { decodeAdmin, kvAdmin, operationNames } from '../placement/admin.ts'
import type { KvAdmin } from '../placement/admin.ts'
import { answerForGroup } from '../placement/keeper.ts'
import { MANAGED, RANGES, managedPlacement } from '../placement/managed.ts'
import type { ManagedOptions, ManagedPlacement } from '../placement/managed.ts'
import type { KvEvents, KvLifetime, KvOperations } from '../kv.ts'
import type { HistoryLimits } from '../machine/history.ts'
import { shardMachine } from '../machine/shard-machine.ts'
import { plainValues } from './entry.ts'
import { isRanged } from '../routing/fingerprint.ts'
import { Operations, shownShard } from './operations.ts'
import type { OperationsContext } from './operations.ts'
import { Store, shardsOf } from './store.ts'
import { checkOptionNames } from '../options.ts'
import type { OptionNames } from '../options.ts'

/** What a store is made of. */
export interface KvOptions {
  /** The host that it lives on. It stays open when the store is closed. */
  readonly host: Host
  /** The algorithm that replicates each shard: `raft()` or `paxos()`, the same on every host. */
  readonly consensus: ConsensusFactory
  /**
   * Places keys on shards and shards on hosts; the same on every host. Where it has `members`, as those
   * of `@quorate/ring` have, they are the hosts of the store, also those that own no shard.
   */
  readonly partitioner: Partitioner
  /** Names the store, where a host has several: 1 to 48 of `A-Z a-z 0-9 _ -`. Default `'kv'`. */
  readonly name?: string | undefined
  /** When replicas take snapshots. Default: as the host's. */
  readonly snapshots?: SnapshotPolicy | undefined
  /** How much history each replica keeps for watches. Default 10,000 changes and 4 MiB. */
  readonly history?: Partial<HistoryLimits> | undefined
  /**
   * Lets the store place its shards itself: hosts join and are drained, failed ones are replaced, and
   * replicas and leaders are spread evenly. The same on every host. Default: every shard stays where
   * the partitioner has placed it.
   */
  readonly managed?: ManagedOptions | undefined
  /**
   * Says that this host has been here before and its data is gone: its replicas then wait, without a
   * vote, until a leader takes them in and brings them up. A host that comes back empty without it
   * votes as if it had promised nothing, and acknowledged writes can be lost. Where the host was opened
   * with it the store is too, or is refused (`INVALID_OPTIONS`). Default `false`.
   */
  readonly rejoin?: boolean | undefined
}

/** A store, as it is embedded in a host. */
export interface Kv extends KvOperations, KvLifetime, EventSource<KvEvents> {
  /** Hosts, moves and leaders, for operators. */
  readonly admin: KvAdmin
  /** Its name. */
  readonly name: string
  /** The host that it lives on. */
  readonly host: NodeId
  /** The shard of a key. */
  shardOf(key: Uint8Array | string): ShardId
  /** This host's replica of a shard, where it has one. */
  replica(shard: ShardId): Replica | undefined
}

const OPTIONS: OptionNames<KvOptions> = {
  host: true,
  consensus: true,
  partitioner: true,
  name: true,
  snapshots: true,
  history: true,
  managed: true,
  rejoin: true,
}
const SNAPSHOTS: OptionNames<SnapshotPolicy> = {
  everyBytes: true,
  everyEntries: true,
  keepEntries: true,
}
const HISTORY: OptionNames<HistoryLimits> = { changesMax: true, bytesMax: true }

const A_PARTITIONER = 'hashRing({ members, shards: 16, replicas: 3 })'

const stores = new WeakMap<Kv, Store>()

/** The store behind a {@link Kv} that {@link createKv} made. */
export function storeOf(kv: Kv): Store {
  const store = stores.get(kv)
  if (store === undefined) throw new TypeError('the store was not made by createKv')
  return store
}

/**
 * Starts this host's part of a store and recovers it. Resolves when its replicas take part; a
 * leader may still have to be found, which requests wait for.
 *
 * @throws QuorateError `INVALID_OPTIONS` for a partitioner without hosts, a bad name or an option
 * that there is not, `CONFLICT` where the host has a store of that name, and what `Host.createReplica` throws
 */
export async function createKv(options: KvOptions): Promise<Kv> {
  checkNames(options)
  const { host, partitioner, name = 'kv' } = options
  checkOptions(name, partitioner)
  const { suspectAfterMs } = options.managed ?? {}
  const store = new Store({ host, name, partitioner, suspectAfterMs })
  const first = shardsOf(partitioner)
  const start = async (shard: ShardId, members: readonly NodeId[] | undefined): Promise<void> => {
    // A range that was not there at first begins with nothing, and gets its keys from another.
    const range = isRanged(partitioner) ? (first[shard]?.range ?? 'none') : undefined
    const machine = shardMachine({ shard, range, history: options.history })
    const { consensus, snapshots } = options
    const group = store.group(shard)
    const target = members && { voters: members }
    const replica = await host.createReplica({
      group,
      consensus,
      stateMachine: machine,
      members: target,
      snapshots,
    })
    store.add(shard, replica, machine)
  }
  let managed: ManagedPlacement | undefined
  try {
    const begin: typeof start = (shard, members) =>
      start(shard, options.rejoin === true ? undefined : members)
    if (options.managed === undefined) await startAll(store, begin)
    else managed = await managedPlacement(store, options, options.managed, begin)
  } catch (error) {
    const replicas = store.replicas()
    store.close()
    await Promise.allSettled(replicas.map((replica) => replica.close()))
    throw error
  }
  const kv = new EmbeddedKv(store, managed, {
    router: store.router,
    status: (callOptions) => store.status(callOptions),
    commandBytesMax: store.commandBytesMax,
  })
  stores.set(kv, store)
  return kv
}

/** Starts every replica that the partitioner places on this host. */
async function startAll(
  store: Store,
  start: (shard: ShardId, members: readonly NodeId[]) => Promise<void>,
): Promise<void> {
  store.manage((payload, timeoutMs) => answerForGroup(store, decodeAdmin(payload), timeoutMs))
  const mine = [...shardsOf(store.partitioner).entries()].filter(([, { owners }]) =>
    owners.includes(store.host.id),
  )
  const started = await Promise.allSettled(mine.map(([shard, { owners }]) => start(shard, owners)))
  const failed = started.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function checkNames(options: KvOptions): void {
  checkOptionNames('createKv', options, OPTIONS)
  const { host, consensus, partitioner } = options
  requirePart('the host of createKv', host, ['createReplica'], 'await createHost({ … })')
  requirePart('the consensus of createKv', consensus, ['create'], 'raft()')
  requirePart('the partitioner of createKv', partitioner, ['shardOf', 'owners'], A_PARTITIONER)
  if (options.snapshots) checkOptionNames('createKv.snapshots', options.snapshots, SNAPSHOTS)
  if (options.history) checkOptionNames('createKv.history', options.history, HISTORY)
  const { managed } = options
  if (!managed) return
  checkOptionNames('createKv.managed', managed, MANAGED)
  if (managed.ranges) checkOptionNames('createKv.managed.ranges', managed.ranges, RANGES)
}

function checkOptions(name: string, partitioner: Partitioner): void {
  if (!isId(name) || name.length > 48) {
    const message = 'a store is named by 1 to 48 characters of A-Z, a-z, 0-9, "_" and "-"'
    throw new QuorateError('INVALID_OPTIONS', message)
  }
  for (const [shard, { owners, range }] of shardsOf(partitioner).entries()) {
    // Of ranges, numbers that are not in use have no hosts.
    if (owners.length > 0 || (isRanged(partitioner) && range === undefined)) continue
    throw new QuorateError('INVALID_OPTIONS', `the partitioner places shard ${shard} on no host`)
  }
}

class EmbeddedKv extends Operations<Uint8Array | string, Uint8Array> implements Kv {
  readonly name: string
  readonly host: NodeId
  readonly admin: KvAdmin
  readonly #store: Store
  readonly #managed: ManagedPlacement | undefined
  #closing: Promise<void> | undefined
  #lifecycle: Lifecycle = 'open'

  constructor(store: Store, managed: ManagedPlacement | undefined, context: OperationsContext) {
    super(context, plainValues)
    this.#store = store
    this.#managed = managed
    this.admin = kvAdmin({
      router: store.router,
      shardRoute: (shard) => store.routes.route(shard),
      operation: operationNames(
        store.host.clock,
        store.host.random.fork(`kv/${store.name}/orders`),
      ),
      replicas: () => store.partitioner.replicas,
      mapRoute() {
        if (managed !== undefined) return Promise.resolve(managed.mapRoute)
        const message = 'the placement of this store is not managed: see the option "managed"'
        return Promise.reject(new QuorateError('NOT_SUPPORTED', message))
      },
    })
    this.name = store.name
    this.host = store.host.id
  }

  get lifecycle(): Lifecycle {
    return this.#lifecycle
  }

  shardOf(key: Uint8Array | string): ShardId {
    return shownShard(this.#store.router, key)
  }

  replica(shard: ShardId): Replica | undefined {
    return this.#store.replica(shard)?.replica
  }

  on<Name extends keyof KvEvents>(
    name: Name,
    listener: (event: KvEvents[Name]) => void,
  ): Unsubscribe {
    return this.#store.events.on(name, listener)
  }

  close(options?: AbortOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options?: AbortOptions): Promise<void> {
    this.#lifecycle = 'closing'
    this.#store.router.close()
    await this.#managed?.stop()
    const replicas = this.#store.replicas()
    this.#store.close()
    const closed = await Promise.allSettled([
      ...replicas.map((replica) => replica.close(options)),
      this.#managed?.close(options),
    ])
    this.#lifecycle = 'closed'
    const failures = closed.filter((outcome) => outcome.status === 'rejected')
    if (failures.length > 0) throw failures[0]?.reason
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
