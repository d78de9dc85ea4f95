// When an entry counts as committed, and the hand-out of committed entries to be applied.
import type { Entry, LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'
import { handOutRead, handOutUpTo, noteApplied } from '@quorate/core/algorithm'
import { membershipCommitted } from './membership.ts'
import type { Progress } from './progress.ts'
import { committable } from './quorums.ts'
import { termCommitted } from './read-index.ts'
import { refilled, refilling } from './refill.ts'
import type { RaftState } from './state.ts'

/** Commits what a quorum holds durably, this leader counted only as far as its own disk is. */
export function maybeCommit(r: RaftState): void {
  if (r.role !== 'leader') return
  const index = committable(r.membership, r.options, r.matchOf)
  if (index <= r.commitIndex) return
  // Entries of earlier terms on a quorum can still be replaced (Raft, figure 8): only one of this
  // term commits them, together with itself.
  if (r.log.epoch(index) !== r.term) {
    r.mark('raft/commit/earlier-term')
    return
  }
  const first = r.commitIndex < r.termStart
  r.commitIndex = index
  if (r.tracer.enabled) r.event('commit', { index })
  r.uncommitted.acknowledge(index)
  r.busyAt = r.now
  if (first && index >= r.termStart) termCommitted(r)
  membershipCommitted(r)
  // Under load the next entries carry the news; once there are none, it is told by itself.
  if (r.commitIndex < r.log.lastIndex) return
  for (let at = 0; at < r.peers.length; at++) tellCommit(r, r.peers[at] as Progress)
}

/** Tells a peer what is committed of the entries that it holds, where that is news. */
export function tellCommit(r: RaftState, p: Progress): void {
  const commit = Math.min(p.match, r.commitIndex)
  if (commit <= p.told) return
  p.told = commit
  r.out.send(p.id, { type: 'commit', term: r.term, commit })
}

/** A follower learns that entries which it is known to hold are committed. */
export function advanceCommit(r: RaftState, index: LogIndex): void {
  if (index <= r.commitIndex) return
  assert(index <= r.log.lastIndex, 'only what the log holds is committed')
  r.commitIndex = index
  if (r.tracer.enabled) r.event('commit', { index })
}

/** Hands out what is committed, unless what is applied here waits to be replaced. */
export function handOut(r: RaftState): void {
  if (!refilling(r)) handOutUpTo(r, r.commitIndex)
}

/** Hands out old entries that were read back. */
export function entriesReadToApply(r: RaftState, entries: readonly Entry[] | undefined): void {
  if (!handOutRead(r, entries)) r.mark('raft/apply/read-useless')
}

/** The state machine has come so far. */
export function handleApplied(r: RaftState, index: LogIndex): void {
  noteApplied(r, index)
  if (r.refill !== undefined) refilled(r, index)
}
