// Who leads: campaigns with their poll beforehand, votes, and the ways back to being a follower.
// Nothing here counts a vote, its own included, before it is durable where it was given.
import type { Epoch, LogIndex, NodeId } from '@quorate/core'
import { assert, isMember, isVoter, membersOf } from '@quorate/core'
import type { VoteReply, VoteRequest } from './messages.ts'
import { appendNoop, broadcastAppend } from './replication.ts'
import { startHeartbeats } from './heartbeat.ts'
import { followerReads, leaderFound, leaderLost } from './read-index.ts'
import { abandonChange, trackMembers } from './membership.ts'
import { electionOutcome } from './quorums.ts'
import type { RaftState } from './state.ts'
import { seekLeader, seeks } from './hibernation.ts'
import { refilling } from './refill.ts'
import { abandonTransfer, passToRelay, transferSettled } from './transfer.ts'

/** Draws the time at which a replica that hears no leader campaigns. */
export function resetElectionDeadline(r: RaftState): void {
  const timeout = r.options.electionTimeoutMs
  r.electionTimeout = timeout * (1 + r.random.fraction())
  r.electionDeadline =
    mayCampaign(r) || seeks(r) ? r.now + r.electionTimeout : Number.POSITIVE_INFINITY
}

function mayCampaign(r: RaftState): boolean {
  return promotable(r) && r.options.priority > 0
}

/** Nobody was heard for too long. */
export function timedOut(r: RaftState): void {
  if (mayCampaign(r)) campaign(r, false)
  else {
    if (seeks(r)) seekLeader(r)
    resetElectionDeadline(r)
  }
}

/** A leader of this term was heard: waits for it anew. */
export function hearLeader(r: RaftState, from: NodeId): void {
  r.heardAt = r.now
  r.heardFrom = from
  if (r.electionDeadline !== Number.POSITIVE_INFINITY)
    r.electionDeadline = r.now + r.electionTimeout
}

/**
 * Whether the replica may campaign: it votes, keeps a state that it trusts, and its log is at least
 * what it once acknowledged. Checked at every way into a campaign.
 */
export function promotable(r: RaftState): boolean {
  return (
    !refilling(r) &&
    (r.isVoter || leaving(r)) &&
    !r.membership.witnesses.includes(r.id) &&
    !r.blank &&
    upToDate(r.log.lastIndex, r.log.lastEpoch, r.floorIndex, r.floorTerm)
  )
}

/**
 * Whether its own removal is in its log and may not be committed. It may hold the only copy that can
 * win, so that without it those who remain could wait for ever (Ongaro, section 4.2.2).
 */
function leaving(r: RaftState): boolean {
  return (
    r.configs.lastIndex > r.commitIndex && isVoter(r.configs.at(r.commitIndex).membership, r.id)
  )
}

/** Moves to a term, or stays in it, as a follower. The vote survives within a term. */
export function becomeFollower(r: RaftState, term: Epoch, leader: NodeId | undefined): void {
  assert(term >= r.term, 'terms never fall')
  if (term > r.term) {
    r.term = term
    r.vote = undefined
    r.out.hardStateChanged = true
    r.verified = 0
  }
  const wasLeader = r.role === 'leader'
  // A candidate's term alone is no reason to wait longer: where only this replica can win, others that
  // cannot would put it off again and again.
  const waits = r.role !== 'follower' || leader !== undefined
  r.role = 'follower'
  r.leader = leader
  r.votes.clear()
  r.transferring = false
  if (wasLeader) stopLeading(r)
  if (leader !== undefined) {
    transferSettled(r)
    leaderFound(r)
  }
  if (waits || r.electionDeadline === Number.POSITIVE_INFINITY) resetElectionDeadline(r)
  r.event('become-follower', { leader: leader ?? null })
}

function stopLeading(r: RaftState): void {
  r.peers = []
  r.progress.clear()
  r.heartbeatAt = Number.POSITIVE_INFINITY
  r.leaseUntil = Number.NEGATIVE_INFINITY
  r.uncommitted.reset()
  r.rounds.length = 0
  r.hibernating = false
  abandonChange(r)
  leaderLost(r)
}

/** Campaigns: polls first unless that is switched off or the leader itself asked for it. */
export function campaign(r: RaftState, transfer: boolean): void {
  assert(r.role !== 'leader', 'a leader does not campaign')
  if (!promotable(r)) {
    resetElectionDeadline(r)
    return
  }
  if (!r.isVoter) r.mark('raft/election/leaving-campaigns')
  // The last one came to no end: maybe a quorum can only be reached through others.
  r.relaying = !transfer && r.role !== 'follower'
  r.via = undefined
  const alone = membersOf(r.membership).length === 1
  if (r.options.preVote && !transfer && !alone) becomePreCandidate(r)
  else becomeCandidate(r, transfer)
}

function becomePreCandidate(r: RaftState): void {
  r.role = 'pre-candidate'
  r.leader = undefined
  r.votes.clear()
  r.transferring = false
  resetElectionDeadline(r)
  r.event('become-pre-candidate', {})
  // A poll promises nothing, so its own answer need not be durable.
  r.votes.set(r.id, true)
  requestVotes(r, true, r.term + 1)
  tally(r)
}

function becomeCandidate(r: RaftState, transfer: boolean): void {
  r.role = 'candidate'
  r.leader = undefined
  r.votes.clear()
  r.term += 1
  r.vote = r.id
  r.transferring = transfer
  r.out.hardStateChanged = true
  // This step's batch carries the vote; it counts once that is durable.
  r.voteSeq = r.seq + 1
  resetElectionDeadline(r)
  r.event('become-candidate', { transfer })
  requestVotes(r, false, r.term)
}

function requestVotes(r: RaftState, pre: boolean, term: Epoch): void {
  const message: VoteRequest = {
    type: 'vote',
    term,
    pre,
    transfer: r.transferring,
    relay: r.relaying,
    candidate: r.id,
    lastIndex: r.log.lastIndex,
    lastTerm: r.log.lastEpoch,
  }
  for (const id of votersOf(r)) {
    if (id === r.id) continue
    // A grant binds the voter to this log: a request that left before the log and the vote were
    // durable could elect, after a crash, the same replica with a shorter log in the same term.
    if (pre) r.out.send(id, message)
    else r.out.sendAfterPersist(id, message)
  }
}

function votersOf(r: RaftState): ReadonlySet<NodeId> {
  return new Set([...r.membership.voters, ...r.membership.outgoing])
}

/** Counts its own vote, now that it is durable. */
export function ownVoteDurable(r: RaftState): void {
  if (r.role !== 'candidate' || r.durableSeq < r.voteSeq || r.votes.has(r.id)) return
  r.votes.set(r.id, true)
  tally(r)
}

function tally(r: RaftState): void {
  const outcome = electionOutcome(r.membership, r.options, (id) => r.votes.get(id))
  if (outcome === 'lost') {
    r.mark('raft/election/lost')
    becomeFollower(r, r.term, undefined)
  } else if (outcome === 'won') {
    if (r.role === 'pre-candidate') becomeCandidate(r, false)
    else if (r.votes.get(r.id) === true) becomeLeader(r)
    // Others elected it before its own vote was durable. It waits for that: it could otherwise
    // crash, forget the vote and give it to another in this term, while its entries are counted.
    else r.mark('raft/election/won-before-own-vote')
  }
}

/** Leads the term that it won. */
function becomeLeader(r: RaftState): void {
  assert(r.role === 'candidate' && r.vote === r.id, 'a leader won its term')
  r.role = 'leader'
  r.leader = r.id
  r.electionDeadline = Number.POSITIVE_INFINITY
  r.votes.clear()
  r.fetch = undefined
  r.ledSince = r.now
  r.busyAt = r.now
  r.handOverAfter = r.now + 2 * r.options.electionTimeoutMs
  r.leaseUntil = Number.NEGATIVE_INFINITY
  abandonTransfer(r)
  r.peers = []
  r.progress.clear()
  trackMembers(r)
  // An entry of its own term tells it what is committed (Ongaro, section 6.4) and commits what
  // earlier terms left behind; no read and no change of members before it is committed.
  appendNoop(r)
  r.termStart = r.log.lastIndex
  broadcastAppend(r)
  startHeartbeats(r)
  followerReads(r)
  passToRelay(r)
  r.event('become-leader', { index: r.log.lastIndex })
}

/** Answers a request for a vote of this or a later term. */
export function handleVote(r: RaftState, from: NodeId, m: VoteRequest): void {
  const { candidate } = m
  if (shielded(r, m)) {
    r.mark('raft/election/shielded')
    if (m.pre) {
      if (from === candidate && isMember(r.membership, from)) r.starvedAt.set(from, r.now)
      rejectVote(r, from, m)
    }
    return
  }
  if (!m.pre && m.term > r.term) becomeFollower(r, m.term, undefined)
  const free = r.vote === candidate || (r.vote === undefined && r.leader === undefined)
  const may = m.pre ? m.term > r.term || (m.term === r.term && free) : m.term === r.term && free
  if (may && !r.blank && acceptable(r, m)) {
    grantVote(r, from, m)
  } else {
    if (may && r.blank) r.mark('raft/election/blank-refuses')
    rejectVote(r, from, m)
  }
}

/**
 * Whether a leader is heard, or may be relying on its lease, so that no other may be elected yet.
 * The leader that is heard may itself ask, and may ask another to (Ongaro, sections 4.2.3, 6.4.1).
 */
function shielded(r: RaftState, m: VoteRequest): boolean {
  if (m.transfer || m.term < r.term) return false
  if (r.now < r.silentUntil) return true
  if (!r.options.checkQuorum) return false
  if (r.role === 'leader') return true
  return r.heardFrom !== m.candidate && r.now < r.heardAt + r.options.electionTimeoutMs
}

function acceptable(r: RaftState, m: VoteRequest): boolean {
  const { log } = r
  if (!upToDate(m.lastIndex, m.lastTerm, log.lastIndex, log.lastEpoch)) return false
  if (upToDate(m.lastIndex, m.lastTerm, r.floorIndex, r.floorTerm)) return true
  r.mark('raft/election/below-floor')
  return false
}

/** Whether a log that ends at one entry holds all that a log ending at another committed (Raft, section 5.4.1). */
export function upToDate(
  lastIndex: LogIndex,
  lastTerm: Epoch,
  thanIndex: LogIndex,
  thanTerm: Epoch,
): boolean {
  return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex >= thanIndex)
}

function grantVote(r: RaftState, to: NodeId, m: VoteRequest): void {
  const { candidate } = m
  if (m.relay) relay(r, m)
  const reply = voteReply(r, m, m.term, true)
  if (m.pre) {
    r.out.send(to, reply)
    return
  }
  if (r.role !== 'follower') becomeFollower(r, r.term, undefined)
  r.vote = candidate
  r.out.hardStateChanged = true
  resetElectionDeadline(r)
  r.event('grant-vote', { to: candidate })
  r.out.sendAfterPersist(to, reply)
}

/**
 * Passes a request on that this replica itself grants. A vote is a durable statement of the voter's,
 * so it does not matter which way it travels. Where nobody can lead who reaches a quorum and holds
 * all that is committed, one that holds it is elected this way, and brings it to whom it reaches.
 */
function relay(r: RaftState, m: VoteRequest): void {
  r.mark('raft/election/passed-on')
  for (const id of votersOf(r)) {
    if (id !== r.id && id !== m.candidate) r.out.send(id, { ...m, relay: false })
  }
}

function voteReply(r: RaftState, m: VoteRequest, term: Epoch, granted: boolean): VoteReply {
  const { pre, candidate } = m
  return { type: 'voteReply', term, pre, granted, candidate, voter: r.id }
}

/** Refuses a vote, telling its own term, which may be news to the candidate. */
export function rejectVote(r: RaftState, to: NodeId, m: VoteRequest): void {
  r.out.sendAfterPersist(to, voteReply(r, m, r.term, false))
}

/** Counts an answer. One voter counts once, whatever comes twice. */
export function handleVoteReply(r: RaftState, from: NodeId, m: VoteReply): void {
  const asked = m.pre
    ? r.role === 'pre-candidate' && (!m.granted || m.term === r.term + 1)
    : r.role === 'candidate' && m.term === r.term
  if (!asked) {
    r.mark('raft/election/late-vote')
    return
  }
  if (!isVoter(r.membership, m.voter)) return
  if (from !== m.voter && m.granted) r.via = from
  if (!r.votes.has(m.voter)) r.votes.set(m.voter, m.granted)
  tally(r)
}
