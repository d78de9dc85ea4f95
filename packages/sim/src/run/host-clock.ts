// The clock of one start of a host: its own rate and its own idea of the date, timers that a crash
// ends, and a pause that holds everything back.
import type { Clock, Timer } from '@quorate/core'
import type { SimEvent } from './event-queue.ts'
import type { Timeline } from './timeline.ts'

/** Runs things on behalf of one start of a host: not at all once it is over, later while it is paused. */
export interface HostScope {
  /** Whether this start is over. */
  readonly over: boolean
  /** Runs something now, or when the host goes on after a pause, or never. */
  enter(run: () => void): void
}

/** The hardware clock of a host, which goes on across its starts. */
export class HostOscillator {
  readonly #timeline: Timeline
  #anchorMs = 0
  #localMs: number
  #rate = 1
  #wallOffsetMs: number

  /** A clock that shows `localMs` at first and is `wallOffsetMs` wrong about the date. */
  constructor(timeline: Timeline, localMs: number, wallOffsetMs: number) {
    this.#timeline = timeline
    this.#localMs = localMs
    this.#wallOffsetMs = wallOffsetMs
  }

  /** How fast it runs: 1 is right. */
  get rate(): number {
    return this.#rate
  }

  /** Its monotonic time in milliseconds. */
  now(): number {
    return this.#localMs + (this.#timeline.nowMs - this.#anchorMs) * this.#rate
  }

  /** Its date in milliseconds. */
  wallNow(): number {
    return 1_700_000_000_000 + this.now() + this.#wallOffsetMs
  }

  /** Changes how fast it runs. */
  setRate(rate: number): void {
    this.#localMs = this.now()
    this.#anchorMs = this.#timeline.nowMs
    this.#rate = rate
  }

  /** Lets the date jump. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs
  }
}

/** The clock handed to one start of a host. */
export function hostClock(timeline: Timeline, oscillator: HostOscillator, scope: HostScope): Clock {
  return {
    now: () => oscillator.now(),
    wallNow: () => oscillator.wallNow(),
    setTimer: (delayMs, callback) => new HostTimer(timeline, oscillator, scope, delayMs, callback),
    defer: (callback) => timeline.defer(() => scope.enter(callback)),
  }
}

class HostTimer implements Timer {
  readonly #timeline: Timeline
  readonly #oscillator: HostOscillator
  readonly #scope: HostScope
  readonly #dueMs: number
  #callback: (() => void) | undefined
  #event: SimEvent | undefined

  constructor(
    timeline: Timeline,
    oscillator: HostOscillator,
    scope: HostScope,
    delayMs: number,
    callback: () => void,
  ) {
    this.#timeline = timeline
    this.#oscillator = oscillator
    this.#scope = scope
    this.#dueMs = oscillator.now() + Math.max(0, delayMs)
    this.#callback = callback
    this.#arm()
  }

  cancel(): void {
    this.#callback = undefined
    if (this.#event !== undefined) this.#event.run = undefined
    this.#event = undefined
  }

  #arm(): void {
    const delayMs = (this.#dueMs - this.#oscillator.now()) / this.#oscillator.rate
    this.#event = this.#timeline.after(delayMs, () => {
      // The clock may have been slowed since the timer was set.
      if (this.#oscillator.now() < this.#dueMs - 1e-6) return this.#arm()
      this.#event = undefined
      this.#scope.enter(() => {
        const callback = this.#callback
        this.#callback = undefined
        callback?.()
      })
    })
  }
}
