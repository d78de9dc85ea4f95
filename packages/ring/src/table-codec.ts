// A table of shards as bytes: one or two for each replica.
import { murmur3 } from './murmur3.ts'
import { checkInteger } from './placement.ts'
import { equalArcs, partsOf, SHARDS_MAX, tableOf } from './shard-table.ts'
import type { ShardTable, ShardTableOptions } from './shard-table.ts'
import { closeFrame, malformed, openFrame, readFrame } from './snapshot-frame.ts'
import { REPLICAS_MAX } from './zones.ts'

const KIND = 2

/** A table as bytes, with a checksum. */
export function encodeTable(table: ShardTable): Uint8Array {
  const parts = partsOf(table)
  const writer = openFrame(KIND, { ...parts, hash: parts.rule.name })
  writer.varint(parts.shards)
  writer.varint(parts.replicas)
  writer.varint(parts.rows.width)
  for (const owner of parts.rows.owners) writer.varint(owner)
  return closeFrame(writer)
}

/**
 * Restores a table from its bytes.
 *
 * @throws QuorateError `MALFORMED` where they are damaged or made with another hash
 */
export function decodeTable(
  bytes: Uint8Array,
  options: Pick<ShardTableOptions, 'hash' | 'hashTags'> = {},
): ShardTable {
  const rule = equalArcs(options.hash ?? murmur3, options.hashTags ?? true)
  const { head, body } = readFrame(bytes, KIND, rule.name)
  const shards = checkInteger(body.varint(), 'shards', 1, SHARDS_MAX)
  const replicas = checkInteger(body.varint(), 'replicas', 1, REPLICAS_MAX)
  const width = body.varint()
  if (width > replicas || shards * width > body.remaining) throw malformed('its rows are cut off')
  const owners = new Uint16Array(shards * width)
  for (let i = 0; i < owners.length; i++) {
    const owner = body.varint()
    const row = owners.subarray(i - (i % width), i)
    if (owner >= head.members.length || row.includes(owner)) {
      throw malformed(`shard ${Math.floor(i / width)} has a replica twice or without a member`)
    }
    owners[i] = owner
  }
  body.end()
  return tableOf({ ...head, shards, replicas, rule, rows: { width, owners } })
}
