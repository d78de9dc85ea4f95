// Handing leadership over: on request, to a voter of higher priority, and to one that reaches a
// member which this leader does not.
import type { CallId, NodeId } from '@quorate/core'
import { mayLead } from './ballot-election.ts'
import { surrenderLease } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import { takeOver } from './prepare.ts'
import type { Progress } from './progress.ts'
import type { PaxosState } from './state.ts'

/** Hands leadership to a voter, or to the one that is furthest. */
export function transferLeadership(r: PaxosState, id: CallId, to: NodeId | undefined): void {
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

function eligible(r: PaxosState, p: Progress): boolean {
  return r.membership.voters.includes(p.id) && !p.blank
}

function best(r: PaxosState): Progress | undefined {
  const since = r.now - r.options.electionTimeoutMs
  let found: Progress | undefined
  for (const p of r.peers) {
    if (!eligible(r, p) || p.heardAt <= since) continue
    if (found === undefined || p.match > found.match) found = p
  }
  return found
}

function startTransfer(r: PaxosState, id: CallId | undefined, target: Progress): void {
  r.event('transfer', { to: target.id })
  wakeLeader(r)
  r.transfer = {
    id,
    to: target.id,
    deadline: r.now + r.options.electionTimeoutMs,
    told: false,
  }
  // An acceptor that the target asks will not wait for the lease to end.
  surrenderLease(r)
  transferCaughtUp(r, target)
}

/**
 * Tells the target to prepare once it has accepted everything. Paxos would let it lead with less; the
 * group would then stand still while it pulls the rest.
 */
export function transferCaughtUp(r: PaxosState, p: Progress): void {
  const { transfer } = r
  if (transfer === undefined || transfer.told || !p.inStep || p.match < r.log.lastIndex) return
  transfer.told = true
  // The message may arrive at any later time and then sets the lease aside: there is none in this
  // ballot any more, even if the transfer is given up.
  r.leaseAfterRound = Number.POSITIVE_INFINITY
  r.out.send(p.id, { type: 'takeOver', config: r.config, ballot: r.promised })
}

/** The leader has asked this replica to take over. */
export function handleTakeOver(r: PaxosState): void {
  if (!mayLead(r)) {
    r.mark('paxos/transfer/may-not-lead')
    return
  }
  takeOver(r, true)
}

/** A leader is known: the transfer that this replica began has come to its end. */
export function transferSettled(r: PaxosState): void {
  const { transfer } = r
  if (transfer === undefined || r.role === 'leader') return
  r.transfer = undefined
  if (transfer.id === undefined) return
  if (r.leader === transfer.to) r.out.complete(transfer.id)
  else r.out.reject(transfer.id, 'UNAVAILABLE', 'another replica came to lead', r.leader)
}

/** This replica leads again: whatever it began as an earlier leader came to nothing. */
export function abandonTransfer(r: PaxosState): void {
  const { transfer } = r
  r.transfer = undefined
  if (transfer?.id !== undefined) {
    r.out.reject(transfer.id, 'UNAVAILABLE', `"${transfer.to}" did not take over`, r.id)
  }
}

/** Gives up a transfer that takes longer than an election. Proposals are taken again. */
export function expireTransfer(r: PaxosState): void {
  const { transfer } = r
  if (transfer === undefined || r.now < transfer.deadline) return
  r.mark('paxos/transfer/gave-up')
  r.transfer = undefined
  if (transfer.id !== undefined) {
    r.out.reject(transfer.id, 'TIMEOUT', `"${transfer.to}" did not take over`, r.leader)
  }
}

/** Hands over without being asked, where another voter is preferred or better connected. */
export function handOver(r: PaxosState): void {
  if (r.transfer !== undefined || r.change !== undefined || r.now < r.handOverAfter) return
  if (r.decided < r.syncIndex || r.sealed) return
  const target = preferred(r) ?? betterConnected(r)
  if (target === undefined) return
  r.handOverAfter = r.now + 10 * r.options.electionTimeoutMs
  startTransfer(r, undefined, target)
}

function ready(r: PaxosState, p: Progress): boolean {
  const heard = p.heardAt > r.now - 2 * r.options.heartbeatIntervalMs
  return heard && eligible(r, p) && p.inStep && p.match === r.log.lastIndex
}

function preferred(r: PaxosState): Progress | undefined {
  let found: Progress | undefined
  for (const p of r.peers) {
    if (p.priority <= (found?.priority ?? r.options.priority) || !ready(r, p)) continue
    found = p
  }
  if (found !== undefined) r.mark('paxos/transfer/by-priority')
  return found
}

/** A voter that is asked for a leader by a member which this leader does not hear, while it hears this leader. */
function betterConnected(r: PaxosState): Progress | undefined {
  const since = r.now - r.options.electionTimeoutMs
  for (const p of r.peers) {
    const reaches = p.starved.some((id) => {
      const lost = r.progress.get(id)
      return lost !== undefined && lost.heardAt <= since
    })
    if (!reaches || !ready(r, p)) continue
    r.mark('paxos/transfer/better-connected')
    return p
  }
  return undefined
}
