// Read barriers: a leader notes what is decided, proves that nobody else can have led since, and only
// then lets the read go. Followers ask it to; a lease or enough freshness saves the round.
import type { CallId, NodeId, ReadMode } from '@quorate/core'
import type { ForwardedRead, LeaderRead } from '@quorate/core/algorithm'
import { briefingAnswered } from './briefing.ts'
import { tellDecided } from './decide.ts'
import { confirmsAlone, leaseHolds, startRound } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import type { ReadReply, ReadRequest } from './messages.ts'
import { inspect, inspectionsWakeAt, tickInspections } from './quorum-read.ts'
import { joins } from './reconfigure.ts'
import type { PaxosState } from './state.ts'

// With as many rounds under way, further reads share the next one.
const ROUNDS_MAX = 2

/** Takes a read barrier of a caller. */
export function readBarrier(r: PaxosState, id: CallId, mode: ReadMode): void {
  if (mode === 'local') {
    r.out.read(id, r.applied)
    return
  }
  if (typeof mode === 'object' && mode.maxStalenessMs >= staleness(r)) {
    r.mark('paxos/read/fresh-enough')
    r.out.read(id, r.fresh.index)
    return
  }
  if (r.reads.size + r.inspections.size >= r.limits.pendingCallsMax) {
    r.out.reject(id, 'LIMIT_EXCEEDED', 'too many reads wait', r.leader)
    return
  }
  const lease = mode !== 'quorum'
  const deadline = r.now + r.options.readTimeoutMs
  if (r.role === 'leader') leaderRead(r, { from: r.id, id, index: -1, round: -1, deadline }, lease)
  else if (mode === 'quorum' && r.options.quorumReads && r.config > 0)
    inspect(r, id, nextToken(r), deadline)
  else forward(r, { id, token: nextToken(r), lease, deadline, sentAt: r.now })
}

/** How many milliseconds ago everything that is decided now may have been missing here. */
function staleness(r: PaxosState): number {
  return r.role === 'leader' ? Number.POSITIVE_INFINITY : r.now - r.fresh.at
}

function leaderRead(r: PaxosState, read: LeaderRead, lease: boolean): void {
  wakeLeader(r)
  if (r.decided < r.syncIndex) {
    // What earlier ballots decided is not known yet: an index noted now could be too low.
    r.mark('paxos/read/before-sync-decided')
    r.reads.led.push(read)
    return
  }
  read.index = r.decided
  if (confirmsAlone(r) || (lease && leaseHolds(r))) {
    if (lease) r.mark('paxos/read/lease')
    release(r, read)
    return
  }
  r.reads.led.push(read)
  confirmLater(r)
}

/** Gives waiting reads a round that starts no earlier than now. */
function confirmLater(r: PaxosState): void {
  if (r.round - r.confirmedRound >= ROUNDS_MAX && r.rounds.length > 0) return
  startRound(r)
}

/** Lets reads go whose round is confirmed, in order. */
export function releaseReads(r: PaxosState): void {
  for (const read of r.reads.confirmed(r.confirmedRound)) release(r, read)
  if (r.reads.wantRound) confirmLater(r)
}

function release(r: PaxosState, read: LeaderRead): void {
  if (read.from === r.id) {
    r.out.read(read.id, read.index)
    return
  }
  r.out.send(read.from, {
    type: 'readReply',
    config: r.config,
    ballot: r.promised,
    token: read.id,
    index: read.index,
  })
  const p = r.progress.get(read.from)
  // The follower may not know yet that what it holds is decided, and would wait for a heartbeat.
  if (p !== undefined) tellDecided(r, p)
}

/** All that the leader adopted is decided: reads that waited for it may now be confirmed. */
export function syncDecided(r: PaxosState): void {
  const waiting = r.reads.led
  if (waiting.length === 0) return
  for (const read of waiting) if (read.index < 0) read.index = r.decided
  if (confirmsAlone(r)) {
    r.reads.led = []
    for (const read of waiting) release(r, read)
    return
  }
  confirmLater(r)
}

/** Reads of a leader that leads no more: its callers' go to the next leader, others ask again themselves. */
export function leaderLost(r: PaxosState): void {
  const { led } = r.reads
  r.reads.led = []
  for (const { from, id, deadline } of led) {
    if (from !== r.id) continue
    r.mark('paxos/read/leader-lost')
    const token = nextToken(r)
    r.reads.forwarded.set(token, {
      id,
      token,
      lease: false,
      deadline,
      sentAt: Number.NEGATIVE_INFINITY,
    })
  }
}

/** Reads that waited for a leader, at the replica that has become it. */
export function followerReads(r: PaxosState): void {
  const waiting = [...r.reads.forwarded.values()]
  r.reads.forwarded.clear()
  for (const { id, deadline } of waiting) {
    leaderRead(r, { from: r.id, id, index: -1, round: -1, deadline }, false)
  }
}

/** A token that no read of this replica had or will have, not even before or after a restart. */
export function nextToken(r: PaxosState): number {
  let token = 0
  do token = r.random.uint32() * 0x200000 + r.random.below(0x200000)
  while (r.reads.forwarded.has(token) || r.inspections.has(token))
  return token
}

function forward(r: PaxosState, read: ForwardedRead): void {
  r.reads.forwarded.set(read.token, read)
  if (r.leader !== undefined) sendRead(r, r.leader, read)
}

function sendRead(r: PaxosState, leader: NodeId, read: ForwardedRead): void {
  read.sentAt = r.now
  r.out.send(leader, {
    type: 'read',
    config: r.config,
    ballot: r.promised,
    token: read.token,
    lease: read.lease,
  })
}

/** Takes a follower's request. Asked twice, it is answered twice, each time by a round of its own. */
export function handleRead(r: PaxosState, from: NodeId, m: ReadRequest): void {
  if (r.role !== 'leader' || !(r.progress.has(from) || joins(r, from))) return
  if (r.reads.size + r.inspections.size >= r.limits.pendingCallsMax) return
  const deadline = r.now + r.options.readTimeoutMs
  leaderRead(r, { from, id: m.token, index: -1, round: -1, deadline }, m.lease)
}

/** Takes the leader's answer. */
export function handleReadReply(r: PaxosState, m: ReadReply): void {
  if (briefingAnswered(r, m)) return
  const read = r.reads.forwarded.get(m.token)
  if (read === undefined) {
    r.mark('paxos/read/late-reply')
    return
  }
  r.reads.forwarded.delete(m.token)
  // The index says what to wait for, not that entries up to it are decided in this log.
  r.out.read(read.id, m.index)
}

/** Asks again where an answer is overdue, and gives up what has waited too long. */
export function tickReads(r: PaxosState): void {
  tickInspections(r)
  for (const read of r.reads.forwarded.values()) {
    if (r.now >= read.deadline) {
      r.reads.forwarded.delete(read.token)
      r.out.reject(read.id, 'NO_QUORUM', 'no leader confirmed the read', r.leader)
    } else if (r.leader !== undefined && r.now - read.sentAt >= retryMs(r)) {
      r.mark('paxos/read/asked-again')
      sendRead(r, r.leader, read)
    }
  }
  for (const read of r.reads.expired(r.now)) {
    if (read.from !== r.id) continue
    r.out.reject(read.id, 'NO_QUORUM', 'no quorum confirmed the read', r.id)
  }
}

/** When reads want the next tick. */
export function readsWakeAt(r: PaxosState): number {
  let at = inspectionsWakeAt(r)
  for (const read of r.reads.forwarded.values()) {
    at = Math.min(at, read.deadline)
    if (r.leader !== undefined) at = Math.min(at, read.sentAt + retryMs(r))
  }
  const oldest = r.reads.led[0]
  return oldest === undefined ? at : Math.min(at, oldest.deadline)
}

function retryMs(r: PaxosState): number {
  return 3 * r.options.heartbeatIntervalMs
}
