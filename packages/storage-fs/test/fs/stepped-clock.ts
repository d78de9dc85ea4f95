// Time that passes when a test says so, so that what is paced can be watched without waiting.
import type { Clock } from '@quorate/core'

/** A clock that is set forward by the test. */
export class SteppedClock implements Clock {
  #now = 0
  #timers: { at: number; callback: () => void }[] = []
  now = (): number => this.#now
  wallNow = (): number => this.#now
  defer = (callback: () => void): void => queueMicrotask(callback)

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((one) => one !== timer)) }
  }

  /** Lets time pass, and everything happen that is due. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms
    for (;;) {
      const next = this.#timers.sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) break
      this.#timers.shift()
      this.#now = next.at
      next.callback()
      for (let turn = 0; turn < 300; turn++) await Promise.resolve()
    }
    this.#now = until
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.length
  }
}
