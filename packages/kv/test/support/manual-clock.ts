// Time for tests that have nothing to wait for: it moves when it is told to, and what is due runs in
// order.
import type { Clock, Timer } from '@quorate/core'

/** A clock that moves when it is told to. */
export class ManualClock implements Clock {
  time = 0
  readonly #timers = new Set<{ at: number; run: () => void }>()

  now(): number {
    return this.time
  }
  wallNow(): number {
    return this.time
  }
  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { at: this.time + Math.max(0, delayMs), run }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }
  defer(run: () => void): void {
    this.setTimer(0, run)
  }
  get pending(): number {
    return this.#timers.size
  }
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.time = Math.max(this.time, due.at)
      due.run()
    }
    this.time = end
  }
}
