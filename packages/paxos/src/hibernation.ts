// A group with nothing to do stops its heartbeats, once every member holds everything and knows it.
// Whoever is addressed wakes, and a lost connection counts as being addressed.
import { becomeContent, sendAsk } from './ballot-election.ts'
import { startRound } from './heartbeat.ts'
import type { PaxosState } from './state.ts'

/** Whether a leader may let its group sleep. Not before all know what is decided: they could not learn it later. */
export function maySleep(r: PaxosState): boolean {
  const { hibernateAfterMs } = r.options
  if (hibernateAfterMs === 0 || r.now - r.busyAt < hibernateAfterMs) return false
  if (r.decided !== r.log.lastIndex || r.log.stableIndex !== r.log.lastIndex) return false
  if (r.reads.size > 0 || r.transfer !== undefined || r.change !== undefined) return false
  const since = r.now - r.options.electionTimeoutMs
  return r.peers.every((p) => {
    // Who has to find out about its past does so while heartbeats come; a learner's matters to nobody.
    const whole = p.briefed && !(p.blank && r.membership.voters.includes(p.id))
    return whole && p.match === r.log.lastIndex && p.heardAt > since
  })
}

/** Asks all to sleep; sleeps once all said that they do. */
export function sleep(r: PaxosState): void {
  if (r.peers.every((p) => p.hibernating)) {
    r.mark('paxos/hibernation/asleep')
    r.hibernating = true
    r.heartbeatAt = Number.POSITIVE_INFINITY
    return
  }
  startRound(r, true)
}

/**
 * Whether the replica has to look for its leader: in a group that may sleep nobody would come to one
 * that cannot prepare, such as a learner that has just started.
 */
export function seeks(r: PaxosState): boolean {
  return r.options.hibernateAfterMs > 0 && r.leader === undefined && r.config > 0
}

/** Asks all voters for a leader: the one that sleeps wakes, and so do those who would replace it. */
export function seekLeader(r: PaxosState): void {
  r.mark('paxos/hibernation/leader-sought')
  for (const id of r.membership.voters) if (id !== r.id) sendAsk(r, id)
}

/** Somebody is awake who has no leader. */
export function stirred(r: PaxosState): void {
  if (r.role === 'leader') wakeLeader(r)
  else wakeFollower(r)
}

/** A leader goes on with heartbeats because there is work. */
export function wakeLeader(r: PaxosState): void {
  r.busyAt = r.now
  if (!r.hibernating) return
  r.mark('paxos/hibernation/leader-woken')
  r.hibernating = false
  for (const p of r.peers) {
    p.hibernating = false
    // Nobody was asked while it slept: silence so far is no sign of death.
    p.heardAt = r.now
  }
  startRound(r)
}

/** A follower was addressed by its leader and waits for it again. */
export function wake(r: PaxosState): void {
  r.hibernating = false
  becomeContent(r)
}

/**
 * A follower has reason to doubt its sleeping leader: asks it to go on, and looks for another if it
 * does not. Not at once, which would depose a leader that only slept.
 */
export function wakeFollower(r: PaxosState): void {
  if (r.role === 'leader' || !r.hibernating) return
  r.mark('paxos/hibernation/follower-woken')
  r.hibernating = false
  becomeContent(r)
  if (r.leader !== undefined) {
    r.out.send(r.leader, { type: 'wake', config: r.config, ballot: r.promised })
  }
}
