// How long to wait before the next attempt: exponential with full jitter, so that hosts which
// lost each other at the same moment do not come back at the same moment.
import type { Random } from '@quorate/core'

/** Delays between attempts. */
export interface BackoffOptions {
  /** Bound of the first delay, in milliseconds. Default 100. */
  readonly baseMs?: number | undefined
  /** Bound of every delay, in milliseconds. Default 10,000. */
  readonly maxMs?: number | undefined
}

/** Counts attempts and draws delays. */
export class Backoff {
  readonly #random: Random
  readonly #baseMs: number
  readonly #maxMs: number
  #attempts = 0

  constructor(random: Random, options: BackoffOptions = {}) {
    this.#random = random
    this.#baseMs = options.baseMs ?? 100
    this.#maxMs = options.maxMs ?? 10_000
  }

  /** The next delay: uniform below a bound that doubles with each attempt. */
  nextMs(): number {
    const bound = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts++
    return this.#random.fraction() * bound
  }

  /** The next delay is the first again. */
  reset(): void {
    this.#attempts = 0
  }
}
