// Deadlines of many waits by one timer: nearly all waits end long before theirs, so a timer for
// each would cost more than the wait.
import type { Clock, Timer } from '@quorate/core'

/** Something that ends at a time if nothing else ends it. */
export interface Expiring {
  /** When, on the monotonic clock. */
  readonly deadline: number
  /** Called once that time has come; it must end the wait. */
  expire(): void
}

/** The deadlines of many waits. */
export interface Deadlines {
  /** Adds a wait. */
  add(wait: Expiring): void
  /** Removes a wait that has ended. */
  remove(wait: Expiring): void
  /** How many waits there are. */
  readonly size: number
  /** Ends every wait now. */
  expireAll(): void
}

/** Makes an empty set of deadlines. */
export function deadlines(clock: Clock): Deadlines {
  const waits = new Set<Expiring>()
  let timer: Timer | undefined
  let wakeAt = Number.POSITIVE_INFINITY

  const schedule = (at: number): void => {
    timer?.cancel()
    wakeAt = at
    timer = clock.setTimer(at - clock.now(), sweep)
  }
  const sweep = (): void => {
    timer = undefined
    wakeAt = Number.POSITIVE_INFINITY
    const now = clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const wait of waits) {
      if (wait.deadline <= now) {
        waits.delete(wait)
        wait.expire()
      } else if (wait.deadline < next) {
        next = wait.deadline
      }
    }
    if (waits.size > 0 && next < wakeAt) schedule(next)
  }

  return {
    add(wait) {
      waits.add(wait)
      if (wait.deadline < wakeAt) schedule(wait.deadline)
    },
    remove(wait) {
      waits.delete(wait)
      if (waits.size > 0) return
      timer?.cancel()
      timer = undefined
      wakeAt = Number.POSITIVE_INFINITY
    },
    get size() {
      return waits.size
    },
    expireAll() {
      for (const wait of waits) {
        waits.delete(wait)
        wait.expire()
      }
      timer?.cancel()
      timer = undefined
      wakeAt = Number.POSITIVE_INFINITY
    },
  }
}
