// A replica that starts with nothing where a group already exists may once have acknowledged what it
// now lacks, and voted for whom it does not know. Until a leader vouches for it, it neither votes nor
// counts.
import type { LogIndex, NodeId } from '@quorate/core'
import { maybeCommit } from './commit.ts'
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
 * @param memory - the name that it gives its memory, or 0 where it lacks nothing. Another one than
 * before means that it has lost it once more, and what it acknowledged in between with it
 * @param round - the round of heartbeats that it answers; 0 where it answers something else. An
 * answer to an earlier round may be from before it lost its memory
 */
export function noteBlank(r: RaftState, p: Progress, memory: number, round: number): void {
  if (memory === p.memory) return
  if (memory === 0) {
    if (round >= p.vouchRound) countAgain(r, p)
    return
  }
  p.blank = true
  p.memory = memory
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

/** What a peer acknowledged while it counted for nothing may be all that a commit still lacked. */
function countAgain(r: RaftState, p: Progress): void {
  p.blank = false
  p.memory = 0
  maybeCommit(r)
}

/** Appends the entry that peers without their past wait for, where no other does for it. */
export function fence(r: RaftState): void {
  if (r.transfer !== undefined || !r.peers.some((p) => p.blank)) return
  // An entry that others wait for lets it vote, and tells it nothing of the members.
  if (r.configs.lastIndex === 0) {
    restateMembers(r)
    return
  }
  if (!r.peers.some((p) => p.blank && p.vouchIndex > r.log.lastIndex)) return
  appendNoop(r)
  broadcastAppend(r)
}

/** Whether this leader can vouch for a peer. */
function mayVouch(r: RaftState, p: Progress): boolean {
  return p.blank && Math.min(p.match, r.commitIndex) >= p.vouchIndex
}

/** Which memory of a peer this leader vouches for; 0 where none. */
export function vouched(r: RaftState, p: Progress): number {
  return mayVouch(r, p) ? p.memory : 0
}

/**
 * How far a leader's word on what is committed may be taken. It goes by what this replica once
 * acknowledged; one that lacks its past may since have been fed something else by an earlier leader.
 */
export function committableHere(r: RaftState): LogIndex {
  return r.blank ? r.verified : r.log.lastIndex
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
 * The name of its memory where this replica lacks its past as far as others may know, otherwise 0.
 * Counted before it is durable that it was vouched for, it could forget it, and a group that needs its
 * vote could not go on.
 */
export function blankMemory(r: RaftState): number {
  return r.blank || r.durableSeq < r.vouchSeq ? r.memory : 0
}
