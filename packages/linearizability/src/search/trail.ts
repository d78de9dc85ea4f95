// The order under construction: which operations have a place, in which sequence, and which of
// the others may come next. Everything can be taken back, last in first out.
import type { Timeline } from './timeline.ts'

/** The sequence of placed operations, with what is needed to take the last one back. */
export class Trail {
  /** Operations placed. */
  depth = 0
  /** Completed operations placed. */
  placed = 0
  readonly #timeline: Timeline<unknown, unknown>
  // Completed operations without a place, by call, as a doubly linked list; the head is at the end.
  readonly #next: Int32Array
  readonly #previous: Int32Array
  // Placed completed operations as bits by rank of return; every rank below `base` is set.
  readonly #bits: Uint32Array
  #base = 0
  #highest = -1
  // The latest call among the placed: what returned before it can have no place after it.
  #latestCall = -1
  readonly #pendingPlaced: Uint8Array
  readonly #operations: Int32Array
  readonly #states: Int32Array
  readonly #pendingSets: Int32Array
  readonly #bases: Int32Array
  readonly #highests: Int32Array
  readonly #latestCalls: Int32Array
  readonly #forced: Uint8Array
  // The deepest sequence so far; its first `shared` operations are also those of the current one.
  readonly #best: Int32Array
  #bestDepth = 0
  #bestPlaced = -1
  #shared = 0

  constructor(timeline: Timeline<unknown, unknown>) {
    const { completed, operations } = timeline
    const count = operations.length
    this.#timeline = timeline
    this.#next = Int32Array.from({ length: completed + 1 }, (_, i) => i + 1)
    this.#previous = Int32Array.from({ length: completed + 1 }, (_, i) => i - 1)
    this.#next[completed] = 0
    this.#previous[0] = completed
    this.#bits = new Uint32Array((completed >>> 5) + 1)
    this.#pendingPlaced = new Uint8Array(count - completed)
    this.#operations = new Int32Array(count)
    this.#states = new Int32Array(count)
    this.#pendingSets = new Int32Array(count)
    this.#bases = new Int32Array(count)
    this.#highests = new Int32Array(count)
    this.#latestCalls = new Int32Array(count)
    this.#forced = new Uint8Array(count)
    this.#best = new Int32Array(count)
  }

  /** The first completed operation without a place, or -1. */
  first(): number {
    return this.after(this.#timeline.completed)
  }

  /** The completed operation without a place that was called next after this one, or -1. */
  after(operation: number): number {
    const next = this.#next[operation] as number
    return next === this.#timeline.completed ? -1 : next
  }

  /** The first return of an operation without a place: what is called later cannot come next. */
  deadline(): number {
    return this.#timeline.returnAt[this.#base] as number
  }

  /** Whether this operation has a place. */
  isPlaced(operation: number): boolean {
    const { completed, rank } = this.#timeline
    if (operation >= completed) return this.#pendingPlaced[operation - completed] === 1
    const at = rank[operation] as number
    return at < this.#base || this.#hasBit(at)
  }

  /** Whether an operation that may have no place can have none any more. */
  isExpired(operation: number): boolean {
    const { completed, expireAt } = this.#timeline
    return (expireAt[operation - completed] as number) < this.#latestCall
  }

  /** Whether placing an operation called then would take the last chance of an optional one. */
  wouldExpire(callAt: number): boolean {
    const { expireAt } = this.#timeline
    if (callAt <= this.#latestCall) return false
    return expireAt.some(
      (at, i) => at < callAt && at >= this.#latestCall && this.#pendingPlaced[i] === 0,
    )
  }

  /** Puts an operation at the end. `forced` says that it is the only choice worth trying. */
  place(operation: number, stateBefore: number, pendingSetBefore: number, forced: boolean): void {
    const { callAt, completed, rank } = this.#timeline
    const { depth } = this
    this.#operations[depth] = operation
    this.#states[depth] = stateBefore
    this.#pendingSets[depth] = pendingSetBefore
    this.#bases[depth] = this.#base
    this.#highests[depth] = this.#highest
    this.#latestCalls[depth] = this.#latestCall
    this.#forced[depth] = forced ? 1 : 0
    this.depth = depth + 1
    if ((callAt[operation] as number) > this.#latestCall)
      this.#latestCall = callAt[operation] as number
    if (operation >= completed) {
      this.#pendingPlaced[operation - completed] = 1
      return
    }
    this.placed += 1
    const next = this.#next[operation] as number
    const previous = this.#previous[operation] as number
    this.#next[previous] = next
    this.#previous[next] = previous
    const at = rank[operation] as number
    this.#bits[at >>> 5] = (this.#bits[at >>> 5] as number) | (1 << (at & 31))
    if (at > this.#highest) this.#highest = at
    while (this.#base < completed && this.#hasBit(this.#base)) this.#base += 1
  }

  /** The last operation placed. */
  top(): { readonly operation: number; readonly forced: boolean } {
    const at = this.depth - 1
    return { operation: this.#operations[at] as number, forced: this.#forced[at] === 1 }
  }

  /** The state before the last operation placed. */
  stateBefore(): number {
    return this.#states[this.depth - 1] as number
  }

  /** The set of placed pending operations before the last operation placed. */
  pendingSetBefore(): number {
    return this.#pendingSets[this.depth - 1] as number
  }

  /** Takes the last operation back. */
  takeBack(): void {
    const { completed, rank } = this.#timeline
    const depth = this.depth - 1
    const operation = this.#operations[depth] as number
    this.depth = depth
    this.#latestCall = this.#latestCalls[depth] as number
    if (this.#shared > depth) this.#shared = depth
    if (operation >= completed) {
      this.#pendingPlaced[operation - completed] = 0
      return
    }
    this.placed -= 1
    this.#next[this.#previous[operation] as number] = operation
    this.#previous[this.#next[operation] as number] = operation
    const at = rank[operation] as number
    this.#bits[at >>> 5] = (this.#bits[at >>> 5] as number) & ~(1 << (at & 31))
    this.#base = this.#bases[depth] as number
    this.#highest = this.#highests[depth] as number
  }

  /**
   * Writes which completed operations are placed, in one form for each set: where the run of
   * earliest returns ends, then the bits above it. Returns the position after the last word.
   */
  writePlaced(record: Uint32Array, from: number): number {
    let at = from
    record[at++] = this.#base
    for (let word = this.#base >>> 5; word <= this.#highest >> 5; word++) {
      record[at++] = this.#bits[word] as number
    }
    return at
  }

  /**
   * Remembers the current sequence if it places more completed operations than any before, or as
   * many with the help of fewer whose outcome is unknown.
   */
  keepIfDeepest(): void {
    const { placed, depth } = this
    if (placed < this.#bestPlaced || (placed === this.#bestPlaced && depth >= this.#bestDepth)) {
      return
    }
    this.#best.set(this.#operations.subarray(this.#shared, this.depth), this.#shared)
    this.#bestPlaced = this.placed
    this.#bestDepth = this.depth
    this.#shared = this.depth
  }

  /** The deepest sequence that was remembered. */
  deepest(): Int32Array {
    return this.#best.slice(0, this.#bestDepth)
  }

  #hasBit(at: number): boolean {
    return ((this.#bits[at >>> 5] as number) & (1 << (at & 31))) !== 0
  }
}
