// Decided entries, from whoever has them: what is decided stays so in every ballot and every epoch.
// This is how a replica that missed an epoch, joins, or is cut off from its leader comes up.
import type { CallId, Entry, LogIndex, NodeId } from '@quorate/core'
import { append, cutBack } from './accept.ts'
import type { Ballot } from './ballot.ts'
import { advanceDecided } from './decide.ts'
import type { Pull } from './messages.ts'
import { becomeFollower } from './prepare.ts'
import { offerSnapshotTo } from './snapshot.ts'
import type { PaxosState } from './state.ts'

// A donor reads old entries back for so many at a time; others ask again.
const DONATIONS_MAX = 64

/**
 * Takes entries that are known to be decided. Where they contradict the log here, the log here is of
 * a ballot that lost from that entry on; where they agree, what follows them may still be decided and
 * stays.
 */
export function learn(r: PaxosState, entries: readonly Entry[]): void {
  const fresh = entries.filter((entry) => entry.index > r.decided)
  const last = fresh[fresh.length - 1]
  if (last === undefined || fresh[0]?.index !== r.decided + 1) return
  let at = 0
  while (at < fresh.length && r.log.matches((fresh[at] as Entry).index, (fresh[at] as Entry).epoch))
    at++
  const contrary = fresh[at]
  if (contrary !== undefined) {
    // Nobody decided an entry of a smaller ballot after one of a larger.
    if (contrary.epoch < (r.log.epoch(contrary.index - 1) ?? 0)) return
    if (contrary.index <= r.log.lastIndex) {
      r.mark('paxos/learn/contrary')
      cutBack(r, contrary.index)
    }
    append(r, fresh.slice(at))
  }
  advanceDecided(r, last.index)
}

/**
 * Decided entries come with the largest ballot that their donor has promised: they may have been
 * decided in it, and a log that shows them must not be lent to a smaller one.
 */
export function raisePromise(r: PaxosState, ballot: Ballot): void {
  if (ballot > r.promised) becomeFollower(r, ballot, undefined)
}

/** The epoch in which this replica leads, or wants to, was sealed by somebody else: there is nothing left to lead. */
export function sealedWithout(r: PaxosState, config: number): void {
  if (config <= r.config || r.role === 'follower') return
  r.mark('paxos/learn/sealed-without')
  becomeFollower(r, r.promised, undefined)
}

/** Gives entries to whoever asks: decided ones, and to the owner of the promised ballot all of them. */
export function handlePull(r: PaxosState, from: NodeId, m: Pull): void {
  const { log } = r
  const have = lastToGive(r, m.config, m.ballot)
  const last = m.last === 0 ? have : Math.min(have, m.last)
  if (m.first < 1 || m.first > last) return give(r, from, m.config, m.first - 1, [])
  // A log may reach further back than its snapshot, and then does not tell who the members were there.
  const unknown = m.config === 0 && m.first <= r.configs.firstIndex
  if (m.first < log.firstIndex || unknown) return offerSnapshotTo(r, from)
  if (m.first >= log.windowFirst) {
    give(r, from, m.config, m.first - 1, log.slice(m.first, last, r.limits.messageBytesMax))
    return
  }
  if (r.donations.size >= DONATIONS_MAX) return
  r.readId += 1
  r.donations.set(r.readId, { to: from, config: m.config, ballot: m.ballot })
  r.out.readEntries({
    id: r.readId,
    first: m.first,
    last: Math.min(last, log.windowFirst - 1),
    bytesMax: r.limits.messageBytesMax,
  })
}

function lastToGive(r: PaxosState, config: number, ballot: Ballot): LogIndex {
  return config === r.config && ballot === r.promised ? r.log.lastIndex : r.decided
}

/** Hands on old entries that were read for somebody. `false` where the read was for nobody's pull. */
export function entriesReadToGive(
  r: PaxosState,
  id: CallId,
  entries: readonly Entry[] | undefined,
): boolean {
  const donation = r.donations.get(id)
  if (donation === undefined) return false
  r.donations.delete(id)
  const { to, config, ballot } = donation
  const first = entries?.[0]
  if (entries === undefined || first === undefined) offerSnapshotTo(r, to)
  // Since they were asked for, what was not decided may have been replaced.
  else if (r.log.matches(first.index, first.epoch)) {
    const last = lastToGive(r, config, ballot)
    const given = entries.filter((entry) => entry.index <= last)
    give(r, to, config, first.index - 1, given)
  }
  return true
}

function give(
  r: PaxosState,
  to: NodeId,
  config: number,
  prev: LogIndex,
  entries: readonly Entry[],
): void {
  const base =
    config === 0 && prev >= r.configs.firstIndex ? r.configs.at(prev).membership : undefined
  r.out.sendAfterPersist(to, {
    type: 'pulled',
    config: r.config,
    ballot: r.promised,
    prev,
    decided: r.decided,
    base: base !== undefined && base.version > 0 ? base : undefined,
    entries,
  })
}
