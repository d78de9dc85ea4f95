// Time as a capability: whoever needs it is handed a clock, so that a simulator can own it.
// This file is the only one of the pure packages that touches the platform's timers.

/** A timer that has been set. */
export interface Timer {
  /** Prevents the callback from running; harmless when it already ran. */
  cancel(): void
}

/** Tells time and sets timers. */
export interface Clock {
  /**
   * Monotonic time in milliseconds, with fractions, from an arbitrary origin.
   *
   * Contract. Never decreases, and is not changed by adjustments of the wall clock.
   */
  now(): number
  /**
   * Wall-clock time in milliseconds since 1970-01-01 UTC. It may jump in both directions; it
   * reaches a state machine only as a value inside a command.
   */
  wallNow(): number
  /**
   * Runs `callback` once, not earlier than `delayMs` from now (a delay below 0 counts as 0),
   * never during this call.
   */
  setTimer(delayMs: number, callback: () => void): Timer
  /**
   * Runs `callback` once, soon and never during this call: after the input that has already arrived
   * has been handed over, so that what it causes can be written in one go. No time passes in between.
   */
  defer(callback: () => void): void
}

// The platform takes a longer delay for none at all.
const DELAY_MS_MAX = 2 ** 31 - 1

function setTimer(delayMs: number, callback: () => void): Timer {
  let handle: ReturnType<typeof setTimeout>
  const arm = (leftMs: number): void => {
    const rest = leftMs - DELAY_MS_MAX
    handle =
      rest > 0
        ? setTimeout(() => arm(rest), DELAY_MS_MAX)
        : setTimeout(callback, Math.max(0, leftMs))
  }
  arm(delayMs)
  return { cancel: () => clearTimeout(handle) }
}

/** The platform's clock. */
export function systemClock(): Clock {
  const immediate = typeof setImmediate === 'function' ? setImmediate : undefined
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    setTimer,
    // Node runs immediates right after the sockets that were ready; elsewhere a task boundary comes
    // only with a timer's delay, so the end of the current job has to do.
    defer: (callback) =>
      immediate === undefined ? queueMicrotask(callback) : void immediate(callback),
  }
}
