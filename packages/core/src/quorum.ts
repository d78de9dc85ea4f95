// Quorum arithmetic, for one set of voters and for the two halves of joint consensus: pure
// functions, small enough to be checked against brute force.
import { assert } from './assert.ts'
import type { LogIndex, NodeId } from './ids.ts'
import type { Membership } from './membership.ts'

/** How an election stands. */
export type VoteOutcome = 'won' | 'lost' | 'pending'

/** The smallest number of `voters` voters of which any two sets meet; 1 for 0 voters is never reached. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1
}

/**
 * How an election among `voters` stands when `need` votes win it (default: a majority).
 *
 * @param voteOf - `true` granted, `false` refused, `undefined` not answered; asked once for each
 */
export function voteOutcome(
  voters: readonly NodeId[],
  voteOf: (id: NodeId) => boolean | undefined,
  need: number = majority(voters.length),
): VoteOutcome {
  // An empty set of voters, the outgoing half outside joint consensus, never stands in the way.
  if (voters.length === 0) return 'won'
  let granted = 0
  let refused = 0
  for (const id of voters) {
    const vote = voteOf(id)
    if (vote === true) granted++
    else if (vote === false) refused++
  }
  if (granted >= need) return 'won'
  return voters.length - refused < need ? 'lost' : 'pending'
}

/** How an election stands under a membership: won where both halves are, lost where either is. */
export function jointVoteOutcome(
  membership: Pick<Membership, 'voters' | 'outgoing'>,
  voteOf: (id: NodeId) => boolean | undefined,
): VoteOutcome {
  const incoming = voteOutcome(membership.voters, voteOf)
  const outgoing = voteOutcome(membership.outgoing, voteOf)
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'
}

/**
 * The largest index that at least `need` of the voters have reached (default: a majority);
 * infinity where there are no voters.
 *
 * @param indexOf - how far a voter is known to be; 0 where nothing is known
 */
export function quorumIndex(
  voters: readonly NodeId[],
  indexOf: (id: NodeId) => LogIndex,
  need: number = majority(voters.length),
): LogIndex {
  if (voters.length === 0) return Number.POSITIVE_INFINITY
  assert(need >= 1 && need <= voters.length, 'a quorum is 1 to all of the voters')
  if (voters.length === 3 && need === 2) {
    return middle(
      indexOf(voters[0] as NodeId),
      indexOf(voters[1] as NodeId),
      indexOf(voters[2] as NodeId),
    )
  }
  const reached = voters.map(indexOf).sort((a, b) => b - a)
  return reached[need - 1] as LogIndex
}

/** The largest index that a quorum of both halves has reached. */
export function jointQuorumIndex(
  membership: Pick<Membership, 'voters' | 'outgoing'>,
  indexOf: (id: NodeId) => LogIndex,
): LogIndex {
  return Math.min(
    quorumIndex(membership.voters, indexOf),
    quorumIndex(membership.outgoing, indexOf),
  )
}

function middle(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
