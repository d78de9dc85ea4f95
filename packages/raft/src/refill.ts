// A replica whose applied state is not to be trusted asks for a snapshot to replace it. Its log and
// its votes stay what they are, so it goes on to count; only it applies nothing before it has one.
import type { CallId, LogIndex, NodeId, SnapshotMeta } from '@quorate/core'
import { becomeFollower, resetElectionDeadline } from './election.ts'
import { wakeFollower, wakeLeader } from './hibernation.ts'
import type { RefillRequest } from './messages.ts'
import { retryMs } from './read-index.ts'
import { appendNoop, broadcastAppend } from './replication.ts'
import { sendOffer } from './snapshot.ts'
import type { RaftState } from './state.ts'

// After so many election timeouts without a leader the call fails.
const PATIENCE = 10

/**
 * Asks to be refilled. From now on nothing is applied, or in a busy group each snapshot would stand
 * before what is applied here by the time it arrives; and from a state like this nobody is led.
 */
export function requestSnapshot(r: RaftState, id: CallId): void {
  if (r.role === 'leader') {
    r.out.reject(id, 'CONFLICT', 'a leader hands over before it is refilled', r.id)
  } else if (r.membership.witnesses.includes(r.id)) {
    r.out.reject(id, 'NOT_SUPPORTED', 'a witness keeps no state', r.leader)
  } else if (r.refill !== undefined) {
    r.out.reject(id, 'CONFLICT', 'the replica is being refilled already', r.leader)
  } else {
    // What is being read back to be applied is not applied any more.
    r.applyReading = 0
    r.refill = { id, since: r.now, askAt: r.now, installed: 0 }
    if (r.role === 'follower') resetElectionDeadline(r)
    else becomeFollower(r, r.term, undefined)
    tickRefill(r)
  }
}

/** Whether what is applied waits to be replaced. */
export function refilling(r: RaftState): boolean {
  return r.refill !== undefined && r.refill.installed === 0
}

/** Asks the leader of now, again and again until a snapshot is on its way; waits for one to be heard. */
export function tickRefill(r: RaftState): void {
  const { refill } = r
  if (refill === undefined || r.now < refillWakeAt(r)) return
  const heardAt = Math.max(refill.since, r.heardAt)
  if (r.now >= heardAt + PATIENCE * r.options.electionTimeoutMs) {
    r.mark('raft/refill/gave-up')
    r.refill = undefined
    resetElectionDeadline(r)
    r.out.reject(refill.id, 'UNAVAILABLE', 'no leader to be refilled from', undefined)
    return
  }
  refill.askAt = r.now + retryMs(r)
  if (r.leader === undefined) return
  // It may have died while the group slept.
  wakeFollower(r)
  r.out.send(r.leader, { type: 'refill', term: r.term, index: r.applying })
}

/** When that wants the next tick. */
export function refillWakeAt(r: RaftState): number {
  return refilling(r) && r.fetch === undefined ? (r.refill?.askAt ?? 0) : Number.POSITIVE_INFINITY
}

/** Offers a follower a snapshot of more than it has applied, or sees to it that there will be one. */
export function handleRefill(r: RaftState, from: NodeId, m: RefillRequest): void {
  const p = r.role === 'leader' ? r.progress.get(from) : undefined
  if (p === undefined || m.index > r.commitIndex) return
  wakeLeader(r)
  const { snapshot } = r
  // Entries go on to it meanwhile: what it holds and acknowledges counts as before.
  if (snapshot !== undefined && snapshot.index > m.index) sendOffer(r, p, snapshot)
  else if (r.applied > m.index) r.out.takeSnapshot = true
  else if (r.log.lastIndex === m.index && r.transfer === undefined) {
    // Nobody has applied more, and nothing is on its way that would let a snapshot stand behind that.
    appendNoop(r)
    broadcastAppend(r)
  }
}

/**
 * Whether a snapshot may replace what is applied here although the log may reach beyond it. The log
 * holds its last entry then, and keeps what follows: others count on what this replica acknowledged.
 */
export function refillsFrom(r: RaftState, { index, epoch }: SnapshotMeta): boolean {
  if (!refilling(r) || index <= r.applying) return false
  return index > r.commitIndex || r.log.matches(index, epoch)
}

/** A snapshot is being installed, for this or another reason. */
export function refillInstalled(r: RaftState, index: LogIndex): void {
  if (r.refill !== undefined) r.refill.installed = index
}

/** The state machine has come so far: the call is complete once it is the snapshot's. */
export function refilled(r: RaftState, index: LogIndex): void {
  const { refill } = r
  if (refill === undefined || refill.installed === 0 || index < refill.installed) return
  r.mark('raft/refill/done')
  r.refill = undefined
  resetElectionDeadline(r)
  r.out.complete(refill.id)
}
