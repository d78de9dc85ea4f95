// Every byte that grows with the search is asked for here first, so that a check has one bound
// on its memory however many parts the history has.

/** A bound on memory, shared by the parts of one check. */
export class MemoryBudget {
  readonly limit: number
  used = 0
  /** The most that was in use at once. */
  peak = 0
  readonly #shares: MemoryShare[] = []

  constructor(limitBytes: number) {
    this.limit = limitBytes
  }

  /** A share for one search. `release` must give back all of it; it is called to make room. */
  share(release: () => void): MemoryShare {
    const share = new MemoryShare(this, release)
    this.#shares.push(share)
    return share
  }

  /** Makes room at the cost of the largest share, unless the one that asks is the largest. */
  makeRoom(asking: MemoryShare, bytes: number): boolean {
    while (this.used + bytes > this.limit) {
      const largest = this.#shares.reduce((a, b) => (b.used > a.used ? b : a))
      if (largest.used <= asking.used + bytes) return false
      largest.release()
    }
    return true
  }
}

/** What one search holds of a budget. */
export class MemoryShare {
  used = 0
  readonly release: () => void
  readonly #budget: MemoryBudget

  constructor(budget: MemoryBudget, release: () => void) {
    this.#budget = budget
    this.release = release
  }

  /** Whether these bytes may be allocated; they are then counted. */
  take(bytes: number): boolean {
    const budget = this.#budget
    if (budget.used + bytes > budget.limit && !budget.makeRoom(this, bytes)) return false
    this.used += bytes
    budget.used += bytes
    if (budget.used > budget.peak) budget.peak = budget.used
    return true
  }

  /** Gives bytes back. */
  give(bytes: number): void {
    this.used -= bytes
    this.#budget.used -= bytes
  }
}
