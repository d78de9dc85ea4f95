// Snapshots: made by the driver, named here. Their bytes never pass through; a follower that needs
// one is told which, and fetches it from whoever has it.
import type { LogIndex, NodeId, SnapshotMeta } from '@quorate/core'
import { acknowledge } from './append.ts'
import { resetElectionDeadline, upToDate } from './election.ts'
import type { SnapshotOffer } from './messages.ts'
import type { Progress } from './progress.ts'
import { refillInstalled, refilling, refillsFrom } from './refill.ts'
import type { RaftState } from './state.ts'

const INDEX_MAX = 2 ** 53 - 2 ** 32

/** Tells a peer that what it needs exists only as a snapshot. */
export function offerSnapshot(r: RaftState, p: Progress): void {
  const { snapshot } = r
  // Without a snapshot the log reaches back to its start, so nothing can be missing from it.
  if (snapshot === undefined) return
  p.becomeSnapshot(snapshot.index, r.now)
  sendOffer(r, p, snapshot)
}

/** Tells a peer which snapshot there is, and who has it. */
export function sendOffer(r: RaftState, p: Progress, snapshot: SnapshotMeta): void {
  r.appendId += 1
  const others: NodeId[] = []
  for (const other of r.peers) {
    if (other.id !== p.id && !other.witness && other.match >= snapshot.index) others.push(other.id)
  }
  r.event('offer-snapshot', { to: p.id, index: snapshot.index })
  r.out.send(p.id, { type: 'snapshotOffer', term: r.term, id: r.appendId, snapshot, others })
}

/** Repeats an offer that may have been lost, or that a newer snapshot has overtaken. */
export function reofferSnapshot(r: RaftState, p: Progress): void {
  if (r.now - p.offeredAt >= r.options.electionTimeoutMs) offerSnapshot(r, p)
}

/** Takes an offer of this term's leader. */
export function handleOffer(r: RaftState, from: NodeId, m: SnapshotOffer): void {
  const { index, epoch } = m.snapshot
  // No leader holds an entry of a later term than its own, nor can a log go on without end.
  if (epoch > m.term || index > INDEX_MAX) return
  const refills = refillsFrom(r, m.snapshot)
  if (index <= r.commitIndex && !refills) {
    r.mark('raft/snapshot/already-there')
    acknowledge(r, from, m.id, r.commitIndex)
    return
  }
  if (r.log.matches(index, epoch) && !refills) {
    // The log holds the snapshot's last entry, so it holds all that the snapshot stands for.
    r.mark('raft/snapshot/log-suffices')
    r.commitIndex = index
    acknowledge(r, from, m.id, index)
    return
  }
  const { fetch } = r
  const same = fetch?.snapshot.id === m.snapshot.id
  // What is being fetched is not given up for a newer one, or a leader that takes snapshots faster
  // than they travel would never see one arrive.
  if (!same && fetch?.term === r.term) {
    r.mark('raft/snapshot/fetch-goes-on')
    return
  }
  r.fetch = { snapshot: m.snapshot, offerId: m.id, term: r.term }
  if (same) return
  r.out.fetchSnapshot = {
    snapshot: m.snapshot,
    from: [from, ...m.others.filter((id) => id !== r.id)],
  }
  r.event('fetch-snapshot', { index, from })
}

/** The snapshot asked for is in storage: makes it the group's, in one write with the log that it replaces. */
export function snapshotFetched(r: RaftState, snapshot: SnapshotMeta): void {
  const { fetch } = r
  r.fetch = undefined
  const overtaken = snapshot.index <= r.commitIndex && !refillsFrom(r, snapshot)
  if (overtaken || r.role === 'leader') {
    r.mark('raft/snapshot/overtaken')
    return
  }
  install(r, snapshot)
  // A leader that has not offered it finds out by itself.
  if (r.leader !== undefined && fetch?.term === r.term) {
    acknowledge(r, r.leader, fetch.offerId, snapshot.index)
  }
}

function install(r: RaftState, snapshot: SnapshotMeta): void {
  const { index, epoch } = snapshot
  const keep = r.log.matches(index, epoch)
  if (keep) {
    r.mark('raft/snapshot/keeps-suffix')
    r.log.compactTo(index)
    r.configs.compactTo(index)
  } else {
    // What follows contradicts the snapshot or cannot be joined to it; left behind it would come
    // back after a crash as if it belonged there.
    if (r.commitIndex < r.log.lastIndex) r.out.truncateFrom = r.commitIndex + 1
    else r.out.truncateFrom = r.leftoverFrom
    r.leftoverFrom = undefined
    r.log.restore(index, epoch)
    r.configs.restore(index, snapshot.membership)
  }
  r.out.snapshot = snapshot
  r.out.compactTo = index
  r.out.hardStateChanged = true
  r.snapshot = snapshot
  r.commitIndex = Math.max(r.commitIndex, index)
  // A state machine that keeps its state itself may be ahead of a log that was damaged.
  if (index > r.applying) {
    r.out.install = snapshot
    r.applying = index
    r.applyReading = 0
    refillInstalled(r, index)
  }
  if (upToDate(r.log.lastIndex, r.log.lastEpoch, r.floorIndex, r.floorTerm)) {
    r.floorIndex = 0
    r.floorTerm = 0
  }
  resetElectionDeadline(r)
  r.event('install-snapshot', { index })
}

/** The driver could not get it; the next offer starts anew. */
export function snapshotFetchFailed(r: RaftState, snapshot: SnapshotMeta): void {
  if (r.fetch?.snapshot.id === snapshot.id) r.fetch = undefined
}

/** The driver has finished a snapshot of what is applied here: makes it the group's and compacts. */
export function snapshotTaken(r: RaftState, taken: SnapshotMeta, compactTo: LogIndex): void {
  const { index } = taken
  const epoch = r.log.epoch(index)
  const newest = r.snapshot?.index ?? 0
  // One of a state that is to be replaced is nobody's.
  if (epoch === undefined || index > r.applied || index <= newest || refilling(r)) {
    r.mark('raft/snapshot/useless')
    return
  }
  // The members in force at that index are a matter of the log, whatever the driver believes.
  const snapshot: SnapshotMeta = { ...taken, epoch, membership: r.configs.at(index).membership }
  r.snapshot = snapshot
  r.out.snapshot = snapshot
  const to = Math.min(compactTo, index)
  if (to >= r.log.firstIndex) {
    r.out.compactTo = to
    r.log.compactTo(to)
    r.configs.compactTo(to)
  }
}
