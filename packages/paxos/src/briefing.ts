// A replica that began with nothing may have voted before and lost its disk. Which epochs it may have
// voted in it finds out before it votes: by a leader's word, given after it began, that none has followed.
import type { NodeId } from '@quorate/core'
import { NEVER_TOLD } from './hard-state.ts'
import { sendHeartbeatReply } from './heartbeat.ts'
import type { ReadReply } from './messages.ts'
import { nextToken } from './read-barrier.ts'
import type { PaxosState } from './state.ts'

/**
 * Asks the leader of the membership in force for a read, as a caller would: a quorum confirms it. Whoever
 * told of the members may lag behind an epoch in which this replica promised or accepted something; a
 * leader that is confirmed does not.
 */
export function askBriefing(r: PaxosState, leader: NodeId): void {
  if (r.blankTo !== NEVER_TOLD) return
  const { config, now } = r
  const asked = r.briefing?.config === config ? r.briefing : undefined
  if (asked?.index !== undefined) return
  if (asked?.leader === leader) {
    if (now - asked.sentAt < 3 * r.options.heartbeatIntervalMs) return
    r.mark('paxos/briefing/asked-again')
  }
  // The token is kept: whichever answer comes was given after this replica had begun.
  const token = asked?.token ?? nextToken(r)
  r.briefing = { config, leader, token, index: undefined, sentAt: now }
  r.out.send(leader, { type: 'read', config, ballot: r.promised, token, lease: false })
}

/** Takes the answer; `false` where it answers something else. */
export function briefingAnswered(r: PaxosState, m: ReadReply): boolean {
  const { briefing } = r
  if (briefing?.token !== m.token) return false
  r.briefing = { ...briefing, index: m.index }
  return true
}

/**
 * Where all that was decided when the leader answered is known here, and no stop-sign is in it, the
 * epochs that this replica may have voted in and forgotten end with the one in force.
 */
export function settleBriefing(r: PaxosState): void {
  const { config, leader, index } = r.briefing as NonNullable<PaxosState['briefing']>
  if (config !== r.config) {
    r.mark('paxos/briefing/overtaken')
    r.briefing = undefined
    return
  }
  if (index === undefined || r.decided < index) return
  r.mark('paxos/briefing/done')
  r.briefing = undefined
  r.blankTo = config
  r.briefedSeq = r.seq + 1
  r.out.hardStateChanged = true
  // Round 0 confirms nothing; it only brings the news.
  sendHeartbeatReply(r, leader, 0, true)
}

/** Whether it is known, durably, which epochs it may have voted in and forgotten: it may vote in the next. */
export function isBriefed(r: PaxosState): boolean {
  return r.blankTo !== NEVER_TOLD && r.durableSeq >= r.briefedSeq
}
