// The hand-out of committed entries to the state machine: in order, once, and no more at a time than its
// limit. Entries that have left memory are read back from storage first.
import { assert } from '../assert.ts'
import type { Entry } from '../entry.ts'
import type { LogIndex } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Inflight } from './inflight.ts'
import type { Outbox } from './outbox.ts'
import type { ReplicaLog } from './replica-log.ts'

/** What the hand-out needs of a replica's state. */
export interface Applying {
  /** The log. */
  readonly log: ReplicaLog
  /** What it must stay within. */
  readonly limits: Pick<Limits, 'applyBytesMax'>
  /** The effects of the step under way. */
  readonly out: Pick<Outbox<unknown>, 'applies' | 'apply' | 'readEntries'>
  /** Every entry up to here has been handed out to be applied. */
  applying: LogIndex
  /** Every entry up to here has been applied. */
  applied: LogIndex
  /** What has been handed out to be applied and is not applied. */
  readonly applyInflight: Inflight
  /** The read of old entries to be applied that is under way, 0 where none is. */
  applyReading: number
  /** The last request for old entries. */
  readId: number
}

/**
 * Hands out what is committed and durable here, up to the limit on what is being applied. Waiting for
 * the own disk keeps a state machine from being ahead of its log after a crash.
 *
 * @param committed - every entry up to here is committed
 */
export function handOutUpTo(r: Applying, committed: LogIndex): void {
  const last = Math.min(committed, r.log.stableIndex)
  if (r.applying >= last || r.applyReading !== 0 || r.out.applies) return
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
  handOut(r, r.log.slice(first, last, bytesMax))
}

function handOut(r: Applying, entries: readonly Entry[]): void {
  let bytes = 0
  for (let at = 0; at < entries.length; at++) bytes += (entries[at] as Entry).payload.length
  r.applying += entries.length
  r.applyInflight.add(r.applying, bytes)
  r.out.apply(entries)
}

/**
 * Hands out old entries that were read back.
 *
 * @returns `false` where a snapshot has replaced them meanwhile
 */
export function handOutRead(r: Applying, entries: readonly Entry[] | undefined): boolean {
  r.applyReading = 0
  if (entries === undefined || entries[0]?.index !== r.applying + 1) return false
  handOut(r, entries)
  return true
}

/** The state machine has come so far. */
export function noteApplied(r: Applying, index: LogIndex): void {
  assert(index <= r.applying, 'only what was handed out is applied')
  if (index > r.applied) r.applied = index
  r.applyInflight.acknowledge(index)
}
