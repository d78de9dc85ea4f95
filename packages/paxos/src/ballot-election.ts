// Ballot leader election: who should prepare, and when. It asks who hears a leader that is content,
// never whose log is longer: one voter that reaches a quorum is enough for the group to go on.
import type { NodeId } from '@quorate/core'
import type { Answer, Ask } from './messages.ts'
import { startPull } from './pull.ts'
import { takeOver } from './prepare.ts'
import { prepareQuorum } from './quorums.ts'
import { missing } from './floor.ts'
import { askSuccessors, successorAnswered } from './hand-over.ts'
import { seekLeader, seeks, stirred } from './hibernation.ts'
import { askToRelearn } from './relearn.ts'
import type { PaxosState } from './state.ts'

// Replicas that lost their leader together act apart by up to this share of the election timeout.
const RELUCTANCE = 0.2

/** Whether it may lead: it votes, has its past, its log can be read, and what it has applied counts. */
export function mayLead(r: PaxosState): boolean {
  if (!r.isVoter || r.blank || r.refilling) return false
  return r.leftoverFrom === undefined && missing(r) === undefined
}

/** Whether nobody else has a say. */
export function leadsAlone(r: PaxosState): boolean {
  return r.membership.voters.length === 1 && r.membership.voters[0] === r.id
}

/** A leader that is content was heard, or promised: waits for it anew. */
export function becomeContent(r: PaxosState): void {
  r.contentUntil = r.now + r.options.electionTimeoutMs
  r.asking = false
  r.patience = 0
  actLater(r)
}

/** Sets the time at which a follower misses its leader. */
export function actLater(r: PaxosState): void {
  if (r.relearn !== undefined) {
    r.actAt = r.now + 3 * r.options.heartbeatIntervalMs
    return
  }
  if (r.watching) {
    r.actAt = r.now + r.options.heartbeatIntervalMs
    return
  }
  const waits = r.role === 'follower' && mayLead(r) && r.options.priority > 0
  if (!waits) {
    r.actAt = seeks(r) ? r.now + r.options.electionTimeoutMs : Number.POSITIVE_INFINITY
    return
  }
  const from = Math.max(r.now, r.contentUntil)
  r.actAt = from + r.options.electionTimeoutMs * RELUCTANCE * r.reluctance
}

/** The leader is lost, or says that it hears no quorum: looks for another without waiting. */
export function becomeDiscontent(r: PaxosState): void {
  r.contentUntil = Number.NEGATIVE_INFINITY
  r.asking = false
  if (r.role !== 'follower' || !mayLead(r) || r.options.priority === 0) return actLater(r)
  // Not at once: whoever made it so may be about to lead, and others learn of it at the same time.
  r.actAt = r.now + r.options.heartbeatIntervalMs * (0.1 + r.reluctance)
}

/** Whether it needs no other leader than the one it has. */
function isContent(r: PaxosState): boolean {
  return r.role !== 'follower' || r.now < r.contentUntil
}

/** A follower's time to act has come. */
export function act(r: PaxosState): void {
  if (r.relearn !== undefined) askToRelearn(r)
  else if (r.watching) askSuccessors(r)
  else if (!mayLead(r) || r.options.priority === 0) {
    if (seeks(r)) seekLeader(r)
    actLater(r)
  } else if (leadsAlone(r) || !r.options.asks) {
    takeOver(r, false)
  } else {
    if (r.asking) weigh(r, true)
    if (r.role === 'follower') ask(r)
  }
}

function ask(r: PaxosState): void {
  r.asking = true
  r.askRound += 1
  r.answers.clear()
  r.actAt = r.now + r.options.heartbeatIntervalMs
  r.leader = undefined
  for (const id of r.membership.voters) if (id !== r.id) sendAsk(r, id)
}

/** Asks one voter how it stands. */
export function sendAsk(r: PaxosState, to: NodeId): void {
  r.out.send(to, { type: 'ask', config: r.config, ballot: r.promised, round: r.askRound })
}

/** Tells a neighbour how this replica stands. */
export function handleAsk(r: PaxosState, from: NodeId, m: Ask): void {
  if (m.ballot > r.seen) r.seen = m.ballot
  if (r.membership.voters.includes(from)) r.starvedAt.set(from, r.now)
  if (r.hibernating) stirred(r)
  sendAnswer(r, from, m.round)
}

/** Answers, or, with round 0, only makes a membership known. */
export function sendAnswer(r: PaxosState, to: NodeId, round: number): void {
  r.out.send(to, {
    type: 'answer',
    config: r.config,
    ballot: r.promised,
    round,
    happy: isContent(r),
    led: r.leader !== undefined,
    priority: mayLead(r) ? r.options.priority : 0,
    decided: r.decided,
  })
}

/** Takes a neighbour's answer. */
export function handleAnswer(r: PaxosState, from: NodeId, m: Answer): void {
  if (m.ballot > r.seen) r.seen = m.ballot
  if (r.watching) return successorAnswered(r, m)
  // Cut off from the leader and not from everybody: what is decided can be had from a neighbour.
  if (m.decided > r.decided && r.role === 'follower' && !isContent(r)) startPull(r, from)
  if (!r.asking || m.round !== r.askRound || !r.membership.voters.includes(from)) return
  r.answers.set(from, m)
  weigh(r, false)
}

/**
 * Takes over where that is called for: nobody that answers has a leader to lose by it, and those
 * that answer are enough to lead with. Before the round is over only where nobody can add to it.
 */
function weigh(r: PaxosState, over: boolean): void {
  const { voters } = r.membership
  if (!over && r.answers.size < voters.length - 1) return
  let preferred = false
  for (const answer of r.answers.values()) {
    if (answer.happy) {
      r.mark('paxos/election/neighbour-content')
      r.patience = 0
      return
    }
    if (answer.priority > r.options.priority) preferred = true
  }
  if (r.answers.size + 1 < prepareQuorum(voters.length, r.options)) {
    r.mark('paxos/election/no-quorum')
    return
  }
  if (preferred && r.patience === 0) {
    if (!over) return
    r.mark('paxos/election/after-you')
    r.patience = 1
    return
  }
  takeOver(r, false)
}
