// Which numbered calls of a peer have come already. A transport may deliver a frame twice; a call
// must not run twice, or a proposal that is handed over by one would be applied twice.
const WINDOW = 4_096

/**
 * The calls of one peer on one connection. A peer that names a number far ahead shuts out what it
 * calls afterwards with smaller ones, and nobody else, until its next connection.
 */
export class Arrivals {
  #highest = 0
  /** One bit for each of the last numbers; the bit of a number is at its remainder. */
  readonly #bits = new Uint32Array(WINDOW / 32)

  /** Whether a number comes for the first time. One too old to be known counts as known. */
  isNew(id: number): boolean {
    if (id > this.#highest) {
      const steps = Math.min(id - this.#highest, WINDOW)
      for (let step = 0; step < steps; step++) this.#set(id - step, false)
      this.#highest = id
    } else if (this.#highest - id >= WINDOW || this.#has(id)) return false
    this.#set(id, true)
    return true
  }

  #has(id: number): boolean {
    const at = id % WINDOW
    return ((this.#bits[at >>> 5] as number) & (1 << (at & 31))) !== 0
  }

  #set(id: number, to: boolean): void {
    const at = id % WINDOW
    const bit = 1 << (at & 31)
    const word = this.#bits[at >>> 5] as number
    this.#bits[at >>> 5] = to ? word | bit : word & ~bit
  }
}
