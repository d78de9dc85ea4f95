// The leader's side of the log: appending, sending as much as limits allow, and learning from each
// answer how far a follower's log is equal to its own.
import type { Entry, LogIndex } from '@quorate/core'
import { maybeCommit, tellCommit } from './commit.ts'
import type { AppendReply, AppendRequest } from './messages.ts'
import type { Progress } from './progress.ts'
import { noteBlank } from './vouching.ts'
import { offerSnapshot } from './snapshot.ts'
import type { RaftState } from './state.ts'
import { transferCaughtUp } from './transfer.ts'
import { membershipCaughtUp } from './membership.ts'

// Old entries are read for several messages at once.
const READ_MESSAGES = 4

// Of an entry without content.
const NO_PAYLOAD = new Uint8Array(0)

/** Appends entries of this term to the leader's own log. */
export function appendOwn(r: RaftState, entries: readonly Entry[], bytes: number): void {
  if (r.tracer.enabled) r.event('append', { from: r.log.lastIndex + 1, count: entries.length })
  r.log.append(entries)
  r.out.append(entries)
  r.uncommitted.add(r.log.lastIndex, bytes)
}

/** Appends the entry without content that begins a leader's term. */
export function appendNoop(r: RaftState): void {
  const index = r.log.lastIndex + 1
  appendOwn(r, [{ index, epoch: r.term, kind: 'noop', payload: NO_PAYLOAD }], 0)
}

/** Sends every peer what it may be sent. */
export function broadcastAppend(r: RaftState): void {
  for (let at = 0; at < r.peers.length; at++) sendAppend(r, r.peers[at] as Progress)
}

/** Sends a peer what it may be sent: one message where its log is being probed, else up to its limits. */
export function sendAppend(r: RaftState, p: Progress): void {
  if (p.state === 'probe') {
    if (!p.probing) sendProbe(r, p)
    return
  }
  if (p.state === 'snapshot') return
  while (p.next <= r.log.lastIndex && p.reading === 0 && hasRoom(r, p)) {
    if (p.next < r.log.firstIndex) {
      offerSnapshot(r, p)
      return
    }
    if (p.next < r.log.windowFirst) {
      readEntries(r, p)
      return
    }
    sendEntries(r, p, r.log.slice(p.next, r.log.lastIndex, r.limits.messageBytesMax))
  }
}

function hasRoom(r: RaftState, p: Progress): boolean {
  const { inflight } = p
  return inflight.count < r.limits.inflightMessagesMax && inflight.bytes < r.limits.inflightBytesMax
}

function sendEntries(r: RaftState, p: Progress, entries: readonly Entry[]): void {
  let bytes = 0
  for (let at = 0; at < entries.length; at++) bytes += (entries[at] as Entry).payload.length
  const prevIndex = p.next - 1
  const prevTerm = r.log.epoch(prevIndex)
  if (prevTerm === undefined) {
    offerSnapshot(r, p)
    return
  }
  if (p.inflight.count === 0) p.movedAt = r.now
  p.next += entries.length
  p.inflight.add(p.next - 1, bytes)
  sendMessage(r, p, prevIndex, prevTerm, p.witness ? withoutPayloads(entries) : entries)
}

/** Sends one message that finds out whether the logs meet right before `next`, with entries where they are at hand. */
export function sendProbe(r: RaftState, p: Progress): void {
  const prevIndex = p.next - 1
  const prevTerm = r.log.epoch(prevIndex)
  if (prevTerm === undefined) {
    // A term that is not known must never be sent: the follower's missing entry has none either,
    // the two would seem equal, and the commit index would run past the follower's log.
    offerSnapshot(r, p)
    return
  }
  if (p.state === 'probe' && p.next >= r.log.windowFirst && p.next <= r.log.lastIndex) {
    p.probing = true
    const entries = r.log.slice(p.next, r.log.lastIndex, r.limits.messageBytesMax)
    sendMessage(r, p, prevIndex, prevTerm, p.witness ? withoutPayloads(entries) : entries)
    return
  }
  if (p.state === 'probe') p.probing = true
  sendMessage(r, p, prevIndex, prevTerm, [])
}

function sendMessage(
  r: RaftState,
  p: Progress,
  prevIndex: LogIndex,
  prevTerm: number,
  entries: readonly Entry[],
): void {
  r.appendId += 1
  const message: AppendRequest = {
    type: 'append',
    term: r.term,
    id: r.appendId,
    prevIndex,
    prevTerm,
    commit: r.commitIndex,
    entries,
  }
  const usable = Math.min(r.commitIndex, prevIndex + entries.length)
  if (usable > p.told) p.told = usable
  r.out.send(p.id, message)
}

/** A witness keeps no state: it is told where commands stand and not what they are. */
function withoutPayloads(entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry) =>
    entry.kind === 'command' ? { ...entry, kind: 'noop', payload: NO_PAYLOAD } : entry,
  )
}

function readEntries(r: RaftState, p: Progress): void {
  r.readId += 1
  p.reading = r.readId
  const room = Math.max(1, r.limits.inflightBytesMax - p.inflight.bytes)
  r.out.readEntries({
    id: r.readId,
    first: p.next,
    last: r.log.windowFirst - 1,
    bytesMax: Math.min(READ_MESSAGES * r.limits.messageBytesMax, room),
  })
}

/** Sends old entries that were read for a peer. The read is forgotten with the term and the state it was made for. */
export function entriesReadFor(
  r: RaftState,
  p: Progress,
  entries: readonly Entry[] | undefined,
): void {
  p.reading = 0
  if (entries === undefined || entries.length === 0 || entries[0]?.index !== p.next) {
    r.mark('raft/replication/read-useless')
    // Compacted meanwhile, or not where the peer stands any more.
    if (p.next < r.log.firstIndex) offerSnapshot(r, p)
    else if (entries !== undefined && entries.length > 0) sendAppend(r, p)
    return
  }
  let at = 0
  while (at < entries.length && p.state === 'replicate' && hasRoom(r, p)) {
    const end = messageEnd(entries, at, r.limits.messageBytesMax)
    sendEntries(r, p, entries.slice(at, end))
    at = end
  }
  sendAppend(r, p)
}

function messageEnd(entries: readonly Entry[], start: number, bytesMax: number): number {
  let bytes = (entries[start] as Entry).payload.length
  let end = start + 1
  while (end < entries.length) {
    bytes += (entries[end] as Entry).payload.length
    if (bytes > bytesMax) break
    end++
  }
  return end
}

/** Takes a follower's answer. */
export function handleAppendReply(r: RaftState, p: Progress, m: AppendReply): void {
  p.heardAt = r.now
  if (m.id > r.appendId || m.index > r.log.lastIndex) return
  noteBlank(r, p, m.blank, 0)
  if (m.ok) acknowledged(r, p, m)
  else refused(r, p, m)
}

function acknowledged(r: RaftState, p: Progress, m: AppendReply): void {
  // The follower has told since that it lost entries: an answer from before proves nothing.
  if (m.id <= p.staleUpTo) {
    r.mark('raft/replication/stale-ack')
    return
  }
  if (m.id > p.answered) p.answered = m.id
  const moved = m.index > p.match
  if (moved) {
    p.match = m.index
    p.movedAt = r.now
  }
  p.inflight.acknowledge(m.index)
  if (p.next <= p.match) p.next = p.match + 1
  if (p.state === 'probe') {
    p.becomeReplicate()
  } else if (p.state === 'snapshot' && p.match + 1 >= r.log.firstIndex) {
    // However the follower came by it: once its log reaches into ours, entries go on from there.
    r.mark('raft/snapshot/reconnected')
    p.becomeReplicate()
  }
  if (moved) maybeCommit(r)
  // What was committed may have ended its membership, or this leadership.
  if (r.progress.get(p.id) !== p) return
  noteMoved(r, p)
  sendAppend(r, p)
  if (moved && r.commitIndex === r.log.lastIndex) tellCommit(r, p)
}

/** Looks whether anything waited for this peer to come so far. */
export function noteMoved(r: RaftState, p: Progress): void {
  if (r.transfer !== undefined && r.transfer.to === p.id) transferCaughtUp(r, p)
  if (r.change !== undefined && r.change.stage === 'learn') membershipCaughtUp(r)
}

function refused(r: RaftState, p: Progress, m: AppendReply): void {
  if (m.id <= p.answered) {
    r.mark('raft/replication/stale-refusal')
    return
  }
  // What else is on its way follows the refused message and is refused with it.
  p.answered = r.appendId
  if (p.state === 'snapshot') return
  // The follower skipped its entries of later terms; skip ours that are later than its.
  const meet = Math.min(r.log.lastOfEpochUpTo(m.hint, m.hintTerm), m.index - 1)
  if (m.hint < p.match) {
    // It lacks what it acknowledged: its disk was damaged, or answers crossed. Believe it as far as
    // the logs meet, and nothing that it said before.
    r.mark('raft/replication/log-reverted')
    p.match = Math.max(0, Math.min(m.hint, meet))
    p.staleUpTo = r.appendId
  }
  p.becomeProbe(Math.max(p.match + 1, meet + 1))
  sendAppend(r, p)
}
