// How a replica stands, for people and for whoever routes to the leader.
import type { ConsensusStatus, PeerProgress, Role, SnapshotPosition } from '@quorate/core'
import { defined } from '@quorate/core'
import type { RaftState } from './state.ts'

/** How the replica stands; a new object. */
export function statusOf(r: RaftState): ConsensusStatus {
  const since = r.now - r.options.electionTimeoutMs
  const peers = r.peers.map((p): PeerProgress => ({
    id: p.id,
    state: p.state,
    matchIndex: p.match,
    nextIndex: p.next,
    // Nobody speaks in a group that sleeps: who was there when it fell asleep counts as there.
    active: r.hibernating || p.heardAt > since,
  }))
  return {
    id: r.id,
    role: roleOf(r),
    leader: r.leader,
    epoch: r.term,
    commitIndex: r.commitIndex,
    appliedIndex: r.applied,
    firstIndex: r.log.firstIndex,
    lastIndex: r.log.lastIndex,
    membership: r.membership,
    peers,
  }
}

/** Where the state machine stands, with the members committed there whatever the log says after it. */
export function appliedPosition(r: RaftState): SnapshotPosition {
  const epoch = r.log.epoch(r.applied)
  if (epoch !== undefined)
    return { index: r.applied, epoch, membership: r.configs.at(r.applied).membership }
  // A snapshot is being installed, and the state is the snapshot's as soon as there is one again.
  const { index, epoch: term, membership } = defined(r.snapshot, 'a compacted log has a snapshot')
  return { index, epoch: term, membership }
}

/** What the replica is in its group. */
export function roleOf(r: RaftState): Role {
  if (r.role === 'leader') return 'leader'
  if (!r.isVoter) return 'learner'
  return r.role === 'follower' ? 'follower' : 'candidate'
}
