// Which sets of voters decide. All that safety asks is that every set that promises meets every set
// that accepts; whatever else needs a quorum is derived from those two.
import type { LogIndex, NodeId } from '@quorate/core'
import { majority, quorumIndex } from '@quorate/core'
import type { ResolvedOptions } from './options.ts'

/** How many of `voters` voters must promise before a proposer leads. */
export function prepareQuorum(voters: number, options: ResolvedOptions): number {
  return options.quorums?.prepare ?? majority(voters)
}

/** How many of `voters` voters must accept an entry before it is decided. */
export function acceptQuorum(voters: number, options: ResolvedOptions): number {
  return options.quorums?.accept ?? majority(voters)
}

/**
 * How many of `voters` voters keep every other proposer from leading: every set that promises has
 * one of them. Confirms reads and grants leases.
 */
export function confirmQuorum(voters: number, options: ResolvedOptions): number {
  return voters + 1 - prepareQuorum(voters, options)
}

/** How many of `voters` voters see every decided entry in one of their logs. */
export function inspectQuorum(voters: number, options: ResolvedOptions): number {
  return voters + 1 - acceptQuorum(voters, options)
}

/** How many voters a leader must hear to be content: those without whom nothing is decided or confirmed. */
export function contentQuorum(voters: number, options: ResolvedOptions): number {
  return Math.max(acceptQuorum(voters, options), confirmQuorum(voters, options))
}

/** Why so many voters cannot work with these options; `undefined` where they can. */
export function quorumsRefuse(voters: number, options: ResolvedOptions): string | undefined {
  const prepare = prepareQuorum(voters, options)
  const accept = acceptQuorum(voters, options)
  if (prepare > voters || accept > voters) {
    return `quorums of ${prepare} and ${accept} cannot be had of ${voters} voters`
  }
  if (prepare + accept <= voters) {
    return `quorums of ${prepare} and ${accept} of ${voters} voters need not meet`
  }
  return undefined
}

/** The largest value that `need` of the voters have reached. */
export function reachedBy(
  voters: readonly NodeId[],
  need: number,
  valueOf: (id: NodeId) => LogIndex,
): number {
  return voters.length === 0 ? 0 : quorumIndex(voters, valueOf, need)
}
