// How a replica stands, for people and for whoever routes to the leader.
import type { ConsensusStatus, PeerProgress, Role, SnapshotPosition } from '@quorate/core'
import { defined } from '@quorate/core'
import type { ProgressState } from './progress.ts'
import type { PaxosState } from './state.ts'

const PEER_STATES: Readonly<Record<ProgressState, PeerProgress['state']>> = {
  prepare: 'probe',
  accept: 'replicate',
  snapshot: 'snapshot',
}

/** How the replica stands; a new object. */
export function statusOf(r: PaxosState): ConsensusStatus {
  const since = r.now - r.options.electionTimeoutMs
  const peers = r.peers.map((p): PeerProgress => ({
    id: p.id,
    state: PEER_STATES[p.state],
    matchIndex: p.match,
    nextIndex: p.next,
    // Nobody speaks in a group that sleeps: who was there when it fell asleep counts as there.
    active: r.hibernating || p.heardAt > since,
  }))
  const role = roleOf(r)
  return {
    id: r.id,
    role,
    leader: r.role === 'leader' && role !== 'leader' ? undefined : r.leader,
    epoch: r.promised,
    commitIndex: r.decided,
    appliedIndex: r.applied,
    firstIndex: r.log.firstIndex,
    lastIndex: r.log.lastIndex,
    membership: r.membership,
    peers,
  }
}

/** Where the state machine stands, with the members in force there. */
export function appliedPosition(r: PaxosState): SnapshotPosition {
  const epoch = r.log.epoch(r.applied)
  if (epoch !== undefined) {
    return { index: r.applied, epoch, membership: r.configs.at(r.applied).membership }
  }
  // A snapshot is being installed, and the state is the snapshot's as soon as there is one again.
  const { index, epoch: at, membership } = defined(r.snapshot, 'a compacted log has a snapshot')
  return { index, epoch: at, membership }
}

/** What the replica is in its group. */
export function roleOf(r: PaxosState): Role {
  if (r.role === 'leader') return finishesEpoch(r) ? 'candidate' : 'leader'
  if (!r.isVoter) return 'learner'
  return r.role === 'follower' ? 'follower' : 'candidate'
}

/**
 * Whether it leads only to see an earlier leader's stop-sign decided. The next epoch may be led
 * already, and of the two this is the one that nobody should turn to.
 */
function finishesEpoch(r: PaxosState): boolean {
  return r.sealed && r.configs.lastIndex <= r.syncIndex
}
