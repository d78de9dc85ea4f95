// Which sets of voters decide: a majority of each half unless options say otherwise. Every set
// that elects meets every set that commits or confirms, whatever the options.
import type { LogIndex, Membership, NodeId, VoteOutcome } from '@quorate/core'
import { majority, quorumIndex, voteOutcome } from '@quorate/core'
import type { ResolvedOptions } from './options.ts'

/** How many of `voters` voters commit an entry, or confirm a leader. */
export function commitQuorum(voters: number, options: ResolvedOptions): number {
  return Math.max(1, majority(voters) - options.commitSlack)
}

/** How many of `voters` voters elect: as many as every commit quorum then has a member among. */
export function electionQuorum(voters: number, options: ResolvedOptions): number {
  // For an even number of voters this can be one more than a majority only where there is slack.
  return Math.max(majority(voters), voters + 1 - commitQuorum(voters, options))
}

/** How an election stands. */
export function electionOutcome(
  membership: Membership,
  options: ResolvedOptions,
  voteOf: (id: NodeId) => boolean | undefined,
): VoteOutcome {
  const { voters, outgoing } = membership
  const incoming = voteOutcome(voters, voteOf, electionQuorum(voters.length, options))
  const leaving = voteOutcome(outgoing, voteOf, electionQuorum(outgoing.length, options))
  if (incoming === 'lost' || leaving === 'lost') return 'lost'
  return incoming === 'won' && leaving === 'won' ? 'won' : 'pending'
}

/** The largest value that a commit quorum of both halves has reached; 0 where there are no voters. */
export function confirmed(
  membership: Membership,
  options: ResolvedOptions,
  valueOf: (id: NodeId) => number,
): number {
  const { voters, outgoing } = membership
  if (voters.length === 0) return 0
  const incoming = quorumIndex(voters, valueOf, commitQuorum(voters.length, options))
  if (outgoing.length === 0) return incoming
  return Math.min(incoming, quorumIndex(outgoing, valueOf, commitQuorum(outgoing.length, options)))
}

/** The largest index that may be committed: confirmed, and held in as many zones as asked for. */
export function committable(
  membership: Membership,
  options: ResolvedOptions,
  matchOf: (id: NodeId) => LogIndex,
): LogIndex {
  const index = confirmed(membership, options, matchOf)
  if (options.commitZones === 1) return index
  const half = zoneIndex(membership.voters, options, matchOf)
  return Math.min(index, half, zoneIndex(membership.outgoing, options, matchOf))
}

function zoneIndex(
  voters: readonly NodeId[],
  options: ResolvedOptions,
  matchOf: (id: NodeId) => LogIndex,
): LogIndex {
  if (voters.length === 0) return Number.POSITIVE_INFINITY
  const furthest = new Map<string, LogIndex>()
  for (const id of voters) {
    // A space is in no id: a member without a zone cannot share one with a zone of that name.
    const zone = Object.hasOwn(options.zones, id) ? (options.zones[id] as string) : ` ${id}`
    furthest.set(zone, Math.max(furthest.get(zone) ?? 0, matchOf(id)))
  }
  const reached = [...furthest.values()].sort((a, b) => b - a)
  return reached[Math.min(options.commitZones, reached.length) - 1] as LogIndex
}
