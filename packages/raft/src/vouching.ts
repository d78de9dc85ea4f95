// A replica that starts with nothing where a group already exists may once have acknowledged what it
// now lacks. Until a leader vouches for it, it neither votes nor counts.
import { resetElectionDeadline } from './election.ts'
import type { Progress } from './progress.ts'
import type { RaftState } from './state.ts'

/**
 * Takes a peer's word on whether it lacks its past. From then on it counts for nothing, until a
 * quorum without it has confirmed that this leader leads, in a round begun after, and it holds all
 * that the leader held before that round: whatever it may have acknowledged and forgotten was on
 * its way to being committed by this leader or an earlier one, and is in its log again.
 *
 * @param round - the round of heartbeats that it answers; 0 where it answers something else. An
 * answer to an earlier round may be from before it lost its memory
 */
export function noteBlank(r: RaftState, p: Progress, blank: boolean, round: number): void {
  if (blank === p.blank) return
  if (!blank) {
    if (round >= p.vouchRound) p.blank = false
    return
  }
  p.blank = true
  r.mark('raft/blank/counted-for-nothing')
  p.vouchRound = r.round + 1
  p.vouchIndex = r.log.lastIndex
  if (p.match === 0) return
  // What it acknowledged before it lost its memory proves nothing any more, nor do answers under way.
  r.mark('raft/blank/forgotten')
  p.match = 0
  p.staleUpTo = r.appendId
  p.becomeProbe(r.log.lastIndex + 1)
}

/** Whether this leader can vouch for a peer. */
export function mayVouch(r: RaftState, p: Progress): boolean {
  return p.blank && r.confirmedRound >= p.vouchRound && p.match >= p.vouchIndex
}

/** The leader vouches for this replica: it votes from now on, once that is durable. */
export function vouchedFor(r: RaftState): void {
  r.mark('raft/blank/vouched')
  r.blank = false
  r.out.hardStateChanged = true
  resetElectionDeadline(r)
}
