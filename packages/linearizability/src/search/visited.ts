// The set of configurations that were searched before. Records live in one arena of integers and
// are compared word by word, so a hash collision costs time and never an answer.
import type { MemoryShare } from './memory.ts'

const initialSlots = 256
const initialWords = 1024

/** What became of a record handed to {@link Visited.add}. */
export type Added = 'new' | 'seen' | 'full'

/** Mixes a record of 32-bit words into a 32-bit hash (xor, multiply, shift rounds). */
export function hashWords(words: Uint32Array, length: number): number {
  let hash = 0x9e3779b9 ^ length
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ (words[i] as number), 0x85ebca6b)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 13
  }
  return hash >>> 0
}

/** A set of records of integers, exact and bounded. */
export class Visited {
  readonly #memory: MemoryShare
  readonly #hash: (words: Uint32Array, length: number) => number
  // A slot is 0 where empty, else one more than the position of its record in the arena.
  #slots = new Uint32Array(0)
  // A record is its hash, its length, its words.
  #arena = new Uint32Array(0)
  #end = 0
  size = 0

  constructor(memory: MemoryShare, hash: typeof hashWords = hashWords) {
    this.#memory = memory
    this.#hash = hash
  }

  /** Adds the first `length` words of `words`. */
  add(words: Uint32Array, length: number): Added {
    if (!this.#reserve(length + 2)) return 'full'
    const hash = this.#hash(words, length)
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (;;) {
      const found = slots[slot] as number
      if (found === 0) break
      if (this.#equals(found - 1, hash, words, length)) return 'seen'
      slot = (slot + 1) & mask
    }
    slots[slot] = this.#end + 1
    this.#arena[this.#end] = hash
    this.#arena[this.#end + 1] = length
    for (let i = 0; i < length; i++) this.#arena[this.#end + 2 + i] = words[i] as number
    this.#end += length + 2
    this.size += 1
    return 'new'
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#memory.give((this.#slots.length + this.#arena.length) * 4)
    this.#slots = new Uint32Array(0)
    this.#arena = new Uint32Array(0)
    this.#end = 0
    this.size = 0
  }

  #equals(at: number, hash: number, words: Uint32Array, length: number): boolean {
    const arena = this.#arena
    if (arena[at] !== hash || arena[at + 1] !== length) return false
    for (let i = 0; i < length; i++) {
      if (arena[at + 2 + i] !== words[i]) return false
    }
    return true
  }

  #reserve(words: number): boolean {
    if (this.#end + words > this.#arena.length) {
      const length = Math.max(initialWords, this.#arena.length * 2, this.#end + words)
      if (!this.#memory.take((length - this.#arena.length) * 4)) return false
      const arena = new Uint32Array(length)
      arena.set(this.#arena.subarray(0, this.#end))
      this.#arena = arena
    }
    if ((this.size + 1) * 2 > this.#slots.length) return this.#growSlots()
    return true
  }

  #growSlots(): boolean {
    const length = Math.max(initialSlots, this.#slots.length * 2)
    if (!this.#memory.take((length - this.#slots.length) * 4)) return false
    const slots = new Uint32Array(length)
    const mask = length - 1
    for (const entry of this.#slots) {
      if (entry === 0) continue
      let slot = (this.#arena[entry - 1] as number) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = entry
    }
    this.#slots = slots
    return true
  }
}
