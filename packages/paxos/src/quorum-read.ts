// Reads without a leader (Charapko, Ailijiani and Demirbas, Paxos Quorum Reads, 2019): the longest log in a
// quorum shows at least every decided entry, so once this replica knows that much decided, it may read.
import type { CallId, LogIndex, NodeId } from '@quorate/core'
import { missing } from './floor.ts'
import type { Inspect, Inspected } from './messages.ts'
import { inspectQuorum } from './quorums.ts'
import type { PaxosState } from './state.ts'

/** A read that asks a quorum. */
export interface Inspection {
  /** The call. */
  readonly id: CallId
  /** Names it to the voters. */
  readonly token: number
  /** The membership that it asks under. */
  readonly config: number
  /** When it is given up. */
  readonly deadline: number
  /** When it was last sent. */
  sentAt: number
  /** What each voter answered. */
  readonly lengths: Map<NodeId, LogIndex>
}

/** Asks the voters, this replica included where it is one. */
export function inspect(r: PaxosState, id: CallId, token: number, deadline: number): void {
  const inspection: Inspection = {
    id,
    token,
    config: r.config,
    deadline,
    sentAt: r.now,
    lengths: new Map(),
  }
  // Its own log counts as far as it is durable: what is not can have been counted by nobody either.
  if (r.isVoter && !countsNothing(r)) inspection.lengths.set(r.id, r.log.stableIndex)
  r.inspections.set(token, inspection)
  send(r, inspection)
  settleInspections(r)
}

function send(r: PaxosState, { token, lengths }: Inspection): void {
  for (const id of r.membership.voters) {
    if (id === r.id || lengths.has(id)) continue
    r.out.send(id, { type: 'inspect', config: r.config, ballot: r.promised, token })
  }
}

/** Tells how far this log goes, once that much is durable. */
export function handleInspect(r: PaxosState, from: NodeId, m: Inspect): void {
  r.out.sendAfterPersist(from, {
    type: 'inspected',
    config: r.config,
    ballot: r.promised,
    token: m.token,
    length: r.log.lastIndex,
    blank: countsNothing(r),
  })
}

/** Whether its log does not show all that it accepted. */
function countsNothing(r: PaxosState): boolean {
  return r.blank || missing(r) !== undefined
}

/** Takes a voter's answer. */
export function handleInspected(r: PaxosState, from: NodeId, m: Inspected): void {
  const inspection = r.inspections.get(m.token)
  if (inspection === undefined || m.blank || !r.membership.voters.includes(from)) return
  if (!inspection.lengths.has(from)) inspection.lengths.set(from, m.length)
  settleInspections(r)
}

/** Lets reads go whose quorum has answered, as far as what it showed is decided here. */
export function settleInspections(r: PaxosState): void {
  const { voters } = r.membership
  // One that asks again is put back into the map: the list is what there was before.
  const waiting = Array.from(r.inspections.values())
  for (const inspection of waiting) {
    if (inspection.config !== r.config) {
      // The voters asked may all have been those of an epoch that has ended: asks the new ones.
      r.mark('paxos/read/inspects-again')
      r.inspections.delete(inspection.token)
      inspect(r, inspection.id, inspection.token, inspection.deadline)
    } else if (inspection.lengths.size >= inspectQuorum(voters.length, r.options)) {
      if (Math.max(...inspection.lengths.values()) > r.decided) continue
      r.mark('paxos/read/without-leader')
      r.inspections.delete(inspection.token)
      // Not what they showed: a voter of this epoch may not have on its disk yet all that the one
      // before has decided. Whoever is in this epoch knows that to be decided.
      r.out.read(inspection.id, r.decided)
    }
  }
}

/** Asks again who has not answered, and gives up what has waited too long. */
export function tickInspections(r: PaxosState): void {
  for (const inspection of r.inspections.values()) {
    if (r.now >= inspection.deadline) {
      r.inspections.delete(inspection.token)
      r.out.reject(inspection.id, 'NO_QUORUM', 'no quorum confirmed the read', r.leader)
    } else if (r.now - inspection.sentAt >= 3 * r.options.heartbeatIntervalMs) {
      inspection.sentAt = r.now
      send(r, inspection)
    }
  }
}

/** When they want the next tick. */
export function inspectionsWakeAt(r: PaxosState): number {
  let at = Number.POSITIVE_INFINITY
  for (const { deadline, sentAt } of r.inspections.values()) {
    at = Math.min(at, deadline, sentAt + 3 * r.options.heartbeatIntervalMs)
  }
  return at
}
