// A replica that starts with nothing where a group already exists may once have acknowledged what it
// now lacks, and voted for whom it does not know. Until a leader vouches for it, it neither votes nor
// counts.
import type { NodeId } from '@quorate/core'
import { resetElectionDeadline } from './election.ts'
import { restateMembers } from './membership.ts'
import type { Progress } from './progress.ts'
import { appendNoop, broadcastAppend } from './replication.ts'
import type { RaftState } from './state.ts'

/**
 * Takes a peer's word on whether it lacks its past. From then on it counts for nothing, until an
 * entry that this leader appends after is committed without it, and it holds that entry too.
 *
 * Whatever it acknowledged and forgot was on its way to being committed by this leader or an earlier
 * one, and is in its log again. A vote that it gave and forgot, for any term, may still be on its way:
 * but whoever it would elect campaigned before that entry was there, so its log lacks it, and each
 * quorum has a member that holds it and refuses. A round of heartbeats would not do: those who answer
 * one promise nothing about candidates of later terms.
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
  p.vouchIndex = r.log.lastIndex + 1
  // What it acknowledged before it lost its memory proves nothing any more, nor do answers under way.
  p.staleUpTo = r.appendId
  if (p.match === 0) return
  r.mark('raft/blank/forgotten')
  p.match = 0
  p.becomeProbe(r.log.lastIndex + 1)
}

/** Appends the entry that peers without their past wait for, where no other does for it. */
export function fence(r: RaftState): void {
  if (r.transfer !== undefined || !r.peers.some((p) => p.blank)) return
  // An entry that others wait for lets it vote, and tells it nothing of the members.
  if (r.configs.activeIndex === 0) {
    restateMembers(r)
    return
  }
  if (!r.peers.some((p) => p.blank && p.vouchIndex > r.log.lastIndex)) return
  appendNoop(r)
  broadcastAppend(r)
}

/** Whether this leader can vouch for a peer. */
export function mayVouch(r: RaftState, p: Progress): boolean {
  return p.blank && Math.min(p.match, r.commitIndex) >= p.vouchIndex
}

/** The leader vouches for this replica: it votes from now on, once that is durable. */
export function vouchedFor(r: RaftState, leader: NodeId): void {
  r.mark('raft/blank/vouched')
  r.blank = false
  // In this term it may have voted before it lost its memory; it does not vote in it again.
  r.vote ??= leader
  r.vouchSeq = r.seq + 1
  r.out.hardStateChanged = true
  resetElectionDeadline(r)
}

/**
 * Whether this replica lacks its past, as far as others may know. Counted before it is durable that
 * it was vouched for, it could forget it, and a group that needs its vote could not go on.
 */
export function isBlank(r: RaftState): boolean {
  return r.blank || r.durableSeq < r.vouchSeq
}
