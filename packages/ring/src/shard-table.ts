// Keys to a fixed number of shards, shards to members by an explicit table: the form of placement
// that a replicated store wants, because moves can be planned, counted and proved minimal.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId, Partitioner, ShardId } from '@quorate/core'
import { NONE } from './assignment.ts'
import { checkHash } from './hash.ts'
import type { KeyHash } from './hash.ts'
import { checkKey, tagEnd, tagStart } from './key.ts'
import { changeMembers, indexById, readMembers } from './members.ts'
import type { Member, MemberOptions, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { balance, checkInteger, checkJson, fingerprintOf, sharesById } from './placement.ts'
import type { BalanceStats, Explanation, Placement, PlacementJson } from './placement.ts'
import { solveTable } from './replica-table.ts'
import type { Rows } from './replica-table.ts'
import { extendRow } from './shard-candidates.ts'
import { explainShard, zoneViolations } from './shard-report.ts'
import type { ZoneViolation } from './shard-report.ts'
import { readRules, REPLICAS_MAX, zoneMap } from './zones.ts'
import type { ZoneMap, ZoneRule } from './zones.ts'

/** The most shards that a table can have. */
export const SHARDS_MAX = 65_536

/** The most members that a table can have. */
export const TABLE_MEMBERS_MAX = 1024

/** How keys become shards. Part of the data: its name is in every snapshot. */
export interface ShardRule {
  /** Names the rule in snapshots, for example `'murmur3'`. */
  readonly name: string
  /** The hash of a key, an unsigned integer. */
  hash(key: Key): number
  /** The shard of a key, from 0 to `shards` less one. */
  shardOf(key: Key, shards: number): ShardId
}

/** What {@link shardTable} needs and may be told. */
export interface ShardTableOptions {
  /** The members; an id alone stands for weight 1 and no zone. May be empty. */
  readonly members: readonly (NodeId | MemberOptions)[]
  /** How many shards; fixed for the life of a store. 1 to 65,536. Default: 256. */
  readonly shards?: number | undefined
  /** How many replicas each shard should have. 1 to 64. Default: 3. */
  readonly replicas?: number | undefined
  /**
   * Whether two replicas of a shard may share a zone where they cannot all have their own: one
   * rule for all levels, or one per level. `'hard'` leaves the shard with fewer replicas instead.
   * Default: `'soft'`.
   */
  readonly zones?: ZoneRule | readonly ZoneRule[] | undefined
  /** Whether `{...}` in a key decides its shard alone. Default: true. */
  readonly hashTags?: boolean | undefined
  /** The hash of the keys, of 32 bits. Default: {@link murmur3}. */
  readonly hash?: KeyHash | undefined
  /** The version of the first snapshot. Default: 1. */
  readonly version?: number | undefined
}

/** A table in JSON. */
export interface ShardTableJson extends PlacementJson {
  /** Always `'table'`. */
  readonly kind: 'table'
  /** How many shards there are. */
  readonly shards: number
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** By shard: indexes into `members`, the leader first. */
  readonly owners: readonly (readonly number[])[]
}

/** Keys to shards, shards to members. */
export interface ShardTable extends Placement, Partitioner {
  /** Always `'table'`. */
  readonly kind: 'table'
  /** The rules that replicas follow in zones. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** Where replicas share a zone or are missing although each should stand alone. Empty is good. */
  readonly violations: readonly ZoneViolation[]
  /** The member that should lead a shard; `undefined` only where there are no members. */
  leader(shard: ShardId): NodeId | undefined
  /** The shards that a member holds, and which of them it leads. */
  shardsOf(id: NodeId): HeldShards
  /** The table after a change of members; moves the least that brings all to their share. */
  with(change: MembershipChange): ShardTable
  /** Plain data that {@link shardTableFrom} restores the table from. */
  toJSON(): ShardTableJson
}

/** The shards that one member holds. */
export interface HeldShards {
  /** All of them, ascending. */
  readonly holds: readonly ShardId[]
  /** Those of them that it should lead, ascending. */
  readonly leads: readonly ShardId[]
}

/** What a table is made of; shared with the modules that read, compare and store tables. */
export interface TableParts {
  /** The version. */
  readonly version: number
  /** The members in order. */
  readonly members: readonly Member[]
  /** How many shards. */
  readonly shards: number
  /** How many replicas each should have. */
  readonly replicas: number
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** How keys become shards. */
  readonly rule: ShardRule
  /** Who holds what. */
  readonly rows: Rows
}

/** Cuts the circle of 2^32 hashes into arcs of equal length, shard 0 first. */
export function equalArcs(hash: KeyHash, hashTags: boolean): ShardRule {
  checkHash(hash)
  const of = hashTags
    ? (key: Key): number => {
        const start = tagStart(key)
        return hash.hash(key, 0, start, tagEnd) | 0
      }
    : (key: Key): number => hash.hash(key) | 0
  return {
    name: hashTags ? `${hash.name}/tags` : hash.name,
    hash: (key) => of(key) >>> 0,
    // A product of 32 and 16 bits is exact in a double.
    shardOf: (key, shards) => Math.floor(((of(key) >>> 0) * shards) / 4_294_967_296),
  }
}

/**
 * Makes a table of shards: each shard on `replicas` members, no two in one zone where that is
 * possible, every member within one replica of its share by weight, leaders spread likewise.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP` for members that cannot be, `INVALID_OPTIONS` for
 * other options out of range, `LIMIT_EXCEEDED` for more than 1,024 members
 */
export function shardTable(options: ShardTableOptions): ShardTable {
  const hash = options.hash ?? murmur3
  return tableByRule(options, equalArcs(hash, options.hashTags ?? true))
}

/** Makes a table with a rule of its own for the shards of keys. */
export function tableByRule(options: ShardTableOptions, rule: ShardRule): ShardTable {
  const shards = checkInteger(options.shards ?? 256, 'shards', 1, SHARDS_MAX)
  return solved(
    {
      version: checkInteger(options.version ?? 1, 'version', 1, Number.MAX_SAFE_INTEGER),
      members: readTableMembers(options.members),
      shards,
      replicas: checkInteger(options.replicas ?? 3, 'replicas', 1, REPLICAS_MAX),
      zones: readRules(options.zones),
      rule,
    },
    { width: 0, owners: new Uint16Array(0) },
  )
}

function readTableMembers(given: readonly (NodeId | MemberOptions)[]): readonly Member[] {
  const members = readMembers(given)
  if (members.length <= TABLE_MEMBERS_MAX) return members
  throw new QuorateError(
    'LIMIT_EXCEEDED',
    `${members.length} members are more than the ${TABLE_MEMBERS_MAX} of a table`,
  )
}

function solved(parts: Omit<TableParts, 'rows'>, before: Rows): ShardTable {
  const zones = zoneMap(parts.members, parts.zones)
  const rows = solveTable({
    shards: parts.shards,
    replicas: parts.replicas,
    weights: parts.members.map((member) => member.weight),
    salts: saltsOf(parts.members),
    zones,
    before,
  })
  return new Table({ ...parts, rows }, zones)
}

/** A number for each member that breaks ties. */
export function saltsOf(members: readonly Member[]): readonly number[] {
  return members.map((member) => murmur3.hash(member.id))
}

/** The rows of one table in the member numbers of another, without those who are not there. */
export function renumber(rows: Rows, from: readonly Member[], to: readonly Member[]): Rows {
  const index = indexById(to)
  const number = from.map((member) => index.get(member.id) ?? NONE)
  return { width: rows.width, owners: rows.owners.map((owner) => number[owner] ?? NONE) }
}

/** The parts of a table that this package made. */
export function partsOf(table: ShardTable): TableParts {
  if (table instanceof Table) return table.parts
  throw new TypeError('The table was not made by shardTable')
}

/** The table of given parts, as they are. */
export function tableOf(parts: TableParts): ShardTable {
  return new Table(parts, zoneMap(parts.members, parts.zones))
}

class Table implements ShardTable {
  readonly kind = 'table'
  readonly supports = {
    weights: true,
    zones: true,
    minimalMovement: false,
    anyRemoval: true,
    historyIndependent: false,
  }
  readonly parts: TableParts
  readonly #zoneMap: ZoneMap
  readonly #ids: readonly NodeId[]
  #fingerprint: string | undefined
  #violations: readonly ZoneViolation[] | undefined

  constructor(parts: TableParts, zones: ZoneMap) {
    this.parts = parts
    this.#zoneMap = zones
    this.#ids = parts.members.map((member) => member.id)
  }

  get hash(): string {
    return this.parts.rule.name
  }

  get version(): number {
    return this.parts.version
  }

  get members(): readonly Member[] {
    return this.parts.members
  }

  get shards(): number {
    return this.parts.shards
  }

  get replicas(): number {
    return this.parts.replicas
  }

  get zones(): ZoneRule | readonly ZoneRule[] {
    return this.parts.zones
  }

  get fingerprint(): string {
    return (this.#fingerprint ??= fingerprintOf(this.toJSON()))
  }

  get violations(): readonly ZoneViolation[] {
    return (this.#violations ??= zoneViolations(this.parts, this.#zoneMap))
  }

  shardOf(key: Key): ShardId {
    checkKey(key)
    const { rule, shards } = this.parts
    return rule.shardOf(key, shards)
  }

  locate(key: Key): NodeId | undefined {
    return this.leader(this.shardOf(key))
  }

  leader(shard: ShardId): NodeId | undefined {
    const { rows, shards } = this.parts
    checkInteger(shard, 'shard', 0, shards - 1, 'INVALID_ARGUMENT')
    return rows.width === 0 ? undefined : this.#ids[rows.owners[shard * rows.width]!]
  }

  owners(shard: ShardId, n: number = this.parts.replicas): readonly NodeId[] {
    const { rows, shards } = this.parts
    checkInteger(shard, 'shard', 0, shards - 1, 'INVALID_ARGUMENT')
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    const owners: NodeId[] = []
    const first = shard * rows.width
    for (let i = first, end = first + Math.min(n, rows.width); i < end; i++) {
      owners.push(this.#ids[rows.owners[i]!]!)
    }
    return owners.length === n ? owners : this.#more(shard, n)
  }

  #more(shard: ShardId, n: number): readonly NodeId[] {
    const { rows, members } = this.parts
    const row = rows.owners.subarray(shard * rows.width, (shard + 1) * rows.width)
    return extendRow(row, n, shard, saltsOf(members), this.#zoneMap).map((i) => this.#ids[i]!)
  }

  preferenceList(key: Key, n: number): readonly NodeId[] {
    return this.owners(this.shardOf(key), n)
  }

  shardsOf(id: NodeId): HeldShards {
    const { rows, shards } = this.parts
    const member = this.#ids.indexOf(id)
    const holds: ShardId[] = []
    const leads: ShardId[] = []
    for (let shard = 0; member >= 0 && shard < shards; shard++) {
      const place = rows.owners.indexOf(member, shard * rows.width) - shard * rows.width
      if (place < 0 || place >= rows.width) continue
      holds.push(shard)
      if (place === 0) leads.push(shard)
    }
    return { holds, leads }
  }

  with(change: MembershipChange): ShardTable {
    const members = readTableMembers(changeMembers(this.members, change))
    const before = renumber(this.parts.rows, this.members, members)
    return solved({ ...this.parts, members, version: this.version + 1 }, before)
  }

  ownership(): ReadonlyMap<NodeId, number> {
    return sharesById(this.members, this.#shares())
  }

  stats(): BalanceStats {
    return balance(this.members, this.#shares(), 0)
  }

  #shares(): Float64Array {
    const share = new Float64Array(this.members.length)
    const { owners } = this.parts.rows
    for (const owner of owners) share[owner]! += 1 / owners.length
    return share
  }

  explain(key: Key, n: number = this.replicas): Explanation {
    checkKey(key)
    return explainShard(this, this.parts, this.#zoneMap, key, n)
  }

  toJSON(): ShardTableJson {
    const { rows, rule, members, version, shards, replicas, zones } = this.parts
    const owners = Array.from({ length: shards }, (_, shard) => [
      ...rows.owners.subarray(shard * rows.width, (shard + 1) * rows.width),
    ])
    const head = { kind: this.kind, format: 1, hash: rule.name, version, members } as const
    return { ...head, shards, replicas, zones, owners }
  }
}

/**
 * Restores a table from its JSON, without working anything out again.
 *
 * @throws QuorateError `MALFORMED` where the data is not a table made with the same hash
 */
export function shardTableFrom(
  json: ShardTableJson,
  options: Pick<ShardTableOptions, 'hash' | 'hashTags'> = {},
): ShardTable {
  const rule = equalArcs(options.hash ?? murmur3, options.hashTags ?? true)
  return tableFromJson(json, rule)
}

/** Restores a table whose keys become shards by `rule`. */
export function tableFromJson(json: ShardTableJson, rule: ShardRule): ShardTable {
  checkJson(json, 'table', rule.name)
  const members = readTableMembers(json.members)
  const shards = checkInteger(json.shards, 'shards', 1, SHARDS_MAX)
  const width = json.owners[0]?.length ?? 0
  const whole =
    json.owners.length === shards &&
    json.owners.every((row) => row.length === width && isRow(row, members.length))
  if (!whole || width > REPLICAS_MAX) {
    throw new QuorateError('MALFORMED', 'The owners of a table must be one row for each shard')
  }
  return tableOf({
    version: checkInteger(json.version, 'version', 1, Number.MAX_SAFE_INTEGER),
    members,
    shards,
    replicas: checkInteger(json.replicas, 'replicas', 1, REPLICAS_MAX),
    zones: readRules(json.zones),
    rule,
    rows: { width, owners: Uint16Array.from(json.owners.flat()) },
  })
}

function isRow(row: readonly number[], members: number): boolean {
  const distinct = new Set(row)
  if (distinct.size !== row.length) return false
  return row.every((member) => Number.isInteger(member) && member >= 0 && member < members)
}
