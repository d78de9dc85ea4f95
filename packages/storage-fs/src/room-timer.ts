// Waiting for room on a full disk. There is nothing to be told by, so it is tried again after a
// while, until the storage is closed.
import type { Clock, Timer } from '@quorate/core'
import { noRoom } from './journal-errors.ts'

const RETRY_MS = 1000

/** Makes those wait who found the disk full. */
export class RoomTimer {
  readonly #clock: Clock
  readonly #waiting = new Map<Timer, (error: Error) => void>()
  readonly #watching = new Set<() => void>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when it is worth another try; rejects with `NO_SPACE` once it is closed. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(noRoom())
      const timer = this.#clock.setTimer(RETRY_MS, () => {
        this.#waiting.delete(timer)
        resolve()
      })
      this.#waiting.set(timer, reject)
      for (const tell of this.#watching) tell()
    })
  }

  /** Calls back as soon as anybody waits, at once where somebody does; returns how to end that. */
  watch(tell: () => void): () => void {
    this.#watching.add(tell)
    if (this.#waiting.size > 0) tell()
    return () => void this.#watching.delete(tell)
  }

  /** Lets nobody go on. */
  close(): void {
    this.#closed = true
    for (const [timer, reject] of this.#waiting) {
      timer.cancel()
      reject(noRoom())
    }
    this.#waiting.clear()
  }
}
