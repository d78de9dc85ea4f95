// One atomic write on its way to the disk, and what the log will look like after it: the part
// of a group that is visible before it is durable.
import type { Entry, LogIndex, SnapshotMeta, WriteBatch } from '@quorate/core'
import { assert, encode, entryKindByte, snapshotMetaCodec } from '@quorate/core'
import type { RecordDraft } from './frame.ts'
import type { GroupImage } from './group-image.ts'
import {
  TYPE_COMPACT,
  TYPE_ENTRY,
  TYPE_HARD_STATE,
  TYPE_SNAPSHOT,
  TYPE_TRUNCATE,
} from './layout.ts'

const EMPTY = new Uint8Array(0)

/** Where a group's log begins and ends, and its snapshots. */
export interface LogView {
  readonly first: LogIndex
  /** The first index whose entry is kept. */
  readonly retained: LogIndex
  readonly last: LogIndex
  readonly snapshot: SnapshotMeta | undefined
  /** Whether that one is known to be damaged. */
  readonly snapshotLost: boolean
  readonly previous: SnapshotMeta | undefined
}

/** What a new group looks like. */
export const EMPTY_VIEW: LogView = {
  first: 1,
  retained: 1,
  last: 0,
  snapshot: undefined,
  snapshotLost: false,
  previous: undefined,
}

/** What is durable, as a view. */
export function viewOf(image: GroupImage): LogView {
  const { first, table, last, snapshot, snapshotLost, previous } = image
  return { first, retained: table.first, last, snapshot, snapshotLost, previous }
}

/** The view after a batch. Throws where the batch breaks the caller's side of the contract. */
export function viewAfter(view: LogView, batch: WriteBatch): LogView {
  const { truncateFrom, snapshot: named, compactTo, append } = batch
  let { first, retained, last, snapshot, snapshotLost, previous } = view
  if (truncateFrom !== undefined) {
    assert(truncateFrom >= first, 'truncates only what the log still holds')
    last = Math.min(last, truncateFrom - 1)
  }
  if (named !== undefined) {
    assert(
      named.index >= (snapshot?.index ?? 0),
      'a snapshot is not older than the one it replaces',
    )
    if (named.id !== snapshot?.id && !snapshotLost) previous = snapshot
    snapshot = named
    snapshotLost = false
  }
  if (compactTo !== undefined && compactTo >= first) {
    const covered = snapshot?.index ?? 0
    assert(compactTo <= covered, 'compacts at most to the snapshot')
    assert(compactTo <= last || compactTo === covered, 'empties the log only at the snapshot')
    retained = retainedAfter(compactTo, retained, last, previous)
    if (compactTo > last) previous = undefined
    first = compactTo + 1
    last = Math.max(last, compactTo)
  }
  for (let at = 0; at < append.length; at++) {
    const { index } = append[at] as Entry
    if (index !== last + 1 + at)
      assert(false, () => `entry ${index} follows ${last + at} without a gap`)
  }
  return { first, retained, last: last + append.length, snapshot, snapshotLost, previous }
}

/** The view after a snapshot was found damaged. */
export function viewWithout(view: LogView, id: string): LogView {
  if (id === view.snapshot?.id) return { ...view, snapshotLost: true }
  return id === view.previous?.id ? { ...view, previous: undefined } : view
}

/** Entries after the snapshot before are kept, so that a start can fall back to it. */
function retainedAfter(
  to: LogIndex,
  retained: LogIndex,
  last: LogIndex,
  previous: SnapshotMeta | undefined,
): LogIndex {
  if (to > last || previous === undefined || previous.index + 1 < retained) return to + 1
  return Math.min(to, previous.index) + 1
}

/** The records of a batch, in the order in which they apply. */
export function recordsOf(batch: WriteBatch, retained: LogIndex, number: number): RecordDraft[] {
  const records: RecordDraft[] = []
  const small = (type: number, index: number, epoch: number, payload: Uint8Array): void => {
    records.push({ type, kind: 0, flags: 0, group: number, index, epoch, payload })
  }
  if (batch.truncateFrom !== undefined) small(TYPE_TRUNCATE, batch.truncateFrom, 0, EMPTY)
  if (batch.snapshot !== undefined)
    small(TYPE_SNAPSHOT, batch.snapshot.index, 0, encode(snapshotMetaCodec, batch.snapshot))
  if (batch.compactTo !== undefined) small(TYPE_COMPACT, batch.compactTo, retained, EMPTY)
  for (const entry of batch.append) records.push(entryRecord(TYPE_ENTRY, number, entry))
  if (batch.hardState !== undefined) small(TYPE_HARD_STATE, 0, 0, batch.hardState)
  return records
}

/** The record of an entry. */
function entryRecord(type: number, number: number, entry: Entry): RecordDraft {
  const { index, epoch, kind, payload } = entry
  return { type, kind: entryKindByte(kind), flags: 0, group: number, index, epoch, payload }
}
