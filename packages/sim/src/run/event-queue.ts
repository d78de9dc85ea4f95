// What will happen, in order of time, and of arrival where times are equal: the one thing that decides
// the order of everything in a simulation.

/** Something that will happen. */
export interface SimEvent {
  /** When, in microseconds. */
  readonly at: number
  /** Breaks ties: events of one time happen in the order in which they were scheduled. */
  readonly order: number
  /** What happens. `undefined` once it was cancelled. */
  run: (() => void) | undefined
}

/** A binary heap of events. */
export class EventQueue {
  readonly #heap: SimEvent[] = []
  #order = 0

  /** How many events wait, cancelled ones included. */
  get size(): number {
    return this.#heap.length
  }

  /** Adds an event. */
  push(at: number, run: () => void): SimEvent {
    const event: SimEvent = { at, order: this.#order++, run }
    const heap = this.#heap
    let child = heap.length
    heap.push(event)
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = heap[parent] as SimEvent
      if (before(above, event)) break
      heap[child] = above
      child = parent
    }
    heap[child] = event
    return event
  }

  /** When the next event is due; infinity where there is none. */
  nextAt(): number {
    while (this.#heap.length > 0 && this.#heap[0]?.run === undefined) this.#removeFirst()
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Takes the next event that was not cancelled. */
  pop(): SimEvent | undefined {
    this.nextAt()
    return this.#removeFirst()
  }

  #removeFirst(): SimEvent | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let parent = 0
    for (;;) {
      let child = parent * 2 + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && before(right, heap[child] as SimEvent)) child++
      const below = heap[child] as SimEvent
      if (before(last, below)) break
      heap[parent] = below
      parent = child
    }
    heap[parent] = last
    return first
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
