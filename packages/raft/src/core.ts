// One replica: a step takes an input and the time, and returns what to do. All control flow starts
// in the one switch here; nothing waits, and nothing else changes the state.
import type {
  ConsensusCore,
  ConsensusStatus,
  Effects,
  Epoch,
  Input,
  Membership,
  NodeId,
  Role,
  SnapshotPosition,
} from '@quorate/core'
import { assert, assertNever, encode } from '@quorate/core'
import { entriesReadToApply, handOut, handleApplied, maybeCommit } from './commit.ts'
import { ownVoteDurable, timedOut } from './election.ts'
import { hardStateCodec } from './hard-state.ts'
import { surrenderLease, tickLeader } from './heartbeat.ts'
import { wakeFollower } from './hibernation.ts'
import type { Watermarks } from './invariants.ts'
import { checkInvariants } from './invariants.ts'
import { changeMembership, expireChange } from './membership.ts'
import type { RaftMessage } from './messages.ts'
import { propose } from './propose.ts'
import { readBarrier, readsWakeAt, tickReads } from './read-index.ts'
import { receive } from './receive.ts'
import { refillWakeAt, requestSnapshot, tickRefill } from './refill.ts'
import { entriesReadFor, sendAppend } from './replication.ts'
import { snapshotFetchFailed, snapshotFetched, snapshotTaken } from './snapshot.ts'
import type { RaftState } from './state.ts'
import { appliedPosition, roleOf, statusOf } from './status.ts'
import { expireTransfer, transferLeadership } from './transfer.ts'

// The commit index is only a hint in hard state: it is written along after so many entries.
const SAVE_COMMIT_ENTRIES = 1_024

/** Raft as a {@link ConsensusCore}. */
export class RaftCore implements ConsensusCore<RaftMessage> {
  /** All of the replica's state. */
  protected readonly r: RaftState
  readonly #before: Watermarks
  #role: Role
  #leader: NodeId | undefined
  #term: Epoch
  #membership: Membership

  /** A replica in a given state. */
  constructor(r: RaftState) {
    this.r = r
    this.#before = { term: r.term, commitIndex: r.commitIndex, applying: r.applying }
    this.#role = roleOf(r)
    this.#leader = r.leader
    this.#term = r.term
    this.#membership = r.membership
  }

  /** The replica's host. */
  get id(): NodeId {
    return this.r.id
  }

  /** When it wants its next tick. */
  get wakeAt(): number {
    return this.r.wakeAt
  }

  /** How it stands. */
  status(): ConsensusStatus {
    return statusOf(this.r)
  }

  /** Where a snapshot of the state machine stands. */
  appliedPosition(): SnapshotPosition {
    return appliedPosition(this.r)
  }

  /** Takes one input. */
  step(input: Input<RaftMessage>, now: number): Effects<RaftMessage> {
    const r = this.r
    assert(now >= r.now, 'time does not go back')
    r.now = now
    dispatch(r, input)
    return this.#settle()
  }

  #settle(): Effects<RaftMessage> {
    const r = this.r
    handOut(r)
    const persist = r.out.mustPersist ? this.#persist() : undefined
    r.log.trim(r.applying)
    r.wakeAt = nextWake(r)
    checkInvariants(r, this.#before)
    return r.out.take(persist, this.#noteStatus())
  }

  #persist(): Effects<RaftMessage>['persist'] {
    const r = this.r
    r.seq += 1
    r.log.persisting(r.seq)
    return r.out.batch(r.seq, mustSaveHardState(r) ? hardState(r) : undefined)
  }

  #noteStatus(): boolean {
    const r = this.r
    const role = roleOf(r)
    const same =
      role === this.#role &&
      r.leader === this.#leader &&
      r.term === this.#term &&
      r.membership === this.#membership
    if (same) return false
    this.#role = role
    this.#leader = r.leader
    this.#term = r.term
    this.#membership = r.membership
    return true
  }
}

function dispatch(r: RaftState, input: Input<RaftMessage>): void {
  switch (input.type) {
    case 'tick':
      return tick(r)
    case 'receive':
      return receive(r, input.from, input.message)
    case 'propose':
      return propose(r, input.id, input.commands)
    case 'read':
      wakeFollower(r)
      return readBarrier(r, input.id, input.mode)
    case 'changeMembership':
      return changeMembership(r, input.id, input.target, input.expectedVersion)
    case 'transferLeadership':
      return transferLeadership(r, input.id, input.to)
    case 'persisted':
      return persisted(r, input.seq)
    case 'applied':
      return handleApplied(r, input.index)
    case 'snapshotTaken':
      return snapshotTaken(r, input.snapshot, input.compactTo)
    case 'snapshotFetched':
      return snapshotFetched(r, input.snapshot)
    case 'snapshotFetchFailed':
      return snapshotFetchFailed(r, input.snapshot)
    case 'entriesRead':
      return entriesRead(r, input.id, input.entries)
    case 'requestSnapshot':
      return requestSnapshot(r, input.id)
    case 'peerUnreachable':
      return peerUnreachable(r, input.peer)
    case 'peerReachable':
      return peerReachable(r, input.peer)
    default:
      return assertNever(input, 'an unknown input')
  }
}

function tick(r: RaftState): void {
  noticeStall(r)
  if (r.role === 'leader') tickLeader(r)
  else if (r.now >= r.electionDeadline) timedOut(r)
  if (r.reads.size > 0) tickReads(r)
  if (r.refill !== undefined) tickRefill(r)
  if (r.transfer !== undefined) expireTransfer(r)
  if (r.change !== undefined) expireChange(r)
}

/**
 * A tick that comes much too late means that the process stood still. What arrived meanwhile is not
 * seen yet: a leader must not conclude that nobody answers, nor a follower that nobody leads; and a
 * leader must not answer from its lease before it knows that it still has one.
 */
function noticeStall(r: RaftState): void {
  const late = r.now - r.wakeAt
  const { electionTimeoutMs, heartbeatIntervalMs } = r.options
  if (r.role === 'leader') {
    if (late <= heartbeatIntervalMs) return
    r.mark('raft/stall/leader')
    surrenderLease(r)
    for (const p of r.peers) {
      // Whoever was not heard since the last stall is not excused by the next: a process that always
      // stands still would lead for ever.
      if (p.heardAt >= r.stalledAt) p.heardAt = Math.max(p.heardAt, r.now - electionTimeoutMs / 2)
    }
    r.stalledAt = r.now
    return
  }
  const stood = late > electionTimeoutMs / 2
  if (stood && !r.stalled && r.now >= r.electionDeadline) {
    r.mark('raft/stall/follower')
    r.electionDeadline = r.now + electionTimeoutMs * r.random.fraction()
  }
  // Once only: a process that is always late must still be able to campaign.
  r.stalled = stood
}

function persisted(r: RaftState, seq: number): void {
  assert(
    seq > r.durableSeq && seq <= r.seq,
    'batches are reported once, in order, after being handed out',
  )
  r.durableSeq = seq
  r.log.persisted(seq)
  ownVoteDurable(r)
  maybeCommit(r)
}

function entriesRead(
  r: RaftState,
  id: number,
  entries: Parameters<typeof entriesReadToApply>[1],
): void {
  if (id === r.applyReading) return entriesReadToApply(r, entries)
  // The peer, the term or the state for which they were read may be gone: then nobody waits for it.
  const p = r.peers.find((peer) => peer.reading === id)
  if (p === undefined) r.mark('raft/replication/read-late')
  else entriesReadFor(r, p, entries)
}

function peerUnreachable(r: RaftState, peer: NodeId): void {
  const p = r.progress.get(peer)
  if (p !== undefined && p.state === 'replicate') p.becomeProbe()
  if (peer === r.leader) wakeFollower(r)
}

function peerReachable(r: RaftState, peer: NodeId): void {
  const p = r.progress.get(peer)
  if (p === undefined) return
  // What was on its way over the old connection may be lost.
  if (p.state === 'replicate' && p.inflight.count > 0) p.becomeProbe()
  p.probing = false
  sendAppend(r, p)
}

function mustSaveHardState(r: RaftState): boolean {
  if (r.out.hardStateChanged) return true
  if (!r.out.appends || r.commitIndex === r.savedCommit) return false
  const entries = r.commitIndex - r.savedCommit
  return entries >= SAVE_COMMIT_ENTRIES || r.now - r.savedAt >= r.options.electionTimeoutMs
}

function hardState(r: RaftState): Uint8Array {
  r.savedCommit = r.commitIndex
  r.savedAt = r.now
  return encode(hardStateCodec, {
    term: r.term,
    vote: r.vote,
    commit: r.commitIndex,
    initial: r.initial,
    blank: r.blank,
    floorIndex: r.floorIndex,
    floorTerm: r.floorTerm,
  })
}

function nextWake(r: RaftState): number {
  let at = r.role === 'leader' ? r.heartbeatAt : r.electionDeadline
  if (r.reads.size > 0) at = Math.min(at, readsWakeAt(r))
  if (r.transfer !== undefined) at = Math.min(at, r.transfer.deadline)
  if (r.change !== undefined && r.change.stage === 'learn') at = Math.min(at, r.change.deadline)
  if (r.refill !== undefined) at = Math.min(at, refillWakeAt(r))
  return at
}
