// Read barriers (Ongaro, section 6.4): a leader notes its commit index, proves that it still leads,
// and only then lets the read go. Followers ask it to; a lease or enough freshness saves the round.
import type { CallId, NodeId, ReadMode } from '@quorate/core'
import type { ForwardedRead, LeaderRead } from '@quorate/core/algorithm'
import { tellCommit } from './commit.ts'
import { electsAlone, leaseHolds, startRound } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import type { ReadReply, ReadRequest } from './messages.ts'
import type { RaftState } from './state.ts'

// With as many rounds under way, further reads share the next one.
const ROUNDS_MAX = 2

/** Takes a read barrier of a caller. */
export function readBarrier(r: RaftState, id: CallId, mode: ReadMode): void {
  if (mode === 'local') {
    r.out.read(id, r.applied)
    return
  }
  if (typeof mode === 'object' && mode.maxStalenessMs >= staleness(r)) {
    r.mark('raft/read/fresh-enough')
    r.out.read(id, r.fresh.index)
    return
  }
  if (r.reads.size >= r.limits.pendingCallsMax) {
    r.out.reject(id, 'LIMIT_EXCEEDED', 'too many reads wait', r.leader)
    return
  }
  const lease = mode !== 'quorum'
  const deadline = r.now + r.options.readTimeoutMs
  if (r.role === 'leader') leaderRead(r, { from: r.id, id, index: -1, round: -1, deadline }, lease)
  else forward(r, { id, token: nextToken(r), lease, deadline, sentAt: r.now })
}

/** How many milliseconds ago everything that is committed now may have been missing here. */
function staleness(r: RaftState): number {
  return r.role === 'leader' ? Number.POSITIVE_INFINITY : r.now - r.fresh.at
}

function leaderRead(r: RaftState, read: LeaderRead, lease: boolean): void {
  wakeLeader(r)
  if (r.commitIndex < r.termStart) {
    // What earlier terms committed is not known yet: an index noted now could be too low.
    r.mark('raft/read/before-term-commit')
    r.reads.led.push(read)
    return
  }
  read.index = r.commitIndex
  if (electsAlone(r) || (lease && leaseHolds(r))) {
    if (lease) r.mark('raft/read/lease')
    release(r, read)
    return
  }
  r.reads.led.push(read)
  confirmLater(r)
}

/** Gives waiting reads a round that starts no earlier than now. */
function confirmLater(r: RaftState): void {
  if (r.round - r.confirmedRound >= ROUNDS_MAX && r.rounds.length > 0) return
  startRound(r)
}

/** Lets reads go whose round is confirmed, in order. */
export function releaseReads(r: RaftState): void {
  for (const read of r.reads.confirmed(r.confirmedRound)) release(r, read)
  if (r.reads.wantRound) confirmLater(r)
}

function release(r: RaftState, read: LeaderRead): void {
  if (read.from === r.id) {
    r.out.read(read.id, read.index)
    return
  }
  r.out.send(read.from, { type: 'readReply', term: r.term, token: read.id, index: read.index })
  const p = r.progress.get(read.from)
  // The follower may not know yet that what it holds is committed, and would wait for a heartbeat.
  if (p !== undefined) tellCommit(r, p)
}

/** The first entry of the term is committed: reads that waited for it may now be confirmed. */
export function termCommitted(r: RaftState): void {
  const waiting = r.reads.led
  if (waiting.length === 0) return
  for (const read of waiting) if (read.index < 0) read.index = r.commitIndex
  if (electsAlone(r)) {
    r.reads.led = []
    for (const read of waiting) release(r, read)
    return
  }
  confirmLater(r)
}

/** Reads of a leader that leads no more: its callers' go to the next leader, others ask again themselves. */
export function leaderLost(r: RaftState): void {
  const { led } = r.reads
  r.reads.led = []
  for (const { from, id, deadline } of led) {
    if (from !== r.id) continue
    r.mark('raft/read/leader-lost')
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
export function followerReads(r: RaftState): void {
  const waiting = [...r.reads.forwarded.values()]
  r.reads.forwarded.clear()
  for (const { id, deadline } of waiting) {
    leaderRead(r, { from: r.id, id, index: -1, round: -1, deadline }, false)
  }
}

/** A token that no read of this replica had or will have, not even before or after a restart. */
function nextToken(r: RaftState): number {
  let token = 0
  do token = r.random.uint32() * 0x200000 + r.random.below(0x200000)
  while (r.reads.forwarded.has(token))
  return token
}

function forward(r: RaftState, read: ForwardedRead): void {
  r.reads.forwarded.set(read.token, read)
  if (r.leader !== undefined) sendRead(r, r.leader, read)
}

/** A leader is known: reads that waited for one are sent at the next tick, which is now. */
export function leaderFound(r: RaftState): void {
  if (r.reads.forwarded.size > 0) r.retryReadsAt = r.now
}

function sendRead(r: RaftState, leader: NodeId, read: ForwardedRead): void {
  read.sentAt = r.now
  r.retryReadsAt = Math.min(r.retryReadsAt, r.now + retryMs(r))
  r.out.send(leader, { type: 'read', term: r.term, token: read.token, lease: read.lease })
}

/** Takes a follower's request. Asked twice, it is answered twice, each time by a round of its own. */
export function handleRead(r: RaftState, from: NodeId, m: ReadRequest): void {
  if (r.role !== 'leader' || !r.progress.has(from)) return
  if (r.reads.size >= r.limits.pendingCallsMax) return
  const deadline = r.now + r.options.readTimeoutMs
  leaderRead(r, { from, id: m.token, index: -1, round: -1, deadline }, m.lease)
}

/** Takes the leader's answer. */
export function handleReadReply(r: RaftState, m: ReadReply): void {
  const read = r.reads.forwarded.get(m.token)
  if (read === undefined) {
    r.mark('raft/read/late-reply')
    return
  }
  r.reads.forwarded.delete(m.token)
  // The index says what to wait for, not that entries up to it are committed in this log.
  r.out.read(read.id, m.index)
}

/** Asks again where an answer is overdue, and gives up what has waited too long. */
export function tickReads(r: RaftState): void {
  if (r.now >= forwardedWakeAt(r)) tickForwarded(r)
  for (const read of r.reads.expired(r.now)) {
    if (read.from !== r.id) continue
    r.out.reject(read.id, 'NO_QUORUM', 'no quorum confirmed the read', r.id)
  }
}

function tickForwarded(r: RaftState): void {
  r.retryReadsAt = Number.POSITIVE_INFINITY
  for (const read of r.reads.forwarded.values()) {
    if (r.now >= read.deadline) {
      r.reads.forwarded.delete(read.token)
      r.out.reject(read.id, 'NO_QUORUM', 'no leader confirmed the read', r.leader)
    } else if (r.leader !== undefined && r.now - read.sentAt >= retryMs(r)) {
      r.mark('raft/read/asked-again')
      sendRead(r, r.leader, read)
    }
  }
  // Others are due when their own answers would be overdue.
  for (const read of r.reads.forwarded.values()) {
    if (r.leader !== undefined) r.retryReadsAt = Math.min(r.retryReadsAt, read.sentAt + retryMs(r))
  }
}

/** When reads want the next tick. */
export function readsWakeAt(r: RaftState): number {
  const oldest = r.reads.led[0]
  return Math.min(forwardedWakeAt(r), oldest?.deadline ?? Number.POSITIVE_INFINITY)
}

function forwardedWakeAt(r: RaftState): number {
  // They are in the order in which they were asked, and so in that of their deadlines.
  for (const { deadline } of r.reads.forwarded.values()) {
    return r.leader === undefined ? deadline : Math.min(deadline, r.retryReadsAt)
  }
  return Number.POSITIVE_INFINITY
}

/** After how long an answer is overdue. */
export function retryMs(r: RaftState): number {
  return 3 * r.options.heartbeatIntervalMs
}
