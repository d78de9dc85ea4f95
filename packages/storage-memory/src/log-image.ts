// What one group's log holds at one moment. A storage keeps two for each group: the one that
// callers see, and the one that would survive the loss of power.
import type {
  DurableState,
  Entry,
  EntryRange,
  EpochRun,
  LogIndex,
  SnapshotMeta,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, assert, defined, entryBytes } from '@quorate/core'

/** The log and the small state of one group. */
export class LogImage {
  #entries: Entry[] = []
  #first: LogIndex = 1
  #baseEpoch = 0
  #hardState: Uint8Array | undefined
  #snapshot: SnapshotMeta | undefined
  #bytes = 0
  readonly #faulty = new Set<LogIndex>()

  /** The snapshot that the group goes on from. */
  get snapshot(): SnapshotMeta | undefined {
    return this.#snapshot
  }

  /** Payload bytes of its entries. */
  get bytes(): number {
    return this.#bytes
  }

  /** The last index that it holds; one before the first where it holds none. */
  get last(): LogIndex {
    return this.#first + this.#entries.length - 1
  }

  /** Throws where the batch breaks the caller's side of the contract; changes nothing. */
  check(batch: WriteBatch): void {
    const { truncateFrom, snapshot, compactTo, append } = batch
    let last = this.last
    if (truncateFrom !== undefined) {
      assert(truncateFrom >= this.#first, 'truncates only what the log still holds')
      last = Math.min(last, truncateFrom - 1)
    }
    const replaced = this.#snapshot?.index ?? 0
    assert(
      snapshot === undefined || snapshot.index >= replaced,
      'a snapshot is not older than the one it replaces',
    )
    if (compactTo !== undefined) {
      const covered = snapshot?.index ?? replaced
      assert(compactTo <= covered, 'compacts at most to the snapshot')
      assert(compactTo <= last || compactTo === covered, 'empties the log only at the snapshot')
      last = Math.max(last, compactTo)
    }
    append.forEach((entry, at) => {
      assert(
        entry.index === last + 1 + at,
        () => `entry ${entry.index} follows ${last + at} without a gap`,
      )
    })
  }

  /** Applies a batch that {@link LogImage.check} has let pass. */
  apply(batch: WriteBatch): void {
    if (batch.truncateFrom !== undefined) this.#truncate(batch.truncateFrom)
    if (batch.snapshot !== undefined) this.#snapshot = batch.snapshot
    if (batch.compactTo !== undefined) this.#compact(batch.compactTo)
    for (const entry of batch.append) {
      this.#entries.push(entry)
      this.#bytes += entryBytes(entry)
    }
    if (batch.hardState !== undefined) this.#hardState = batch.hardState
  }

  #truncate(from: LogIndex): void {
    for (const entry of this.#entries.splice(Math.max(0, from - this.#first))) {
      this.#bytes -= entryBytes(entry)
    }
    for (const index of this.#faulty) if (index >= from) this.#faulty.delete(index)
  }

  #compact(to: LogIndex): void {
    if (to < this.#first) return
    const kept = to - this.#first + 1
    this.#baseEpoch =
      to <= this.last
        ? this.#entry(to).epoch
        : defined(this.#snapshot, 'a snapshot covers it').epoch
    for (const entry of this.#entries.splice(0, kept)) this.#bytes -= entryBytes(entry)
    this.#first = to + 1
    for (const index of this.#faulty) if (index <= to) this.#faulty.delete(index)
  }

  #entry(index: LogIndex): Entry {
    return defined(this.#entries[index - this.#first], 'an index within the log')
  }

  /** Makes entries unreadable, as a damaged disk does. */
  damage(first: LogIndex, last: LogIndex): void {
    for (let index = Math.max(first, this.#first); index <= Math.min(last, this.last); index++) {
      this.#faulty.add(index)
    }
  }

  /** A run of entries, as `LogStorage.read` promises it. */
  read(range: EntryRange): readonly Entry[] {
    if (range.first < this.#first) {
      throw new QuorateError(
        'COMPACTED',
        `the log starts at ${this.#first}, entry ${range.first} is gone`,
      )
    }
    if (range.last > this.last || range.last < range.first) {
      throw new QuorateError(
        'INVALID_ARGUMENT',
        `entries ${range.first} to ${range.last} were asked for, the log ends at ${this.last}`,
      )
    }
    if (this.#faulty.has(range.first)) {
      throw new QuorateError('STORAGE_CORRUPT', `entry ${range.first} is damaged`)
    }
    const run: Entry[] = []
    let bytes = 0
    for (let index = range.first; index <= range.last && !this.#faulty.has(index); index++) {
      const entry = this.#entry(index)
      bytes += entryBytes(entry)
      if (run.length > 0 && bytes > range.bytesMax) break
      run.push(entry)
    }
    return run
  }

  /** What a replica starts from. */
  state(tailBytesMax: number): DurableState {
    const faulty = [...this.#faulty].sort((a, b) => a - b)
    const membership = this.#entries.filter(
      (e) => e.kind === 'membership' && !this.#faulty.has(e.index),
    )
    return {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      firstIndex: this.#first,
      lastIndex: this.last,
      epochs: this.#epochs(),
      tail: this.#tail(tailBytesMax),
      membershipEntries: membership,
      faulty: ranges(faulty),
    }
  }

  #epochs(): readonly EpochRun[] {
    const runs: EpochRun[] = [{ from: this.#first - 1, epoch: this.#baseEpoch }]
    for (const { index, epoch } of this.#entries) {
      if (epoch !== runs.at(-1)?.epoch) runs.push({ from: index, epoch })
    }
    return runs
  }

  #tail(bytesMax: number): readonly Entry[] {
    let from = this.last + 1
    let bytes = 0
    while (from > this.#first && !this.#faulty.has(from - 1)) {
      bytes += entryBytes(this.#entry(from - 1))
      if (from <= this.last && bytes > bytesMax) break
      from--
    }
    return this.#entries.slice(from - this.#first)
  }

  /** An independent copy; entries are shared, since they never change. */
  clone(): LogImage {
    const copy = new LogImage()
    copy.#entries = this.#entries.slice()
    copy.#first = this.#first
    copy.#baseEpoch = this.#baseEpoch
    copy.#hardState = this.#hardState
    copy.#snapshot = this.#snapshot
    copy.#bytes = this.#bytes
    for (const index of this.#faulty) copy.#faulty.add(index)
    return copy
  }
}

/** Where faults are: runs of indexes. */
function ranges(indexes: readonly LogIndex[]): { first: LogIndex; last: LogIndex }[] {
  const found: { first: LogIndex; last: LogIndex }[] = []
  for (const index of indexes) {
    const open = found.at(-1)
    if (open !== undefined && open.last + 1 === index) open.last = index
    else found.push({ first: index, last: index })
  }
  return found
}
