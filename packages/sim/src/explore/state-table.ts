// The set of states that an exploration has seen, by fingerprint, with the way to each. Typed arrays
// and open addressing: a Map ends at 2^24 entries and costs five times the memory.
import type { Hash64 } from '../model/hash.ts'

/** States seen, numbered from 0 in the order of discovery. */
export class StateTable {
  #high = new Uint32Array(1024)
  #low = new Uint32Array(1024)
  #parent = new Int32Array(1024)
  #action = new Uint16Array(1024)
  /** The state in each slot plus 1; 0 where it is free. Twice as many slots as states, at least. */
  #slots = new Int32Array(4096)
  #size = 0

  /** How many states have been seen. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds a state and returns its number, or −1 where it has been seen before.
   *
   * @param parent - the state that it was reached from; −1 for the first
   * @param action - which of the parent's actions led to it, counted from 0
   */
  add(hash: Hash64, parent: number, action: number): number {
    const mask = this.#slots.length - 1
    let slot = hash.low & mask
    for (;;) {
      const seen = (this.#slots[slot] as number) - 1
      if (seen < 0) break
      if (this.#low[seen] === hash.low && this.#high[seen] === hash.high) return -1
      slot = (slot + 1) & mask
    }
    const state = this.#size++
    if (state === this.#high.length) this.#growStates()
    this.#high[state] = hash.high
    this.#low[state] = hash.low
    this.#parent[state] = parent
    this.#action[state] = action
    this.#slots[slot] = state + 1
    if (this.#size * 2 > this.#slots.length) this.#growSlots()
    return state
  }

  /** The actions that lead from the first state to this one. */
  pathTo(state: number): readonly number[] {
    const path: number[] = []
    for (let at = state; (this.#parent[at] as number) >= 0; at = this.#parent[at] as number) {
      path.push(this.#action[at] as number)
    }
    return path.reverse()
  }

  #growStates(): void {
    const capacity = this.#high.length * 2
    const high = new Uint32Array(capacity)
    const low = new Uint32Array(capacity)
    const parent = new Int32Array(capacity)
    const action = new Uint16Array(capacity)
    high.set(this.#high)
    low.set(this.#low)
    parent.set(this.#parent)
    action.set(this.#action)
    this.#high = high
    this.#low = low
    this.#parent = parent
    this.#action = action
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let state = 0; state < this.#size; state++) {
      let slot = (this.#low[state] as number) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = state + 1
    }
    this.#slots = slots
  }
}
