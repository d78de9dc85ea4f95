// A replica whose applied state is not to be trusted asks for a snapshot that replaces it. Its log and
// its promises stay, so it goes on as an acceptor; it only applies nothing until the snapshot is there.
import type { CallId, LogIndex, NodeId, SnapshotMeta } from '@quorate/core'
import { membersOf } from '@quorate/core'
import { actLater } from './ballot-election.ts'
import { wakeFollower, wakeLeader } from './hibernation.ts'
import type { Refill } from './messages.ts'
import { becomeFollower } from './prepare.ts'
import { appendOwn, broadcastAccept } from './replicate.ts'
import { offerSnapshotTo } from './snapshot.ts'
import type { PaxosState, PendingRefill } from './state.ts'

// How many election timeouts without a leader end the wait.
const PATIENCE = 10

/**
 * Asks to be refilled. From here on nothing is applied, or no snapshot of a busy group would ever stand
 * after what is applied here; and from a state like this nobody is led, or given a snapshot.
 */
export function requestSnapshot(r: PaxosState, id: CallId): void {
  if (r.role === 'leader') {
    r.out.reject(id, 'CONFLICT', 'a leader has to hand over before it is refilled', r.id)
    return
  }
  if (r.refill !== undefined) {
    r.out.reject(id, 'CONFLICT', 'the replica is being refilled already', r.leader)
    return
  }
  // Entries that are being read back to be applied are not applied any more.
  r.applyReading = 0
  r.refill = {
    id,
    after: r.applying,
    deadline: patience(r),
    askAt: r.now,
    asked: 0,
    installed: 0,
  }
  if (r.role === 'preparing') becomeFollower(r, r.promised, undefined)
  else actLater(r)
  tickRefill(r)
}

/** Asks until a snapshot is on its way: the leader, or, where there is none, one member after the other. */
export function tickRefill(r: PaxosState): void {
  const { refill } = r
  if (refill === undefined || r.now < refillWakeAt(r)) return
  // The leader may have died while the group slept.
  wakeFollower(r)
  const leader = r.now < r.contentUntil ? r.leader : undefined
  if (leader === undefined && r.now >= refill.deadline) {
    r.mark('paxos/refill/gave-up')
    r.refill = undefined
    actLater(r)
    r.out.reject(refill.id, 'UNAVAILABLE', 'nobody to be refilled from', undefined)
    return
  }
  refill.askAt = r.now + 3 * r.options.heartbeatIntervalMs
  if (leader !== undefined) refill.deadline = patience(r)
  const to = leader ?? nextDonor(r, refill)
  if (to === undefined) return
  r.out.send(to, { type: 'refill', config: r.config, ballot: r.promised, index: refill.after })
}

function patience(r: PaxosState): number {
  return r.now + PATIENCE * r.options.electionTimeoutMs
}

function nextDonor(r: PaxosState, refill: PendingRefill): NodeId | undefined {
  const donors = membersOf(r.membership).filter((id) => id !== r.id)
  refill.asked += 1
  return donors[refill.asked % Math.max(1, donors.length)]
}

/** When it wants the next tick. */
export function refillWakeAt(r: PaxosState): number {
  const { refill } = r
  if (refill === undefined || r.fetch !== undefined) return Number.POSITIVE_INFINITY
  return refill.askAt
}

/** Offers a snapshot to who asks to be refilled. A leader without one that helps sees to it that there will be. */
export function handleRefill(r: PaxosState, from: NodeId, m: Refill): void {
  if ((r.snapshot?.index ?? 0) > m.index) return offerSnapshotTo(r, from)
  if (r.role !== 'leader') return
  wakeLeader(r)
  if (r.applied > m.index) r.out.takeSnapshot = true
  else if (r.log.lastIndex === m.index && r.transfer === undefined && !r.sealed) {
    // Nobody has applied more, and nothing is on its way that a snapshot could stand behind.
    const index = m.index + 1
    appendOwn(r, [{ index, epoch: r.promised, kind: 'noop', payload: new Uint8Array(0) }], 0)
    broadcastAccept(r)
  }
}

/**
 * Whether a snapshot can replace what is applied here. One within what is decided is joined to the
 * log: entries after it stay accepted, and are applied again from there.
 */
export function refillsFrom(r: PaxosState, { index, epoch }: SnapshotMeta): boolean {
  const { refill } = r
  if (refill === undefined || !r.refilling || index <= refill.after) return false
  return index > r.decided || r.log.matches(index, epoch)
}

/** A snapshot has been installed, for this or for another reason. */
export function refillInstalled(r: PaxosState, index: LogIndex): void {
  const { refill } = r
  if (refill === undefined || !r.refilling) return
  refill.installed = index
  actLater(r)
}

/** The call is complete once the state machine is the snapshot's. */
export function refilled(r: PaxosState): void {
  const { refill } = r
  if (refill === undefined || refill.installed === 0 || r.applied < refill.installed) return
  r.mark('paxos/refill/done')
  r.refill = undefined
  r.out.complete(refill.id)
}
