// Bounded loads for requests under way: each goes to the first member in the order of its key
// that is below its bound. The only object here that changes.
import type { Key, NodeId } from '@quorate/core'
import { assert } from '@quorate/core'
import { checkEpsilon, loadBound } from './bounded-loads.ts'
import type { Placement } from './placement.ts'

/** What {@link loadTracker} may be told. */
export interface LoadTrackerOptions {
  /** How much more than its share a member may carry: above 0, at most 1. Default: 0.25. */
  readonly epsilon?: number | undefined
}

/** A unit of load on a member. */
export interface LoadLease {
  /** The member that carries it. */
  readonly id: NodeId
  /** Takes the load off again. Calling it once more does nothing. */
  release(): void
}

/** Counts what every member carries and keeps it within bounds. */
export interface LoadTracker {
  /** How many leases are out. */
  readonly total: number
  /**
   * Puts one unit on the first member in the order of the key that then stays within
   * ceil((1 + epsilon) · total · weight / weights). `undefined` only where there are no members.
   */
  acquire(key: Key): LoadLease | undefined
  /** What a member carries. */
  load(id: NodeId): number
}

/**
 * Makes a tracker over a placement.
 *
 * @throws QuorateError `INVALID_OPTIONS` where epsilon is out of range
 */
export function loadTracker(placement: Placement, options: LoadTrackerOptions = {}): LoadTracker {
  return new Tracker(placement, checkEpsilon(options.epsilon ?? 0.25))
}

class Tracker implements LoadTracker {
  readonly #placement: Placement
  readonly #epsilon: number
  readonly #weight: ReadonlyMap<NodeId, number>
  readonly #weights: number
  readonly #load = new Map<NodeId, number>()
  #total = 0

  constructor(placement: Placement, epsilon: number) {
    this.#placement = placement
    this.#epsilon = epsilon
    this.#weight = new Map(placement.members.map((member) => [member.id, member.weight]))
    this.#weights = placement.members.reduce((sum, member) => sum + member.weight, 0)
  }

  get total(): number {
    return this.#total
  }

  load(id: NodeId): number {
    return this.#load.get(id) ?? 0
  }

  acquire(key: Key): LoadLease | undefined {
    if (this.#weight.size === 0) return undefined
    const first = this.#placement.locate(key)!
    const id = this.#hasRoom(first) ? first : this.#next(key)
    this.#total++
    this.#load.set(id, this.load(id) + 1)
    let held = true
    return {
      id,
      release: () => {
        if (!held) return
        held = false
        this.#total--
        this.#load.set(id, this.load(id) - 1)
      },
    }
  }

  #hasRoom(id: NodeId): boolean {
    const bound = loadBound(this.#total + 1, this.#epsilon, this.#weight.get(id)!, this.#weights)
    return this.load(id) < bound
  }

  #next(key: Key): NodeId {
    for (let n = 4; ; n *= 4) {
      const order = this.#placement.preferenceList(key, n)
      const found = order.find((id) => this.#hasRoom(id))
      if (found !== undefined) return found
      if (order.length < n) break
    }
    const any = [...this.#weight.keys()].find((id) => this.#hasRoom(id))
    // The bounds of all members together exceed the total, so one of them has room.
    assert(any !== undefined, 'no member has room for one more unit of load')
    return any
  }
}
