// The leader's side of phase 2: one stream of entries to each peer, beginning where its log is known
// to be the leader's, as much at a time as limits allow, and sent again where something was lost.
import type { Entry, LogIndex } from '@quorate/core'
import { defined } from '@quorate/core'
import { maybeDecide, tellDecided } from './decide.ts'
import type { Accept, Accepted, Promise1b } from './messages.ts'
import type { Progress } from './progress.ts'
import { sendPrepare } from './prepare.ts'
import { offerSnapshot } from './snapshot.ts'
import type { PaxosState, Standing } from './state.ts'
import { transferCaughtUp } from './transfer.ts'

// Old entries are read for several messages at once.
const READ_MESSAGES = 4

/**
 * Begins the stream to a peer that promised. It keeps of its log what is certain to be the leader's:
 * all of it where it was accepted in this ballot; where it was accepted under the ballot of the log
 * that the leader adopted, as far as both go; otherwise only what is decided, since equal lengths or
 * rounds say nothing about the entries.
 */
export function beginStream(r: PaxosState, p: Progress, standing: Standing): void {
  p.heardAt = r.now
  if (standing.blank) p.blank = true
  p.decided = standing.decided
  const { accepted, length, decided } = standing
  let keep = Math.min(decided, r.log.lastIndex)
  if (accepted === r.promised) keep = Math.min(length, r.log.lastIndex)
  else if (accepted === r.adopted) keep = Math.max(keep, Math.min(length, r.syncIndex))
  p.inStep = false
  if (keep < p.match) {
    // It acknowledged more in this ballot before: that answer came late, or its disk lost it.
    r.mark('paxos/replicate/log-reverted')
    p.match = 0
  }
  p.becomeAccept(Math.max(keep, p.match) + 1, r.now)
}

/** A peer promised after the leader had its quorum, or says anew where it stands. */
export function promisedLate(r: PaxosState, from: string, m: Promise1b): void {
  const p = r.progress.get(from)
  if (p === undefined) return
  r.mark('paxos/prepare/late-promise')
  beginStream(r, p, m)
  sendAccept(r, p)
}

/** Appends entries of this ballot to the leader's own log. */
export function appendOwn(r: PaxosState, entries: readonly Entry[], bytes: number): void {
  r.log.append(entries)
  r.out.append(entries)
  r.undecided.add(r.log.lastIndex, bytes)
}

/** Sends every peer what it may be sent. */
export function broadcastAccept(r: PaxosState): void {
  for (let at = 0; at < r.peers.length; at++) sendAccept(r, r.peers[at] as Progress)
}

/** Sends a peer what it may be sent. */
export function sendAccept(r: PaxosState, p: Progress): void {
  if (p.state !== 'accept') return
  if (p.next < r.log.firstIndex) return offerSnapshot(r, p)
  // Even where nothing is missing, one message must come that brings the peer into step.
  if (!p.inStep && p.inflight.count === 0 && p.next > r.log.lastIndex) return sendEntries(r, p, [])
  while (p.next <= r.log.lastIndex && p.reading === 0 && hasRoom(r, p)) {
    if (p.next < r.log.windowFirst) {
      readEntries(r, p)
      return
    }
    sendEntries(r, p, r.log.slice(p.next, r.log.lastIndex, r.limits.messageBytesMax))
  }
}

function hasRoom(r: PaxosState, p: Progress): boolean {
  const { inflight } = p
  return inflight.count < r.limits.inflightMessagesMax && inflight.bytes < r.limits.inflightBytesMax
}

function sendEntries(r: PaxosState, p: Progress, entries: readonly Entry[]): void {
  let bytes = 0
  for (let at = 0; at < entries.length; at++) bytes += (entries[at] as Entry).payload.length
  const prev = p.next - 1
  if (p.inflight.count === 0) p.movedAt = r.now
  p.next += entries.length
  p.inflight.add(p.next - 1, bytes)
  sendMessage(r, p, prev, entries)
}

function sendMessage(r: PaxosState, p: Progress, prev: LogIndex, entries: readonly Entry[]): void {
  const message: Accept = {
    type: 'accept',
    config: r.config,
    ballot: r.promised,
    prev,
    prevEpoch: defined(r.log.epoch(prev), 'what is sent follows what is held'),
    syncTo: r.syncIndex,
    decided: r.decided,
    entries,
  }
  const usable = Math.min(r.decided, prev + entries.length)
  if (p.inStep && usable > p.told) p.told = usable
  r.out.send(p.id, message)
}

/** Sends one message without entries, which finds out what of the last ones was lost. */
export function sendProbe(r: PaxosState, p: Progress): void {
  if (p.next < r.log.firstIndex) return offerSnapshot(r, p)
  r.mark('paxos/replicate/probe')
  // What was sent again for a gap may be lost as well: the next answer tells.
  p.gapAt = -1
  sendMessage(r, p, p.next - 1, [])
}

function readEntries(r: PaxosState, p: Progress): void {
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

/** Sends old entries that were read for a peer. The read is forgotten with the ballot it was made for. */
export function entriesReadFor(
  r: PaxosState,
  p: Progress,
  entries: readonly Entry[] | undefined,
): void {
  p.reading = 0
  if (entries === undefined) return offerSnapshot(r, p)
  if (entries[0]?.index !== p.next) return sendAccept(r, p)
  for (let at = 0; at < entries.length;) {
    const end = messageEnd(entries, at, r.limits.messageBytesMax)
    sendEntries(r, p, entries.slice(at, end))
    at = end
  }
  sendAccept(r, p)
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

/** Takes an acceptor's answer. What it told before may arrive after; how far it is never falls by that. */
export function handleAccepted(r: PaxosState, p: Progress, m: Accepted): void {
  p.heardAt = r.now
  // It lost its disk in this very ballot, and was told all that it missed by somebody else.
  if (m.blank) p.blank = true
  if (m.index > r.log.lastIndex || p.state === 'prepare') return
  p.inflight.acknowledge(m.index)
  if (m.partial) return repairGoesOn(r, p, m)
  const moved = m.index > p.match
  if (moved) {
    p.match = m.index
    p.movedAt = r.now
  }
  p.inStep = true
  if (p.state === 'snapshot' || isLacking(p, m)) goOnFrom(r, p, m)
  else if (p.next <= p.match) p.next = p.match + 1
  if (moved) maybeDecide(r)
  if (r.role !== 'leader') return
  if (r.transfer !== undefined && r.transfer.to === p.id) transferCaughtUp(r, p)
  sendAccept(r, p)
  tellDecided(r, p)
}

/**
 * Whether a peer says for the first time that it lacks what was sent after an index. Each message that
 * was on its way says so again; one answer is enough, until a probe asks anew.
 */
function isLacking(p: Progress, m: Accepted): boolean {
  return m.gap && m.index + 1 < p.next && m.index !== p.gapAt
}

/** A peer that is not in step has so much of its repair, and needs none of that again. */
function repairGoesOn(r: PaxosState, p: Progress, m: Accepted): void {
  if (p.state === 'accept' && !p.inStep) {
    if (isLacking(p, m)) {
      goOnFrom(r, p, m)
    } else if (!m.gap) {
      p.next = Math.max(p.next, m.index + 1)
      p.movedAt = r.now
    }
  }
  sendAccept(r, p)
}

/** The peer lacks what was sent after an index, or has fetched a snapshot up to there. */
function goOnFrom(r: PaxosState, p: Progress, { index, gap }: Accepted): void {
  const from = Math.max(index, p.match) + 1
  if (p.state === 'snapshot' && from < r.log.firstIndex) {
    // A late answer to what was sent before the snapshot was offered: it is known to have that too.
    p.next = Math.max(p.next, from)
    return
  }
  p.becomeAccept(from, r.now)
  if (gap) p.gapAt = index
}

/** Goes on after what is known to be accepted: what was on its way is probably lost. */
export function resend(r: PaxosState, p: Progress): void {
  if (p.state === 'prepare' || !p.inStep) {
    // Where it stands must be learned anew.
    sendPrepare(r, p.id)
  } else if (p.state === 'accept') {
    p.becomeAccept(p.match + 1, r.now)
    sendAccept(r, p)
  }
}
