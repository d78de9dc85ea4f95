// The consistent-hash ring: members stand at many points of a circle, a key belongs to the first
// point at or after its own position. A change of members moves only what it must.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId } from '@quorate/core'
import { checkHash } from './hash.ts'
import type { KeyHash } from './hash.ts'
import { checkKey, tagEnd, tagStart } from './key.ts'
import { changeMembers, indexById, readMembers } from './members.ts'
import type { Member, MemberOptions, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { balance, checkInteger, checkJson, fingerprintOf, sharesById } from './placement.ts'
import type {
  BalanceStats,
  Candidate,
  Explanation,
  Placement,
  PlacementJson,
  PlacementSupport,
} from './placement.ts'
import {
  arcLengths,
  mergePoints,
  noPoints,
  ownerAt,
  pointAt,
  POINTS_MAX,
  sortKeys,
} from './points.ts'
import type { Points } from './points.ts'
import { Picker } from './preference.ts'
import { shardTable } from './shard-table.ts'
import type { ShardTable, ShardTableOptions } from './shard-table.ts'
import { randomTokens, tokenCount } from './tokens.ts'
import type { TokenAllocator } from './tokens.ts'
import { readRules, zoneMap } from './zones.ts'
import type { ZoneRule } from './zones.ts'

const CIRCLE = 4_294_967_296

/** What {@link hashRing} needs and may be told. */
export interface HashRingOptions {
  /** The members; an id alone stands for weight 1 and no zone. May be empty. */
  readonly members: readonly (NodeId | MemberOptions)[]
  /** Points on the circle for a member of weight 1; 1 to 65,536. Default: 160. */
  readonly virtualNodes?: number | undefined
  /** Where the points stand. Default: {@link randomTokens}. */
  readonly tokens?: TokenAllocator | undefined
  /** Whether replicas may share a zone where they must; see {@link ShardTableOptions.zones}. */
  readonly zones?: ZoneRule | readonly ZoneRule[] | undefined
  /** Whether `{...}` in a key decides its place alone. Default: false. */
  readonly hashTags?: boolean | undefined
  /** The hash of keys and points, of 32 bits. Default: {@link murmur3}. */
  readonly hash?: KeyHash | undefined
  /** The version of the first snapshot. Default: 1. */
  readonly version?: number | undefined
}

/** A ring in JSON. */
export interface HashRingJson extends PlacementJson {
  /** Always `'ring'`. */
  readonly kind: 'ring'
  /** Points for a member of weight 1. */
  readonly virtualNodes: number
  /** The name of the allocator of tokens. */
  readonly tokens: string
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** Whether hash tags are honoured. */
  readonly hashTags: boolean
  /** The tokens by member, where they cannot be computed again. */
  readonly points?: readonly (readonly number[])[] | undefined
}

/** A part of the circle that belongs to one member: all positions from `start` to `end`. */
export interface Arc {
  /** The member. */
  readonly owner: NodeId
  /** The first position. */
  readonly start: number
  /** The last position; less than `start` where the arc passes the top of the circle. */
  readonly end: number
  /** How many positions it has, out of 2^32. */
  readonly length: number
}

/** A consistent-hash ring with virtual nodes. */
export interface HashRing extends Placement {
  /** Always `'ring'`. */
  readonly kind: 'ring'
  /** Points for a member of weight 1. */
  readonly virtualNodes: number
  /** The position of a key on the circle: its hash. */
  position(key: Key): number
  /** The arcs of the whole circle in order, or those of one member; neighbours are joined. */
  ranges(id?: NodeId): readonly Arc[]
  /**
   * The share of all keys for which each member is among the first `n` replicas (default 1):
   * exact, summing to `n` where there are as many members.
   */
  ownership(n?: number): ReadonlyMap<NodeId, number>
  /** The ring after a change of members. */
  with(change: MembershipChange): HashRing
  /** Plain data that {@link hashRingFrom} restores the ring from. */
  toJSON(): HashRingJson
}

/** What a ring is made of; shared with the modules that compare and store rings. */
export interface RingParts {
  /** The version. */
  readonly version: number
  /** The members in order. */
  readonly members: readonly Member[]
  /** Points for a member of weight 1. */
  readonly virtualNodes: number
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** Whether hash tags are honoured. */
  readonly hashTags: boolean
  /** The hash. */
  readonly hash: KeyHash
  /** The allocator. */
  readonly tokens: TokenAllocator
  /** The points. */
  readonly points: Points
}

/**
 * Makes a table of shards: the ring cut into `shards` equal arcs, each placed on `replicas`
 * members by the table that moves least. This is the form that a replicated store takes.
 */
export function hashRing(options: ShardTableOptions & { readonly shards: number }): ShardTable
/** Makes a ring of virtual nodes, which answers for keys directly. */
export function hashRing(options: HashRingOptions): HashRing
/**
 * Makes a hash ring.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP` for members that cannot be, `INVALID_OPTIONS` for
 * other options out of range, `LIMIT_EXCEEDED` for too many members or points
 */
export function hashRing(options: HashRingOptions | ShardTableOptions): HashRing | ShardTable {
  return 'shards' in options && options.shards !== undefined
    ? shardTable(options)
    : ringOf(options as HashRingOptions)
}

function ringOf(options: HashRingOptions): HashRing {
  const members = readMembers(options.members)
  const parts = {
    version: checkInteger(options.version ?? 1, 'version', 1, Number.MAX_SAFE_INTEGER),
    members: [],
    virtualNodes: checkInteger(options.virtualNodes ?? 160, 'virtualNodes', 1, 65_536),
    zones: readRules(options.zones),
    hashTags: options.hashTags ?? false,
    hash: checkHash(options.hash ?? murmur3),
    tokens: options.tokens ?? randomTokens,
    points: noPoints(),
  }
  return new Ring(withMembers(parts, members, parts.version))
}

function withMembers(parts: RingParts, members: readonly Member[], version: number): RingParts {
  checkPoints(members, parts.virtualNodes)
  const before = indexById(parts.members)
  const kept = members.filter((member) => {
    const old = before.get(member.id)
    return old !== undefined && parts.members[old]!.weight === member.weight
  })
  let points = mergePoints(parts.points, renumbering(parts.members, kept), new Float64Array(0))
  let present: readonly Member[] = kept
  const joining = members.filter((member) => !kept.includes(member))
  const { tokens, hash, virtualNodes } = parts
  const batches = tokens.stateful ? joining.map((member) => [member]) : [joining]
  for (const batch of batches) {
    const next = members.filter((member) => present.includes(member) || batch.includes(member))
    const number = indexById(next)
    const keys = batch.map((member) => {
      const count = tokenCount(member, virtualNodes)
      const owners = points.owner.subarray(0, points.count)
      const positions = points.position.subarray(0, points.count)
      const request = { member, count, members: present, positions, owners, hash }
      return sortKeys(tokens.allocate(request), number.get(member.id)!)
    })
    points = mergePoints(points, renumbering(present, next), joined(keys))
    present = next
  }
  return { ...parts, members, version, points }
}

function checkPoints(members: readonly Member[], virtualNodes: number): void {
  const count = members.reduce((sum, member) => sum + tokenCount(member, virtualNodes), 0)
  if (count <= POINTS_MAX) return
  throw new QuorateError('LIMIT_EXCEEDED', `${count} points are more than ${POINTS_MAX}`)
}

function renumbering(from: readonly Member[], to: readonly Member[]): Int32Array {
  const index = indexById(to)
  return Int32Array.from(from, (member) => index.get(member.id) ?? -1)
}

function joined(parts: readonly Float64Array[]): Float64Array {
  if (parts.length === 1) return parts[0]!
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all.sort()
}

/** The parts of a ring that this package made. */
export function ringPartsOf(ring: HashRing): RingParts {
  if (ring instanceof Ring) return ring.parts
  throw new TypeError('The ring was not made by hashRing')
}

/** The ring of given parts, as they are. */
export function ringOfParts(parts: RingParts): HashRing {
  return new Ring(parts)
}

class Ring implements HashRing {
  readonly kind = 'ring'
  readonly supports: PlacementSupport
  readonly parts: RingParts
  readonly #points: Points
  readonly #hash: KeyHash
  readonly #hashTags: boolean
  readonly #ids: readonly (NodeId | undefined)[]
  #picker: Picker | undefined
  #fingerprint: string | undefined

  constructor(parts: RingParts) {
    this.parts = parts
    this.#points = parts.points
    this.#hash = parts.hash
    this.#hashTags = parts.hashTags
    this.#ids = parts.members.map((member) => member.id)
    this.supports = {
      weights: true,
      zones: true,
      minimalMovement: true,
      anyRemoval: true,
      historyIndependent: !parts.tokens.stateful,
    }
  }

  get hash(): string {
    return this.parts.hash.name
  }

  get version(): number {
    return this.parts.version
  }

  get members(): readonly Member[] {
    return this.parts.members
  }

  get virtualNodes(): number {
    return this.parts.virtualNodes
  }

  get fingerprint(): string {
    return (this.#fingerprint ??= fingerprintOf(this.toJSON()))
  }

  position(key: Key): number {
    if (!this.#hashTags) return this.#hash.hash(key)
    checkKey(key)
    const start = tagStart(key)
    return this.#hash.hash(key, 0, start, tagEnd)
  }

  locate(key: Key): NodeId | undefined {
    const points = this.#points
    const hash = this.#hashTags ? this.position(key) : this.#hash.hash(key)
    return this.#ids[ownerAt(points, hash | 0)]
  }

  preferenceList(key: Key, n: number): readonly NodeId[] {
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    return this.#walk(this.position(key), n).picked.map((member) => this.#ids[member]!)
  }

  #walk(position: number, n: number): Picker {
    const { owner, count } = this.#points
    const { members, zones } = this.parts
    this.#picker ??= new Picker(zoneMap(members, zones), members.length)
    const picker = this.#picker
    if (picker.start(n) === 0) return picker
    const first = pointAt(this.#points, position)
    for (let i = first; i < first + count; i++) {
      if (picker.offer(owner[i < count ? i : i - count]!)) break
    }
    return picker
  }

  ranges(id?: NodeId): readonly Arc[] {
    if (id !== undefined && !this.#ids.includes(id)) {
      throw new QuorateError('INVALID_ARGUMENT', `${id} is not a member`)
    }
    const arcs = arcsOf(this.#points, this.#ids)
    return id === undefined ? arcs : arcs.filter((arc) => arc.owner === id)
  }

  with(change: MembershipChange): HashRing {
    const members = changeMembers(this.members, change)
    return new Ring(withMembers(this.parts, members, this.version + 1))
  }

  ownership(n = 1): ReadonlyMap<NodeId, number> {
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    if (n === 1) return sharesById(this.members, this.#shares())
    const share = new Float64Array(this.members.length)
    const { count, position } = this.#points
    let before = count === 0 ? 0 : position[count - 1]! - CIRCLE
    for (let i = 0; i < count; i++) {
      const length = position[i]! - before
      before = position[i]!
      if (length === 0) continue
      for (const member of this.#walk(position[i]!, n).picked) share[member]! += length / CIRCLE
    }
    return sharesById(this.members, share)
  }

  #shares(): Float64Array {
    return arcLengths(this.#points, this.members.length).map((length) => length / CIRCLE)
  }

  stats(): BalanceStats {
    const n = this.members.length
    const expected = n === 0 ? 0 : Math.sqrt((n - 1) / (n * this.virtualNodes + 1))
    return balance(this.members, this.#shares(), expected)
  }

  explain(key: Key, n = 3): Explanation {
    checkKey(key)
    const start = this.#hashTags ? tagStart(key) : 0
    const end = this.#hashTags ? tagEnd : key.length
    const hash = this.position(key)
    const picker = this.#walk(hash, n)
    const taken = new Set(picker.picked)
    const candidates: Candidate[] = []
    const { count, owner, position } = this.#points
    const first = pointAt(this.#points, hash)
    const noted = new Set<number>()
    for (let i = first; i < first + count && noted.size < picker.picked.length; i++) {
      const at = i % count
      const member = owner[at]!
      if (candidates.some((candidate) => candidate.id === this.#ids[member])) continue
      const reason = taken.has(member) ? 'next on the ring' : 'shares a zone with one before it'
      candidates.push({
        id: this.#ids[member]!,
        taken: taken.has(member),
        because: `${reason}, at point ${position[at]!}`,
      })
      if (taken.has(member)) noted.add(member)
    }
    const point = count === 0 ? undefined : position[first % count]
    const owned = count === 0 ? undefined : this.#ids[owner[first % count]!]
    return { hash, hashed: [start, end], shard: undefined, point, owner: owned, candidates }
  }

  toJSON(): HashRingJson {
    const { tokens, members, version, virtualNodes, zones, hashTags } = this.parts
    const head = { kind: this.kind, format: 1, hash: this.hash, version, members } as const
    const json = { ...head, virtualNodes, tokens: tokens.name, zones, hashTags }
    return tokens.stateful
      ? { ...json, points: pointsByMember(this.#points, members.length) }
      : json
  }
}

function arcsOf(points: Points, ids: readonly (NodeId | undefined)[]): readonly Arc[] {
  const { count, position, owner } = points
  const arcs: Arc[] = []
  if (count === 0) return arcs
  let start = (position[count - 1]! + 1) % CIRCLE
  let length = 0
  let before = position[count - 1]! - CIRCLE
  for (let i = 0; i < count; i++) {
    length += position[i]! - before
    before = position[i]!
    if (i + 1 < count && (owner[i + 1] === owner[i] || length === 0)) continue
    if (length > 0) arcs.push({ owner: ids[owner[i]!]!, start, end: position[i]!, length })
    start = (position[i]! + 1) % CIRCLE
    length = 0
  }
  return arcs
}

function pointsByMember(points: Points, members: number): readonly (readonly number[])[] {
  const byMember: number[][] = Array.from({ length: members }, () => [])
  for (let i = 0; i < points.count; i++) byMember[points.owner[i]!]!.push(points.position[i]!)
  return byMember
}

/**
 * Restores a ring from its JSON. Tokens that were allocated are taken as they were.
 *
 * @throws QuorateError `MALFORMED` where the data is not a ring made with the same hash and tokens
 */
export function hashRingFrom(
  json: HashRingJson,
  options: Pick<HashRingOptions, 'hash' | 'tokens'> = {},
): HashRing {
  const hash = options.hash ?? murmur3
  const tokens = options.tokens ?? randomTokens
  checkJson(json, 'ring', hash.name)
  const { points, members } = json
  if (json.tokens !== tokens.name || (points === undefined) === tokens.stateful) {
    throw new QuorateError('MALFORMED', `The ring has ${json.tokens} tokens, not ${tokens.name}`)
  }
  if (points === undefined) return ringOf({ ...json, hash, tokens })
  const byId = new Map(members.map((member, i) => [member.id, Uint32Array.from(points[i] ?? [])]))
  const recorded: TokenAllocator = { ...tokens, allocate: ({ member }) => byId.get(member.id)! }
  const ring = ringPartsOf(ringOf({ ...json, hash, tokens: { ...recorded, stateful: false } }))
  return new Ring({ ...ring, tokens })
}
