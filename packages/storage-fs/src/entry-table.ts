// Where each entry of one group lies in the log: three numbers an entry in typed arrays, so that
// millions of entries cost little memory and no garbage.
import type { IndexRange, LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'

const HOLE = -1

/** Positions, sizes and kinds of a run of entries without gaps; some may be missing. */
export class EntryTable {
  #positions: Float64Array = new Float64Array(0)
  #sizes: Uint32Array = new Uint32Array(0)
  #kinds: Uint8Array = new Uint8Array(0)
  /** Where in the arrays the first entry is. */
  #start = 0
  #count = 0
  #first: LogIndex
  /** From this index on, positions only grow. */
  #sortedFrom: LogIndex = 0
  readonly #faulty = new Set<LogIndex>()

  constructor(first: LogIndex) {
    this.#first = first
  }

  /** The first index; where there is no entry, the one that the next entry gets. */
  get first(): LogIndex {
    return this.#first
  }

  /** The last index, `first − 1` where there is no entry. */
  get last(): LogIndex {
    return this.#first + this.#count - 1
  }

  /** The position of an entry's record in the log; -1 where it is missing. */
  position(index: LogIndex): number {
    return this.#positions[this.#slot(index)] as number
  }

  /** The payload's size in bytes. */
  size(index: LogIndex): number {
    return this.#sizes[this.#slot(index)] as number
  }

  /** The byte that stands for the kind. */
  kind(index: LogIndex): number {
    return this.#kinds[this.#slot(index)] as number
  }

  /** How many entries exist and cannot be read. */
  get faultyCount(): number {
    return this.#faulty.size
  }

  /** Whether the entry exists and cannot be read. */
  isFaulty(index: LogIndex): boolean {
    return this.#faulty.size > 0 && this.#faulty.has(index)
  }

  /** Whether nobody has said where the entry is. */
  isMissing(index: LogIndex): boolean {
    return this.position(index) === HOLE
  }

  #slot(index: LogIndex): number {
    assert(index >= this.#first && index <= this.last, 'an index within the table')
    return this.#start + index - this.#first
  }

  /** Adds an entry at the end. */
  push(position: number, size: number, kind: number): void {
    if (this.#start + this.#count === this.#positions.length) this.#makeRoom()
    const slot = this.#start + this.#count++
    this.#positions[slot] = position
    this.#sizes[slot] = size
    this.#kinds[slot] = kind
  }

  #makeRoom(): void {
    const end = this.#start + this.#count
    if (this.#start > this.#count) {
      this.#positions.copyWithin(0, this.#start, end)
      this.#sizes.copyWithin(0, this.#start, end)
      this.#kinds.copyWithin(0, this.#start, end)
    } else {
      const capacity = Math.max(64, this.#count * 2)
      this.#positions = grown(this.#positions, new Float64Array(capacity), this.#start, end)
      this.#sizes = grown(this.#sizes, new Uint32Array(capacity), this.#start, end)
      this.#kinds = grown(this.#kinds, new Uint8Array(capacity), this.#start, end)
    }
    this.#start = 0
  }

  /** Adds an entry that nobody has told of yet. */
  pushHole(): void {
    this.push(HOLE, 0, 0)
  }

  /** Puts holes before the first entry, back to `first`. */
  extendFront(first: LogIndex): void {
    if (first >= this.#first) return
    const holes = this.#first - first
    const count = this.#count + holes
    const end = this.#start + this.#count
    const [positions, sizes, kinds] = [
      new Float64Array(count),
      new Uint32Array(count),
      new Uint8Array(count),
    ]
    positions.fill(HOLE, 0, holes)
    positions.set(this.#positions.subarray(this.#start, end), holes)
    sizes.set(this.#sizes.subarray(this.#start, end), holes)
    kinds.set(this.#kinds.subarray(this.#start, end), holes)
    this.#positions = positions
    this.#sizes = sizes
    this.#kinds = kinds
    this.#start = 0
    this.#count = count
    this.#first = first
  }

  /** Says where an entry of the table is. */
  place(index: LogIndex, position: number, size: number, kind: number): void {
    const slot = this.#slot(index)
    this.#positions[slot] = position
    this.#sizes[slot] = size
    this.#kinds[slot] = kind
    this.#sortedFrom = Math.max(this.#sortedFrom, index + 1)
    this.#faulty.delete(index)
  }

  /** The indexes of entries that lie before a position of the log, in order. */
  before(position: number): readonly LogIndex[] {
    const found: LogIndex[] = []
    for (let index = this.#first; index <= this.last; index++) {
      if (this.position(index) < position) found.push(index)
      else if (index >= this.#sortedFrom) break
    }
    return found
  }

  /** Marks an entry as unreadable. */
  markFaulty(index: LogIndex): void {
    this.#slot(index)
    this.#faulty.add(index)
  }

  /** Removes every entry from `from` on. */
  truncate(from: LogIndex): void {
    if (from > this.last) return
    this.#count = Math.max(0, from - this.#first)
    if (from < this.#first) this.#first = from
    for (const index of this.#faulty) if (index >= from) this.#faulty.delete(index)
  }

  /** Removes every entry before `first`; past the end the table is empty and goes on there. */
  dropBefore(first: LogIndex): void {
    if (first <= this.#first) return
    const dropped = Math.min(first - this.#first, this.#count)
    this.#start += dropped
    this.#count -= dropped
    this.#first = first
    if (this.#count === 0) this.#start = 0
    for (const index of this.#faulty) if (index < first) this.#faulty.delete(index)
  }

  /** Where the faults within a stretch are, in order. */
  faults(first: LogIndex, last: LogIndex): readonly IndexRange[] {
    const ranges: { first: LogIndex; last: LogIndex }[] = []
    for (const index of [...this.#faulty].sort((a, b) => a - b)) {
      if (index < first || index > last) continue
      const open = ranges.at(-1)
      if (open !== undefined && open.last + 1 === index) open.last = index
      else ranges.push({ first: index, last: index })
    }
    return ranges
  }

  /** The indexes of missing entries. */
  missing(): readonly LogIndex[] {
    const found: LogIndex[] = []
    for (let index = this.#first; index <= this.last; index++)
      if (this.isMissing(index)) found.push(index)
    return found
  }
}

function grown<T extends Float64Array | Uint32Array | Uint8Array>(
  from: T,
  to: T,
  start: number,
  end: number,
): T {
  to.set(from.subarray(start, end))
  return to
}
