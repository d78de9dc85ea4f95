// Changes of membership by stop-sign: an entry that seals its epoch and names the next one's members.
// Once it is decided the next epoch begins, wherever a quorum of its members holds all before it.
import type { CallId, LogIndex, Membership, MembershipTarget, NodeId } from '@quorate/core'
import { isQuorateError, isVoter, membershipOf, sameMembers } from '@quorate/core'
import { membershipPayload } from '@quorate/core/algorithm'
import { becomeDiscontent, mayLead } from './ballot-election.ts'
import { watchSuccessors } from './hand-over.ts'
import { sendHeartbeat, startRound } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import { becomeFollower, takeOver } from './prepare.ts'
import type { Progress } from './progress.ts'
import { quorumsRefuse } from './quorums.ts'
import { appendOwn, broadcastAccept } from './replicate.ts'
import type { PaxosState, PendingChange } from './state.ts'

/** Brings the members to a target: new voters catch up, then the epoch is sealed. */
export function changeMembership(
  r: PaxosState,
  id: CallId,
  target: MembershipTarget,
  expectedVersion: number | undefined,
): void {
  const refuse = refusal(r, expectedVersion)
  if (refuse !== undefined) {
    r.out.reject(id, refuse.code, refuse.reason, r.leader)
    return
  }
  const wished = wishedMembers(r, target)
  if (typeof wished === 'string') {
    r.out.reject(id, 'INVALID_MEMBERSHIP', wished, undefined)
    return
  }
  if (sameMembers(wished, r.membership)) {
    r.out.complete(id)
    return
  }
  wakeLeader(r)
  begin(r, id, wished)
}

function refusal(
  r: PaxosState,
  expectedVersion: number | undefined,
): { code: 'NOT_LEADER' | 'CONFLICT' | 'PROPOSAL_DROPPED'; reason: string } | undefined {
  if (r.role !== 'leader') return { code: 'NOT_LEADER', reason: 'only a leader changes members' }
  if (r.transfer !== undefined) {
    return { code: 'PROPOSAL_DROPPED', reason: 'leadership is being handed over' }
  }
  if (r.change !== undefined || r.sealed) {
    return { code: 'CONFLICT', reason: 'another change of membership is under way' }
  }
  if (expectedVersion !== undefined && expectedVersion !== r.config) {
    return { code: 'CONFLICT', reason: `the membership is at version ${r.config}` }
  }
  return undefined
}

function wishedMembers(r: PaxosState, target: MembershipTarget): Membership | string {
  let wished: Membership
  try {
    wished = membershipOf(target, r.config + 1)
  } catch (error) {
    if (isQuorateError(error)) return error.message
    throw error
  }
  const count = wished.voters.length + wished.learners.length
  if (count > r.limits.membersMax) return `${count} members, at most ${r.limits.membersMax}`
  if (wished.witnesses.length > 0) return 'Paxos has no witnesses: every voter keeps state'
  return quorumsRefuse(wished.voters.length, r.options) ?? wished
}

function begin(r: PaxosState, id: CallId | undefined, target: Membership): void {
  const deadline = r.now + 10 * r.options.electionTimeoutMs
  r.change = { id, target, stage: 'learn', deadline, caughtUp: 0, joiners: new Map() }
  // Those who are to vote say how they stand.
  if (!sealWhenReady(r)) startRound(r)
}

function newVoters(r: PaxosState, { target }: PendingChange): readonly NodeId[] {
  return target.voters.filter((id) => !r.membership.voters.includes(id))
}

/** How far a new voter has come, where it has been heard of at all. */
function comeTo(r: PaxosState, change: PendingChange, id: NodeId): LogIndex | undefined {
  const p = r.progress.get(id)
  if (p !== undefined) return p.inStep && p.briefed ? p.match : undefined
  return change.joiners.get(id)
}

/**
 * Seals the epoch once all new voters are near the log's end: the next one shall not wait for them long.
 * Nor before all that lack their past know where it ended, or they could not vote in the next either.
 */
export function sealWhenReady(r: PaxosState): boolean {
  const { change } = r
  if (change === undefined || change.stage !== 'learn' || r.transfer !== undefined) return false
  for (const id of newVoters(r, change)) {
    const index = comeTo(r, change, id)
    if (index === undefined || index + r.options.promoteLagEntries < r.log.lastIndex) return false
  }
  for (const p of r.peers) {
    if (p.blank && !p.briefed && change.target.voters.includes(p.id)) return false
  }
  seal(r, change)
  return true
}

/** The stop-sign. Never refused for want of room: nothing follows it in this epoch. */
function seal(r: PaxosState, change: PendingChange): void {
  change.stage = 'seal'
  const payload = membershipPayload(change.target)
  const entry = {
    index: r.log.lastIndex + 1,
    epoch: r.promised,
    kind: 'membership' as const,
    payload,
  }
  appendOwn(r, [entry], 0)
  r.configs.append(entry)
  r.event('seal', { version: change.target.version, index: entry.index })
  broadcastAccept(r)
}

/** Tells those who shall join that the group exists: they pull what is decided, and answer. */
export function tellJoiners(r: PaxosState): void {
  const { change } = r
  if (change === undefined || change.stage !== 'learn') return
  for (const id of newVoters(r, change)) {
    if (!r.progress.has(id)) sendHeartbeat(r, id, 0, true, false)
  }
}

/** Whether a replica is about to become a voter. */
export function joins(r: PaxosState, id: NodeId): boolean {
  return r.change?.target.voters.includes(id) === true
}

/** One who shall join tells how far it is. */
export function joinerHeard(r: PaxosState, from: NodeId, decided: LogIndex): void {
  const { change } = r
  if (change === undefined || !joins(r, from)) return
  change.joiners.set(from, Math.max(decided, change.joiners.get(from) ?? 0))
  sealWhenReady(r)
}

/** Gives a change up whose new voters do not come nearer. Nothing has happened yet. */
export function tickChange(r: PaxosState): void {
  const { change } = r
  if (change === undefined || change.stage !== 'learn' || sealWhenReady(r)) return
  if (r.now < change.deadline) return
  const least = Math.min(...newVoters(r, change).map((id) => comeTo(r, change, id) ?? 0))
  if (least > change.caughtUp) {
    change.caughtUp = least
    change.deadline = r.now + 10 * r.options.electionTimeoutMs
    return
  }
  r.mark('paxos/reconfigure/gave-up')
  r.change = undefined
  if (change.id !== undefined) {
    r.out.reject(
      change.id,
      'UNAVAILABLE',
      'the new voters did not catch up; nothing was changed',
      r.id,
    )
  }
}

/**
 * A stop-sign is decided: from here on this replica works under the members that it names. What it
 * accepted counts under the old ones only, and lies decided in the log; promises are never forgotten.
 */
export function activate(r: PaxosState): void {
  const { index, membership } = r.configs.at(r.decided)
  const before = r.membership
  const led = r.role === 'leader'
  if (r.change !== undefined) r.change.stage = 'start'
  r.membership = membership
  r.accepted = 0
  r.acceptedSeq = 0
  r.floor = undefined
  r.repair = undefined
  // No lease of the old epoch binds the new one: its leader knew of the stop-sign first.
  r.grantedUntil = r.leaseUntil = Number.NEGATIVE_INFINITY
  // Who learns again what it knew before does not know the new one for new.
  if (r.relearn === undefined) r.silentUntil = r.now
  // Removed before, and a member again: it has its own say now.
  r.watching = false
  r.out.hardStateChanged = true
  becomeFollower(r, Math.max(r.promised, r.log.epoch(index) ?? 0), undefined)
  becomeDiscontent(r)
  r.event('epoch', { version: membership.version, index })
  if (!isVoter(membership, r.id)) watchSuccessors(r, before, led)
  else if (led && mayLead(r)) takeOver(r, false)
}

/** The membership in force has a leader: whoever asked for it is told. */
export function epochStarted(r: PaxosState): void {
  const { change } = r
  if (change === undefined || change.stage !== 'start') return
  r.change = undefined
  if (change.id !== undefined) r.out.complete(change.id)
}

/** A leader that leads no more cannot tell what becomes of a stop-sign that is not decided. */
export function abandonChange(r: PaxosState): void {
  const { change } = r
  if (change === undefined || change.stage === 'start') return
  r.change = undefined
  if (change.id === undefined) return
  const [code, why] =
    change.stage === 'learn'
      ? (['UNAVAILABLE', 'leadership was lost before the change; nothing was changed'] as const)
      : (['OUTCOME_UNKNOWN', 'leadership was lost during the change'] as const)
  r.out.reject(change.id, code, why, undefined)
}

/**
 * Takes a peer's word on whether it lacks its past. A voter that does counts for nothing as long as
 * this epoch lasts, since what it promised and forgot still binds others. So the epoch is ended: the
 * next one has the same members, and nothing was promised in it.
 */
export function noteBlank(r: PaxosState, p: Progress, blank: boolean): void {
  if (blank) p.blank = true
  if (!p.blank || !p.briefed || !r.membership.voters.includes(p.id)) return
  if (r.change !== undefined || r.sealed || r.decided < r.syncIndex || r.now < r.handOverAfter)
    return
  if (p.decided + r.options.promoteLagEntries < r.log.lastIndex) return
  r.mark('paxos/reconfigure/for-a-blank-voter')
  r.handOverAfter = r.now + 10 * r.options.electionTimeoutMs
  begin(r, undefined, { ...r.membership, version: r.config + 1 })
}
