// What a person asks about a table: why is this key there, and where is a shard worse off than
// its rules would have it.
import type { Key, NodeId, ShardId } from '@quorate/core'
import { tagEnd, tagStart } from './key.ts'
import type { Candidate, Explanation } from './placement.ts'
import type { ShardTable, TableParts } from './shard-table.ts'
import type { ZoneMap } from './zones.ts'

/** A way in which a shard falls short of its rules. */
export type ZoneViolation =
  | {
      /** Two or more replicas share a zone. */
      readonly kind: 'shared-zone'
      /** The shard. */
      readonly shard: ShardId
      /** The level of the zone, 0 being the outermost. */
      readonly level: number
      /** The zone, its levels joined with "/". */
      readonly zone: string
      /** The members in it. */
      readonly members: readonly NodeId[]
    }
  | {
      /** There are fewer replicas than asked for. */
      readonly kind: 'missing-replicas'
      /** The shard. */
      readonly shard: ShardId
      /** How many are missing. */
      readonly missing: number
      /** Whether members are too few, or hard zones. */
      readonly because: 'members' | 'zones'
    }

/** Every shard's violations, by shard, outermost level first. */
export function zoneViolations(parts: TableParts, zones: ZoneMap): readonly ZoneViolation[] {
  const { rows, shards, replicas, members } = parts
  const found: ZoneViolation[] = []
  for (let shard = 0; shard < shards; shard++) {
    const row = [...rows.owners.subarray(shard * rows.width, (shard + 1) * rows.width)]
    for (let level = 0; level < zones.levels; level++) {
      const groups = new Map<number, NodeId[]>()
      for (const owner of row) {
        const zone = zones.zoneOf[level]![owner]!
        groups.set(zone, [...(groups.get(zone) ?? []), members[owner]!.id])
      }
      for (const [zone, ids] of groups) {
        if (ids.length < 2) continue
        const name = zones.names[level]![zone]!
        found.push({ kind: 'shared-zone', shard, level, zone: name, members: ids })
      }
    }
    const missing = replicas - row.length
    const because = members.length < replicas ? 'members' : 'zones'
    if (missing > 0) found.push({ kind: 'missing-replicas', shard, missing, because })
  }
  return found
}

/** Explains the place of a key in a table. */
export function explainShard(
  table: ShardTable,
  parts: TableParts,
  zones: ZoneMap,
  key: Key,
  n: number,
): Explanation {
  const tagged = parts.rule.name.endsWith('/tags')
  const start = tagged ? tagStart(key) : 0
  const end = tagged ? tagEnd : key.length
  const hash = parts.rule.hash(key)
  const shard = parts.rule.shardOf(key, parts.shards)
  const list = table.owners(shard, Math.max(1, parts.members.length))
  const held = new Set(table.owners(shard))
  const candidates = list.map((id, place): Candidate => {
    const zone = parts.members.find((member) => member.id === id)!.zone.join('/')
    const where = zones.levels === 0 ? '' : ` in ${zone}`
    if (place === 0) return { id, taken: true, because: `leads shard ${shard}${where}` }
    if (held.has(id)) return { id, taken: place < n, because: `holds shard ${shard}${where}` }
    return { id, taken: place < n, because: `next in rank for shard ${shard}${where}` }
  })
  const owner = list[0]
  return { hash, hashed: [start, end], shard, point: undefined, owner, candidates }
}
