// Composes a store on a host: one replicated group for each shard that the partitioner places
// there, and routes to all others.
import { QuorateError, isId } from '@quorate/core'
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
import type { KvEvents, KvLifetime, KvOperations } from '../kv.ts'
import type { HistoryLimits } from '../machine/history.ts'
import { shardMachine } from '../machine/shard-machine.ts'
import { plainValues } from './entry.ts'
import { Operations } from './operations.ts'
import type { OperationsContext } from './operations.ts'
import { Store, ownersOf } from './store.ts'

/** What a store is made of. */
export interface KvOptions {
  /** The host that it lives on. It stays open when the store is closed. */
  readonly host: Host
  /** The algorithm that replicates each shard: `raft()` or `paxos()`, the same on every host. */
  readonly consensus: ConsensusFactory
  /** Places keys on shards and shards on hosts; the same on every host. */
  readonly partitioner: Partitioner
  /** Names the store, where a host has several: 1 to 48 of `A-Z a-z 0-9 _ -`. Default `'kv'`. */
  readonly name?: string | undefined
  /** When replicas take snapshots. Default: as the host's. */
  readonly snapshots?: SnapshotPolicy | undefined
  /** How much history each replica keeps for watches. Default 10,000 changes and 4 MiB. */
  readonly history?: Partial<HistoryLimits> | undefined
}

/** A store, as it is embedded in a host. */
export interface Kv extends KvOperations, KvLifetime, EventSource<KvEvents> {
  /** Its name. */
  readonly name: string
  /** The host that it lives on. */
  readonly host: NodeId
  /** The shard of a key. */
  shardOf(key: Uint8Array | string): ShardId
  /** This host's replica of a shard, where it has one. */
  replica(shard: ShardId): Replica | undefined
}

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
 * @throws QuorateError `INVALID_OPTIONS` for a partitioner without hosts or a bad name, `CONFLICT`
 * where the host has a store of that name, and what `Host.createReplica` throws
 */
export async function createKv(options: KvOptions): Promise<Kv> {
  const { host, partitioner, name = 'kv' } = options
  checkOptions(name, partitioner)
  const store = new Store({ host, name, partitioner })
  const replicas: Replica[] = []
  try {
    const mine = [...ownersOf(partitioner).entries()].filter(([, owners]) =>
      owners.includes(host.id),
    )
    const started = await Promise.allSettled(
      mine.map(([shard, owners]) => startReplica(store, options, shard, owners)),
    )
    for (const outcome of started) if (outcome.status === 'fulfilled') replicas.push(outcome.value)
    const failed = started.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  } catch (error) {
    store.close()
    await Promise.allSettled(replicas.map((replica) => replica.close()))
    throw error
  }
  const kv = new EmbeddedKv(store, replicas, {
    router: store.router,
    partitioner,
    status: (callOptions) => store.status(callOptions),
    commandBytesMax: store.commandBytesMax,
  })
  stores.set(kv, store)
  return kv
}

async function startReplica(
  store: Store,
  options: KvOptions,
  shard: ShardId,
  owners: readonly NodeId[],
): Promise<Replica> {
  const machine = shardMachine({ shard, history: options.history })
  const replica = await options.host.createReplica({
    group: store.group(shard),
    consensus: options.consensus,
    stateMachine: machine,
    members: { voters: owners },
    snapshots: options.snapshots,
  })
  store.add(shard, replica, machine)
  return replica
}

function checkOptions(name: string, partitioner: Partitioner): void {
  if (!isId(name) || name.length > 48) {
    const message = 'a store is named by 1 to 48 characters of A-Z, a-z, 0-9, "_" and "-"'
    throw new QuorateError('INVALID_OPTIONS', message)
  }
  for (let shard = 0; shard < partitioner.shards; shard++) {
    if (partitioner.owners(shard).length > 0) continue
    throw new QuorateError('INVALID_OPTIONS', `the partitioner places shard ${shard} on no host`)
  }
}

class EmbeddedKv extends Operations<Uint8Array | string, Uint8Array> implements Kv {
  readonly name: string
  readonly host: NodeId
  readonly #store: Store
  readonly #replicas: readonly Replica[]
  #closing: Promise<void> | undefined
  #lifecycle: Lifecycle = 'open'

  constructor(store: Store, replicas: readonly Replica[], context: OperationsContext) {
    super(context, plainValues)
    this.#store = store
    this.#replicas = replicas
    this.name = store.name
    this.host = store.host.id
  }

  get lifecycle(): Lifecycle {
    return this.#lifecycle
  }

  shardOf(key: Uint8Array | string): ShardId {
    return this.#store.partitioner.shardOf(key)
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
    this.#store.close()
    const closed = await Promise.allSettled(this.#replicas.map((replica) => replica.close(options)))
    this.#lifecycle = 'closed'
    const failures = closed.filter((outcome) => outcome.status === 'rejected')
    if (failures.length > 0) throw failures[0]?.reason
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
