// Jump consistent hash (Lamping and Veach, arXiv:1406.2294): no memory, exact shares, but members
// can only leave in the reverse of the order in which they came.
import { QuorateError } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import { BasePlacement, fairShares, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { changeMembers, indexById, invalidMember } from './members.ts'
import type { Member, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import type { ZoneRule } from './zones.ts'

// The halves of the multiplier 2862933555777941757, and the halves of its lower half.
const FACTOR_HIGH = 0x27bb2ee6
const FACTOR_LOW = 0x87b0b0fd
const FACTOR_1 = 0x87b0
const FACTOR_0 = 0xb0fd

/**
 * The bucket of a 64-bit key among `buckets`, by the published algorithm.
 *
 * @param keyHigh - the upper 32 bits of the key
 * @param keyLow - the lower 32 bits of the key
 * @param buckets - how many buckets there are, at least 1
 */
export function jumpBucket(keyHigh: number, keyLow: number, buckets: number): number {
  let h = keyHigh | 0
  let l = keyLow | 0
  let bucket = 0
  let next = 0
  while (next < buckets) {
    bucket = next
    // The state times the multiplier plus one, modulo 2^64, in pieces of 16 bits.
    const l0 = l & 0xffff
    const l1 = l >>> 16
    const p00 = Math.imul(l0, FACTOR_0)
    const p01 = Math.imul(l0, FACTOR_1)
    const p10 = Math.imul(l1, FACTOR_0)
    const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
    const carry = Math.imul(l1, FACTOR_1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)
    h = (carry + Math.imul(h, FACTOR_LOW) + Math.imul(l, FACTOR_HIGH)) | 0
    l = (((middle << 16) | (p00 & 0xffff)) + 1) | 0
    if (l === 0) h = (h + 1) | 0
    next = Math.floor((bucket + 1) * (2_147_483_648 / ((h >>> 1) + 1)))
  }
  return bucket
}

/** A jump placement in JSON. */
export interface JumpJson extends PlacementJson {
  /** Always `'jump'`. */
  readonly kind: 'jump'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** The member of each bucket. */
  readonly buckets: readonly NodeId[]
}

/** A jump placement. */
export interface Jump extends Placement {
  /** Always `'jump'`. */
  readonly kind: 'jump'
  /** The member of each bucket, in the order in which they came; at first in the order of ids. */
  readonly buckets: readonly NodeId[]
  /**
   * The placement after a change.
   *
   * @throws QuorateError `NOT_SUPPORTED` where the members to remove are not the last that came
   */
  with(change: MembershipChange): Jump
  /** Plain data for {@link jumpFrom}. */
  toJSON(): JumpJson
}

/**
 * Makes a jump placement. Its keys are the 32-bit hashes, extended with zeros.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, also for a weight other than 1; `INVALID_OPTIONS`;
 * `LIMIT_EXCEEDED`
 */
export function jump(options: PlacementOptions): Jump {
  const head = readHead(options)
  return new JumpPlacement(
    head,
    checkEven(head.members).map((member) => member.id),
  )
}

/** Rejects weights where an algorithm has none. */
export function checkEven(members: readonly Member[]): readonly Member[] {
  const odd = members.find((member) => member.weight !== 1)
  if (odd === undefined) return members
  throw invalidMember(`${odd.id} has weight ${odd.weight}, but the algorithm knows only 1`, odd.id)
}

class JumpPlacement extends BasePlacement implements Jump {
  readonly kind = 'jump'
  readonly supports = {
    weights: false,
    zones: true,
    minimalMovement: true,
    anyRemoval: false,
    historyIndependent: false,
  }
  readonly buckets: readonly NodeId[]
  readonly #member: Uint16Array

  constructor(head: PlacementHead, buckets: readonly NodeId[]) {
    super(head)
    const index = indexById(head.members)
    this.buckets = buckets
    this.#member = Uint16Array.from(buckets, (id) => index.get(id)!)
  }

  protected owner(hash: number): number {
    return this.#member[jumpBucket(0, hash, this.#member.length)]!
  }

  protected shares(): readonly number[] {
    return fairShares(this.members)
  }

  with(change: MembershipChange): Jump {
    const members = checkEven(changeMembers(this.members, change))
    const gone = new Set(change.remove ?? [])
    const left = this.buckets.filter((id) => !gone.has(id))
    if (left.some((id, i) => id !== this.buckets[i])) {
      throw new QuorateError(
        'NOT_SUPPORTED',
        'Jump can only remove the members that came last; memento can remove any',
      )
    }
    const stay = new Set(left)
    const come = members.filter((member) => !stay.has(member.id)).map((member) => member.id)
    return new JumpPlacement({ ...this.head, members, version: this.version + 1 }, [
      ...left,
      ...come,
    ])
  }

  toJSON(): JumpJson {
    return { ...this.headJson(this.kind), zones: this.head.zones, buckets: this.buckets }
  }
}

/**
 * Restores a jump placement.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind or hash, or its buckets are
 * not its members
 */
export function jumpFrom(json: JumpJson, options: Pick<PlacementOptions, 'hash'> = {}): Jump {
  const hash = options.hash ?? murmur3
  checkJson(json, 'jump', hash.name)
  const head = readHead({ ...json, hash })
  const ids = checkEven(head.members).map((member) => member.id)
  if (JSON.stringify(ids) !== JSON.stringify([...json.buckets].sort())) {
    throw new QuorateError('MALFORMED', 'The buckets of a jump placement must be its members')
  }
  return new JumpPlacement(head, json.buckets)
}
