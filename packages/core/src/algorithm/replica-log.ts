// A replica's log as far as it is in memory: the epochs of all of it, in runs, and the newest
// entries. Older ones are read back from storage, so that memory does not grow with the lag.
import { assert } from '../assert.ts'
import type { Entry, EpochRun } from '../entry.ts'
import type { Epoch, LogIndex } from '../ids.ts'

// What an entry weighs in memory besides its payload, so that empty ones count as well.
const ENTRY_OVERHEAD_BYTES = 64

/** The log of one replica: indexes and epochs of all of it, and the newest entries, in bounded memory. */
export class ReplicaLog {
  /** The entry right before the first one held; its epoch is known. */
  #base: LogIndex
  #last: LogIndex
  #stable: LogIndex
  readonly #runFrom: number[] = []
  readonly #runEpoch: number[] = []
  readonly #bytesMax: number
  // Entries from #windowFirst to #last are #window[#head...]; slots before #head are free.
  #window: (Entry | undefined)[] = []
  #head = 0
  #windowFirst: LogIndex
  #windowBytes = 0
  // Batches handed out to be persisted, oldest first, and the last index that each makes durable.
  readonly #pendingSeq: number[] = []
  readonly #pendingLast: number[] = []
  #pendingHead = 0
  // The newest batch appended, as its array: what is sent on is mostly exactly this.
  #recent: readonly Entry[] = []
  #recentBytes = 0

  /** See {@link replicaLog}. */
  constructor(
    firstIndex: LogIndex,
    lastIndex: LogIndex,
    runs: readonly EpochRun[],
    tail: readonly Entry[],
    bytesMax: number,
  ) {
    this.#base = firstIndex - 1
    this.#last = lastIndex
    this.#stable = lastIndex
    this.#bytesMax = bytesMax
    for (const run of runs)
      if (run.from <= lastIndex) this.#pushRun(Math.max(run.from, this.#base), run.epoch)
    if (this.#runFrom.length === 0) this.#pushRun(this.#base, 0)
    const kept = tail.filter((entry) => entry.index >= firstIndex && entry.index <= lastIndex)
    this.#windowFirst = lastIndex + 1 - kept.length
    for (const entry of kept) this.#push(entry)
  }

  /** The first index held. */
  get firstIndex(): LogIndex {
    return this.#base + 1
  }

  /** The last index. */
  get lastIndex(): LogIndex {
    return this.#last
  }

  /** The epoch of the last entry. */
  get lastEpoch(): Epoch {
    return this.#runEpoch[this.#runEpoch.length - 1] as number
  }

  /** Up to here the log is durable. */
  get stableIndex(): LogIndex {
    return this.#stable
  }

  /** The first index in memory; `lastIndex + 1` where none is. */
  get windowFirst(): LogIndex {
    return this.#windowFirst
  }

  /** What the entries in memory weigh. */
  get windowBytes(): number {
    return this.#windowBytes
  }

  /** The epoch at an index; `undefined` past the end and where the log has been compacted away. */
  epoch(index: LogIndex): Epoch | undefined {
    if (index > this.#last || index < this.#base) return undefined
    let at = this.#runFrom.length - 1
    if (index >= (this.#runFrom[at] as number)) return this.#runEpoch[at]
    at = this.#runAt(index)
    return this.#runEpoch[at]
  }

  /** Whether the log holds this entry. */
  matches(index: LogIndex, epoch: Epoch): boolean {
    return this.epoch(index) === epoch
  }

  /**
   * The largest index at or before `index` whose epoch is at most `epoch`: no later entry of this log
   * can equal an entry of another log whose epoch there is `epoch`. Before the base where none is held.
   */
  lastOfEpochUpTo(index: LogIndex, epoch: Epoch): LogIndex {
    let found = Math.min(index, this.#last)
    for (let at = this.#runAt(found); at >= 0 && (this.#runEpoch[at] as number) > epoch; at--) {
      found = (this.#runFrom[at] as number) - 1
    }
    return found
  }

  /** The epochs in runs, from the base on. */
  runs(): readonly EpochRun[] {
    return this.#runFrom.map((from, at) => ({ from, epoch: this.#runEpoch[at] as number }))
  }

  /** Adds entries after the last one. */
  append(entries: readonly Entry[]): void {
    const before = this.#windowBytes
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at] as Entry
      assert(entry.index === this.#last + 1, 'entries follow each other without a gap')
      const last = this.#runEpoch[this.#runEpoch.length - 1] as number
      if (entry.epoch !== last) {
        assert(entry.epoch > last, 'epochs only grow along a log')
        this.#pushRun(entry.index, entry.epoch)
      }
      this.#last = entry.index
      this.#push(entry)
    }
    this.#recent = entries
    this.#recentBytes = this.#windowBytes - before
  }

  /** Removes every entry from an index on. */
  truncateFrom(from: LogIndex): void {
    assert(from > this.#base && from <= this.#last, 'truncates what the log holds')
    this.#last = from - 1
    while (
      (this.#runFrom[this.#runFrom.length - 1] as number) >= from &&
      this.#runFrom.length > 1
    ) {
      this.#runFrom.pop()
      this.#runEpoch.pop()
    }
    this.#recent = []
    while (this.#window.length > this.#head && this.#windowFirst + this.#count() > from) {
      this.#windowBytes -= weight(this.#window.pop() as Entry)
    }
    if (this.#windowFirst > from) this.#windowFirst = from
    this.#clampStable(from - 1)
  }

  /** Entries in memory from `first` to at most `last`, stopping before `bytesMax` payload bytes are exceeded, but at least one. */
  slice(first: LogIndex, last: LogIndex, bytesMax: number): readonly Entry[] {
    assert(first >= this.#windowFirst && last <= this.#last, 'slices what is in memory')
    const recent = this.#recent
    if (recent.length > 0 && recent[0]?.index === first && this.#recentBytes <= bytesMax) {
      if (recent[recent.length - 1]?.index === last) return recent
    }
    const start = this.#head + (first - this.#windowFirst)
    const end = start + (last - first)
    let bytes = 0
    let at = start
    for (; at <= end; at++) {
      bytes += (this.#window[at] as Entry).payload.length
      if (bytes > bytesMax && at > start) break
    }
    return this.#window.slice(start, at) as Entry[]
  }

  /** Drops everything up to `index` from the log; what is after it stays. */
  compactTo(index: LogIndex): void {
    if (index <= this.#base) return
    assert(index <= this.#last, 'compacts what the log holds')
    const keep = this.#runAt(index)
    this.#runFrom.splice(0, keep)
    this.#runEpoch.splice(0, keep)
    this.#runFrom[0] = index
    this.#base = index
    this.#evictTo(index)
  }

  /** Empties the log, to go on after a snapshot's last entry. */
  restore(index: LogIndex, epoch: Epoch): void {
    this.#base = index
    this.#last = index
    this.#runFrom.length = 0
    this.#runEpoch.length = 0
    this.#pushRun(index, epoch)
    this.#window = []
    this.#head = 0
    this.#windowFirst = index + 1
    this.#windowBytes = 0
    this.#recent = []
    // The snapshot was durable before it was asked to be installed, and what is appended from now
    // on is written after it: no batch that is still under way says anything about this log.
    this.#stable = index
    for (let at = this.#pendingHead; at < this.#pendingLast.length; at++)
      this.#pendingLast[at] = index
  }

  /** Notes that a batch has been handed out that makes the log durable up to its end. */
  persisting(seq: number): void {
    this.#pendingSeq.push(seq)
    this.#pendingLast.push(this.#last)
  }

  /** Notes that all batches up to `seq` are durable. */
  persisted(seq: number): void {
    while (
      this.#pendingHead < this.#pendingSeq.length &&
      (this.#pendingSeq[this.#pendingHead] as number) <= seq
    ) {
      // Entries that a later batch replaced do not count: the index was clamped when that happened.
      const last = this.#pendingLast[this.#pendingHead] as number
      if (last > this.#stable) this.#stable = last
      this.#pendingHead++
    }
    if (this.#pendingHead === this.#pendingSeq.length) {
      this.#pendingSeq.length = 0
      this.#pendingLast.length = 0
      this.#pendingHead = 0
    } else if (this.#pendingHead > 1_024) {
      this.#pendingSeq.splice(0, this.#pendingHead)
      this.#pendingLast.splice(0, this.#pendingHead)
      this.#pendingHead = 0
    }
  }

  /** Frees memory over the limit: of what has been applied first, of what is durable in need. */
  trim(applying: LogIndex): void {
    if (this.#windowBytes <= this.#bytesMax) return
    this.#evict(Math.min(this.#stable, applying), this.#bytesMax)
    this.#evict(this.#stable, 2 * this.#bytesMax)
  }

  /** An independent copy. */
  clone(): ReplicaLog {
    const copy = new ReplicaLog(this.firstIndex, this.#last, this.runs(), [], this.#bytesMax)
    copy.#stable = this.#stable
    copy.#window = this.#window.slice(this.#head)
    copy.#windowFirst = this.#windowFirst
    copy.#windowBytes = this.#windowBytes
    copy.#pendingSeq.push(...this.#pendingSeq.slice(this.#pendingHead))
    copy.#pendingLast.push(...this.#pendingLast.slice(this.#pendingHead))
    return copy
  }

  #evict(upTo: LogIndex, bytes: number): void {
    while (this.#windowBytes > bytes && this.#windowFirst <= upTo) this.#evictOne()
    this.#shrink()
  }

  #evictTo(index: LogIndex): void {
    while (this.#windowFirst <= index && this.#head < this.#window.length) this.#evictOne()
    if (this.#windowFirst <= index) this.#windowFirst = index + 1
    this.#shrink()
  }

  #evictOne(): void {
    this.#windowBytes -= weight(this.#window[this.#head] as Entry)
    this.#window[this.#head] = undefined
    this.#head++
    this.#windowFirst++
    this.#recent = []
  }

  #shrink(): void {
    if (this.#head > 1_024 && this.#head * 2 > this.#window.length) {
      this.#window.splice(0, this.#head)
      this.#head = 0
    }
  }

  #push(entry: Entry): void {
    this.#window.push(entry)
    this.#windowBytes += weight(entry)
  }

  #pushRun(from: LogIndex, epoch: Epoch): void {
    this.#runFrom.push(from)
    this.#runEpoch.push(epoch)
  }

  #count(): number {
    return this.#window.length - this.#head
  }

  #runAt(index: LogIndex): number {
    let low = 0
    let high = this.#runFrom.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#runFrom[middle] as number) <= index) low = middle
      else high = middle - 1
    }
    return low
  }

  #clampStable(index: LogIndex): void {
    if (this.#stable > index) this.#stable = index
    for (let at = this.#pendingHead; at < this.#pendingLast.length; at++) {
      if ((this.#pendingLast[at] as number) > index) this.#pendingLast[at] = index
    }
  }
}

/**
 * A log as recovered.
 *
 * @param runs - the epochs from `firstIndex − 1` on
 * @param tail - the newest entries, ending at `lastIndex`
 * @param bytesMax - what the entries kept in memory may weigh, 64 bytes of overhead each included;
 * twice as much while they are durable and not yet applied, more only until they are durable
 */
export function replicaLog(
  firstIndex: LogIndex,
  lastIndex: LogIndex,
  runs: readonly EpochRun[],
  tail: readonly Entry[],
  bytesMax: number,
): ReplicaLog {
  return new ReplicaLog(firstIndex, lastIndex, runs, tail, bytesMax)
}

function weight(entry: Entry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES
}
