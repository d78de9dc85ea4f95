// Keys in order: every shard is a range of keys, which can be split where it grows too large and
// merged where it has become small. Who holds which range is worked out like any shard table.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId, Partitioner, ShardId } from '@quorate/core'
import { NONE } from './assignment.ts'
import { checkKey } from './key.ts'
import { changeMembers, readMembers } from './members.ts'
import type { Member, MemberOptions, MembershipChange } from './members.ts'
import { checkInteger, fingerprintOf } from './placement.ts'
import type { PlacementJson } from './placement.ts'
import { compareBytes, keyBytes, keyText } from './range-key.ts'
import { solveTable } from './replica-table.ts'
import { extendRow } from './shard-candidates.ts'
import { renumber, saltsOf, SHARDS_MAX, TABLE_MEMBERS_MAX } from './shard-table.ts'
import { readRules, REPLICAS_MAX, zoneMap } from './zones.ts'
import type { ZoneRule } from './zones.ts'

/** What {@link rangeTable} needs and may be told. */
export interface RangeTableOptions {
  /** The members; an id alone stands for weight 1 and no zone. May be empty. */
  readonly members: readonly (NodeId | MemberOptions)[]
  /** Where the first ranges begin, besides the one that begins with the empty key. Default: none. */
  readonly splits?: readonly Key[] | undefined
  /** The most ranges that there can ever be at once, 1 to 65,536. Default: 1,024. */
  readonly shards?: number | undefined
  /** How many replicas each range should have, 1 to 64. Default: 3. */
  readonly replicas?: number | undefined
  /** Whether replicas may share a zone where they must. Default: `'soft'`. */
  readonly zones?: ZoneRule | readonly ZoneRule[] | undefined
  /** The version of the first snapshot. Default: 1. */
  readonly version?: number | undefined
}

/** One range of keys: from `start` up to, not including, `end`, in the order of their bytes. */
export interface KeyRange {
  /** The shard that the range is. Split and merge keep the id of the left part. */
  readonly shard: ShardId
  /** The first key; empty for the first range. */
  readonly start: Uint8Array
  /** The first key after the range; `undefined` for the last range. */
  readonly end: Uint8Array | undefined
  /** Its replicas, the preferred leader first. */
  readonly owners: readonly NodeId[]
}

/** A range table in JSON. */
export interface RangeTableJson extends PlacementJson {
  /** Always `'ranges'`. */
  readonly kind: 'ranges'
  /** The most ranges. */
  readonly shards: number
  /** How many replicas each should have. */
  readonly replicas: number
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** By range, in order: its shard, its start in hexadecimal digits, indexes into `members`. */
  readonly ranges: readonly (readonly [ShardId, string, readonly number[]])[]
}

/**
 * Sorted ranges of keys placed on members. Its shards are the ids of its ranges: `shards` bounds
 * them, and an id that no range has at the moment is not a shard.
 */
export interface RangeTable extends Partitioner {
  /** Always `'ranges'`. */
  readonly kind: 'ranges'
  /** Identifies the content whatever its version. */
  readonly fingerprint: string
  /** The members in the order of their ids. */
  readonly members: readonly Member[]
  /** The ranges in the order of their keys. */
  readonly ranges: readonly KeyRange[]
  /** The range that a key is in. */
  rangeOf(key: Key): KeyRange
  /** The ranges that hold keys from `start` up to, not including, `end`; all after where absent. */
  rangesBetween(start: Key, end?: Key): readonly KeyRange[]
  /**
   * The table with the range around `key` split there. Both halves keep the replicas, so that
   * nothing moves; the left keeps the id, the right takes the lowest that is free.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where a range begins there already, `LIMIT_EXCEEDED`
   * where there are as many ranges as there can be
   */
  split(key: Key): RangeTable
  /**
   * The table with the range around `key` merged with the next one.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where it is the last, `CONFLICT` where the two are
   * not on the same members: move one first, with {@link RangeTable.place}
   */
  merge(key: Key): RangeTable
  /**
   * The table with the range around `key` on given members, the preferred leader first.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where they are not as many distinct members as the
   * range has replicas
   */
  place(key: Key, owners: readonly NodeId[]): RangeTable
  /** The table after a change of members, or with an empty change: all brought to their share. */
  with(change: MembershipChange): RangeTable
  /** Plain data for {@link rangeTableFrom}. */
  toJSON(): RangeTableJson
}

interface Entry {
  readonly shard: ShardId
  readonly start: Uint8Array
  readonly row: Uint16Array
}

interface Parts {
  readonly version: number
  readonly members: readonly Member[]
  readonly shards: number
  readonly replicas: number
  readonly zones: ZoneRule | readonly ZoneRule[]
  readonly entries: readonly Entry[]
}

/**
 * Makes a table of key ranges.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, `INVALID_OPTIONS` (also for a split that is given
 * twice or empty), `LIMIT_EXCEEDED`
 */
export function rangeTable(options: RangeTableOptions): RangeTable {
  const shards = checkInteger(options.shards ?? 1024, 'shards', 1, SHARDS_MAX)
  const starts = [new Uint8Array(0), ...(options.splits ?? []).map(keyBytes)].sort(compareBytes)
  starts.forEach((start, i) => {
    if (i === 0 || compareBytes(starts[i - 1]!, start) !== 0) return
    throw new QuorateError('INVALID_OPTIONS', `Two ranges begin at ${keyText(start)}`)
  })
  if (starts.length > shards) {
    throw new QuorateError('LIMIT_EXCEEDED', `${starts.length} ranges are more than ${shards}`)
  }
  return placed({
    version: checkInteger(options.version ?? 1, 'version', 1, Number.MAX_SAFE_INTEGER),
    members: readTableMembers(options.members),
    shards,
    replicas: checkInteger(options.replicas ?? 3, 'replicas', 1, REPLICAS_MAX),
    zones: readRules(options.zones),
    entries: starts.map((start, shard) => ({ shard, start, row: new Uint16Array(0) })),
  })
}

function readTableMembers(given: readonly (NodeId | MemberOptions)[]): readonly Member[] {
  const members = readMembers(given)
  if (members.length <= TABLE_MEMBERS_MAX) return members
  throw new QuorateError('LIMIT_EXCEEDED', `A table has at most ${TABLE_MEMBERS_MAX} members`)
}

function placed(parts: Parts): RangeTable {
  const widthBefore = Math.max(...parts.entries.map((entry) => entry.row.length))
  const before = new Uint16Array(parts.entries.length * widthBefore).fill(NONE)
  parts.entries.forEach((entry, i) => before.set(entry.row, i * widthBefore))
  const { width, owners } = solveTable({
    shards: parts.entries.length,
    replicas: parts.replicas,
    weights: parts.members.map((member) => member.weight),
    salts: saltsOf(parts.members),
    zones: zoneMap(parts.members, parts.zones),
    before: { width: widthBefore, owners: before },
  })
  const entries = parts.entries.map((entry, i) => ({
    ...entry,
    row: owners.slice(i * width, (i + 1) * width),
  }))
  return new Ranges({ ...parts, entries })
}

class Ranges implements RangeTable {
  readonly kind = 'ranges'
  readonly #parts: Parts
  readonly #byShard: ReadonlyMap<ShardId, number>
  #ranges: readonly KeyRange[] | undefined
  #fingerprint: string | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#byShard = new Map(parts.entries.map((entry, i) => [entry.shard, i]))
  }

  get version(): number {
    return this.#parts.version
  }

  get members(): readonly Member[] {
    return this.#parts.members
  }

  get shards(): number {
    return this.#parts.shards
  }

  get replicas(): number {
    return this.#parts.replicas
  }

  get fingerprint(): string {
    return (this.#fingerprint ??= fingerprintOf(this.toJSON()))
  }

  get ranges(): readonly KeyRange[] {
    return (this.#ranges ??= this.#parts.entries.map((entry, i) => ({
      shard: entry.shard,
      start: entry.start,
      end: this.#parts.entries[i + 1]?.start,
      owners: this.#names(entry.row),
    })))
  }

  #names(row: ArrayLike<number>): readonly NodeId[] {
    return Array.from(row, (member) => this.members[member]!.id)
  }

  #find(key: Key): number {
    checkKey(key)
    const bytes = keyBytes(key)
    let low = 0
    let high = this.#parts.entries.length
    while (low + 1 < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#parts.entries[middle]!.start, bytes) <= 0) low = middle
      else high = middle
    }
    return low
  }

  shardOf(key: Key): ShardId {
    return this.#parts.entries[this.#find(key)]!.shard
  }

  rangeOf(key: Key): KeyRange {
    return this.ranges[this.#find(key)]!
  }

  rangesBetween(start: Key, end?: Key): readonly KeyRange[] {
    const stop = end === undefined ? undefined : keyBytes(end)
    return this.ranges
      .slice(this.#find(start))
      .filter((range) => stop === undefined || compareBytes(range.start, stop) < 0)
  }

  owners(shard: ShardId, n: number = this.replicas): readonly NodeId[] {
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    const at = this.#byShard.get(shard)
    if (at === undefined) {
      throw new QuorateError('INVALID_ARGUMENT', `No range is shard ${String(shard)}`)
    }
    const { row } = this.#parts.entries[at]!
    if (n <= row.length) return this.#names(row.subarray(0, n))
    const zones = zoneMap(this.members, this.#parts.zones)
    return this.#names(extendRow(row, n, shard, saltsOf(this.members), zones))
  }

  #next(entries: readonly Entry[]): RangeTable {
    return new Ranges({ ...this.#parts, entries, version: this.version + 1 })
  }

  split(key: Key): RangeTable {
    const { entries, shards } = this.#parts
    const at = this.#find(key)
    const start = keyBytes(key).slice()
    if (compareBytes(entries[at]!.start, start) === 0) {
      throw new QuorateError('INVALID_ARGUMENT', `A range begins at ${keyText(start)} already`)
    }
    if (entries.length === shards) {
      throw new QuorateError('LIMIT_EXCEEDED', `There are ${shards} ranges already`)
    }
    let shard = 0
    while (this.#byShard.has(shard)) shard++
    return this.#next(entries.toSpliced(at + 1, 0, { ...entries[at]!, shard, start }))
  }

  merge(key: Key): RangeTable {
    const { entries } = this.#parts
    const at = this.#find(key)
    const [left, right] = [entries[at]!, entries[at + 1]]
    if (right === undefined) {
      throw new QuorateError('INVALID_ARGUMENT', 'The last range has none after it to merge with')
    }
    if (left.row.some((member) => !right.row.includes(member))) {
      throw new QuorateError('CONFLICT', 'The two ranges are not on the same members', {
        details: { left: this.#names(left.row), right: this.#names(right.row) },
      })
    }
    return this.#next(entries.toSpliced(at + 1, 1))
  }

  place(key: Key, owners: readonly NodeId[]): RangeTable {
    const at = this.#find(key)
    const row = owners.map((id) => this.members.findIndex((member) => member.id === id))
    const { length } = this.#parts.entries[at]!.row
    if (row.includes(-1) || new Set(row).size !== length || row.length !== length) {
      throw new QuorateError(
        'INVALID_ARGUMENT',
        `A range must be placed on ${length} distinct members, got ${owners.join(', ')}`,
      )
    }
    const { entries } = this.#parts
    return this.#next(entries.with(at, { ...entries[at]!, row: Uint16Array.from(row) }))
  }

  with(change: MembershipChange): RangeTable {
    const members = readTableMembers(changeMembers(this.members, change))
    const entries = this.#parts.entries.map((entry) => {
      const rows = { width: entry.row.length, owners: entry.row }
      return { ...entry, row: renumber(rows, this.members, members).owners }
    })
    return placed({ ...this.#parts, members, entries, version: this.version + 1 })
  }

  toJSON(): RangeTableJson {
    const { version, members, shards, replicas, zones, entries } = this.#parts
    const ranges = entries.map(({ shard, start, row }) => [shard, hex(start), [...row]] as const)
    const head = { kind: this.kind, format: 1, hash: 'order', version, members } as const
    return { ...head, shards, replicas, zones, ranges }
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Restores a table of key ranges.
 *
 * @throws QuorateError `MALFORMED` where the data is not one
 */
export function rangeTableFrom(json: RangeTableJson): RangeTable {
  const members = readTableMembers(json.members)
  const entries = json.ranges.map(([shard, start, row]): Entry => {
    const bytes = (start.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16))
    return { shard, start: Uint8Array.from(bytes), row: Uint16Array.from(row) }
  })
  const width = Math.min(json.replicas, members.length)
  const sorted = entries.every(
    ({ start }, i) => i === 0 || compareBytes(entries[i - 1]!.start, start) < 0,
  )
  const whole =
    json.kind === 'ranges' &&
    json.format === 1 &&
    entries[0]?.start.length === 0 &&
    sorted &&
    new Set(entries.map((entry) => entry.shard)).size === entries.length &&
    entries.every(({ shard }) => Number.isInteger(shard) && shard >= 0 && shard < json.shards) &&
    entries.every(({ row }) => row.length === entries[0]!.row.length && row.length <= width) &&
    entries.every(({ row }) => new Set(row).size === row.length) &&
    entries.every(({ row }) => row.every((member) => member < members.length))
  if (!whole) throw new QuorateError('MALFORMED', 'The data is not a table of ranges in format 1')
  return new Ranges({
    version: checkInteger(json.version, 'version', 1, Number.MAX_SAFE_INTEGER),
    members,
    shards: checkInteger(json.shards, 'shards', 1, SHARDS_MAX),
    replicas: checkInteger(json.replicas, 'replicas', 1, REPLICAS_MAX),
    zones: readRules(json.zones),
    entries,
  })
}
