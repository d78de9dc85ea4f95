// Between the phases: the proposer makes its log the one that was accepted under the largest ballot
// in its quorum, and the longest of those. Whatever an earlier ballot decided is in it.
import type { Entry, LogIndex, NodeId } from '@quorate/core'
import { assert } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import { replaceSuffix } from './accept.ts'
import { learn } from './learn.ts'
import { lead } from './lead.ts'
import type { PaxosState, Standing } from './state.ts'

/** Goes on with taking over the log: chooses it once, then pulls what is missing. */
export function adopt(r: PaxosState): void {
  if (r.adoption === undefined) choose(r)
  else pullNext(r)
}

/**
 * The log to go on from: by accepted ballot first and length only then, among those who count. One that
 * lacks what was accepted under its ballot is none to go on from: either its voter counts for nothing,
 * or somebody shows more.
 */
function choose(r: PaxosState): void {
  const own = r.promises.get(r.id) as Standing
  let from = r.id
  let best = own
  for (const [id, standing] of r.promises) {
    const whole = !standing.blank && standing.floor === undefined
    if (!whole || !isBetter(standing, best)) continue
    from = id
    best = standing
  }
  if (from === r.id) {
    finish(r, [], r.log.lastIndex, own.accepted)
    return
  }
  const { accepted, length } = best
  // Logs accepted under one ballot are prefixes of one log; of others only what is decided is shared.
  const same = accepted === own.accepted && best.decided <= r.decided
  const next = same ? r.log.lastIndex + 1 : r.decided + 1
  r.adoption = { from, accepted, last: length, next, entries: [] }
  r.event('adopt', { from, accepted, length })
  // Mostly the promise has brought all of it.
  if (!arrived(r, best)) pullNext(r)
}

function isBetter(a: Standing, b: Standing): boolean {
  return a.accepted > b.accepted || (a.accepted === b.accepted && a.length > b.length)
}

/** Asks for the rest; of another that promised the same log where the first one is silent. */
function pullNext(r: PaxosState): void {
  const adoption = r.adoption as NonNullable<PaxosState['adoption']>
  if (adoption.next > adoption.last) return complete(r)
  r.out.send(adoption.from, {
    type: 'pull',
    config: r.config,
    ballot: r.promised,
    first: adoption.next,
    last: adoption.last,
  })
}

/** Takes a stretch of the log being adopted. */
export function adoptionArrived(
  r: PaxosState,
  from: NodeId,
  m: { readonly prev: LogIndex; readonly decided: LogIndex; readonly entries: readonly Entry[] },
): void {
  if (r.adoption?.from === from) arrived(r, m)
}

function arrived(
  r: PaxosState,
  m: { readonly prev: LogIndex; readonly decided: LogIndex; readonly entries: readonly Entry[] },
): boolean {
  const adoption = r.adoption as NonNullable<PaxosState['adoption']>
  const skip = adoption.next - 1 - m.prev
  if (skip < 0 || skip >= m.entries.length) return false
  for (const entry of m.entries.slice(skip)) {
    if (entry.index > adoption.last) break
    adoption.entries.push(entry)
    adoption.next = entry.index + 1
  }
  r.prepareDeadline = r.now + r.options.electionTimeoutMs
  takeDecided(r, Math.min(m.decided, adoption.next - 1))
  // What was learned may have ended this epoch, and with it the attempt.
  if (r.adoption === adoption) pullNext(r)
  return true
}

/** Decided entries need not wait for the others: no ballot can have decided anything else there. */
function takeDecided(r: PaxosState, upTo: LogIndex): void {
  const { entries, next } = r.adoption as NonNullable<PaxosState['adoption']>
  const first = next - entries.length
  if (upTo <= r.decided || first > r.decided + 1) return
  learn(r, entries.slice(0, upTo - first + 1))
  entries.splice(0, upTo - first + 1)
}

/** A snapshot has brought part of the log: what comes next follows it. */
export function adoptionSkips(r: PaxosState): void {
  const { adoption } = r
  if (adoption === undefined || adoption.next > r.decided) return
  adoption.next = r.decided + 1
  adoption.entries.length = 0
  pullNext(r)
}

function complete(r: PaxosState): void {
  const { entries, last, accepted } = r.adoption as NonNullable<PaxosState['adoption']>
  finish(r, entries, last, accepted)
}

/** One write takes the log and the ballot: torn apart they would claim what is not there. */
function finish(r: PaxosState, entries: readonly Entry[], last: LogIndex, accepted: Ballot): void {
  let decided = r.decided
  for (const standing of r.promises.values()) {
    if (!standing.blank && standing.decided > decided) decided = standing.decided
  }
  r.adoption = undefined
  replaceSuffix(r, entries, last)
  assert(decided <= r.log.lastIndex, 'what anybody knows to be decided is adopted')
  r.accepted = r.promised
  r.acceptedSeq = r.seq + 1
  r.out.hardStateChanged = true
  // Not the largest ballot promised: a promise that came after the choice may name one still larger.
  lead(r, accepted, decided)
}
