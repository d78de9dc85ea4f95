// What a disk holds of one replica, as an immutable value: a crash is then the choice of which value
// survives, and a thousand branches of an exploration share what they have in common.
import type {
  DurableState,
  Entry,
  EpochRun,
  LogIndex,
  SnapshotMeta,
  WriteBatch,
} from '@quorate/core'
import { hold } from './violation.ts'

/** The content of one group's log storage at one moment. */
export interface LogImage {
  /** The algorithm's own state. */
  readonly hardState: Uint8Array | undefined
  /** The group's snapshot. */
  readonly snapshot: SnapshotMeta | undefined
  /** The first index held. */
  readonly firstIndex: LogIndex
  /** The epoch of the entry before the first. */
  readonly baseEpoch: number
  /** The entries, from the first index on. */
  readonly entries: readonly Entry[]
}

/** The image of a new disk. */
export const emptyImage: LogImage = Object.freeze({
  hardState: undefined,
  snapshot: undefined,
  firstIndex: 1,
  baseEpoch: 0,
  entries: Object.freeze([]),
})

/** The last index that an image holds; `firstIndex − 1` where it holds none. */
export function lastIndexOf(image: LogImage): LogIndex {
  return image.firstIndex + image.entries.length - 1
}

/** The entry at an index, where the image still holds it. */
export function entryAt(image: LogImage, index: LogIndex): Entry | undefined {
  return image.entries[index - image.firstIndex]
}

/**
 * The image after a batch, in the order that `WriteBatch` prescribes.
 *
 * @throws InvariantViolation `ordering-law` for a batch that no storage could honour
 */
export function applyBatch(image: LogImage, batch: WriteBatch): LogImage {
  let { firstIndex, baseEpoch, entries } = image
  if (batch.truncateFrom !== undefined) {
    const from = batch.truncateFrom
    hold(from >= firstIndex, 'ordering-law', () => `truncates from ${from}, below ${firstIndex}`)
    entries = entries.slice(0, from - firstIndex)
  }
  const snapshot = batch.snapshot ?? image.snapshot
  if (batch.compactTo !== undefined && batch.compactTo >= firstIndex) {
    const to = batch.compactTo
    hold(
      snapshot !== undefined && to <= snapshot.index,
      'ordering-law',
      () => `compacts to ${to}, past the snapshot at ${snapshot?.index ?? 0}`,
    )
    const last = entries[to - firstIndex]
    baseEpoch = last?.epoch ?? (snapshot as SnapshotMeta).epoch
    entries = entries.slice(to + 1 - firstIndex)
    firstIndex = to + 1
  }
  if (batch.append.length > 0) {
    let next = firstIndex + entries.length
    for (const entry of batch.append) {
      const expected = next++
      hold(
        entry.index === expected,
        'ordering-law',
        () => `appends ${entry.index} where ${expected} follows`,
      )
    }
    entries = [...entries, ...batch.append]
  }
  const reach = firstIndex + entries.length - 1
  hold(
    snapshot === undefined || reach >= snapshot.index,
    'ordering-law',
    () => `leaves a gap between the log's end ${reach} and the snapshot at ${snapshot?.index ?? 0}`,
  )
  const hardState = batch.hardState ?? image.hardState
  return { hardState, snapshot, firstIndex, baseEpoch, entries }
}

/** What a replica starts from when its disk holds this image. */
export function recover(image: LogImage): DurableState {
  const epochs: EpochRun[] = [{ from: image.firstIndex - 1, epoch: image.baseEpoch }]
  let epoch = image.baseEpoch
  for (const entry of image.entries) {
    if (entry.epoch === epoch) continue
    epoch = entry.epoch
    epochs.push({ from: entry.index, epoch })
  }
  return {
    hardState: image.hardState,
    snapshot: image.snapshot,
    firstIndex: image.firstIndex,
    lastIndex: lastIndexOf(image),
    epochs,
    tail: image.entries,
    membershipEntries: image.entries.filter((entry) => entry.kind === 'membership'),
    faulty: [],
  }
}
