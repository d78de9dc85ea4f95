// The content of one group's log on a simulated disk, changed in place: simulated years write too much
// for a new value at every batch.
import type {
  DurableState,
  Entry,
  EpochRun,
  IndexRange,
  LogIndex,
  SnapshotMeta,
  WriteBatch,
} from '@quorate/core'
import type { LogImage } from '../model/log-image.ts'
import { hold } from '../model/violation.ts'

/** A {@link LogImage} that batches change. */
export class DiskImage implements LogImage {
  /** The algorithm's own state. */
  hardState: Uint8Array | undefined
  /** The group's snapshot. */
  snapshot: SnapshotMeta | undefined
  /** The first index held. */
  firstIndex: LogIndex = 1
  /** The epoch of the entry before the first. */
  baseEpoch = 0
  /** The entries, from the first index on. */
  entries: Entry[] = []
  /** Entries that have become unreadable. */
  faulty: IndexRange[] = []
  /** The sequence number of the last batch; 0 for an image that has had none since it was made. */
  lastSeq = 0

  /** The last index held. */
  get lastIndex(): LogIndex {
    return this.firstIndex + this.entries.length - 1
  }

  /** An independent copy. */
  clone(): DiskImage {
    const copy = new DiskImage()
    copy.replace(this)
    return copy
  }

  /** Makes it a copy of another. */
  replace(other: DiskImage): void {
    this.hardState = other.hardState
    this.snapshot = other.snapshot
    this.firstIndex = other.firstIndex
    this.baseEpoch = other.baseEpoch
    this.entries = other.entries.slice()
    this.faulty = other.faulty.slice()
  }

  /**
   * Applies a batch in the order that `WriteBatch` prescribes.
   *
   * @throws InvariantViolation `ordering-law` for a batch that no storage could honour
   */
  apply(batch: WriteBatch): void {
    const { truncateFrom, snapshot, compactTo, append, hardState } = batch
    if (truncateFrom !== undefined) this.#truncate(truncateFrom)
    if (snapshot !== undefined) this.snapshot = snapshot
    if (compactTo !== undefined && compactTo >= this.firstIndex) this.#compact(compactTo)
    for (const entry of append) {
      const next = this.lastIndex + 1
      hold(
        entry.index === next,
        'ordering-law',
        () => `appends ${entry.index} where ${next} follows`,
      )
      this.entries.push(entry)
    }
    if (hardState !== undefined) this.hardState = hardState
    this.lastSeq = batch.seq
    const reach = this.snapshot?.index ?? 0
    hold(
      this.lastIndex >= reach,
      'ordering-law',
      () => `leaves a gap between the log's end ${this.lastIndex} and the snapshot at ${reach}`,
    )
  }

  /** What a replica starts from. */
  recover(tailBytesMax: number): DurableState {
    const epochs: EpochRun[] = [{ from: this.firstIndex - 1, epoch: this.baseEpoch }]
    let epoch = this.baseEpoch
    for (const entry of this.entries) {
      if (entry.epoch === epoch) continue
      epoch = entry.epoch
      epochs.push({ from: entry.index, epoch })
    }
    const { hardState, snapshot, firstIndex, lastIndex, faulty } = this
    const membershipEntries = this.entries.filter((entry) => entry.kind === 'membership')
    const tail = this.#tail(tailBytesMax)
    return {
      hardState,
      snapshot,
      firstIndex,
      lastIndex,
      epochs,
      tail,
      membershipEntries,
      faulty: [...faulty],
    }
  }

  /** Whether an entry has become unreadable. */
  isFaulty(index: LogIndex): boolean {
    return this.faulty.some(({ first, last }) => first <= index && index <= last)
  }

  #tail(bytesMax: number): Entry[] {
    let from = this.entries.length
    let bytes = 0
    while (from > 0) {
      const entry = this.entries[from - 1] as Entry
      bytes += entry.payload.length
      if (this.isFaulty(entry.index) || (bytes > bytesMax && from < this.entries.length)) break
      from--
    }
    return this.entries.slice(from)
  }

  #truncate(from: LogIndex): void {
    hold(
      from >= this.firstIndex,
      'ordering-law',
      () => `truncates from ${from}, below ${this.firstIndex}`,
    )
    this.entries.length = Math.min(this.entries.length, from - this.firstIndex)
    this.#keepFaulty((range) => range.first < from, 0, from - 1)
  }

  #compact(to: LogIndex): void {
    const snapshot = this.snapshot
    hold(
      snapshot !== undefined && to <= snapshot.index,
      'ordering-law',
      () => `compacts to ${to}, past the snapshot at ${snapshot?.index ?? 0}`,
    )
    const last = this.entries[to - this.firstIndex]
    this.baseEpoch = last?.epoch ?? (snapshot as SnapshotMeta).epoch
    this.entries.splice(0, to + 1 - this.firstIndex)
    this.firstIndex = to + 1
    this.#keepFaulty((range) => range.last > to, to + 1, Number.POSITIVE_INFINITY)
  }

  #keepFaulty(keep: (range: IndexRange) => boolean, min: LogIndex, max: LogIndex): void {
    if (this.faulty.length === 0) return
    this.faulty = this.faulty
      .filter(keep)
      .map(({ first, last }) => ({ first: Math.max(first, min), last: Math.min(last, max) }))
  }
}
