// Snapshots: made by the driver, named here. Their bytes never pass through; a replica that needs
// one is told which, and fetches it from whoever has it.
import type { NodeId, SnapshotMeta } from '@quorate/core'
import { report } from './accept.ts'
import { adoptionSkips } from './adopt.ts'
import { raisePromise, sealedWithout } from './learn.ts'
import type { Offer } from './messages.ts'
import type { Progress } from './progress.ts'
import { pullGoesOn, startPull, stopPull } from './pull.ts'
import { activate } from './reconfigure.ts'
import { refillsFrom, refillInstalled } from './refill.ts'
import { relearned } from './relearn.ts'
import type { PaxosState } from './state.ts'

/** Tells a peer of the leader that what it needs exists only as a snapshot. */
export function offerSnapshot(r: PaxosState, p: Progress): void {
  p.becomeSnapshot(r.now)
  offerSnapshotTo(r, p.id)
}

/** Tells anybody that what it asked for exists only as a snapshot. */
export function offerSnapshotTo(r: PaxosState, to: NodeId): void {
  const { snapshot } = r
  // Without a snapshot the log reaches back to its start, so nothing can be missing from it. One that
  // is to be replaced itself is given to nobody.
  if (snapshot === undefined || r.refilling) return
  const others: NodeId[] = []
  for (const p of r.peers) if (p.id !== to && p.decided >= snapshot.index) others.push(p.id)
  r.event('offer-snapshot', { to, index: snapshot.index })
  r.out.send(to, { type: 'offer', config: r.config, ballot: r.promised, snapshot, others })
}

/** Repeats an offer that may have been lost, or that a newer snapshot has overtaken. */
export function reofferSnapshot(r: PaxosState, p: Progress): void {
  if (r.now - p.offeredAt >= r.options.electionTimeoutMs) offerSnapshot(r, p)
}

/** Takes an offer of a donor. */
export function handleOffer(r: PaxosState, from: NodeId, m: Offer): void {
  const { index } = m.snapshot
  const asks = refillsFrom(r, m.snapshot)
  if (!asks && pullGoesOn(r, from)) return
  if (m.config < r.config || (r.role === 'leader' && m.config === r.config)) return
  if (index <= r.decided && !asks) {
    r.mark('paxos/snapshot/already-there')
    if (r.leader === from) report(r, from)
    return
  }
  const { fetch } = r
  if (fetch?.snapshot.id === m.snapshot.id) return
  // What is being fetched is not given up for a newer one, or a donor that takes snapshots faster than
  // they travel would never see one arrive.
  if (fetch?.ballot === m.ballot && (fetch.snapshot.index > r.decided || r.refilling)) {
    r.mark('paxos/snapshot/fetch-goes-on')
    return
  }
  r.fetch = { snapshot: m.snapshot, ballot: m.ballot }
  r.out.fetchSnapshot = {
    snapshot: m.snapshot,
    from: [from, ...m.others.filter((id) => id !== r.id)],
  }
  r.event('fetch-snapshot', { index, from })
}

/** The snapshot asked for is in storage: makes it the group's, in one write with the log that it replaces. */
export function snapshotFetched(r: PaxosState, snapshot: SnapshotMeta): void {
  const ballot = r.fetch?.snapshot.id === snapshot.id ? r.fetch.ballot : 0
  r.fetch = undefined
  sealedWithout(r, snapshot.membership.version)
  const overtaken = snapshot.index <= r.decided && !refillsFrom(r, snapshot)
  if (overtaken || r.role === 'leader') {
    r.mark('paxos/snapshot/overtaken')
    return
  }
  raisePromise(r, ballot)
  stopPull(r)
  install(r, snapshot)
  if (r.leader !== undefined) report(r, r.leader)
  adoptionSkips(r)
}

function install(r: PaxosState, snapshot: SnapshotMeta): void {
  const { index, epoch } = snapshot
  const before = r.config
  if (r.log.matches(index, epoch)) {
    // Equal there, so equal before; what follows may yet be decided and stays.
    r.mark('paxos/snapshot/keeps-suffix')
    r.log.compactTo(index)
    r.configs.compactTo(index)
  } else {
    // What follows is of a ballot that lost, or cannot be joined to it; left behind it would come
    // back after a crash as if it belonged there.
    r.out.truncateFrom = r.decided < r.log.lastIndex ? r.decided + 1 : r.leftoverFrom
    r.leftoverFrom = undefined
    r.log.restore(index, epoch)
    r.configs.restore(index, snapshot.membership)
  }
  r.out.snapshot = snapshot
  r.out.compactTo = index
  r.out.hardStateChanged = true
  r.snapshot = snapshot
  r.decided = Math.max(r.decided, index)
  r.repair = undefined
  r.event('install-snapshot', { index })
  // A state machine that keeps its own state may be ahead of a log that was damaged.
  if (index > r.applying) {
    r.out.install = snapshot
    r.applying = index
    r.applyReading = 0
    refillInstalled(r, index)
  }
  if (r.configs.at(r.decided).membership.version !== before) activate(r)
  if (r.relearn !== undefined) relearned(r, before)
}

/** The driver could not get it; the next offer, or the next donor, starts anew. */
export function snapshotFetchFailed(r: PaxosState, snapshot: SnapshotMeta): void {
  if (r.fetch?.snapshot.id !== snapshot.id) return
  r.fetch = undefined
  if (r.leader !== undefined && r.config === 0) startPull(r, r.leader)
}

/**
 * The driver has finished a snapshot of what is applied here: makes it the group's and compacts. Only
 * what this replica can itself serve from is ever dropped from its log.
 */
export function snapshotTaken(r: PaxosState, taken: SnapshotMeta, compactTo: number): void {
  const { index } = taken
  const epoch = r.log.epoch(index)
  const newest = r.snapshot?.index ?? 0
  if (epoch === undefined || index > r.applied || index <= newest || r.refilling) {
    r.mark('paxos/snapshot/useless')
    return
  }
  // The members in force at that index are a matter of the log, whatever the driver believes.
  const { membership } = r.configs.at(index)
  const snapshot: SnapshotMeta = { ...taken, epoch, membership }
  r.snapshot = snapshot
  r.out.snapshot = snapshot
  const to = Math.min(compactTo, index)
  if (to >= r.log.firstIndex) {
    r.out.compactTo = to
    r.log.compactTo(to)
    r.configs.compactTo(to)
  }
}
