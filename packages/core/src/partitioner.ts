// Where data lives: a key belongs to a shard for ever, and a shard is placed on hosts by
// something that can change. Everything that routes depends on this contract alone.
import type { NodeId, ShardId } from './ids.ts'

/** A key of a store: bytes, or a well-formed string that stands for its UTF-8 bytes. */
export type Key = Uint8Array | string

/**
 * Places keys on shards and shards on hosts.
 *
 * Contract. A partitioner is immutable: a change of members gives a new one with a greater
 * `version`. It must answer alike in every process and on every platform for the same
 * construction. It must not do I/O, use a clock or draw random numbers.
 */
export interface Partitioner {
  /** Grows with each change; two partitioners of one store with equal versions answer alike. */
  readonly version: number
  /** How many shards there are; at least 1, fixed for the life of a store. */
  readonly shards: number
  /** How many replicas each shard should have; at least 1. */
  readonly replicas: number
  /**
   * The shard of a key. Never depends on the members, only on the key and `shards`.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where a string key holds a lone surrogate
   */
  shardOf(key: Key): ShardId
  /**
   * The hosts that should hold a shard, the preferred leader first: at most `n` (default
   * `replicas`) distinct ids, fewer only where there are fewer members.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where `shard` is not a shard
   */
  owners(shard: ShardId, n?: number): readonly NodeId[]
}
