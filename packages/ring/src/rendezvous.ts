// Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and
// Schomaker 2005): exact shares and the least movement for any change, at one lot per member.
import { BasePlacement, fairShares, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { changeMembers } from './members.ts'
import type { MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import { bestRank } from './rank.ts'
import type { ZoneRule } from './zones.ts'

/** A rendezvous placement in JSON. */
export interface RendezvousJson extends PlacementJson {
  /** Always `'rendezvous'`. */
  readonly kind: 'rendezvous'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
}

/** A rendezvous placement. */
export interface Rendezvous extends Placement {
  /** Always `'rendezvous'`. */
  readonly kind: 'rendezvous'
  /** The placement after a change. */
  with(change: MembershipChange): Rendezvous
  /** Plain data for {@link rendezvousFrom}. */
  toJSON(): RendezvousJson
}

/**
 * Makes a rendezvous placement. A look-up takes time in proportion to the members; from a few
 * dozen on a ring is faster.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, `INVALID_OPTIONS` or `LIMIT_EXCEEDED`
 */
export function rendezvous(options: PlacementOptions): Rendezvous {
  return new WeightedRendezvous(readHead(options))
}

class WeightedRendezvous extends BasePlacement implements Rendezvous {
  readonly kind = 'rendezvous'
  readonly supports = {
    weights: true,
    zones: true,
    minimalMovement: true,
    anyRemoval: true,
    historyIndependent: true,
  }

  protected owner(hash: number): number {
    return bestRank(hash, this.salts)
  }

  protected shares(): readonly number[] {
    return fairShares(this.members)
  }

  with(change: MembershipChange): Rendezvous {
    const members = changeMembers(this.members, change)
    const head: PlacementHead = { ...this.head, members, version: this.version + 1 }
    return new WeightedRendezvous(head)
  }

  toJSON(): RendezvousJson {
    return { ...this.headJson(this.kind), zones: this.head.zones }
  }
}

/**
 * Restores a rendezvous placement.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind or hash
 */
export function rendezvousFrom(
  json: RendezvousJson,
  options: Pick<PlacementOptions, 'hash'> = {},
): Rendezvous {
  const hash = options.hash ?? murmur3
  checkJson(json, 'rendezvous', hash.name)
  return rendezvous({ ...json, hash })
}
