// Fetching decided entries: of one donor first, and where that shows that there are many, of several
// at once, each for a stretch as long as one message holds. What comes early waits for what is before.
import type { Entry, LogIndex, NodeId } from '@quorate/core'
import { membersOf } from '@quorate/core'
import { wellFormed } from './accept.ts'
import { adoptionArrived } from './adopt.ts'
import { learn, raisePromise, sealedWithout } from './learn.ts'
import type { Pulled } from './messages.ts'
import type { PaxosState, Pulling, Stretch } from './state.ts'

// Each may have one message on its way or waiting, which bounds what is held in memory.
const DONORS_MAX = 4

/** Asks a member for what is decided here and not yet known, unless others are being asked already. */
export function startPull(r: PaxosState, from: NodeId): void {
  if (r.fetch !== undefined) return
  // What was asked for may have come from the leader meanwhile, and nobody be asked for what is left.
  if (r.pulling !== undefined) settle(r, r.pulling)
  if (r.pulling === undefined || r.pulling.stretches.length === 0) {
    const first = newStretch(r.decided + 1, 0)
    r.pulling = { stretches: [first], target: 0, failed: new Set() }
    ask(r, first, from)
    return
  }
  const { stretches, failed } = r.pulling
  failed.delete(from)
  for (const stretch of stretches) {
    if (stretch.from === undefined || r.now < overdueAt(r, stretch)) continue
    r.mark('paxos/pull/donor-silent')
    if (stretch.from !== from) failed.add(stretch.from)
    stretch.from = undefined
  }
  assign(r, r.pulling, from)
}

/** Forgets what was asked for: a snapshot, or leading, makes it needless. */
export function stopPull(r: PaxosState): void {
  r.pulling = undefined
}

function newStretch(next: LogIndex, last: LogIndex): Stretch {
  return { next, last, from: undefined, sentAt: 0, entries: [], ballot: 0, config: 0 }
}

function overdueAt(r: PaxosState, stretch: Stretch): number {
  return stretch.sentAt + 3 * r.options.heartbeatIntervalMs
}

function ask(r: PaxosState, stretch: Stretch, from: NodeId): void {
  stretch.from = from
  stretch.sentAt = r.now
  if (stretch.entries.length === 0) stretch.next = Math.max(stretch.next, r.decided + 1)
  const { next: first, last } = stretch
  r.out.send(from, { type: 'pull', config: r.config, ballot: 0, first, last })
}

/** Takes entries that were asked for, or that somebody sent anyway. */
export function handlePulled(r: PaxosState, from: NodeId, m: Pulled): void {
  if (!wellFormed(m.entries, m.prev, m.ballot) || m.config < r.config) return
  if (r.adoption?.from === from && m.config === r.config && m.ballot === r.promised) {
    adoptionArrived(r, from, m)
    return
  }
  if (r.role === 'leader' && m.config === r.config) return
  if (m.base !== undefined && r.config === 0 && m.prev === r.decided) takeBase(r, m)
  const { decided } = r
  if (m.prev <= decided) learnFrom(r, m, m.entries)
  const { pulling } = r
  const stretch = pulling?.stretches.find((each) => each.from === from)
  if (pulling === undefined || stretch === undefined) return
  pulling.target = Math.max(pulling.target, m.decided)
  const helped = hold(r, stretch, m) || r.decided > decided
  settle(r, pulling)
  goOn(r, pulling, stretch, from, helped ? m.entries.length : 0)
}

/** A replica that knows of no members is told who they were where its log begins. */
function takeBase(r: PaxosState, m: Pulled): void {
  const base = m.base as NonNullable<Pulled['base']>
  r.configs.restore(r.decided, base)
  r.membership = base
  if (r.decided === 0) r.initial = base
  r.out.hardStateChanged = true
}

/** Takes what is decided of entries that follow what is known here. */
function learnFrom(
  r: PaxosState,
  source: { readonly config: number; readonly ballot: number; readonly decided: LogIndex },
  given: readonly Entry[],
): void {
  const entries = given.filter(({ index }) => index > r.decided && index <= source.decided)
  if (entries[0]?.index !== r.decided + 1) return
  sealedWithout(r, source.config)
  raisePromise(r, source.ballot)
  learn(r, entries)
}

/** Keeps what came early; `true` where it goes on from what the donor gave before. */
function hold(r: PaxosState, stretch: Stretch, m: Pulled): boolean {
  if (m.prev <= r.decided || stretch.last === 0) return false
  const entries = m.entries.filter(
    ({ index }) => index >= stretch.next && index <= Math.min(stretch.last, m.decided),
  )
  if (entries[0]?.index !== stretch.next) return false
  r.mark('paxos/pull/came-early')
  stretch.entries.push(...entries)
  stretch.next += entries.length
  stretch.ballot = Math.max(stretch.ballot, m.ballot)
  stretch.config = Math.max(stretch.config, m.config)
  return true
}

/** Learns what is held, as far as nothing is missing before it, and drops stretches that are done. */
function settle(r: PaxosState, pulling: Pulling): void {
  const { stretches } = pulling
  for (let head = stretches[0]; head !== undefined; head = stretches[0]) {
    const { config, ballot, last } = head
    const entries = head.entries.splice(0)
    if (entries.length > 0) learnFrom(r, { config, ballot, decided: last }, entries)
    if (last === 0 || last > r.decided) {
      head.next = Math.max(head.next, r.decided + 1)
      return
    }
    stretches.shift()
  }
}

/** As long as a donor helps, it is asked for more, and others beside it. */
function goOn(
  r: PaxosState,
  pulling: Pulling,
  stretch: Stretch,
  from: NodeId,
  count: number,
): void {
  const { stretches, failed } = pulling
  if (count > 0) failed.delete(from)
  else failed.add(from)
  if (stretches.includes(stretch)) {
    if (stretch.last === 0) stretches.length = 0
    stretch.from = undefined
  }
  if (count > 0) extend(r, pulling, count)
  if (stretches.length === 0) stopPull(r)
  else assign(r, pulling, from)
}

/** Adds stretches of so many entries, which seem to be what one message holds. */
function extend(r: PaxosState, { stretches, target }: Pulling, count: number): void {
  let end = stretches[stretches.length - 1]?.last ?? r.decided
  while (stretches.length < DONORS_MAX && end < target) {
    const last = Math.min(end + count, target)
    stretches.push(newStretch(end + 1, last))
    end = last
  }
}

/** Asks donors that are not busy for the stretches that nobody is asked for. */
function assign(r: PaxosState, { stretches, failed }: Pulling, alive: NodeId): void {
  for (const stretch of stretches) {
    if (stretch.from !== undefined || isComplete(stretch)) continue
    const free = [alive, ...membersOf(r.membership)].find(
      (id) => id !== r.id && !failed.has(id) && !stretches.some((each) => each.from === id),
    )
    if (free === undefined) return
    if (free !== alive) r.mark('paxos/pull/several-donors')
    ask(r, stretch, free)
  }
}

function isComplete({ next, last }: Stretch): boolean {
  return last > 0 && next > last
}

/**
 * A donor has what it was asked for only in a snapshot. `true` where others are being asked too: they
 * may still have all of it as entries.
 */
export function pullGoesOn(r: PaxosState, donor: NodeId): boolean {
  const { pulling } = r
  const stretch = pulling?.stretches.find((each) => each.from === donor)
  if (pulling === undefined || stretch === undefined) return false
  const other = pulling.stretches.find(({ from }) => from !== undefined && from !== donor)?.from
  if (other === undefined) {
    stopPull(r)
    return false
  }
  r.mark('paxos/pull/only-a-snapshot')
  pulling.failed.add(donor)
  stretch.from = undefined
  assign(r, pulling, other)
  return true
}
