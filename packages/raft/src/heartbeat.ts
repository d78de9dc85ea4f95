// Rounds of heartbeats: they keep followers from campaigning, and each that a quorum answers proves
// that its leader still led when it was sent. Reads, leases and check-quorum all rest on that proof.
import type { NodeId } from '@quorate/core'
import { confirmed, electionQuorum } from './quorums.ts'
import { becomeFollower } from './election.ts'
import { maySleep, sleep } from './hibernation.ts'
import { advanceCommit } from './commit.ts'
import type { Heartbeat, HeartbeatReply } from './messages.ts'
import type { Progress } from './progress.ts'
import { releaseReads } from './read-index.ts'
import { noteMoved, sendAppend, sendProbe } from './replication.ts'
import { reofferSnapshot } from './snapshot.ts'
import type { RaftState } from './state.ts'
import { handOver, passOn } from './transfer.ts'
import { blankMemory, committableHere, fence, noteBlank, vouched, vouchedFor } from './vouching.ts'

// Answers are matched to the times at which they were asked for; older ones prove too little.
const STAMPS_MAX = 64
const ROUNDS_MAX = 1_024

/** Starts the heartbeats of a new leader; its first entries tell of it until the first round. */
export function startHeartbeats(r: RaftState): void {
  r.round = 0
  r.confirmedRound = 0
  r.leaseAfterRound = 0
  r.rounds.length = 0
  r.hibernating = false
  r.heartbeatAt = nextBeat(r)
}

/** Deadlines of all groups of a host fall together, so that one frame carries all heartbeats. */
function nextBeat(r: RaftState): number {
  const interval = r.options.heartbeatIntervalMs
  return (Math.floor(r.now / interval) + 1) * interval
}

/** Sends a round of heartbeats; the next regular one is due at the next line of the common grid. */
export function startRound(r: RaftState, hibernate = false): void {
  r.heartbeatAt = nextBeat(r)
  r.round += 1
  r.rounds.push({ round: r.round, at: r.now })
  if (r.rounds.length > ROUNDS_MAX) r.rounds.shift()
  r.reads.roundBegins(r.round)
  // Before an entry of its own term is committed, a leader does not know all that is: an echo would
  // make an old commit index look fresh.
  const leased = leaseHolds(r) && r.commitIndex >= r.termStart
  for (const p of r.peers) sendHeartbeat(r, p, leased, hibernate)
  confirmRounds(r)
}

/** Sends one heartbeat of the current round. */
export function sendHeartbeat(
  r: RaftState,
  p: Progress,
  leased: boolean,
  hibernate: boolean,
): void {
  const message: Heartbeat = {
    type: 'heartbeat',
    term: r.term,
    round: r.round,
    // More than what is known to be equal there would commit whatever else that log holds.
    commit: Math.min(p.match, r.commitIndex),
    leaderCommit: r.commitIndex,
    echo: leased ? p.stamp : 0,
    hibernate,
    vouch: vouched(r, p),
  }
  r.out.send(p.id, message)
}

/** What a leader does when time has passed. */
export function tickLeader(r: RaftState): void {
  if (r.now < r.heartbeatAt || r.hibernating) return
  if (r.options.checkQuorum && !hearsQuorum(r)) {
    r.mark('raft/check-quorum/step-down')
    passOn(r)
    becomeFollower(r, r.term, undefined)
    return
  }
  for (const p of r.peers) if (p.state === 'snapshot') reofferSnapshot(r, p)
  fence(r)
  handOver(r)
  if (maySleep(r)) sleep(r)
  else startRound(r)
}

function hearsQuorum(r: RaftState): boolean {
  const since = r.now - r.options.electionTimeoutMs
  if (r.ledSince > since) return true
  const heardAt = (id: NodeId): number => {
    if (id === r.id) return r.now
    const p = r.progress.get(id)
    return p === undefined || p.blank ? Number.NEGATIVE_INFINITY : p.heardAt
  }
  return confirmed(r.membership, r.options, heardAt) > since
}

/** Takes a leader's heartbeat, of this term. */
export function handleHeartbeat(r: RaftState, from: NodeId, m: Heartbeat): void {
  // It may be meant for what this replica was before it lost its memory once more.
  if (r.blank && m.vouch === r.memory) vouchedFor(r, from)
  advanceCommit(r, Math.min(m.commit, committableHere(r)))
  noteFreshness(r, m)
  if (m.hibernate && r.commitIndex === r.log.lastIndex && m.leaderCommit === r.commitIndex) {
    r.hibernating = true
    r.electionDeadline = Number.POSITIVE_INFINITY
  }
  r.stamp += 1
  r.stamps.push({ stamp: r.stamp, at: r.now })
  if (r.stamps.length > STAMPS_MAX) r.stamps.shift()
  const reply = heartbeatReply(r, m.round)
  // A replica whose disk is still empty would, after a crash, start as if it had promised nothing.
  if (r.durableSeq === 0 && r.neverStored) r.out.sendAfterPersist(from, reply)
  // Otherwise it does not matter whether this term is durable here already: its leader holds a
  // quorum of durable votes, and whoever starts again gives none before this promise could have ended.
  else r.out.send(from, reply)
}

/** What a follower answers to a heartbeat of `round`; 0 only tells the term. */
export function heartbeatReply(r: RaftState, round: number): HeartbeatReply {
  const recent = r.now - 2 * r.options.electionTimeoutMs
  const starved: NodeId[] = []
  for (const [id, at] of r.starvedAt) {
    if (at > recent) starved.push(id)
    else r.starvedAt.delete(id)
  }
  return {
    type: 'heartbeatReply',
    term: r.term,
    round,
    stamp: r.stamp,
    priority: r.options.priority,
    blank: blankMemory(r),
    hibernating: r.hibernating,
    starved,
  }
}

/** A heartbeat that echoes an answer was sent after it: what it calls committed was so at that time. */
function noteFreshness(r: RaftState, m: Heartbeat): void {
  if (m.echo === 0) return
  while (r.stamps.length > 0 && (r.stamps[0]?.stamp ?? 0) < m.echo) r.stamps.shift()
  const asked = r.stamps[0]
  if (asked === undefined || asked.stamp !== m.echo || asked.at <= r.fresh.at) return
  r.fresh = { index: m.leaderCommit, at: asked.at }
}

/** Takes a follower's answer. */
export function handleHeartbeatReply(r: RaftState, p: Progress, m: HeartbeatReply): void {
  p.heardAt = r.now
  p.priority = m.priority
  p.starved = m.starved
  p.hibernating = m.hibernating
  if (m.round >= p.round) p.stamp = m.stamp
  noteBlank(r, p, m.blank, m.round)
  // What was committed may have ended its membership, or this leadership.
  if (r.progress.get(p.id) !== p) return
  if (m.round > p.round && m.round <= r.round) {
    p.round = m.round
    confirmRounds(r)
  }
  if (r.progress.get(p.id) !== p) return
  if (p.state === 'probe') {
    // The probe or its answer may be lost; a heartbeat that came through says it is time for another.
    p.probing = false
    sendAppend(r, p)
  } else if (p.state === 'replicate' && p.match < r.log.lastIndex) {
    // Nothing moved for an interval though something is missing: what was sent last may be lost,
    // even where the window is full. An empty message finds out.
    if (p.next > p.match + 1 && r.now - p.movedAt >= r.options.heartbeatIntervalMs) {
      p.movedAt = r.now
      sendProbe(r, p)
    } else {
      sendAppend(r, p)
    }
  }
  noteMoved(r, p)
}

function confirmRounds(r: RaftState): void {
  const round = confirmed(r.membership, r.options, r.roundOf)
  if (round <= r.confirmedRound) return
  r.confirmedRound = round
  while (r.rounds.length > 0 && (r.rounds[0]?.round ?? 0) <= round) {
    const sent = r.rounds.shift()
    if (sent !== undefined) renewLease(r, sent.round, sent.at)
  }
  releaseReads(r)
}

/**
 * A quorum has promised, at the earliest when the round was sent, to elect nobody for an election
 * timeout of their clocks; these may run faster than this one.
 */
function renewLease(r: RaftState, round: number, sentAt: number): void {
  if (round <= r.leaseAfterRound) return
  const until = sentAt + r.options.electionTimeoutMs * (1 - r.options.clockDriftMax)
  if (until > r.leaseUntil) r.leaseUntil = until
}

/** Whether nobody else can lead now, so that what is committed here is all that is committed. */
export function leaseHolds(r: RaftState): boolean {
  return (
    r.role === 'leader' && r.options.checkQuorum && r.now < r.leaseUntil && r.transfer === undefined
  )
}

/** Gives the lease up; rounds already sent do not bring it back. */
export function surrenderLease(r: RaftState): void {
  r.leaseUntil = Number.NEGATIVE_INFINITY
  r.leaseAfterRound = r.round
}

/** Whether an election quorum of the membership is just this replica. */
export function electsAlone(r: RaftState): boolean {
  const { voters, outgoing } = r.membership
  return (
    voters.length === 1 &&
    voters[0] === r.id &&
    outgoing.length === 0 &&
    electionQuorum(1, r.options) === 1
  )
}
