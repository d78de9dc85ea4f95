// Changes of membership by joint consensus (Ongaro, section 4.3). A membership is in force from the
// moment it is appended; what follows from its being committed is decided here.
import type { CallId, Membership, MembershipTarget, NodeId } from '@quorate/core'
import { isQuorateError, membersOf, membershipOf, sameMembers } from '@quorate/core'
import { membershipPayload } from '@quorate/core/algorithm'
import { becomeFollower } from './election.ts'
import { sendHeartbeat } from './heartbeat.ts'
import { Progress } from './progress.ts'
import { appendOwn, broadcastAppend } from './replication.ts'
import type { RaftState } from './state.ts'
import { passOn } from './transfer.ts'
import { wakeLeader } from './hibernation.ts'

/** Brings the members to a target, through as many stages as it takes. */
export function changeMembership(
  r: RaftState,
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
  r.change = { id, target: wished, stage: 'change', deadline: 0, caughtUp: 0 }
  const behind = newVoters(r).filter((voter) => !caughtUp(r, voter))
  if (behind.length === 0) enter(r, wished)
  else learnFirst(r, behind)
}

function refusal(
  r: RaftState,
  expectedVersion: number | undefined,
): { code: 'NOT_LEADER' | 'CONFLICT' | 'PROPOSAL_DROPPED'; reason: string } | undefined {
  const { version, outgoing } = r.membership
  if (r.role !== 'leader') return { code: 'NOT_LEADER', reason: 'only a leader changes members' }
  if (r.transfer !== undefined) {
    return { code: 'PROPOSAL_DROPPED', reason: 'leadership is being handed over' }
  }
  // Before an entry of this term is committed, a change by an earlier leader may yet be committed
  // too, and the two could have disjoint majorities (Ongaro, raft-dev, 2015).
  if (r.commitIndex < r.termStart) {
    return { code: 'PROPOSAL_DROPPED', reason: 'the leader has not committed in its term yet' }
  }
  if (r.change !== undefined || outgoing.length > 0 || r.configs.lastIndex > r.commitIndex) {
    return { code: 'CONFLICT', reason: 'another change of membership is under way' }
  }
  if (expectedVersion !== undefined && expectedVersion !== version) {
    return { code: 'CONFLICT', reason: `the membership is at version ${version}` }
  }
  return undefined
}

function wishedMembers(r: RaftState, target: MembershipTarget): Membership | string {
  let wished: Membership
  try {
    wished = membershipOf(target)
  } catch (error) {
    if (isQuorateError(error)) return error.message
    throw error
  }
  const count = wished.voters.length + wished.learners.length
  if (count > r.limits.membersMax) return `${count} members, at most ${r.limits.membersMax}`
  const { witnesses, voters, learners } = r.membership
  const stateless = witnesses.find(
    (id) => membersOf(wished).includes(id) && !wished.witnesses.includes(id),
  )
  if (stateless !== undefined) {
    return `witness "${stateless}" has no state: remove it, drop its data and add it anew`
  }
  const keeper = wished.witnesses.find(
    (id) => !witnesses.includes(id) && (voters.includes(id) || learners.includes(id)),
  )
  if (keeper !== undefined) return `"${keeper}" keeps state: remove it before it becomes a witness`
  return wished
}

function newVoters(r: RaftState): readonly NodeId[] {
  const { target } = r.change as { target: Membership }
  return target.voters.filter((id) => !r.membership.voters.includes(id))
}

function caughtUp(r: RaftState, id: NodeId): boolean {
  const p = r.progress.get(id)
  if (p === undefined || p.blank || p.match === 0) return false
  return p.match + r.options.promoteLagEntries >= r.log.lastIndex
}

/** New voters catch up as learners first: an empty log must not be needed for a quorum. */
function learnFirst(r: RaftState, behind: readonly NodeId[]): void {
  const { voters, learners, witnesses } = r.membership
  const change = r.change as NonNullable<RaftState['change']>
  change.stage = 'learn'
  change.deadline = r.now + 10 * r.options.electionTimeoutMs
  const added = behind.filter((id) => !learners.includes(id))
  if (added.length === 0) return
  const all = [...learners, ...added].sort()
  appendMembership(r, voters, all, witnesses)
}

/** Goes on with a change whose new voters have caught up. */
export function membershipCaughtUp(r: RaftState): void {
  const { change } = r
  if (change === undefined || change.stage !== 'learn') return
  if (r.configs.lastIndex > r.commitIndex || r.transfer !== undefined) return
  if (!newVoters(r).every((id) => caughtUp(r, id))) return
  r.mark('raft/membership/promoted')
  change.stage = 'change'
  enter(r, change.target)
}

/** Gives a change up whose new voters do not come nearer. They stay learners. */
export function expireChange(r: RaftState): void {
  const { change } = r
  if (change === undefined || change.stage !== 'learn' || r.now < change.deadline) return
  const matched = newVoters(r).map((id) => r.progress.get(id)?.match ?? 0)
  const least = Math.min(...matched)
  if (least > change.caughtUp) {
    change.caughtUp = least
    change.deadline = r.now + 10 * r.options.electionTimeoutMs
    return
  }
  r.mark('raft/membership/gave-up')
  r.change = undefined
  r.out.reject(
    change.id,
    'OUTCOME_UNKNOWN',
    'new voters did not catch up; they stay learners',
    r.id,
  )
}

function enter(r: RaftState, wished: Membership): void {
  const { voters, witnesses } = r.membership
  const leaving = voters.filter((id) => !wished.voters.includes(id))
  const joining = wished.voters.filter((id) => !voters.includes(id))
  // Majorities of sets that differ by one voter meet; with other quorums they need not.
  if (leaving.length + joining.length <= 1 && r.options.commitSlack === 0) {
    appendMembership(r, wished.voters, wished.learners, wished.witnesses)
    return
  }
  appendMembership(
    r,
    wished.voters,
    // Who still votes in the outgoing half becomes a learner only when that half is gone.
    wished.learners.filter((id) => !voters.includes(id)),
    [...new Set([...wished.witnesses, ...witnesses])].sort(),
    voters,
    wished.learners.filter((id) => voters.includes(id)),
  )
}

function leaveJoint(r: RaftState): void {
  const { voters, learners, learnersNext, witnesses } = r.membership
  const remaining = witnesses.filter((id) => voters.includes(id))
  appendMembership(r, voters, [...learners, ...learnersNext].sort(), remaining)
}

/**
 * Says again who the members are, where only those who founded the group know: a replica that starts
 * with nothing learns it from the log or from a snapshot, and neither tells.
 */
export function restateMembers(r: RaftState): void {
  // Until then an earlier leader's change may yet be committed; nothing else could be either.
  if (r.commitIndex < r.termStart) return
  r.mark('raft/membership/restated')
  const { voters, learners, witnesses } = r.membership
  appendMembership(r, voters, learners, witnesses)
}

// Never refused for want of room: a group in joint consensus needs both quorums until it is out.
function appendMembership(
  r: RaftState,
  voters: readonly NodeId[],
  learners: readonly NodeId[],
  witnesses: readonly NodeId[],
  outgoing: readonly NodeId[] = [],
  learnersNext: readonly NodeId[] = [],
): void {
  const version = r.membership.version + 1
  const membership: Membership = { version, voters, learners, witnesses, outgoing, learnersNext }
  const entry = {
    index: r.log.lastIndex + 1,
    epoch: r.term,
    kind: 'membership' as const,
    payload: membershipPayload(membership),
  }
  appendOwn(r, [entry], 0)
  r.configs.append(entry)
  r.event('membership', { version, index: entry.index })
  const before = r.peers
  trackMembers(r)
  broadcastAppend(r)
  farewell(r, before)
}

/** Makes a leader's peers those of the membership in force; what is known of those who stay is kept. */
export function trackMembers(r: RaftState): void {
  const { membership } = r
  const peers: Progress[] = []
  for (const id of membersOf(membership)) {
    if (id === r.id) continue
    // Until the membership is committed it may be undone, and the entries sent meanwhile with it: a
    // replica that turned out to be no witness would be left without their commands.
    const committed = r.configs.lastIndex <= r.commitIndex
    const witness = committed && membership.witnesses.includes(id)
    let p = r.progress.get(id)
    if (p === undefined) {
      p = new Progress(id, r.log.lastIndex + 1, witness, r.now)
      // It may have been a member before, and have acknowledged what it has dropped since.
      p.staleUpTo = r.appendId
    }
    p.witness = witness
    peers.push(p)
  }
  r.peers = peers
  r.progress.clear()
  for (const p of peers) r.progress.set(p.id, p)
}

/** What a leader does once its commit index has advanced. */
export function membershipCommitted(r: RaftState): void {
  const { membership, configs, change } = r
  if (configs.lastIndex > r.commitIndex) return
  if (r.peers.some((p) => p.witness !== membership.witnesses.includes(p.id))) trackMembers(r)
  if (membership.outgoing.length > 0) {
    // Committed in both halves, and only now, and only once: the entry appended here is not committed.
    if (r.commitIndex >= r.termStart) {
      r.mark('raft/membership/leave-joint')
      leaveJoint(r)
    }
    return
  }
  if (change !== undefined && change.stage === 'learn') {
    membershipCaughtUp(r)
    return
  }
  if (change !== undefined) {
    r.change = undefined
    r.out.complete(change.id)
  }
  if (!r.isVoter) stepAside(r)
}

/** Those who are no longer members learn as much as one message can tell; they know then that they may stay silent. */
function farewell(r: RaftState, before: readonly Progress[]): void {
  for (const p of before) {
    if (r.progress.has(p.id) || p.state !== 'replicate' || p.witness) continue
    if (p.next < r.log.windowFirst) continue
    const prevTerm = r.log.epoch(p.next - 1)
    if (prevTerm === undefined) continue
    const entries = r.log.slice(p.next, r.log.lastIndex, r.limits.messageBytesMax)
    r.appendId += 1
    r.out.send(p.id, {
      type: 'append',
      term: r.term,
      id: r.appendId,
      prevIndex: p.next - 1,
      prevTerm,
      commit: r.commitIndex,
      entries,
    })
  }
}

/** A leader that is no voter any more has committed its own removal: it tells so, names its heir and stops. */
function stepAside(r: RaftState): void {
  r.mark('raft/membership/leader-removed')
  for (const p of r.peers) sendHeartbeat(r, p, false, false)
  passOn(r)
  becomeFollower(r, r.term, undefined)
}

/** A leader that leads no more cannot tell what becomes of the change. */
export function abandonChange(r: RaftState): void {
  if (r.change === undefined) return
  r.out.reject(r.change.id, 'OUTCOME_UNKNOWN', 'leadership was lost during the change', undefined)
  r.change = undefined
}
