// Ballots as single numbers: a round, then a priority, then the rank of whoever owns it among the
// voters. The order of the numbers is the order of ballots, and no two proposers share one.
import type { Membership, NodeId } from '@quorate/core'

/** A ballot; 0 is before all. Within one membership it names its owner. */
export type Ballot = number

/** The parts of a ballot, most significant first. */
export interface BallotParts {
  /** Grows with each attempt to lead. */
  readonly round: number
  /** How much the owner is wished as a leader, 0 to 100: decides between ballots of one round. */
  readonly priority: number
  /** The owner's place among the voters, 0 to 31: decides between equals. */
  readonly rank: number
}

const RANKS = 32
const PRIORITIES = 128
const PER_ROUND = RANKS * PRIORITIES

/** Rounds past this are nobody's: a ballot that claims one is malformed. */
export const ROUND_MAX: number = 2 ** 40

/** The ballot of its parts. */
export function ballotOf({ round, priority, rank }: BallotParts): Ballot {
  return round * PER_ROUND + priority * RANKS + rank
}

/** The parts of a ballot. */
export function partsOf(ballot: Ballot): BallotParts {
  const rest = ballot % PER_ROUND
  return { round: roundOf(ballot), priority: Math.floor(rest / RANKS), rank: rest % RANKS }
}

/** The round of a ballot. */
export function roundOf(ballot: Ballot): number {
  return Math.floor(ballot / PER_ROUND)
}

/** Whose a ballot is under a membership; `undefined` where no voter can own it. */
export function ownerOf(ballot: Ballot, membership: Membership): NodeId | undefined {
  if (ballot < PER_ROUND || roundOf(ballot) > ROUND_MAX) return undefined
  return membership.voters[ballot % RANKS]
}
