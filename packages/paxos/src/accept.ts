// Phase 2 at an acceptor: first its log is made the leader's in one write, then entries follow in
// order. Only what is durable is acknowledged, and nothing of a smaller ballot than promised is taken.
import type { Entry, LogIndex, NodeId } from '@quorate/core'
import { decode, defined, membershipCodec } from '@quorate/core'
import { becomeContent } from './ballot-election.ts'
import { advanceDecided } from './decide.ts'
import { missing } from './floor.ts'
import { learn } from './learn.ts'
import type { Accept, Decide } from './messages.ts'
import { becomeFollower, mayFollow, promise, sendNack, sendPromise } from './prepare.ts'
import type { PaxosState } from './state.ts'
import { wake } from './hibernation.ts'

/**
 * Whether a message comes from the leader of the promised ballot, which is then followed. A leader
 * whose `prepare` was lost is promised its ballot first, and answered like one that just asked.
 */
export function follow(r: PaxosState, from: NodeId, m: { readonly ballot: number }): boolean {
  if (m.ballot < r.promised) {
    sendNack(r, from)
    return false
  }
  if (!mayFollow(r, from, m.ballot, false)) return false
  if (m.ballot > r.promised) {
    r.mark('paxos/accept/prepare-lost')
    promise(r, m.ballot)
    sendPromise(r, from, undefined)
    return false
  }
  if (r.leader === undefined) becomeFollower(r, r.promised, from)
  if (r.hibernating) wake(r)
  // Who leads lacks no leader.
  if (r.starvedAt.size > 0) r.starvedAt.delete(from)
  return true
}

/** Takes entries of the leader. */
export function handleAccept(r: PaxosState, from: NodeId, m: Accept): void {
  if (!wellFormed(m.entries, m.prev, m.ballot) || m.syncTo > m.prev + m.entries.length + 2 ** 32) {
    r.mark('paxos/accept/nonsense')
    return
  }
  if (!follow(r, from, m)) return
  becomeContent(r)
  if (r.accepted === m.ballot) takeInStep(r, from, m)
  else takeRepair(r, from, m)
}

/** In step: the log is a prefix of the leader's, so entries either follow it or are known already. */
function takeInStep(r: PaxosState, from: NodeId, m: Accept): void {
  const { log } = r
  const { config } = r
  if (m.prev > log.lastIndex) {
    r.mark('paxos/accept/gap')
    // What is missing it may have acknowledged, and lost: the leader must not go on after that.
    if (r.blank || missing(r) !== undefined) sendPromise(r, from, undefined)
    else acknowledge(r, from, config, true)
    return
  }
  const known = log.lastIndex - m.prev
  if (known < m.entries.length) append(r, known === 0 ? m.entries : m.entries.slice(known))
  advanceDecided(r, Math.min(m.decided, log.lastIndex))
  acknowledge(r, from, config, false)
}

/**
 * Not in step: what arrives is kept aside until it reaches as far as the log that the leader adopted.
 * Taken earlier, under its ballot, a shorter log would hide entries that this one still vouches for.
 */
function takeRepair(r: PaxosState, from: NodeId, m: Accept): void {
  const { config } = r
  const end = m.prev + m.entries.length
  const { repair } = r
  const held = repair === undefined ? 0 : repairEnd(repair)
  // All that one ballot's leader sends is of one log: whatever overlaps, or meets, goes together.
  const extend = repair !== undefined && m.prev <= held
  if (!extend && !meets(r, m)) return repairLacks(r, from)
  if (!extend) r.repair = { first: m.prev + 1, entries: [...m.entries] }
  else if (end > held) repair.entries.push(...m.entries.slice(held - m.prev))
  takeDecided(r, m.decided)
  if (r.config !== config) return
  const whole = defined(r.repair, 'a repair under way')
  const reached = Math.max(repairEnd(whole), r.decided, ownEnd(r))
  if (reached < m.syncTo) return acknowledgePart(r, from, config, reached, false)
  comeIntoStep(r, whole, reached)
  advanceDecided(r, Math.min(m.decided, r.log.lastIndex))
  acknowledge(r, from, config, false)
}

/**
 * What comes before a message was lost, or overtaken. What was kept aside of the repair stays, since
 * dropped for each message that another overtook it would never come to an end.
 */
function repairLacks(r: PaxosState, from: NodeId): void {
  r.mark('paxos/accept/repair-gap')
  const { repair } = r
  // Entries that only happen to be as many must not pass for the leader's, and after those that were
  // acknowledged and lost it must not go on: it learns anew where this log stands.
  if (repair === undefined || r.blank || missing(r) !== undefined) {
    return sendPromise(r, from, undefined)
  }
  acknowledgePart(r, from, r.config, Math.max(repairEnd(repair), r.decided), true)
}

/** Whether this log is the leader's up to where a message begins: where both hold one entry, or it is decided. */
function meets(r: PaxosState, m: Accept): boolean {
  return m.prev <= r.decided || r.log.matches(m.prev, m.prevEpoch)
}

function repairEnd(repair: NonNullable<PaxosState['repair']>): LogIndex {
  return repair.first + repair.entries.length - 1
}

/**
 * How far this log is the leader's already, as its last entry shows: only the leader made entries of
 * this very ballot. They were learned as decided, and a start forgot that; taken for a loser's and cut
 * off, they would leave a disk that had them.
 */
function ownEnd(r: PaxosState): LogIndex {
  return r.log.lastEpoch === r.promised ? r.log.lastIndex : 0
}

/** What is decided of a repair under way need not be held back. */
function takeDecided(r: PaxosState, decided: LogIndex): void {
  const { first, entries } = r.repair as NonNullable<PaxosState['repair']>
  const count = Math.min(decided, first + entries.length - 1) - first + 1
  if (count <= 0 || first > r.decided + 1) return
  r.repair = { first: first + count, entries: entries.slice(count) }
  learn(r, entries.slice(0, count))
}

/** What is decided here is in the leader's log too, even where the leader has not sent as much yet. */
function comeIntoStep(
  r: PaxosState,
  repair: NonNullable<PaxosState['repair']>,
  reached: LogIndex,
): void {
  r.repair = undefined
  const entries = repair.entries.filter(({ index }) => index > r.decided)
  replaceSuffix(r, entries, reached)
  r.accepted = r.promised
  r.floor = undefined
  r.acceptedSeq = r.seq + 1
  r.out.hardStateChanged = true
  r.event('in-step', { index: r.log.lastIndex })
}

/**
 * Makes the log end like another: `entries`, up to `last`, after what is equal in both. Of what is
 * held already nothing is written again; what goes beyond belongs to a ballot that lost.
 */
export function replaceSuffix(r: PaxosState, entries: readonly Entry[], last: LogIndex): void {
  const { log } = r
  let at = 0
  while (
    at < entries.length &&
    log.matches((entries[at] as Entry).index, (entries[at] as Entry).epoch)
  )
    at++
  const from = at < entries.length ? (entries[at] as Entry).index : last + 1
  if (from <= log.lastIndex) {
    r.mark('paxos/accept/private-entries')
    cutBack(r, from)
  }
  if (at < entries.length) append(r, at === 0 ? entries : entries.slice(at))
}

/** Removes entries that no ballot can have decided. */
export function cutBack(r: PaxosState, from: LogIndex): void {
  r.log.truncateFrom(from)
  r.configs.truncateFrom(from)
  removeLeftover(r)
  r.out.truncateFrom = from
}

/** Storage still holds damaged entries, and others after them, past the end of this log. */
function removeLeftover(r: PaxosState): void {
  if (r.leftoverFrom === undefined) return
  r.out.truncateFrom = r.leftoverFrom
  r.leftoverFrom = undefined
  r.out.hardStateChanged = true
}

/** Adds entries after the last one. */
export function append(r: PaxosState, entries: readonly Entry[]): void {
  removeLeftover(r)
  r.log.append(entries)
  r.out.append(entries)
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.kind === 'membership') r.configs.append(entry)
  }
}

/** Makes room for more of a repair; nothing is vouched for. */
function acknowledgePart(
  r: PaxosState,
  to: NodeId,
  config: number,
  index: LogIndex,
  gap: boolean,
): void {
  const { blank, promised: ballot } = r
  r.out.send(to, { type: 'accepted', config, ballot, index, gap, partial: true, blank })
}

function acknowledge(r: PaxosState, to: NodeId, config: number, gap: boolean): void {
  r.out.sendAfterPersist(to, {
    type: 'accepted',
    config,
    ballot: r.promised,
    index: r.log.lastIndex,
    gap,
    partial: false,
    blank: r.blank,
  })
}

/** Tells the leader how far this log is, in step or not. */
export function report(r: PaxosState, to: NodeId): void {
  if (r.accepted === r.promised) acknowledge(r, to, r.config, false)
  else sendPromise(r, to, undefined)
}

/** Takes the news that entries are decided, where this log is known to hold the leader's. */
export function handleDecide(r: PaxosState, from: NodeId, m: Decide): void {
  if (!follow(r, from, m)) return
  becomeContent(r)
  if (r.accepted === m.ballot) advanceDecided(r, Math.min(m.decided, r.log.lastIndex))
}

/** Whether a leader or a donor can have made this; anything may come from outside. */
export function wellFormed(entries: readonly Entry[], prev: LogIndex, ballot: number): boolean {
  let epoch = 0
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    if (entry.index !== prev + 1 + at || entry.epoch < epoch || entry.epoch > ballot) return false
    epoch = entry.epoch
    if (entry.kind === 'membership' && !isMembership(entry)) return false
  }
  return true
}

function isMembership(entry: Entry): boolean {
  try {
    return decode(membershipCodec, entry.payload).voters.length > 0
  } catch {
    return false
  }
}
