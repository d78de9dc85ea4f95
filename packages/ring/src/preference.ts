// Chooses replicas from members in order of preference, so that they spread over zones: the
// first in the order that shares no more zones than it must.
import { ZoneCounts } from './zones.ts'
import type { ZoneMap } from './zones.ts'

/** Picks members one after another. Reusable: {@link Picker.start} begins a new list. */
export class Picker {
  readonly #zones: ZoneMap
  readonly #counts: ZoneCounts
  readonly #seen: Uint32Array
  #round = 0
  #n = 0
  #passed: number[] = []
  /** The members picked so far, best first. */
  picked: number[] = []

  /** Prepares to pick from `members` members. */
  constructor(zones: ZoneMap, members: number) {
    this.#zones = zones
    this.#counts = new ZoneCounts(zones)
    this.#seen = new Uint32Array(members)
  }

  /** Begins a list of at most `n` members. Returns how many there will be. */
  start(n: number): number {
    for (const member of this.picked) this.#counts.add(member, -1)
    const room = Math.min(n, this.#zones.root.costs.length)
    this.#n = room
    this.#round++
    this.#passed = []
    this.picked = []
    return room
  }

  /** Offers the next member in order; returns whether the list is complete. */
  offer(member: number): boolean {
    if (this.#seen[member] === this.#round) return false
    this.#seen[member] = this.#round
    if (!this.#take(member)) {
      this.#passed.push(member)
      return false
    }
    while (this.picked.length < this.#n && this.#passed.some((passed) => this.#again(passed))) {
      continue
    }
    return this.picked.length === this.#n
  }

  #again(passed: number): boolean {
    if (!this.#take(passed)) return false
    this.#passed = this.#passed.filter((member) => member !== passed)
    return true
  }

  #take(member: number): boolean {
    if (this.#counts.cost(member) !== this.#zones.root.costs[this.picked.length]) return false
    this.#counts.add(member, 1)
    this.picked.push(member)
    return true
  }
}
