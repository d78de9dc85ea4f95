// What a program does with a store. The embedded store and the client over a network have this
// one interface, so that code written against it runs in a server and in a browser alike.
import type {
  AbortOptions,
  CallOptions,
  Codec,
  Key,
  Lifecycle,
  LogIndex,
  NodeId,
  Role,
  ShardId,
} from '@quorate/core'

import type { RangeJson } from './machine/key-range.ts'

/** A value to store: bytes, or a well-formed string that stands for its UTF-8 bytes. */
export type KvValue = Uint8Array | string

/** A key that has a value. */
export interface KvEntry<V = Uint8Array> {
  /** The key's bytes. */
  readonly key: Uint8Array
  /** Its value; bytes, unless the store was given a codec. */
  readonly value: V
  /** Names the write that made the value: it grows with each write of the shard and is never used twice there. */
  readonly version: number
  /**
   * The value's bytes as text.
   *
   * @throws QuorateError `MALFORMED` where they are not well-formed UTF-8
   */
  text(): string
  /** The key as text; throws `MALFORMED` likewise. */
  keyText(): string
}

/**
 * How fresh a read must be.
 *
 * - `linearizable` (default): it sees every write that was acknowledged before it began. The leader
 *   asks a quorum; nothing is written.
 * - `lease`: as fresh, without asking, as long as clocks drift no more than the algorithm's bound.
 * - `follower`: linearizable, answered by a replica that asks the leader how far it must be.
 * - `session`: sees this store's own acknowledged writes and whatever it has read before, at any replica.
 * - `local`: whatever the nearest replica has applied.
 * - `maxStalenessMs`: at most so many milliseconds behind a leader.
 */
export type Consistency =
  | 'linearizable'
  | 'lease'
  | 'follower'
  | 'session'
  | 'local'
  | { readonly maxStalenessMs: number }

/** Options of a read. */
export interface ReadOptions extends CallOptions {
  /** How fresh it must be. Default `linearizable`. */
  readonly consistency?: Consistency | undefined
}

/** Options of a put. */
export interface PutOptions extends CallOptions {
  /** The key goes so many milliseconds of log time later, at least 1. Default: it stays. */
  readonly ttlMs?: number | undefined
}

/** What a write did. */
export interface WriteResult {
  /** The version of everything that it wrote. */
  readonly version: number
}

/** What a key must hold for a compare-and-set: a version (0: no value), a value, or nothing. */
export type Expected<V = KvValue> =
  | { readonly version: number }
  | { readonly value: V }
  | { readonly absent: true }

/** What a compare-and-set did. */
export type CompareAndSetResult<V = Uint8Array> =
  | { readonly swapped: true; readonly version: number }
  /** Nothing was changed; `current` is what the key held instead. */
  | { readonly swapped: false; readonly current: KvEntry<V> | undefined }

/** One write of a batch. */
export type BatchOp<V = KvValue> =
  | {
      readonly type: 'put'
      readonly key: Key
      readonly value: V
      readonly ttlMs?: number | undefined
    }
  | { readonly type: 'delete'; readonly key: Key }

/** Options of a batch. */
export interface BatchOptions extends CallOptions {
  /** Refuses with `CROSS_SHARD` what could not be applied as a whole. Default `false`. */
  readonly atomic?: boolean | undefined
}

/** A condition of a transaction; an absent key has version 0, and no value relates to it. */
export type Condition<V = KvValue> = { readonly key: Key } & (
  | { readonly version: number; readonly relation?: '=' | '!=' | '<' | '>' | undefined }
  | { readonly value: V; readonly relation?: '=' | '!=' | '<' | '>' | undefined }
)

/** One step of a transaction. Steps see what earlier ones did. */
export type TransactionOp<V = KvValue> =
  | BatchOp<V>
  | { readonly type: 'get'; readonly key: Key }
  | { readonly type: 'increment'; readonly key: Key; readonly by?: number | undefined }

/** A transaction: all of one branch, or nothing. Its keys must share a shard: give them one `{tag}`. */
export interface Transaction<V = KvValue> {
  /** All must hold for `do`. Default none: `do` runs. */
  readonly if?: readonly Condition<V>[] | undefined
  /** Steps where they hold. Default none. */
  readonly do?: readonly TransactionOp<V>[] | undefined
  /** Steps where one does not. Default none. */
  readonly else?: readonly TransactionOp<V>[] | undefined
}

/** What one step of a transaction gave. */
export type TransactionOpResult<V = Uint8Array> =
  | { readonly type: 'put' }
  | { readonly type: 'delete'; readonly existed: boolean }
  | { readonly type: 'get'; readonly entry: KvEntry<V> | undefined }
  | { readonly type: 'increment'; readonly value: number }

/** What a transaction did. */
export interface TransactionResult<V = Uint8Array> {
  /** Whether the conditions held. */
  readonly succeeded: boolean
  /** The version of everything that it wrote. */
  readonly version: number
  /** What the steps of the branch gave, in order. */
  readonly results: readonly TransactionOpResult<V>[]
}

/** Which keys a scan shows, and how. */
export interface ScanOptions extends ReadOptions {
  /** Only keys that begin with it; not together with `start` or `end`. */
  readonly prefix?: Key | undefined
  /** The first key. Default: from the beginning. */
  readonly start?: Key | undefined
  /** The first key that is no longer shown. Default: to the end. */
  readonly end?: Key | undefined
  /** In descending order. Default `false`. */
  readonly reverse?: boolean | undefined
  /** At most so many entries. Default: all. */
  readonly limit?: number | undefined
  /** Leaves values out; entries then have an empty one. Default `false`. */
  readonly keysOnly?: boolean | undefined
  /** Entries asked of one shard at a time, 1 to 4,096. Default 256. */
  readonly pageEntries?: number | undefined
}

/** Names a point in the history of a store, to watch from. Opaque, and safe to store. */
export type WatchToken = string

/** Which keys a watch shows, and from when. */
export interface WatchOptions<V = Uint8Array> {
  /** Only keys that begin with it. Default: all. */
  readonly prefix?: Key | undefined
  /** Goes on after the event that carried this token. Default: from now. */
  readonly after?: WatchToken | undefined
  /** Ends the watch. */
  readonly signal?: AbortSignal | undefined
  /** Called with the token once the watch stands: everything after it will be shown. */
  readonly onStart?: ((token: WatchToken) => void) | undefined
  /** Fixes the type of values; not used. */
  readonly valueType?: V | undefined
}

/** One change of one key. Changes of a key, and of a shard, come in the order in which they happened. */
export interface KvEvent<V = Uint8Array> {
  /** What happened: a value was set, or removed (also by expiry). */
  readonly type: 'put' | 'delete'
  /** The key's bytes. */
  readonly key: Uint8Array
  /** The new value; `undefined` for a delete. */
  readonly value: V | undefined
  /** The version of the write; events of one transaction share it. */
  readonly version: number
  /** The shard. */
  readonly shard: ShardId
  /** To resume after this event; `undefined` where more events of the same transaction follow. */
  readonly token: WatchToken | undefined
  /** The key as text; throws `MALFORMED` where it is not UTF-8. */
  keyText(): string
}

/** How one shard stands. */
export interface ShardStatus {
  /** The shard. */
  readonly shard: ShardId
  /** The name of its group. */
  readonly group: string
  /** The epoch that requests must name. */
  readonly epoch: number
  /** The leader, where one is known. */
  readonly leader: NodeId | undefined
  /** The epoch of the leader's reign; 0 where unknown. */
  readonly term: number
  /** Its voters. */
  readonly voters: readonly NodeId[]
  /** Its learners. */
  readonly learners: readonly NodeId[]
  /** The hosts that should hold it. */
  readonly owners: readonly NodeId[]
  /** Whether fewer voters answered than the shard should have replicas. */
  readonly underReplicated: boolean
  /** The replicas that answered, in order of host. */
  readonly replicas: readonly ShardReplicaStatus[]
  /** How many keys it has, at the leader or else the replica that is furthest. */
  readonly keys: number
  /** Bytes of keys and values, likewise. */
  readonly bytes: number
  /** How many commands and reads have come to its replicas since their hosts started. */
  readonly requests: number
  /** The keys in it, in a store of sorted ranges. */
  readonly range?: RangeJson | undefined
}

/** How one replica of a shard stands. */
export interface ShardReplicaStatus {
  /** Its host. */
  readonly host: NodeId
  /** What it is. */
  readonly role: Role
  /** Every entry up to here has been applied. */
  readonly appliedIndex: LogIndex
  /** Every entry up to here is committed. */
  readonly commitIndex: LogIndex
  /** The last index of its log. */
  readonly lastIndex: LogIndex
  /** How many sessions it remembers. */
  readonly sessions: number
}

/** How a host stands, as seen by the store that was asked. */
export interface HostStatus {
  /** The host. */
  readonly id: NodeId
  /** Whether it answered. */
  readonly reachable: boolean
  /** Whether the host that was asked has not reached it for `suspectAfterMs`. */
  readonly suspect: boolean
  /** Where clients connect to it, where it said so. */
  readonly address: string | undefined
  /** How many shards it leads. */
  readonly leads: number
  /** How many replicas it has. */
  readonly replicas: number
}

/** How a store stands. */
export interface KvStatus {
  /** The name of the store. */
  readonly name: string
  /** The cluster. */
  readonly cluster: string
  /** The version of the map that places shards on hosts. */
  readonly mapVersion: number
  /** The hosts that answered or should have, in order. */
  readonly hosts: readonly HostStatus[]
  /** The shards, in order. */
  readonly shards: readonly ShardStatus[]
}

/** What programs do with a store; see {@link Kv} and {@link KvClient}. */
export interface KvOperations<In = KvValue, Out = Uint8Array> {
  /**
   * Sets a value.
   *
   * @throws QuorateError `INVALID_ARGUMENT` and `LIMIT_EXCEEDED` for keys and values out of bounds,
   * `OUTCOME_UNKNOWN` where it may have been applied, `TIMEOUT`, `UNAVAILABLE`, `NO_SPACE` and
   * `ABORTED` where it was certainly not
   */
  put(key: Key, value: In, options?: PutOptions): Promise<WriteResult>
  /**
   * The entry of a key, or `undefined`.
   *
   * @throws QuorateError `TIMEOUT`, `ABORTED`, `INVALID_ARGUMENT`
   */
  get(key: Key, options?: ReadOptions): Promise<KvEntry<Out> | undefined>
  /** The entries of several keys, in their order; those of one shard are read at one point in time. */
  getMany(
    keys: readonly Key[],
    options?: ReadOptions,
  ): Promise<readonly (KvEntry<Out> | undefined)[]>
  /** Removes a key; resolves with whether it was there. Errors as for {@link KvOperations.put}. */
  delete(key: Key, options?: CallOptions): Promise<boolean>
  /** Sets a value (`undefined`: removes the key) where it holds what is expected. */
  compareAndSet(
    key: Key,
    expected: Expected<In>,
    value: In | undefined,
    options?: PutOptions,
  ): Promise<CompareAndSetResult<Out>>
  /**
   * Writes several keys. Those of one shard are applied together; shards are independent of each
   * other. Resolves once all are applied, with the result of each, in order.
   *
   * @throws QuorateError `CROSS_SHARD` for an atomic batch over several shards; the error of one
   * shard, where `details.results` holds for each write its result or its error
   */
  batch(ops: readonly BatchOp<In>[], options?: BatchOptions): Promise<readonly WriteResult[]>
  /**
   * Runs a transaction.
   *
   * @throws QuorateError `CROSS_SHARD` where its keys do not share a shard; as for put otherwise
   */
  transact(transaction: Transaction<In>, options?: CallOptions): Promise<TransactionResult<Out>>
  /**
   * Adds to a decimal integer, an absent key counting as 0, and resolves with the sum.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where the value is no integer or the sum leaves ±(2^53 − 1)
   */
  increment(key: Key, by?: number, options?: CallOptions): Promise<number>
  /**
   * Shows entries in the order of their keys' bytes, over all shards. Each page of a shard is read
   * at one point in time and as fresh as asked for; the scan as a whole is not.
   */
  scan(options?: ScanOptions): AsyncIterable<KvEntry<Out>>
  /**
   * Shows changes as they happen: none twice, none left out, each shard's in order.
   *
   * @throws QuorateError `COMPACTED` where the changes after `after` are no longer held: read the
   * keys again and watch from now
   */
  watch(options?: WatchOptions): AsyncIterable<KvEvent<Out>>
  /** How the store stands. */
  status(options?: CallOptions): Promise<KvStatus>
  /** The same store with values of a type of their own. */
  withCodec<T>(codec: Codec<T>): KvOperations<T, T>
}

/** What a store tells of, by event name. */
export interface KvEvents {
  /** A shard's leader changed, as far as this host knows. */
  leadership: {
    readonly shard: ShardId
    readonly leader: NodeId | undefined
    readonly term: number
  }
  /** A replica on this host has applied commands. */
  applied: { readonly shard: ShardId; readonly revision: LogIndex }
  /** A replica on this host has stopped for good. */
  replicaFailed: { readonly shard: ShardId; readonly error: Error }
}

/** The life of a store or client; `status` says something else there. */
export interface KvLifetime extends AsyncDisposable {
  /** Where it is in its life. */
  readonly lifecycle: Lifecycle
  /** Ends it: calls under way end with `CLOSED` or `OUTCOME_UNKNOWN`. Idempotent. */
  close(options?: AbortOptions): Promise<void>
}
