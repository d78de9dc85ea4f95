// When an entry counts as decided, and the hand-out of decided entries to be applied.
import type { Entry, LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'
import { handOutRead, handOutUpTo, noteApplied } from '@quorate/core/algorithm'
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

/** Hands out what is decided, unless what is applied here waits to be replaced. */
export function handOut(r: PaxosState): void {
  if (!r.refilling) handOutUpTo(r, r.decided)
}

/** Hands out old entries that were read back. */
export function entriesReadToApply(r: PaxosState, entries: readonly Entry[] | undefined): void {
  if (!handOutRead(r, entries)) r.mark('paxos/apply/read-useless')
}

/** The state machine has come so far. */
export function handleApplied(r: PaxosState, index: LogIndex): void {
  noteApplied(r, index)
  if (r.refill !== undefined) refilled(r)
}
