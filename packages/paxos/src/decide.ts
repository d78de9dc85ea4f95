// When an entry counts as decided, and the hand-out of decided entries to be applied.
import type { Entry, LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'
import type { Progress } from './progress.ts'
import { acceptQuorum, reachedBy } from './quorums.ts'
import { syncDecided } from './read-barrier.ts'
import { activate } from './reconfigure.ts'
import { refilled } from './refill.ts'
import { relearned } from './relearn.ts'
import type { PaxosState } from './state.ts'

/** Decides what a quorum has accepted in this very ballot, durably, this leader included only as far as its own disk is. */
export function maybeDecide(r: PaxosState): void {
  if (r.role !== 'leader') return
  const { voters } = r.membership
  const index = reachedBy(voters, acceptQuorum(voters.length, r.options), r.matchOf)
  if (index > r.decided) decide(r, index)
}

/** Everything up to `index` is decided, and the followers are told. */
export function decide(r: PaxosState, index: LogIndex): void {
  const synced = r.decided >= r.syncIndex
  r.undecided.acknowledge(index)
  r.busyAt = r.now
  r.decided = index
  // Told before the epoch may end: who holds the stop-sign can then go on without asking.
  for (let at = 0; at < r.peers.length; at++) tellDecided(r, r.peers[at] as Progress)
  if (!synced && index >= r.syncIndex) syncDecided(r)
  if (r.configs.at(index).membership.version !== r.config) activate(r)
}

/** Tells a peer what is decided where no entries are about to carry the news: not under load. */
export function tellDecided(r: PaxosState, p: Progress): void {
  if (!p.inStep || r.decided < r.log.lastIndex) return
  const decided = Math.min(p.match, r.decided)
  if (decided <= p.told) return
  p.told = decided
  r.out.send(p.id, { type: 'decide', config: r.config, ballot: r.promised, decided })
}

/** An acceptor or learner is told that what it holds is decided. */
export function advanceDecided(r: PaxosState, index: LogIndex): void {
  if (index <= r.decided) return
  assert(index <= r.log.lastIndex, 'only what the log holds is decided')
  const before = r.config
  r.decided = index
  if (r.configs.at(index).membership.version !== before) activate(r)
  if (r.relearn !== undefined) relearned(r, before)
}

/**
 * Hands out what is decided and durable here, up to the limit on what is being applied. Waiting for
 * the own disk keeps a state machine from being ahead of its log after a crash.
 */
export function handOut(r: PaxosState): void {
  const last = Math.min(r.decided, r.log.stableIndex)
  if (r.applying >= last || r.applyReading !== 0 || r.out.applies || r.refilling) return
  if (r.applyInflight.count > 0 && r.applyInflight.bytes >= r.limits.applyBytesMax) return
  const first = r.applying + 1
  const bytesMax = Math.max(1, r.limits.applyBytesMax - r.applyInflight.bytes)
  if (first < r.log.windowFirst) {
    r.readId += 1
    r.applyReading = r.readId
    r.out.readEntries({
      id: r.readId,
      first,
      last: Math.min(last, r.log.windowFirst - 1),
      bytesMax,
    })
    return
  }
  handOutEntries(r, r.log.slice(first, last, bytesMax))
}

function handOutEntries(r: PaxosState, entries: readonly Entry[]): void {
  let bytes = 0
  for (let at = 0; at < entries.length; at++) bytes += (entries[at] as Entry).payload.length
  r.applying += entries.length
  r.applyInflight.add(r.applying, bytes)
  r.out.apply(entries)
}

/** Hands out old entries that were read back. */
export function entriesReadToApply(r: PaxosState, entries: readonly Entry[] | undefined): void {
  r.applyReading = 0
  if (entries === undefined || entries[0]?.index !== r.applying + 1) {
    // A snapshot has replaced them meanwhile.
    r.mark('paxos/apply/read-useless')
    return
  }
  handOutEntries(r, entries)
}

/** The state machine has come so far. */
export function handleApplied(r: PaxosState, index: LogIndex): void {
  assert(index <= r.applying, 'only what was handed out is applied')
  if (index > r.applied) r.applied = index
  r.applyInflight.acknowledge(index)
  if (r.refill !== undefined) refilled(r)
}
