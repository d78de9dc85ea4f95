// Rounds of heartbeats: they keep followers content, and each that a quorum answers in the leader's
// ballot proves that it still led when it was sent. Reads and leases rest on that proof.
import type { NodeId } from '@quorate/core'
import { follow } from './accept.ts'
import { becomeContent, becomeDiscontent, mayLead } from './ballot-election.ts'
import { askBriefing, isBriefed } from './briefing.ts'
import { advanceDecided } from './decide.ts'
import { NEVER_TOLD } from './hard-state.ts'
import { maySleep, sleep } from './hibernation.ts'
import { startPull } from './pull.ts'
import type { Heartbeat, HeartbeatReply } from './messages.ts'
import { becomeFollower, preempted, sendPrepare } from './prepare.ts'
import type { Progress } from './progress.ts'
import { confirmQuorum, contentQuorum, prepareQuorum, reachedBy } from './quorums.ts'
import { releaseReads } from './read-barrier.ts'
import { joinerHeard, noteBlank, sealWhenReady, tellJoiners } from './reconfigure.ts'
import { sendAccept, sendProbe } from './replicate.ts'
import { reofferSnapshot } from './snapshot.ts'
import type { PaxosState } from './state.ts'
import { handOver, transferCaughtUp } from './transfer.ts'

// Answers are matched to the times at which they were asked for; older ones prove too little.
const STAMPS_MAX = 64
const ROUNDS_MAX = 1_024

/** Starts the heartbeats of a new leader. */
export function startHeartbeats(r: PaxosState): void {
  r.round = 0
  r.confirmedRound = 0
  r.leaseAfterRound = 0
  r.rounds.length = 0
  r.hibernating = false
  r.heartbeatAt = nextBeat(r)
}

/** Deadlines of all groups of a host fall together, so that one frame carries all heartbeats. */
function nextBeat(r: PaxosState): number {
  const interval = r.options.heartbeatIntervalMs
  return (Math.floor(r.now / interval) + 1) * interval
}

/** Sends a round of heartbeats; the next regular one is due at the next line of the common grid. */
export function startRound(r: PaxosState, hibernate = false): void {
  r.heartbeatAt = nextBeat(r)
  r.round += 1
  r.rounds.push({ round: r.round, at: r.now })
  if (r.rounds.length > ROUNDS_MAX) r.rounds.shift()
  r.reads.roundBegins(r.round)
  const leased = leaseHolds(r)
  for (const p of r.peers) sendHeartbeat(r, p.id, leased ? p.stamp : 0, true, hibernate)
  tellJoiners(r)
  confirmRounds(r)
}

/** Sends one heartbeat of the current round. */
export function sendHeartbeat(
  r: PaxosState,
  to: NodeId,
  echo: number,
  happy: boolean,
  hibernate: boolean,
): void {
  r.out.send(to, {
    type: 'heartbeat',
    config: r.config,
    ballot: r.promised,
    round: r.round,
    happy,
    hibernate,
    decided: r.decided,
    echo,
  })
}

/** What a leader does when time has passed. */
export function tickLeader(r: PaxosState): void {
  if (r.now < r.heartbeatAt || r.hibernating) return
  if (!hearsQuorum(r)) {
    r.mark('paxos/election/quorum-lost')
    resign(r)
    return
  }
  for (const p of r.peers) if (p.state === 'snapshot') reofferSnapshot(r, p)
  handOver(r)
  if (maySleep(r)) sleep(r)
  else startRound(r)
}

/** Stops leading, and tells whoever still hears it: one of them may reach more. */
function resign(r: PaxosState): void {
  for (const p of r.peers) sendHeartbeat(r, p.id, 0, false, false)
  becomeFollower(r, r.promised, undefined)
  becomeDiscontent(r)
}

function hearsQuorum(r: PaxosState): boolean {
  const since = r.now - r.options.electionTimeoutMs
  if (r.ledSince > since) return true
  const { voters } = r.membership
  const heardAt = (id: NodeId): number => {
    if (id === r.id) return r.now
    const p = r.progress.get(id)
    return p === undefined || p.blank ? Number.NEGATIVE_INFINITY : p.heardAt
  }
  const heard = voters.filter((id) => heardAt(id) > since).length
  return heard >= Math.min(contentQuorum(voters.length, r.options), voters.length)
}

/** Takes a leader's heartbeat. */
export function handleHeartbeat(r: PaxosState, from: NodeId, m: Heartbeat): void {
  if (!r.membership.voters.includes(r.id) && !r.membership.learners.includes(r.id)) {
    // It joins, or has left: it is no acceptor of this ballot, and learns what is decided.
    if (m.decided > r.decided) startPull(r, from)
    askBriefing(r, from)
    return sendHeartbeatReply(r, from, m.round, true)
  }
  if (!m.happy) return handleUnhappy(r, from, m)
  if (!follow(r, from, m)) return
  becomeContent(r)
  if (r.accepted === m.ballot) advanceDecided(r, Math.min(m.decided, r.log.lastIndex))
  if (r.config !== m.config) return
  askBriefing(r, from)
  noteFreshness(r, m)
  if (m.hibernate && r.decided === r.log.lastIndex && m.decided === r.decided) {
    r.hibernating = true
    r.actAt = Number.POSITIVE_INFINITY
  }
  grantLease(r, from)
  r.stamp += 1
  r.stamps.push({ stamp: r.stamp, at: r.now })
  if (r.stamps.length > STAMPS_MAX) r.stamps.shift()
  // Whether the promise is durable here already does not matter: the leader holds a quorum of durable
  // ones, and whoever starts anew promises nothing before this grant could have ended.
  sendHeartbeatReply(r, from, m.round)
}

/** The leader gives up its lease with its leadership. */
function handleUnhappy(r: PaxosState, from: NodeId, m: Heartbeat): void {
  if (m.ballot !== r.promised || (r.leader !== undefined && r.leader !== from)) return
  if (r.role !== 'follower') return
  r.grantedUntil = Number.NEGATIVE_INFINITY
  r.leader = undefined
  becomeDiscontent(r)
}

function grantLease(r: PaxosState, to: NodeId): void {
  r.grantedTo = to
  r.grantedUntil = r.now + r.options.electionTimeoutMs
}

/** Answers a heartbeat. */
export function sendHeartbeatReply(
  r: PaxosState,
  to: NodeId,
  round: number,
  afterPersist = false,
): void {
  const recent = r.now - 2 * r.options.electionTimeoutMs
  const starved: NodeId[] = []
  for (const [id, at] of r.starvedAt) {
    if (at > recent) starved.push(id)
    else r.starvedAt.delete(id)
  }
  const message: HeartbeatReply = {
    type: 'heartbeatReply',
    config: r.config,
    ballot: r.promised,
    round,
    stamp: r.stamp,
    priority: mayLead(r) ? r.options.priority : 0,
    decided: r.decided,
    blank: r.blank,
    briefed: afterPersist ? r.blankTo !== NEVER_TOLD : isBriefed(r),
    hibernating: r.hibernating,
    starved,
  }
  if (afterPersist) r.out.sendAfterPersist(to, message)
  else r.out.send(to, message)
}

/** A heartbeat that echoes an answer was sent after it: what it calls decided was so at that time. */
function noteFreshness(r: PaxosState, m: Heartbeat): void {
  if (m.echo === 0) return
  while (r.stamps.length > 0 && (r.stamps[0]?.stamp ?? 0) < m.echo) r.stamps.shift()
  const asked = r.stamps[0]
  if (asked === undefined || asked.stamp !== m.echo || asked.at <= r.fresh.at) return
  r.fresh = { index: m.decided, at: asked.at }
}

/** Takes an answer to a heartbeat. */
export function handleHeartbeatReply(r: PaxosState, from: NodeId, m: HeartbeatReply): void {
  if (r.role !== 'leader') return
  const p = r.progress.get(from)
  if (p === undefined) {
    if (m.briefed) joinerHeard(r, from, m.decided)
    return
  }
  p.priority = m.priority
  p.starved = m.starved
  p.hibernating = m.hibernating
  p.decided = m.decided
  p.briefed = m.briefed
  if (m.ballot > r.promised) {
    // An answer like this confirms nothing, and nothing will be accepted there in this ballot.
    if (r.membership.voters.includes(from)) preempted(r, m.ballot)
    return
  }
  if (m.ballot < r.promised) return sendPrepare(r, from)
  p.heardAt = r.now
  if (m.stamp > p.stamp) p.stamp = m.stamp
  noteBlank(r, p, m.blank)
  if (r.role !== 'leader') return
  if (m.round > p.round && m.round <= r.round) {
    p.round = m.round
    confirmRounds(r)
  }
  goOn(r, p)
}

/** A heartbeat that came through says that it is time to see about what did not. */
function goOn(r: PaxosState, p: Progress): void {
  const { heartbeatIntervalMs } = r.options
  if (p.state === 'prepare') {
    // It has promised, and what it told with that was lost.
    r.mark('paxos/prepare/promise-lost')
    sendPrepare(r, p.id)
  } else if (p.state === 'accept' && (p.match < r.log.lastIndex || !p.inStep)) {
    const waits = p.inflight.count > 0 || p.next > p.match + 1
    if (waits && r.now - p.movedAt >= heartbeatIntervalMs) {
      p.movedAt = r.now
      sendProbe(r, p)
    } else {
      sendAccept(r, p)
    }
  }
  if (r.transfer !== undefined && r.transfer.to === p.id) transferCaughtUp(r, p)
  if (r.change !== undefined) sealWhenReady(r)
}

function confirmRounds(r: PaxosState): void {
  const { voters } = r.membership
  const round = reachedBy(voters, confirmQuorum(voters.length, r.options), r.roundOf)
  if (round <= r.confirmedRound) return
  r.confirmedRound = round
  while (r.rounds.length > 0 && (r.rounds[0]?.round ?? 0) <= round) {
    const sent = r.rounds.shift()
    if (sent !== undefined) renewLease(r, sent.round, sent.at)
  }
  releaseReads(r)
}

/**
 * Enough voters to keep anybody from leading have promised, at the earliest when the round was sent,
 * to promise nobody for an election timeout of their clocks; these may run faster than this one.
 */
function renewLease(r: PaxosState, round: number, sentAt: number): void {
  if (round <= r.leaseAfterRound) return
  const until = sentAt + r.options.electionTimeoutMs * (1 - r.options.clockDriftMax)
  if (until > r.leaseUntil) r.leaseUntil = until
}

/** Whether nobody else can lead now, so that what is decided here is all that is decided. */
export function leaseHolds(r: PaxosState): boolean {
  return r.role === 'leader' && r.now < r.leaseUntil && r.transfer === undefined
}

/** Gives the lease up; rounds already sent do not bring it back. */
export function surrenderLease(r: PaxosState): void {
  r.leaseUntil = Number.NEGATIVE_INFINITY
  r.leaseAfterRound = r.round
}

/** Whether this replica's word alone keeps others from leading. */
export function confirmsAlone(r: PaxosState): boolean {
  const { voters } = r.membership
  return r.isVoter && voters.length === 1 && prepareQuorum(1, r.options) === 1
}
