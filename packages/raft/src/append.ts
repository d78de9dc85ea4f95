// The follower's side of the log: taking a leader's entries, cutting back only what contradicts
// them, and acknowledging only what is durable.
import type { Entry, Epoch, LogIndex, NodeId } from '@quorate/core'
import { decode, membershipCodec } from '@quorate/core'
import { advanceCommit } from './commit.ts'
import { resetElectionDeadline, upToDate } from './election.ts'
import type { AppendReply, AppendRequest, CommitNotice } from './messages.ts'
import type { RaftState } from './state.ts'
import { blankMemory, committableHere } from './vouching.ts'

/** Takes entries of this term's leader. */
export function handleAppend(r: RaftState, from: NodeId, m: AppendRequest): void {
  if (!wellFormed(m)) {
    r.mark('raft/append/nonsense')
    return
  }
  if (m.prevIndex < r.commitIndex) {
    takeAfterCommit(r, from, m)
    return
  }
  if (!r.log.matches(m.prevIndex, m.prevTerm)) {
    refuse(r, from, m)
    return
  }
  take(r, from, m, m.prevIndex, m.entries)
}

/**
 * A message from before what is committed here: late, or from a leader that does not know yet how
 * far this log goes. What is committed is equal in both, by definition, even where the log here no
 * longer holds it.
 */
function takeAfterCommit(r: RaftState, from: NodeId, m: AppendRequest): void {
  const last = m.prevIndex + m.entries.length
  if (last <= r.commitIndex) {
    r.mark('raft/append/before-commit')
    acknowledge(r, from, m.id, r.commitIndex)
    return
  }
  const rest = m.entries.slice(r.commitIndex - m.prevIndex)
  // No leader has this: terms only grow along a log.
  if ((rest[0] as Entry).epoch < (r.log.epoch(r.commitIndex) ?? 0)) return
  take(r, from, m, r.commitIndex, rest)
}

function take(
  r: RaftState,
  from: NodeId,
  m: AppendRequest,
  prevIndex: LogIndex,
  entries: readonly Entry[],
): void {
  const last = prevIndex + entries.length
  const fresh = firstNew(r, prevIndex, entries)
  if (fresh < entries.length) {
    const at = prevIndex + 1 + fresh
    if (at <= r.log.lastIndex) cutBack(r, at)
    appendTaken(r, fresh === 0 ? entries : entries.slice(fresh))
  }
  if (last > r.verified) r.verified = last
  // Entries past this message may contradict the leader's: only up to its last one is verified.
  advanceCommit(r, Math.min(m.commit, last))
  acknowledge(r, from, m.id, last)
}

/** The position of the first entry that this log does not hold. What it holds stays: the message may be older than the log. */
function firstNew(r: RaftState, prevIndex: LogIndex, entries: readonly Entry[]): number {
  if (prevIndex === r.log.lastIndex) return 0
  let at = 0
  while (at < entries.length && r.log.matches(prevIndex + 1 + at, (entries[at] as Entry).epoch))
    at++
  return at
}

function cutBack(r: RaftState, from: LogIndex): void {
  r.mark('raft/append/conflict')
  r.event('truncate', { from })
  r.log.truncateFrom(from)
  r.out.truncateFrom = from
  if (!r.configs.truncateFrom(from)) return
  r.mark('raft/append/membership-undone')
  resetElectionDeadline(r)
}

function appendTaken(r: RaftState, entries: readonly Entry[]): void {
  if (r.leftoverFrom !== undefined) {
    // Storage still holds damaged entries, and others after them, from here on, unless a conflict
    // before them has been cut back already.
    r.out.truncateFrom = Math.min(r.out.truncateFrom ?? r.leftoverFrom, r.leftoverFrom)
    r.leftoverFrom = undefined
    r.out.hardStateChanged = true
  }
  if (r.tracer.enabled) r.event('append', { from: r.log.lastIndex + 1, count: entries.length })
  r.log.append(entries)
  r.out.append(entries)
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.kind === 'membership') takeMembership(r, entry)
  }
  if (r.floorIndex > 0) clearFloor(r)
}

function takeMembership(r: RaftState, entry: Entry): void {
  r.configs.append(entry)
  // Who has just become a voter waits for its leader from now on, and who no longer is one does not.
  resetElectionDeadline(r)
}

/** Forgets what was lost to a damaged disk once the log holds it again, or a later leader's entries instead. */
function clearFloor(r: RaftState): void {
  if (!upToDate(r.log.lastIndex, r.log.lastEpoch, r.floorIndex, r.floorTerm)) return
  r.mark('raft/faulty/refilled')
  r.floorIndex = 0
  r.floorTerm = 0
  r.out.hardStateChanged = true
  resetElectionDeadline(r)
}

/** Tells a leader that the logs are equal up to an index, once they durably are. */
export function acknowledge(r: RaftState, to: NodeId, id: number, index: LogIndex): void {
  r.out.sendAfterPersist(to, appendReply(r, id, true, index, 0, 0))
}

function appendReply(
  r: RaftState,
  id: number,
  ok: boolean,
  index: LogIndex,
  hint: LogIndex,
  hintTerm: Epoch,
): AppendReply {
  const blank = blankMemory(r)
  return { type: 'appendReply', term: r.term, id, ok, index, hint, hintTerm, blank }
}

/** Refuses entries that do not join the log, and says from where they may: one probe for each term, not for each entry. */
function refuse(r: RaftState, to: NodeId, m: AppendRequest): void {
  const found = r.log.lastOfEpochUpTo(Math.min(m.prevIndex - 1, r.log.lastIndex), m.prevTerm)
  const hint = Math.max(found, r.commitIndex)
  // Nothing is acknowledged by this, so it need not wait for the disk.
  r.out.send(to, appendReply(r, m.id, false, m.prevIndex, hint, r.log.epoch(hint) ?? 0))
}

/** Takes the news that entries are committed; the leader knows this log to hold them. */
export function handleCommit(r: RaftState, m: CommitNotice): void {
  advanceCommit(r, Math.min(m.commit, committableHere(r)))
}

/** Whether a leader can have made this; anything may come from outside. */
function wellFormed(m: AppendRequest): boolean {
  let term = m.prevTerm
  for (let at = 0; at < m.entries.length; at++) {
    const entry = m.entries[at] as Entry
    if (entry.index !== m.prevIndex + 1 + at || entry.epoch < term || entry.epoch > m.term)
      return false
    term = entry.epoch
    if (entry.kind === 'membership' && !isMembership(entry)) return false
  }
  return true
}

function isMembership(entry: Entry): boolean {
  try {
    decode(membershipCodec, entry.payload)
    return true
  } catch {
    return false
  }
}
