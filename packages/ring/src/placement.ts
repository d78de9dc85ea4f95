// The contract that every algorithm here fulfils: key to member, and what a person needs to
// trust the answer. An algorithm is swapped by changing one import.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId } from '@quorate/core'
import { murmur3 } from './murmur3.ts'
import type { Member, MembershipChange } from './members.ts'

/** What an algorithm promises; the conformance suite holds it to that. */
export interface PlacementSupport {
  /** Members may have different weights. Where false, a weight other than 1 is rejected. */
  readonly weights: boolean
  /** {@link Placement.preferenceList} spreads over zones. Where false, zones are ignored. */
  readonly zones: boolean
  /** A change moves keys only to or from the members that it names. */
  readonly minimalMovement: boolean
  /** Any member may be removed. Where false, only the last: others throw `NOT_SUPPORTED`. */
  readonly anyRemoval: boolean
  /** Equal members give equal answers whatever changes led there. */
  readonly historyIndependent: boolean
}

/** How evenly a placement spreads keys, from the exact shares. */
export interface BalanceStats {
  /** How many members there are. */
  readonly members: number
  /** The largest share of a member relative to its fair share by weight; 1 is perfect. */
  readonly peakToMean: number
  /** The smallest share of a member relative to its fair share by weight; 1 is perfect. */
  readonly lowToMean: number
  /** The standard deviation of these relative shares. */
  readonly standardDeviation: number
  /** What theory expects of `standardDeviation`, for members of equal weight; 0 where exact. */
  readonly expectedDeviation: number
}

/** Why a key is where it is. */
export interface Explanation {
  /** The hash of the key. */
  readonly hash: number
  /** The part of the key that was hashed, in code units or bytes: start and end. */
  readonly hashed: readonly [start: number, end: number]
  /** The shard, where the placement has shards. */
  readonly shard: number | undefined
  /** The position on the ring that decided, where there is a ring. */
  readonly point: number | undefined
  /** The member that the key is placed on. */
  readonly owner: NodeId | undefined
  /** The members considered, best first, with why each was taken or passed over. */
  readonly candidates: readonly Candidate[]
}

/** One member that was considered for a key. */
export interface Candidate {
  /** The member. */
  readonly id: NodeId
  /** Whether it became one of the replicas. */
  readonly taken: boolean
  /** The reason, as a phrase. */
  readonly because: string
}

/**
 * Maps keys to members.
 *
 * Contract. A placement is immutable: {@link Placement.with} gives a new one whose version is one
 * greater. It answers alike in every process for the same construction, never depends on the
 * order in which members were listed, and does no I/O.
 */
export interface Placement {
  /** Names the algorithm, for example `'ring'`. */
  readonly kind: string
  /** Names the hash of the keys, for example `'murmur3'`. */
  readonly hash: string
  /** What the algorithm promises. */
  readonly supports: PlacementSupport
  /** Grows by one with each change; 1 at first unless the options say otherwise. */
  readonly version: number
  /** 16 hexadecimal digits that identify the content whatever its version: equal content, equal digits. */
  readonly fingerprint: string
  /** The members in the order of their ids. */
  readonly members: readonly Member[]
  /**
   * The member that holds a key; `undefined` only where there are no members.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where a string key holds a lone surrogate
   */
  locate(key: Key): NodeId | undefined
  /**
   * The members that should hold replicas of a key, {@link Placement.locate} first: `n` distinct
   * ids, fewer only where there are fewer members or hard zones forbid more.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where `n` is not a positive integer
   */
  preferenceList(key: Key, n: number): readonly NodeId[]
  /**
   * The placement after a change of members.
   *
   * @throws QuorateError `INVALID_MEMBERSHIP` where the change is impossible, `NOT_SUPPORTED`
   * where the algorithm cannot do it
   */
  with(change: MembershipChange): Placement
  /** The share of all keys by member: exact, not sampled, summing to 1. */
  ownership(): ReadonlyMap<NodeId, number>
  /** How even the shares are. */
  stats(): BalanceStats
  /** Why a key is where it is, with the `n` replicas it would have (default 3). */
  explain(key: Key, n?: number): Explanation
  /** Plain data that the factory's `From` function restores the placement from. */
  toJSON(): PlacementJson
}

/** What every snapshot in JSON has. */
export interface PlacementJson {
  /** The algorithm. */
  readonly kind: string
  /** The version of this format: 1. */
  readonly format: 1
  /** The name of the hash of the keys. */
  readonly hash: string
  /** The version of the snapshot. */
  readonly version: number
  /** The members. */
  readonly members: readonly Member[]
}

/** Statistics of shares relative to the members' weights. */
export function balance(
  members: readonly Member[],
  share: ArrayLike<number>,
  expectedDeviation: number,
): BalanceStats {
  const weight = members.reduce((sum, member) => sum + member.weight, 0)
  let peak = 0
  let low = Infinity
  let squares = 0
  members.forEach((member, index) => {
    const relative = (share[index]! * weight) / member.weight
    peak = Math.max(peak, relative)
    low = Math.min(low, relative)
    squares += (relative - 1) ** 2
  })
  const count = members.length
  return {
    members: count,
    peakToMean: count === 0 ? 1 : peak,
    lowToMean: count === 0 ? 1 : low,
    standardDeviation: count === 0 ? 0 : Math.sqrt(squares / count),
    expectedDeviation,
  }
}

/** Shares as a map by id. */
export function sharesById(
  members: readonly Member[],
  share: ArrayLike<number>,
): ReadonlyMap<NodeId, number> {
  return new Map(members.map((member, index) => [member.id, share[index]!]))
}

/** The fingerprint of a snapshot: two 32-bit hashes of its JSON without the version. */
export function fingerprintOf(json: object): string {
  const text = JSON.stringify({ ...json, version: 0 })
  const digits = (seed: number): string => murmur3.hash(text, seed).toString(16).padStart(8, '0')
  return digits(0) + digits(0x9747b28c)
}

/** Returns `value` where it is an integer from `least` to `most`; names it in the error. */
export function checkInteger(
  value: number,
  what: string,
  least: number,
  most: number,
  code: 'INVALID_OPTIONS' | 'INVALID_ARGUMENT' = 'INVALID_OPTIONS',
): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new QuorateError(
    code,
    `${what} must be an integer from ${least} to ${most}, got ${String(value)}`,
  )
}

/** Checks that data is a snapshot of `kind` made with the hash named `hash`. */
export function checkJson(json: PlacementJson, kind: string, hash: string): void {
  if (typeof json !== 'object' || json === null) {
    throw new QuorateError('MALFORMED', 'A snapshot must be an object')
  }
  if (json.kind !== kind || json.format !== 1) {
    throw new QuorateError(
      'MALFORMED',
      `Expected a snapshot of ${kind} in format 1, got ${String(json.kind)} in ${String(json.format)}`,
    )
  }
  if (json.hash !== hash) {
    throw new QuorateError(
      'MALFORMED',
      `The snapshot was made with the hash ${String(json.hash)}, not ${hash}`,
    )
  }
}
