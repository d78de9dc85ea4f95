// What a replica once accepted and can no longer read. Its promises still hold and its vote still
// counts, but only beside a log that shows at least as much: nothing that it vouched for is passed over.
import type { LogIndex } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import type { PaxosState } from './state.ts'

/** How far a log went, and under which ballot. */
export interface Floor {
  /** The ballot under which the log was accepted. */
  readonly accepted: Ballot
  /** Its last entry. */
  readonly length: LogIndex
}

/** Whether a log shows as much as another: by accepted ballot first, and length only then. */
export function reaches(log: Floor, floor: Floor): boolean {
  return log.accepted === floor.accepted
    ? log.length >= floor.length
    : log.accepted > floor.accepted
}

/** What the replica accepted beyond what it holds, where there is anything. */
export function missing(r: PaxosState): Floor | undefined {
  const { floor } = r
  if (floor === undefined) return undefined
  return reaches({ accepted: r.accepted, length: r.log.lastIndex }, floor) ? undefined : floor
}
