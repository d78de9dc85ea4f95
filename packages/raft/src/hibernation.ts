// A group with nothing to do stops its heartbeats, once every member holds everything and knows it.
// Whoever is addressed wakes, and a lost connection counts as being addressed.
import { membersOf } from '@quorate/core'
import { resetElectionDeadline } from './election.ts'
import { startRound } from './heartbeat.ts'
import type { RaftState } from './state.ts'

/** Whether a leader may let its group sleep. Not before all know what is committed: they could not learn it later. */
export function maySleep(r: RaftState): boolean {
  const { hibernateAfterMs } = r.options
  if (hibernateAfterMs === 0 || r.now - r.busyAt < hibernateAfterMs) return false
  if (r.commitIndex !== r.log.lastIndex || r.log.stableIndex !== r.log.lastIndex) return false
  if (r.reads.size > 0 || r.transfer !== undefined || r.change !== undefined) return false
  const since = r.now - r.options.electionTimeoutMs
  return r.peers.every((p) => p.match === r.log.lastIndex && !p.blank && p.heardAt > since)
}

/** Asks all to sleep; sleeps once all said that they do. */
export function sleep(r: RaftState): void {
  if (r.peers.every((p) => p.hibernating)) {
    r.mark('raft/hibernation/asleep')
    r.hibernating = true
    r.heartbeatAt = Number.POSITIVE_INFINITY
    return
  }
  startRound(r, true)
}

/**
 * Whether the replica has to look for its leader: in a group that may sleep nobody would come to one
 * that cannot campaign, such as a learner that has just started.
 */
export function seeks(r: RaftState): boolean {
  const { membership, options } = r
  return options.hibernateAfterMs > 0 && r.leader === undefined && membership.voters.length > 0
}

/** Asks all members to wake their leader, or to become it. */
export function seekLeader(r: RaftState): void {
  r.mark('raft/hibernation/leader-sought')
  for (const id of membersOf(r.membership)) {
    if (id !== r.id) r.out.send(id, { type: 'wake', term: r.term })
  }
}

/** Somebody is awake who has no leader. */
export function stirred(r: RaftState): void {
  if (r.role === 'leader') wakeLeader(r)
  else wakeFollower(r)
}

/** A leader goes on with heartbeats because there is work. */
export function wakeLeader(r: RaftState): void {
  r.busyAt = r.now
  if (!r.hibernating) return
  r.mark('raft/hibernation/leader-woken')
  r.hibernating = false
  for (const p of r.peers) {
    p.hibernating = false
    // Nobody was asked while it slept: silence so far is no sign of death.
    p.heardAt = r.now
  }
  startRound(r)
}

/** A follower was addressed by its leader and waits for it again. */
export function wake(r: RaftState): void {
  if (!r.hibernating) return
  r.hibernating = false
  resetElectionDeadline(r)
}

/**
 * A follower has reason to doubt its sleeping leader: asks it to go on, and campaigns if it does not.
 * It does not campaign at once, which would depose a leader that only slept.
 */
export function wakeFollower(r: RaftState): void {
  if (r.role === 'leader' || !r.hibernating) return
  r.mark('raft/hibernation/follower-woken')
  r.hibernating = false
  resetElectionDeadline(r)
  if (r.leader !== undefined) r.out.send(r.leader, { type: 'wake', term: r.term })
}
