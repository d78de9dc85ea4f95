// Which numbered calls of a peer have come already. A transport may deliver a frame twice; a call
// must not run twice, or a proposal that is handed over by one would be applied twice.

// So many words of 32 numbers: the last 4,096 at least. A peer chooses by how much its numbers grow,
// with each of its calls, so what follows from that is done for words and not for bits.
const WORDS = 129

/**
 * The calls of one peer on one connection. A peer that names a number far ahead shuts out what it
 * calls afterwards with smaller ones, and nobody else, until its next connection.
 */
export class Arrivals {
  /** The last word that a number fell into. */
  #last = 0
  /** One bit for each number; the word of a number is at its remainder. */
  readonly #bits = new Uint32Array(WORDS)

  /** Whether a number comes for the first time. One too old to be known counts as known. */
  isNew(id: number): boolean {
    const word = Math.floor(id / 32)
    if (this.#last - word >= WORDS) return false
    for (let at = Math.max(this.#last + 1, word - WORDS + 1); at <= word; at++)
      this.#bits[at % WORDS] = 0
    this.#last = Math.max(this.#last, word)
    const bits = this.#bits[word % WORDS] as number
    const bit = 1 << (id % 32)
    this.#bits[word % WORDS] = bits | bit
    return (bits & bit) === 0
  }
}
