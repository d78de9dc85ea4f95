// Where a member's virtual nodes stand on the circle. At random by default; an allocator can be
// put in instead that looks at the others first.
import type { KeyHash } from './hash.ts'
import type { Member } from './members.ts'

/** What an allocator of tokens is told. */
export interface TokenRequest {
  /** The member that joins. */
  readonly member: Member
  /** How many tokens it needs. */
  readonly count: number
  /** The members already on the ring, in the order of their numbers. */
  readonly members: readonly Member[]
  /** The positions of the points on the ring, ascending. */
  readonly positions: Uint32Array
  /** The number of the member at each position. */
  readonly owners: Uint16Array
  /** The hash of the ring. */
  readonly hash: KeyHash
}

/** Chooses the positions of virtual nodes. */
export interface TokenAllocator {
  /** Names the allocator in snapshots. */
  readonly name: string
  /** Whether tokens depend on the members that were there first. */
  readonly stateful: boolean
  /** The positions for a member that joins: `count` unsigned 32-bit integers. */
  allocate(request: TokenRequest): Uint32Array
}

/**
 * The default: virtual node `i` of a member stands at the hash of `"<i>:<id>"`. The relative
 * deviation of the shares of N members with V tokens is the square root of (N-1)/(N·V+1).
 */
export const randomTokens: TokenAllocator = {
  name: 'random',
  stateful: false,
  allocate({ member, count, hash }) {
    // Digits cannot contain the separator, so no two members ever name a point alike.
    return Uint32Array.from({ length: count }, (_, i) => hash.hash(`${i}:${member.id}`))
  },
}

/** How many virtual nodes a member has: by its weight alone, and never none. */
export function tokenCount(member: Member, virtualNodes: number): number {
  return Math.max(1, Math.round(member.weight * virtualNodes))
}
