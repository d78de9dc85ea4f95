// Which operations with an unknown outcome were given a place is part of a configuration. Such
// sets are few and grow for ever, so each is stored once, as a path from the empty set, and has a number.
import type { MemoryShare } from './memory.ts'

const bytesPerSet = 72

// A Map holds a little over 2^24 entries.
const maxSets = 2 ** 24

/** The number of the empty set. */
export const emptySet = 0

/** Numbers sets of small integers: equal sets have equal numbers. */
export class PendingSets {
  readonly #memory: MemoryShare
  readonly #width: number
  // Element of each set that is its largest, and the set without it.
  #largest: number[] = [-1]
  #parent: number[] = [-1]
  #children = new Map<number, number>()

  /** `width` is one more than the largest element. */
  constructor(width: number, memory: MemoryShare) {
    this.#width = width
    this.#memory = memory
  }

  /** The set with one more element (which it must not have yet); -1 where memory has run out. */
  with(set: number, element: number): number {
    const above: number[] = []
    let base = set
    while ((this.#largest[base] as number) > element) {
      above.push(this.#largest[base] as number)
      base = this.#parent[base] as number
    }
    let result = this.#child(base, element)
    for (let i = above.length - 1; i >= 0 && result !== -1; i--) {
      result = this.#child(result, above[i] as number)
    }
    return result
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#memory.give((this.#largest.length - 1) * bytesPerSet)
    this.#largest = [-1]
    this.#parent = [-1]
    this.#children = new Map()
  }

  #child(set: number, element: number): number {
    const key = set * this.#width + element
    const known = this.#children.get(key)
    if (known !== undefined) return known
    if (this.#largest.length >= maxSets || !this.#memory.take(bytesPerSet)) return -1
    const id = this.#largest.length
    this.#largest.push(element)
    this.#parent.push(set)
    this.#children.set(key, id)
    return id
  }
}
