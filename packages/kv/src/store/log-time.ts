// The time that a host stamps on commands: the wall clock when the host started, moved on by the
// monotonic clock. A step of the wall clock can then not end sessions or keys.
import type { Clock } from '@quorate/core'

/** A time in milliseconds since 1970 that never goes back while a host runs. */
export interface LogTime {
  /** The time now, a whole number. */
  now(): number
}

/** Makes the log time of a host. */
export function logTime(clock: Clock): LogTime {
  const wall = clock.wallNow()
  const start = clock.now()
  return { now: () => Math.max(0, Math.floor(wall + clock.now() - start)) }
}
