// Warnings about strangers, a few at a time: whoever can open sockets must not be able to fill a
// disk with log lines.
import type { Clock, LogFields, Logger } from '@quorate/core'

const WINDOW_MS = 10_000
const LINES_MAX = 10

/** Warns, at most ten times in ten seconds; the first line after says how many were left out. */
export function sparseWarnings(
  clock: Clock,
  logger: Logger,
): (fields: LogFields, message: string) => void {
  let windowEndsMs = Number.NEGATIVE_INFINITY
  let lines = 0
  let leftOut = 0
  return (fields, message) => {
    if (clock.now() >= windowEndsMs) {
      windowEndsMs = clock.now() + WINDOW_MS
      lines = 0
    }
    if (lines === LINES_MAX) {
      leftOut++
      return
    }
    lines++
    logger.warn(leftOut === 0 ? fields : { ...fields, leftOut }, message)
    leftOut = 0
  }
}
