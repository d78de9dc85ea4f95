// How fast moves may copy: a debt of bytes that time pays off. What is large may begin as soon as
// nothing is owed, and what follows waits until it is paid for.
import type { Clock } from '@quorate/core'

/** A bound on bytes over time. */
export interface Pace {
  /** Whether something may begin now; where it may, its bytes are owed. */
  take(bytes: number): boolean
  /** Waits until something may begin; its bytes are owed then. */
  wait(bytes: number): Promise<void>
}

/**
 * Makes a pace.
 *
 * @param bytesPerSecond - infinity: no bound
 */
export function pace(clock: Clock, bytesPerSecond: number): Pace {
  let owed = 0
  let since = clock.now()
  const pay = (): void => {
    const now = clock.now()
    owed = Math.max(0, owed - ((now - since) * bytesPerSecond) / 1_000)
    since = now
  }
  const take = (bytes: number): boolean => {
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return true
    pay()
    if (owed > 0) return false
    owed += bytes
    return true
  }
  return {
    take,
    async wait(bytes) {
      while (!take(bytes)) {
        const delay = Math.max(1, Math.ceil((owed * 1_000) / bytesPerSecond))
        await new Promise<void>((resolve) => void clock.setTimer(delay, resolve))
      }
    },
  }
}
