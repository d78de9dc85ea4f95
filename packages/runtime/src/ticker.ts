// Wakes many replicas with one timer. Times are rounded up to a common grid, so that replicas
// that want the same thing at about the same time do it in one turn, and share frames.
import type { Clock, Histogram, Timer } from '@quorate/core'

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

/** Makes a ticker on a grid of `gridMs` milliseconds; `stalls` is told by how much it woke late. */
export function createTicker(clock: Clock, gridMs: number, stalls?: Histogram): Ticker {
  const slots = new Map<number, Set<Sleeper>>()
  const slotOf = new Map<Sleeper, number>()
  /** The keys of `slots`, the least first; also some of slots that have become empty since. */
  const order = new SlotHeap()
  let timer: Timer | undefined
  let timerSlot = Number.POSITIVE_INFINITY
  let timerDue = 0
  /** While sleepers are woken: the next slot, since what is due again must let others come first. */
  let leastSlot = Number.NEGATIVE_INFINITY
  let closed = false

  const leave = (sleeper: Sleeper): void => {
    const slot = slotOf.get(sleeper)
    if (slot === undefined) return
    slotOf.delete(sleeper)
    slots.get(slot)?.delete(sleeper)
  }

  /** The first slot in which anybody sleeps. */
  const firstSlot = (): number => {
    for (let first = order.least; first !== undefined; first = order.least) {
      const sleepers = slots.get(first)
      if (sleepers !== undefined && sleepers.size > 0) return first
      slots.delete(first)
      order.removeLeast()
    }
    return Number.POSITIVE_INFINITY
  }

  const arm = (): void => {
    const first = firstSlot()
    if (first === timerSlot) return
    timer?.cancel()
    timer = undefined
    timerSlot = first
    if (!Number.isFinite(first)) return
    const now = clock.now()
    timerDue = Math.max(now, first * gridMs)
    timer = clock.setTimer(timerDue - now, fire)
  }

  const fire = (): void => {
    const now = clock.now()
    stalls?.record(Math.max(0, now - timerDue) / 1_000)
    timerSlot = Number.POSITIVE_INFINITY
    leastSlot = Math.floor(now / gridMs) + 1
    for (let slot = firstSlot(); slot * gridMs <= now; slot = firstSlot()) {
      const sleepers = slots.get(slot) as Set<Sleeper>
      slots.delete(slot)
      order.removeLeast()
      for (const sleeper of sleepers) {
        // Woken sleepers may remove one another; only those still waiting here are woken.
        if (slotOf.get(sleeper) !== slot) continue
        slotOf.delete(sleeper)
        if (sleeper.wakeAt <= now) sleeper.wake(now)
        enter(sleeper)
      }
    }
    leastSlot = Number.NEGATIVE_INFINITY
    if (!closed) arm()
  }

  const enter = (sleeper: Sleeper): boolean => {
    if (closed || !Number.isFinite(sleeper.wakeAt)) return false
    const slot = Math.max(Math.ceil(sleeper.wakeAt / gridMs), leastSlot)
    const current = slotOf.get(sleeper)
    // A later wish is found out when the earlier slot comes: most wishes move on with every
    // message, and moving the entry each time would cost more than one wake too many.
    if (current !== undefined && current <= slot) return false
    leave(sleeper)
    slotOf.set(sleeper, slot)
    const set = slots.get(slot)
    if (set === undefined) {
      slots.set(slot, new Set([sleeper]))
      order.add(slot)
    } else set.add(sleeper)
    return slot < timerSlot
  }

  return {
    reschedule(sleeper) {
      // Whoever wakes sleepers sets the timer afterwards, once.
      if (enter(sleeper) && leastSlot === Number.NEGATIVE_INFINITY) arm()
    },
    remove: leave,
    close() {
      closed = true
      timer?.cancel()
      slots.clear()
      slotOf.clear()
      order.clear()
    },
  }
}

/** A binary heap of numbers, the least on top. */
class SlotHeap {
  #items: number[] = []

  get least(): number | undefined {
    return this.#items[0]
  }

  add(value: number): void {
    const items = this.#items
    let at = items.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((items[parent] as number) <= value) break
      items[at] = items[parent] as number
      at = parent
    }
    items[at] = value
  }

  removeLeast(): void {
    const items = this.#items
    const value = items.pop()
    if (value === undefined || items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) {
        child++
      }
      if ((items[child] as number) >= value) break
      items[at] = items[child] as number
      at = child
    }
    items[at] = value
  }

  clear(): void {
    this.#items = []
  }
}
