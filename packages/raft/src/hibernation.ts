// A group with nothing to do stops its heartbeats, once every member holds everything and knows it.
// Whoever is addressed wakes, and a lost connection counts as being addressed.
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
