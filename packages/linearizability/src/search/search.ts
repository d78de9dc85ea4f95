// The search of one part of a history: Wing and Gong's (1993) with Lowe's (2017) memory of
// configurations, as a state machine that can stop after any step and go on later.
import { impossible, undecided, type Model } from '../model.ts'
import type { MemoryBudget } from './memory.ts'
import { emptySet, PendingSets } from './pending-sets.ts'
import { StateTable } from './states.ts'
import type { Timeline } from './timeline.ts'
import { Trail } from './trail.ts'
import { Visited, type hashWords } from './visited.ts'

/** How far a search has come. */
export type SearchStatus = 'open' | 'linearizable' | 'impossible' | 'out-of-memory' | 'undecided'

/**
 * Searches for an order of the operations that the model accepts and that real time allows.
 *
 * An operation may come next if it was called before the first return of an operation that has
 * no place yet. Three rules cut the search without changing its answer: a read that is possible
 * now goes first, with no alternative (it changes nothing, so no later place is better); of two
 * interchangeable operations the one called and returned earlier goes first; an operation
 * with an unknown outcome that would change nothing gets no place.
 */
export class Search<State, Input, Output> {
  readonly timeline: Timeline<Input, Output>
  status: SearchStatus = 'open'
  /** Steps of the model tried, plus steps taken back. */
  steps = 0
  /** Distinct configurations met, counted when the search ends. */
  configurations = 0
  readonly #trail: Trail
  readonly #model: Model<State, Input, Output>
  readonly #states: StateTable<State>
  readonly #pendingSets: PendingSets
  readonly #visited: Visited
  readonly #record: Uint32Array
  #state: number
  #pendingSet: number = emptySet
  #entering = true
  // Where the scan for the next operation goes on: a completed one, or past them a pending one.
  #cursor = -1

  constructor(
    model: Model<State, Input, Output>,
    timeline: Timeline<Input, Output>,
    budget: MemoryBudget,
    hash?: typeof hashWords,
  ) {
    this.#model =
      model.forPart?.(
        timeline.operations.slice(0, timeline.completed),
        timeline.operations.slice(timeline.completed),
      ) ?? model
    this.timeline = timeline
    this.#trail = new Trail(timeline)
    const memory = budget.share(() => this.release('out-of-memory'))
    this.#states = new StateTable(model, memory)
    this.#pendingSets = new PendingSets(timeline.operations.length, memory)
    this.#visited = new Visited(memory, hash)
    this.#record = new Uint32Array(4 + (timeline.completed >>> 5) + 1)
    this.#state = this.#states.id(model.init())
    if (this.#state === -1) this.status = 'out-of-memory'
  }

  /** The deepest order found, as positions in the part. */
  longest(): number[] {
    const { positions } = this.timeline
    return Array.from(this.#trail.deepest(), (operation) => positions[operation] as number)
  }

  /** Goes on for about this many steps (never fewer, a scan more at most) or to the end. */
  run(budget: number): SearchStatus {
    const limit = this.steps + budget
    while (this.status === 'open' && this.steps < limit) {
      if (this.#entering) this.#enter()
      else this.#scan()
    }
    if (this.status !== 'open') this.release()
    return this.status
  }

  /** Gives the memory back. An open search ends with this status. */
  release(status: SearchStatus = 'undecided'): void {
    this.#trail.keepIfDeepest()
    this.configurations = Math.max(this.configurations, this.#visited.size)
    if (this.status === 'open') this.status = status
    this.#visited.clear()
    this.#states.clear()
    this.#pendingSets.clear()
  }

  #enter(): void {
    const { timeline } = this
    const trail = this.#trail
    for (;;) {
      if (trail.placed === timeline.completed) {
        this.status = 'linearizable'
        return
      }
      const read = this.#possibleRead()
      if (read === -1) break
      trail.place(read, this.#state, this.#pendingSet, true)
    }
    const length = this.#writeRecord()
    if (this.status !== 'open') return
    const added = this.#visited.add(this.#record, length)
    if (added === 'full') {
      this.status = 'out-of-memory'
    } else if (added === 'seen') {
      this.#back()
    } else {
      this.#entering = false
      this.#cursor = trail.first()
    }
  }

  /** A read that is possible now, or -1. */
  #possibleRead(): number {
    const { timeline } = this
    const trail = this.#trail
    const deadline = trail.deadline()
    for (let i = trail.first(); i !== -1; i = trail.after(i)) {
      if ((timeline.callAt[i] as number) > deadline) return -1
      const goesFirst = timeline.readOnly[i] === 1 && !this.#expiresOthers(i)
      if (goesFirst && this.#try(i) !== -1) return i
      if (this.status !== 'open') return -1
    }
    return -1
  }

  #expiresOthers(i: number): boolean {
    const { callAt, expires } = this.timeline
    return expires && this.#trail.wouldExpire(callAt[i] as number)
  }

  /** Finds the next operation to place, or takes the last one back. */
  #scan(): void {
    const { timeline } = this
    const trail = this.#trail
    const { completed, callAt, readOnly, twin } = timeline
    const deadline = trail.deadline()
    let i = this.#cursor
    while (i !== -1 && i < completed) {
      if ((callAt[i] as number) > deadline) {
        i = -1
        break
      }
      const other = twin[i] as number
      // Without optional operations every read that is possible has its place by now.
      if ((readOnly[i] === 0 || timeline.expires) && (other === -1 || trail.isPlaced(other))) {
        const next = this.#try(i)
        if (next !== -1) return this.#place(i, next, this.#pendingSet)
        if (this.status !== 'open') return
      }
      i = trail.after(i)
    }
    this.#scanPending(i === -1 ? completed : i, deadline)
  }

  #scanPending(from: number, deadline: number): void {
    const { timeline } = this
    const trail = this.#trail
    const { callAt, completed, operations, expires, twin } = timeline
    for (let i = from; i < operations.length && (callAt[i] as number) <= deadline; i++) {
      const other = twin[i] as number
      if (trail.isPlaced(i) || (expires && trail.isExpired(i))) continue
      if (other !== -1 && !trail.isPlaced(other) && !(expires && trail.isExpired(other))) continue
      const next = this.#try(i)
      if (this.status !== 'open') return
      if (next === -1 || next === this.#state) continue
      const set = this.#pendingSets.with(this.#pendingSet, i - completed)
      if (set === -1) this.status = 'out-of-memory'
      else this.#place(i, next, set)
      return
    }
    this.#back()
  }

  /** The number of the state after this operation, or -1 where it is impossible. */
  #try(i: number): number {
    const { operations, completed } = this.timeline
    const operation = operations[i] as (typeof operations)[number]
    this.steps += 1
    const after = this.#model.step(
      this.#states.state(this.#state),
      operation.input,
      i < completed ? operation.output : undefined,
    )
    if (after === impossible) return -1
    if (after === undecided) {
      this.status = 'undecided'
      return -1
    }
    const id = this.#states.id(after as State)
    if (id === -1) this.status = 'out-of-memory'
    return id
  }

  #place(i: number, state: number, pendingSet: number): void {
    this.#trail.place(i, this.#state, this.#pendingSet, false)
    this.#state = state
    this.#pendingSet = pendingSet
    this.#entering = true
  }

  /** Takes back the last operation that had an alternative, and every read placed after it. */
  #back(): void {
    const { timeline } = this
    const trail = this.#trail
    trail.keepIfDeepest()
    for (;;) {
      if (trail.depth === 0) {
        this.status = 'impossible'
        return
      }
      const { operation, forced } = trail.top()
      this.#state = trail.stateBefore()
      this.#pendingSet = trail.pendingSetBefore()
      trail.takeBack()
      this.steps += 1
      if (forced) continue
      this.#entering = false
      this.#cursor = operation < timeline.completed ? trail.after(operation) : operation + 1
      if (this.#cursor === -1) this.#cursor = timeline.completed
      return
    }
  }

  #writeRecord(): number {
    const record = this.#record
    record[0] = this.#state
    record[1] = this.#pendingSet
    if (!this.timeline.expires) return this.#trail.writePlaced(record, 2)
    // What has expired matters no more, used or not. Which have follows from the rest: the latest
    // call is that of a completed operation, or of an optional one that is used and not expired.
    const { completed, operations } = this.timeline
    let set = emptySet
    for (let i = completed; i < operations.length; i++) {
      if (this.#trail.isExpired(i) || !this.#trail.isPlaced(i)) continue
      set = this.#pendingSets.with(set, i - completed)
      if (set === -1) {
        this.status = 'out-of-memory'
        return 0
      }
    }
    record[1] = set
    return this.#trail.writePlaced(record, 2)
  }
}
