// What every message has in common: its term decides first whether it is news, old, or of now; only
// then does its kind matter.
import type { NodeId } from '@quorate/core'
import { assertNever, isMember } from '@quorate/core'
import { handleAppend, handleCommit } from './append.ts'
import { becomeFollower, handleVote, handleVoteReply, hearLeader, rejectVote } from './election.ts'
import { handleHeartbeat, handleHeartbeatReply, heartbeatReply } from './heartbeat.ts'
import { stirred, wake } from './hibernation.ts'
import type { RaftMessage, Wake } from './messages.ts'
import { handleRead, handleReadReply } from './read-index.ts'
import { handleRefill } from './refill.ts'
import { handleAppendReply } from './replication.ts'
import { handleOffer } from './snapshot.ts'
import type { RaftState } from './state.ts'
import { handleTimeoutNow } from './transfer.ts'

// No group gets here by itself. Beyond, terms are taken in small steps only: a message that names the
// last one there is would otherwise leave none to campaign in, for good.
const TERM_MAX = 2 ** 53 - 2 ** 32
const TERM_STEP_MAX = 2 ** 20

/** Takes a message. */
export function receive(r: RaftState, from: NodeId, m: RaftMessage): void {
  if (from === r.id || (m.term > TERM_MAX && m.term > r.term + TERM_STEP_MAX)) return
  if (m.type === 'vote') {
    if (r.hibernating) stirred(r)
    if (m.term < r.term) rejectVote(r, from, m)
    else handleVote(r, from, m)
    return
  }
  // Somebody who knows no leader asks, whatever its term.
  if (m.type === 'wake') return stirred(r)
  if (m.type === 'voteReply' && m.candidate !== r.id) {
    r.mark('raft/election/answer-passed-on')
    if (isMember(r.membership, m.candidate)) r.out.send(m.candidate, m)
    return
  }
  if (m.term > r.term) {
    // A poll that is granted names the term asked for, which nobody has entered yet.
    if (m.type === 'voteReply' && m.pre && m.granted) return handleVoteReply(r, from, m)
    becomeFollower(r, m.term, undefined)
  } else if (m.term < r.term && m.type !== 'read') {
    answerStale(r, from, m)
    return
  }
  handle(r, from, m)
}

/** Whoever speaks from an earlier term is told of this one: a leader that nobody answers would never stop. */
function answerStale(r: RaftState, from: NodeId, m: RaftMessage): void {
  if (m.type === 'append' || m.type === 'heartbeat' || m.type === 'snapshotOffer') {
    r.mark('raft/receive/stale-leader')
    r.out.send(from, heartbeatReply(r, 0))
  }
}

function handle(r: RaftState, from: NodeId, m: Exclude<RaftMessage, Wake>): void {
  switch (m.type) {
    case 'append':
      if (follow(r, from)) handleAppend(r, from, m)
      return
    case 'heartbeat':
      if (follow(r, from)) handleHeartbeat(r, from, m)
      return
    case 'commit':
      if (follow(r, from)) handleCommit(r, m)
      return
    case 'snapshotOffer':
      if (follow(r, from)) handleOffer(r, from, m)
      return
    case 'timeoutNow':
      if (follow(r, from)) handleTimeoutNow(r)
      return
    case 'readReply':
      if (follow(r, from)) handleReadReply(r, m)
      return
    case 'read':
      return handleRead(r, from, m)
    case 'vote':
      return handleVote(r, from, m)
    case 'voteReply':
      return handleVoteReply(r, from, m)
    case 'refill':
      return handleRefill(r, from, m)
    case 'appendReply':
    case 'heartbeatReply':
      return answered(r, from, m)
    default:
      return assertNever(m, 'an unknown message')
  }
}

function answered(r: RaftState, from: NodeId, m: RaftMessage): void {
  // Of whoever is not a member any more nothing is kept, and nothing counts.
  const p = r.role === 'leader' ? r.progress.get(from) : undefined
  if (p === undefined) return
  if (m.type === 'appendReply') handleAppendReply(r, p, m)
  else if (m.type === 'heartbeatReply') handleHeartbeatReply(r, p, m)
}

/** Follows whoever leads this term; `false` where that is this replica itself. */
function follow(r: RaftState, from: NodeId): boolean {
  // Two leaders of one term cannot be; whoever claims it is not believed.
  if (r.role === 'leader' || (r.leader !== undefined && r.leader !== from)) return false
  if (r.leader === undefined) becomeFollower(r, r.term, from)
  hearLeader(r, from)
  if (r.hibernating) wake(r)
  return true
}
