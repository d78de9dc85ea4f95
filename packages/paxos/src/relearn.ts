// Decided entries that can be read no more may have changed the members: their replica cannot tell of
// which epoch its vote was. It learns them again, and is as silent until then as one that is down.
import type { LogIndex } from '@quorate/core'
import { isVoter, membersOf } from '@quorate/core'
import { actLater } from './ballot-election.ts'
import type { Ballot } from './ballot.ts'
import type { Floor } from './floor.ts'
import { startPull } from './pull.ts'
import type { PaxosState } from './state.ts'

/** What a replica has to learn again before it says anything, and how it stood before. */
export interface Relearn {
  /** Up to here it knew everything to be decided. */
  readonly decided: LogIndex
  /** The ballot under which it had accepted its log, of the membership in force there. */
  readonly accepted: Ballot
  /** How far that log went. */
  readonly floor: Floor
  /** No membership in force there has a larger version. */
  readonly configMax: number
}

/** Asks one member after the other for what is missing; nobody may come to a replica that is silent. */
export function askToRelearn(r: PaxosState): void {
  const donors = membersOf(r.membership).filter((id) => id !== r.id)
  r.askRound += 1
  const donor = donors[r.askRound % Math.max(1, donors.length)]
  if (donor !== undefined) startPull(r, donor)
  actLater(r)
}

/**
 * Speaks again once all that it knew to be decided is known again. It had voted under no membership
 * whose stop-sign it did not know to be decided, so the one in force there is the one that its hard
 * state is of: what it promised and accepted stands as it was, and of its log only the end is missing,
 * which the floor sees to. Of an epoch after that it knows as little as anybody who was down.
 *
 * @param before - the version of the membership before what has just been learned
 */
export function relearned(r: PaxosState, before: number): void {
  const { relearn } = r
  if (relearn === undefined || r.decided < relearn.decided) return
  r.relearn = undefined
  r.out.hardStateChanged = true
  const told = r.configs.firstIndex <= relearn.decided
  const version = told ? r.configs.at(relearn.decided).membership.version : before
  if (version === r.config) {
    r.mark('paxos/relearn/same-epoch')
    r.accepted = relearn.accepted
    r.floor = relearn.floor
  } else if (!told && r.config <= relearn.configMax) {
    // A snapshot does not tell whether its members were those of that vote already.
    r.mark('paxos/relearn/perhaps-that-epoch')
    r.blankTo = Math.max(r.blankTo, r.config)
  }
  r.watching = r.config > 0 && !r.blank && !isVoter(r.membership, r.id)
  actLater(r)
  r.event('relearned', { decided: r.decided })
}
