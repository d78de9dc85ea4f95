// What is under way and not acknowledged, of messages to one follower or of entries to a state
// machine: a ring that grows to its limit only where it must, since a host may lead thousands of groups.
import type { LogIndex } from '../ids.ts'

/** Batches of entries that have not been acknowledged, in the order of their indexes. */
export class Inflight {
  #last: number[] = []
  #size: number[] = []
  #start = 0
  #count = 0
  #bytes = 0

  /** How many. */
  get count(): number {
    return this.#count
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds a batch whose last entry is `last`, no smaller than the one before. */
  add(last: LogIndex, bytes: number): void {
    if (this.#count === this.#last.length) this.#grow()
    const at = (this.#start + this.#count) % this.#last.length
    this.#last[at] = last
    this.#size[at] = bytes
    this.#count++
    this.#bytes += bytes
  }

  /** Drops every batch whose entries are all at or before `index`. */
  acknowledge(index: LogIndex): void {
    while (this.#count > 0 && (this.#last[this.#start] as number) <= index) {
      this.#bytes -= this.#size[this.#start] as number
      this.#start = (this.#start + 1) % this.#last.length
      this.#count--
    }
  }

  /** Drops all: what they carried will be sent again. */
  reset(): void {
    this.#start = 0
    this.#count = 0
    this.#bytes = 0
  }

  /** Becomes a copy of another. */
  take(other: Inflight): void {
    this.#last = other.#last.slice()
    this.#size = other.#size.slice()
    this.#start = other.#start
    this.#count = other.#count
    this.#bytes = other.#bytes
  }

  /** An independent copy. */
  clone(): Inflight {
    const copy = new Inflight()
    copy.take(this)
    return copy
  }

  #grow(): void {
    const last: number[] = []
    const size: number[] = []
    for (let at = 0; at < this.#count; at++) {
      const from = (this.#start + at) % this.#last.length
      last.push(this.#last[from] as number)
      size.push(this.#size[from] as number)
    }
    while (last.length < Math.max(8, this.#count * 2)) {
      last.push(0)
      size.push(0)
    }
    this.#last = last
    this.#size = size
    this.#start = 0
  }
}

/** A window with nothing in it. */
export function inflight(): Inflight {
  return new Inflight()
}
