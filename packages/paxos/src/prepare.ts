// Phase 1: a proposer asks to be promised a ballot that it alone owns, and learns from whoever
// promises what may already be decided. Nothing here counts a promise before it is durable.
import type { LogIndex, NodeId } from '@quorate/core'
import { assert, voteOutcome } from '@quorate/core'
import { wellFormed } from './accept.ts'
import { abandonChange, epochStarted } from './reconfigure.ts'
import { adopt, adoptionArrived } from './adopt.ts'
import type { Ballot } from './ballot.ts'
import { ROUND_MAX, ballotOf, ownerOf, roundOf } from './ballot.ts'
import { actLater, becomeContent, becomeDiscontent, mayLead } from './ballot-election.ts'
import { missing, reaches } from './floor.ts'
import { leaseHolds } from './heartbeat.ts'
import type { Nack, Prepare, Promise1b } from './messages.ts'
import { prepareQuorum } from './quorums.ts'
import { leaderLost } from './read-barrier.ts'
import { promisedLate } from './replicate.ts'
import type { PaxosState } from './state.ts'
import { transferSettled } from './transfer.ts'

/** Follows in a ballot at least as large as any promised; the promise is kept from this step's write on. */
export function becomeFollower(r: PaxosState, ballot: Ballot, leader: NodeId | undefined): void {
  assert(ballot >= r.promised, 'promises are never taken back')
  if (ballot > r.promised) {
    r.promised = ballot
    // What an earlier leader had sent of its log is no part of this ballot's.
    r.repair = undefined
    r.out.hardStateChanged = true
  }
  if (ballot > r.seen) r.seen = ballot
  const wasLeader = r.role === 'leader'
  r.role = 'follower'
  r.leader = leader
  r.promises.clear()
  r.adoption = undefined
  r.transferring = false
  r.resendAt = r.prepareDeadline = Number.POSITIVE_INFINITY
  r.reluctance = r.random.fraction()
  if (wasLeader) stopLeading(r)
  if (leader !== undefined) {
    transferSettled(r)
    epochStarted(r)
  }
  actLater(r)
  r.event('become-follower', { leader: leader ?? null })
}

function stopLeading(r: PaxosState): void {
  r.peers = []
  r.progress.clear()
  r.heartbeatAt = Number.POSITIVE_INFINITY
  r.leaseUntil = Number.NEGATIVE_INFINITY
  r.undecided.reset()
  r.rounds.length = 0
  r.hibernating = false
  abandonChange(r)
  leaderLost(r)
}

/**
 * Prepares a ballot larger than any that it has seen. One that was promised, to itself too, is never
 * used again: after a restart nobody knows what had been proposed in it.
 */
export function takeOver(r: PaxosState, transfer: boolean): void {
  assert(r.role !== 'leader', 'a leader does not prepare')
  if (!mayLead(r)) return actLater(r)
  const round = Math.max(roundOf(r.promised), roundOf(r.seen)) + 1
  assert(round <= ROUND_MAX, 'rounds left')
  const rank = r.membership.voters.indexOf(r.id)
  becomeFollower(r, ballotOf({ round, priority: r.options.priority, rank }), undefined)
  r.role = 'preparing'
  r.asking = false
  r.transferring = transfer
  // This step's batch carries the promise to itself; it counts once that is durable.
  r.promiseSeq = r.seq + 1
  r.actAt = Number.POSITIVE_INFINITY
  r.hibernating = false
  r.prepareDeadline = r.now + r.options.electionTimeoutMs
  r.event('prepare', { transfer })
  prepareAll(r)
}

function prepareAll(r: PaxosState): void {
  r.resendAt = r.now + r.options.heartbeatIntervalMs
  for (const id of r.membership.voters) if (!r.promises.has(id) && id !== r.id) sendPrepare(r, id)
}

/** Asks one acceptor. It must not leave before the proposer's own promise is durable. */
export function sendPrepare(r: PaxosState, to: NodeId): void {
  r.out.sendAfterPersist(to, {
    type: 'prepare',
    config: r.config,
    ballot: r.promised,
    accepted: r.accepted,
    length: r.log.lastIndex,
    decided: r.decided,
    transfer: r.transferring,
  })
}

/** A proposer repeats what may have been lost, and at last gives up. */
export function tickPreparing(r: PaxosState): void {
  if (r.now >= r.prepareDeadline && r.fetch === undefined) {
    r.mark('paxos/prepare/gave-up')
    becomeFollower(r, r.promised, undefined)
    // Whatever kept it from leading may do so again: somebody else gets the time to try.
    r.actAt = r.now + r.options.electionTimeoutMs * (0.5 + r.reluctance)
    return
  }
  if (r.now < r.resendAt) return
  if (r.durableSeq >= r.promiseSeq) prepareAll(r)
  else r.resendAt = r.now + r.options.heartbeatIntervalMs
  if (r.adoption !== undefined) {
    r.mark('paxos/adopt/pulled-again')
    adopt(r)
  }
}

/** Promises a ballot, unless a larger one or a leader's lease forbids it. */
export function handlePrepare(r: PaxosState, from: NodeId, m: Prepare): void {
  if (m.ballot < r.promised) return sendNack(r, from)
  if (!mayFollow(r, from, m.ballot, m.transfer)) return
  if (m.ballot === r.promised) r.mark('paxos/prepare/again')
  else promise(r, m.ballot)
  sendPromise(r, from, m)
}

/** Whether this replica can be in a ballot of that owner's. */
export function mayFollow(r: PaxosState, from: NodeId, ballot: Ballot, transfer: boolean): boolean {
  if (ownerOf(ballot, r.membership) !== from) return false
  if (ballot === r.promised) return r.role === 'follower'
  if (transfer || !shielded(r, from)) return true
  r.mark('paxos/prepare/shielded')
  return false
}

/** Whether a leader may be relying on its lease, this replica's own included. */
function shielded(r: PaxosState, from: NodeId): boolean {
  if (r.now < r.silentUntil || leaseHolds(r)) return true
  return r.now < r.grantedUntil && r.grantedTo !== from
}

/** Promises a larger ballot, and gives its owner the time to lead. */
export function promise(r: PaxosState, ballot: Ballot): void {
  if (r.role !== 'follower') r.mark('paxos/prepare/preempted')
  becomeFollower(r, ballot, undefined)
  becomeContent(r)
}

/** Tells the owner of the promised ballot where this log stands, with what it seems to lack. */
export function sendPromise(r: PaxosState, to: NodeId, m: Prepare | undefined): void {
  const { log } = r
  const first = m === undefined ? 0 : lackingFrom(r, m)
  const atHand = first >= log.windowFirst && first <= log.lastIndex && first > 0
  r.out.sendAfterPersist(to, {
    type: 'promise',
    config: r.config,
    ballot: r.promised,
    accepted: r.accepted,
    length: log.lastIndex,
    decided: r.decided,
    blank: r.blank,
    floor: missing(r),
    prev: atHand ? first - 1 : 0,
    entries: atHand ? log.slice(first, log.lastIndex, r.limits.messageBytesMax) : [],
  })
}

function lackingFrom(r: PaxosState, m: Prepare): LogIndex {
  if (r.accepted > m.accepted || r.decided > m.decided) return m.decided + 1
  return r.accepted === m.accepted && r.log.lastIndex > m.length ? m.length + 1 : 0
}

/** A larger ballot has been promised: says which. */
export function sendNack(r: PaxosState, to: NodeId): void {
  r.out.send(to, { type: 'nack', config: r.config, ballot: r.promised })
}

/** Takes the news that somebody has promised a larger ballot. */
export function handleNack(r: PaxosState, from: NodeId, m: Nack): void {
  if (m.ballot <= r.promised || !r.membership.voters.includes(from)) return
  preempted(r, m.ballot)
}

/** A larger ballot is about: whoever leads or wants to stops, and watches what becomes of that one. */
export function preempted(r: PaxosState, ballot: Ballot): void {
  if (roundOf(ballot) > ROUND_MAX) return
  if (ballot > r.seen) r.seen = ballot
  if (r.role === 'follower') return
  r.mark('paxos/preempted')
  becomeFollower(r, r.promised, undefined)
  becomeDiscontent(r)
}

/** Counts a promise of exactly this ballot, once for each acceptor. */
export function handlePromise(r: PaxosState, from: NodeId, m: Promise1b): void {
  if (m.ballot !== r.promised || r.role === 'follower') {
    r.mark('paxos/prepare/stale-promise')
    return
  }
  if (r.role === 'leader') return promisedLate(r, from, m)
  if (!r.membership.voters.includes(from) || !wellFormed(m.entries, m.prev, m.ballot)) return
  const began = r.adoption !== undefined
  const { accepted, length, decided, blank, floor, prev, entries } = m
  r.promises.set(from, { accepted, length, decided, blank, floor, prev, entries })
  if (began) adoptionArrived(r, from, m)
  else tally(r)
}

/** Counts its own promise, now that it is durable. */
export function ownPromiseDurable(r: PaxosState): void {
  if (r.role !== 'preparing' || r.durableSeq < r.promiseSeq || r.promises.has(r.id)) return
  const { accepted, decided, blank } = r
  const length = r.log.lastIndex
  const standing = { accepted, length, decided, blank, floor: missing(r) }
  r.promises.set(r.id, { ...standing, prev: length, entries: [] })
  tally(r)
}

function tally(r: PaxosState): void {
  const { voters } = r.membership
  const standings = [...r.promises.values()].filter(({ blank }) => !blank)
  const gave = (id: NodeId): true | undefined => {
    const standing = r.promises.get(id)
    if (standing === undefined || standing.blank) return undefined
    const { floor } = standing
    if (floor === undefined || standings.some((each) => reaches(each, floor))) return true
    r.mark('paxos/prepare/below-floor')
    return undefined
  }
  const outcome = voteOutcome(voters, gave, prepareQuorum(voters.length, r.options))
  // Others may have promised before its own disk did; without its own promise it cannot lead.
  if (outcome === 'won' && r.promises.has(r.id)) adopt(r)
}
