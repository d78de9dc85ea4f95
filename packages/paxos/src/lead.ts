// The beginning of a leadership: the log is adopted, and from here on everything in it and after it
// is accepted under the leader's own ballot.
import type { LogIndex } from '@quorate/core'
import { assert, membersOf } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import { decide } from './decide.ts'
import { startHeartbeats, startRound } from './heartbeat.ts'
import { Progress } from './progress.ts'
import { stopPull } from './pull.ts'
import { followerReads } from './read-barrier.ts'
import { epochStarted } from './reconfigure.ts'
import { beginStream, broadcastAccept } from './replicate.ts'
import type { PaxosState } from './state.ts'
import { abandonTransfer } from './transfer.ts'

/** Leads the ballot that a quorum promised. */
export function lead(r: PaxosState, adopted: Ballot, decided: LogIndex): void {
  assert(r.role === 'preparing', 'only who prepared leads')
  r.role = 'leader'
  r.leader = r.id
  r.resendAt = r.prepareDeadline = Number.POSITIVE_INFINITY
  r.adopted = adopted
  r.syncIndex = r.log.lastIndex
  r.ledSince = r.now
  r.busyAt = r.now
  r.undecided.reset()
  abandonTransfer(r)
  trackMembers(r)
  r.event('lead', { syncIndex: r.syncIndex })
  startHeartbeats(r)
  for (const p of r.peers) {
    const standing = r.promises.get(p.id)
    if (standing !== undefined) beginStream(r, p, standing)
  }
  r.promises.clear()
  stopPull(r)
  if (decided > r.decided) decide(r, decided)
  if (r.role !== 'leader') return
  broadcastAccept(r)
  // The first round tells who did not promise, and renews the lease.
  startRound(r)
  followerReads(r)
  epochStarted(r)
}

function trackMembers(r: PaxosState): void {
  r.peers = []
  r.progress.clear()
  for (const id of membersOf(r.membership)) {
    if (id === r.id) continue
    const p = new Progress(id, r.now)
    r.peers.push(p)
    r.progress.set(id, p)
  }
}
