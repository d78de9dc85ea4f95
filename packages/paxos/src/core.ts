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
import { act } from './ballot-election.ts'
import { settleBriefing } from './briefing.ts'
import { entriesReadToApply, handOut, handleApplied, maybeDecide } from './decide.ts'
import { hardStateCodec } from './hard-state.ts'
import { surrenderLease, tickLeader } from './heartbeat.ts'
import { wakeFollower } from './hibernation.ts'
import type { Watermarks } from './invariants.ts'
import { checkInvariants } from './invariants.ts'
import { entriesReadToGive } from './learn.ts'
import type { PaxosMessage } from './messages.ts'
import { ownPromiseDurable, tickPreparing } from './prepare.ts'
import { propose } from './propose.ts'
import { settleInspections } from './quorum-read.ts'
import { readBarrier, readsWakeAt, tickReads } from './read-barrier.ts'
import { receive } from './receive.ts'
import { changeMembership, tickChange } from './reconfigure.ts'
import { refillWakeAt, requestSnapshot, tickRefill } from './refill.ts'
import { entriesReadFor, resend } from './replicate.ts'
import { snapshotFetchFailed, snapshotFetched, snapshotTaken } from './snapshot.ts'
import type { PaxosState } from './state.ts'
import { appliedPosition, roleOf, statusOf } from './status.ts'
import { expireTransfer, transferLeadership } from './transfer.ts'

// What is decided is only a hint in hard state: it is written along after so many entries.
const SAVE_DECIDED_ENTRIES = 1_024

/** Paxos as a {@link ConsensusCore}. */
export class PaxosCore implements ConsensusCore<PaxosMessage> {
  /** All of the replica's state. */
  protected readonly r: PaxosState
  readonly #before: Watermarks
  #role: Role
  #leader: NodeId | undefined
  #epoch: Epoch
  #membership: Membership

  /** A replica in a given state. */
  constructor(r: PaxosState) {
    this.r = r
    const { promised, decided, applying, config } = r
    this.#before = { promised, decided, applying, config }
    this.#role = roleOf(r)
    this.#leader = r.leader
    this.#epoch = r.promised
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
  step(input: Input<PaxosMessage>, now: number): Effects<PaxosMessage> {
    const r = this.r
    assert(now >= r.now, 'time does not go back')
    r.now = now
    dispatch(r, input)
    return this.#settle()
  }

  #settle(): Effects<PaxosMessage> {
    const r = this.r
    if (r.inspections.size > 0) settleInspections(r)
    if (r.briefing !== undefined) settleBriefing(r)
    handOut(r)
    const persist = r.out.mustPersist ? this.#persist() : undefined
    r.log.trim(r.applying)
    r.wakeAt = nextWake(r)
    checkInvariants(r, this.#before)
    return r.out.take(persist, this.#noteStatus())
  }

  #persist(): Effects<PaxosMessage>['persist'] {
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
      r.promised === this.#epoch &&
      r.membership === this.#membership
    if (same) return false
    this.#role = role
    this.#leader = r.leader
    this.#epoch = r.promised
    this.#membership = r.membership
    return true
  }
}

function dispatch(r: PaxosState, input: Input<PaxosMessage>): void {
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
      if (input.peer === r.leader) wakeFollower(r)
      return
    case 'peerReachable':
      return peerReachable(r, input.peer)
    default:
      return assertNever(input, 'an unknown input')
  }
}

function tick(r: PaxosState): void {
  noticeStall(r)
  if (r.role === 'leader') tickLeader(r)
  else if (r.role === 'preparing') tickPreparing(r)
  else if (r.now >= r.actAt) act(r)
  if (r.reads.size > 0 || r.inspections.size > 0) tickReads(r)
  if (r.transfer !== undefined) expireTransfer(r)
  if (r.change !== undefined) tickChange(r)
  if (r.refilling) tickRefill(r)
}

/**
 * A tick that comes much too late means that the process stood still. What arrived meanwhile is not
 * seen yet: a leader must not conclude that nobody answers, nor a follower that nobody leads; and a
 * leader must not answer from its lease before it knows that it still has one.
 */
function noticeStall(r: PaxosState): void {
  const late = r.now - r.wakeAt
  const { electionTimeoutMs, heartbeatIntervalMs } = r.options
  if (r.role === 'leader') {
    if (late <= heartbeatIntervalMs) return
    r.mark('paxos/stall/leader')
    surrenderLease(r)
    for (const p of r.peers) p.heardAt = Math.max(p.heardAt, r.now - electionTimeoutMs / 2)
    return
  }
  const stood = late > electionTimeoutMs / 2
  if (stood && !r.stalled && r.role === 'follower' && r.now >= r.actAt) {
    r.mark('paxos/stall/follower')
    r.actAt = r.now + heartbeatIntervalMs * (1 + r.reluctance)
  }
  // Once only: a process that is always late must still be able to act.
  r.stalled = stood
}

function persisted(r: PaxosState, seq: number): void {
  assert(
    seq > r.durableSeq && seq <= r.seq,
    'batches are reported once, in order, after being handed out',
  )
  r.durableSeq = seq
  r.log.persisted(seq)
  ownPromiseDurable(r)
  maybeDecide(r)
}

function entriesRead(
  r: PaxosState,
  id: number,
  entries: Parameters<typeof entriesReadToApply>[1],
): void {
  if (id === r.applyReading) return entriesReadToApply(r, entries)
  if (entriesReadToGive(r, id, entries)) return
  // The peer, the ballot or the state for which they were read may be gone: then nobody waits for it.
  const p = r.peers.find((peer) => peer.reading === id)
  if (p === undefined) r.mark('paxos/replicate/read-late')
  else entriesReadFor(r, p, entries)
}

function peerReachable(r: PaxosState, peer: NodeId): void {
  const p = r.progress.get(peer)
  // What was on its way over the old connection may be lost.
  if (p !== undefined) resend(r, p)
}

function mustSaveHardState(r: PaxosState): boolean {
  if (r.out.hardStateChanged) return true
  if (!r.out.appends || r.decided === r.savedDecided) return false
  const entries = r.decided - r.savedDecided
  return entries >= SAVE_DECIDED_ENTRIES || r.now - r.savedAt >= r.options.electionTimeoutMs
}

function hardState(r: PaxosState): Uint8Array {
  r.savedDecided = r.decided
  r.savedAt = r.now
  const { promised, accepted, decided, blankTo, floor, relearn, initial } = r
  return encode(hardStateCodec, { promised, accepted, decided, blankTo, floor, relearn, initial })
}

function nextWake(r: PaxosState): number {
  let at = r.actAt
  if (r.role === 'leader') at = r.heartbeatAt
  else if (r.role === 'preparing') {
    at = r.fetch === undefined ? Math.min(r.resendAt, r.prepareDeadline) : r.resendAt
  }
  if (r.reads.size > 0 || r.inspections.size > 0) at = Math.min(at, readsWakeAt(r))
  if (r.transfer !== undefined) at = Math.min(at, r.transfer.deadline)
  if (r.change !== undefined && r.change.stage === 'learn') at = Math.min(at, r.change.deadline)
  if (r.refilling) at = Math.min(at, refillWakeAt(r))
  return at
}
