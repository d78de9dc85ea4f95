// The slots of Redis Cluster: 16,384 of them, by CRC-16 of the hash tag. The table that places
// them is the same that places any shards.
import type { Key } from '@quorate/core'
import { crc16 } from './crc16.ts'
import { tagEnd, tagStart } from './key.ts'
import { tableByRule, tableFromJson } from './shard-table.ts'
import type { ShardRule, ShardTable, ShardTableJson, ShardTableOptions } from './shard-table.ts'

/** How many slots a Redis Cluster has. */
export const REDIS_SLOTS = 16_384

function hashOfTag(key: Key): number {
  const start = tagStart(key)
  return crc16.hash(key, 0, start, tagEnd)
}

const rule: ShardRule = {
  name: 'crc16/tags',
  hash: hashOfTag,
  shardOf: (key, shards) => hashOfTag(key) % shards,
}

/** What {@link redisSlots} may be told: a table's options, but for those that Redis fixes. */
export type RedisSlotsOptions = Omit<ShardTableOptions, 'shards' | 'hash' | 'hashTags'>

/**
 * Makes a table of the 16,384 slots of Redis Cluster: `shardOf` is the slot of a key, with hash
 * tags, as `CLUSTER KEYSLOT` answers it.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, `INVALID_OPTIONS` or `LIMIT_EXCEEDED`
 */
export function redisSlots(options: RedisSlotsOptions): ShardTable {
  return tableByRule({ ...options, shards: REDIS_SLOTS }, rule)
}

/**
 * Restores a table of Redis slots.
 *
 * @throws QuorateError `MALFORMED` where the data is not one
 */
export function redisSlotsFrom(json: ShardTableJson): ShardTable {
  return tableFromJson(json, rule)
}
