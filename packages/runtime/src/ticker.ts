// Wakes many replicas with one timer. Times are rounded up to a common grid, so that replicas
// that want the same thing at about the same time do it in one turn, and share frames.
import type { Clock, Timer } from '@quorate/core'

/** Something that wants to be woken. */
export interface Sleeper {
  /** When it wants to be woken, in the clock's milliseconds; infinity for never. */
  readonly wakeAt: number
  /** Called at or after {@link Sleeper.wakeAt}. */
  wake(now: number): void
}

/** Schedules sleepers. */
export interface Ticker {
  /** Looks at the sleeper's `wakeAt` again; call it after every change. */
  reschedule(sleeper: Sleeper): void
  /** Forgets a sleeper. */
  remove(sleeper: Sleeper): void
  /** Forgets all and stops the timer. */
  close(): void
}

/** Makes a ticker on a grid of `gridMs` milliseconds. */
export function createTicker(clock: Clock, gridMs: number): Ticker {
  const slots = new Map<number, Set<Sleeper>>()
  const slotOf = new Map<Sleeper, number>()
  let timer: Timer | undefined
  let timerSlot = Number.POSITIVE_INFINITY
  let closed = false

  const leave = (sleeper: Sleeper): void => {
    const slot = slotOf.get(sleeper)
    if (slot === undefined) return
    slotOf.delete(sleeper)
    const set = slots.get(slot)
    set?.delete(sleeper)
    if (set?.size === 0) slots.delete(slot)
  }

  const arm = (): void => {
    let first = Number.POSITIVE_INFINITY
    for (const slot of slots.keys()) if (slot < first) first = slot
    if (first === timerSlot) return
    timer?.cancel()
    timerSlot = first
    timer = Number.isFinite(first) ? clock.setTimer(first * gridMs - clock.now(), fire) : undefined
  }

  const fire = (): void => {
    timerSlot = Number.POSITIVE_INFINITY
    const now = clock.now()
    for (const [slot, sleepers] of slots) {
      if (slot * gridMs > now) continue
      slots.delete(slot)
      for (const sleeper of sleepers) {
        // Woken sleepers may remove one another; only those still waiting here are woken.
        if (slotOf.get(sleeper) !== slot) continue
        slotOf.delete(sleeper)
        if (sleeper.wakeAt <= now) sleeper.wake(now)
        enter(sleeper)
      }
    }
    if (!closed) arm()
  }

  const enter = (sleeper: Sleeper): boolean => {
    if (closed || !Number.isFinite(sleeper.wakeAt)) return false
    const slot = Math.ceil(sleeper.wakeAt / gridMs)
    const current = slotOf.get(sleeper)
    // A later wish is found out when the earlier slot comes: most wishes move on with every
    // message, and moving the entry each time would cost more than one wake too many.
    if (current !== undefined && current <= slot) return false
    leave(sleeper)
    slotOf.set(sleeper, slot)
    const set = slots.get(slot)
    if (set === undefined) slots.set(slot, new Set([sleeper]))
    else set.add(sleeper)
    return slot < timerSlot
  }

  return {
    reschedule(sleeper) {
      if (enter(sleeper)) arm()
    },
    remove: leave,
    close() {
      closed = true
      timer?.cancel()
      slots.clear()
      slotOf.clear()
    },
  }
}
