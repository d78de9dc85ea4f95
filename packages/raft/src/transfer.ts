// Handing leadership over: on request, to a voter of higher priority, and to one that reaches a
// member which this leader does not.
import type { CallId, NodeId } from '@quorate/core'
import { campaign, promotable } from './election.ts'
import { surrenderLease } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import type { Progress } from './progress.ts'
import type { RaftState } from './state.ts'

/** Hands leadership to a voter, or to the one that is furthest. */
export function transferLeadership(r: RaftState, id: CallId, to: NodeId | undefined): void {
  if (r.role !== 'leader') {
    r.out.reject(id, 'NOT_LEADER', 'only a leader hands over leadership', r.leader)
    return
  }
  if (to === r.id) {
    r.out.complete(id)
    return
  }
  if (r.transfer !== undefined) {
    r.out.reject(id, 'CONFLICT', 'leadership is already being handed over', r.id)
    return
  }
  const target = to === undefined ? best(r) : r.progress.get(to)
  if (target === undefined || !eligible(r, target)) {
    const whom = to === undefined ? 'no other voter can lead' : `"${to}" cannot lead`
    r.out.reject(id, 'INVALID_ARGUMENT', whom, r.id)
    return
  }
  startTransfer(r, id, target)
}

function eligible(r: RaftState, p: Progress): boolean {
  return r.membership.voters.includes(p.id) && !p.witness && !p.blank
}

function best(r: RaftState): Progress | undefined {
  const since = r.now - r.options.electionTimeoutMs
  let found: Progress | undefined
  for (const p of r.peers) {
    if (!eligible(r, p) || p.heardAt <= since) continue
    if (found === undefined || p.match > found.match) found = p
  }
  return found
}

function startTransfer(r: RaftState, id: CallId | undefined, target: Progress): void {
  r.event('transfer', { to: target.id })
  wakeLeader(r)
  r.transfer = {
    id,
    to: target.id,
    deadline: r.now + r.options.electionTimeoutMs,
    told: false,
  }
  // A voter that the target asks will not wait for the lease to end.
  surrenderLease(r)
  transferCaughtUp(r, target)
}

/** Tells the target to campaign once its log is as long as this one, durably, its own membership included. */
export function transferCaughtUp(r: RaftState, p: Progress): void {
  const { transfer } = r
  if (transfer === undefined || transfer.told || p.match < r.log.lastIndex) return
  transfer.told = true
  // The message may arrive at any later time and then sets the voters' shield aside: there is no
  // lease in this term any more, even if the transfer is given up.
  r.leaseAfterRound = Number.POSITIVE_INFINITY
  r.out.send(p.id, { type: 'timeoutNow', term: r.term })
}

/** The leader has asked this replica to take over. */
export function handleTimeoutNow(r: RaftState): void {
  if (!promotable(r)) {
    r.mark('raft/transfer/not-promotable')
    return
  }
  campaign(r, true)
}

/** A leader is known: the transfer that this replica began has come to its end. */
export function transferSettled(r: RaftState): void {
  const { transfer } = r
  if (transfer === undefined || r.role === 'leader') return
  r.transfer = undefined
  if (transfer.id === undefined) return
  if (r.leader === transfer.to) r.out.complete(transfer.id)
  else r.out.reject(transfer.id, 'UNAVAILABLE', 'another replica came to lead', r.leader)
}

/** This replica leads again: whatever it began as an earlier leader came to nothing. */
export function abandonTransfer(r: RaftState): void {
  const { transfer } = r
  r.transfer = undefined
  if (transfer?.id !== undefined) {
    r.out.reject(transfer.id, 'UNAVAILABLE', `"${transfer.to}" did not take over`, r.id)
  }
}

/** Gives up a transfer that takes longer than an election. Proposals are taken again. */
export function expireTransfer(r: RaftState): void {
  const { transfer } = r
  if (transfer === undefined || r.now < transfer.deadline) return
  r.mark('raft/transfer/gave-up')
  r.transfer = undefined
  if (transfer.id !== undefined) {
    r.out.reject(transfer.id, 'TIMEOUT', `"${transfer.to}" did not take over`, r.leader)
  }
}

/** Names an heir at once: for a leader that leaves, or that has lost its quorum, which the heir may reach. */
export function passOn(r: RaftState): void {
  const heir = best(r)
  if (heir === undefined || heir.match < r.log.lastIndex) return
  r.out.send(heir.id, { type: 'timeoutNow', term: r.term })
}

/** Hands leadership to who passed votes on: it reaches them, which this leader does not. */
export function passToRelay(r: RaftState): void {
  const p = r.via === undefined ? undefined : r.progress.get(r.via)
  if (p !== undefined && eligible(r, p)) startTransfer(r, undefined, p)
}

/** Hands over without being asked, where another voter is preferred or better connected. */
export function handOver(r: RaftState): void {
  if (r.transfer !== undefined || r.change !== undefined || r.now < r.handOverAfter) return
  if (r.commitIndex < r.termStart) return
  const target = preferred(r) ?? betterConnected(r)
  if (target === undefined) return
  r.handOverAfter = r.now + 10 * r.options.electionTimeoutMs
  startTransfer(r, undefined, target)
}

function ready(r: RaftState, p: Progress): boolean {
  const heard = p.heardAt > r.now - 2 * r.options.heartbeatIntervalMs
  return heard && eligible(r, p) && p.match === r.log.lastIndex
}

function preferred(r: RaftState): Progress | undefined {
  let found: Progress | undefined
  for (const p of r.peers) {
    if (p.priority <= (found?.priority ?? r.options.priority) || !ready(r, p)) continue
    found = p
  }
  if (found !== undefined) r.mark('raft/transfer/by-priority')
  return found
}

/** A voter that is asked for votes by a member which this leader does not hear, while it hears all that this leader does. */
function betterConnected(r: RaftState): Progress | undefined {
  const since = r.now - r.options.electionTimeoutMs
  for (const p of r.peers) {
    const reaches = p.starved.some((id) => {
      const lost = r.progress.get(id)
      return lost !== undefined && lost.heardAt <= since
    })
    if (!reaches || !ready(r, p)) continue
    r.mark('raft/transfer/better-connected')
    return p
  }
  return undefined
}
