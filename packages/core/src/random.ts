// Randomness as a capability, from a seed that can be printed: a run is repeated by giving
// the same seed. The generator is xoshiro128** (Blackman and Vigna, 2018), in 32-bit integers.
import { assert } from './assert.ts'

/** A source of random numbers; the same seed gives the same numbers on every platform. */
export interface Random {
  /** The seed that it was made from, for printing. */
  readonly seed: number
  /** A uniform integer from 0 to 2^32 − 1. */
  uint32(): number
  /** A uniform integer from 0 to `bound − 1`; `bound` is an integer from 1 to 2^32. */
  below(bound: number): number
  /** A uniform number from 0 (included) to 1 (excluded), in steps of 2^-32. */
  fraction(): number
  /**
   * An independent source, a function of this source's seed and `label` alone, so that draws
   * from one purpose never shift the draws of another.
   */
  fork(label: string): Random
}

/** Makes a source from a seed: an integer from 0 to 2^32 − 1. */
export function createRandom(seed: number): Random {
  assert(Number.isInteger(seed) && seed >= 0 && seed <= 0xffffffff, `not a 32-bit seed: ${seed}`)
  return new Xoshiro128(seed)
}

/** A class rather than closures: a host with thousands of groups holds two sources for each. */
class Xoshiro128 implements Random {
  readonly seed: number
  #s0: number
  #s1: number
  #s2: number
  #s3: number

  constructor(seed: number) {
    this.seed = seed
    const golden = 0x9e3779b9
    this.#s0 = splitmix32((seed + golden) | 0)
    this.#s1 = splitmix32((seed + 2 * golden) | 0)
    this.#s2 = splitmix32((seed + 3 * golden) | 0)
    this.#s3 = splitmix32((seed + 4 * golden) | 0) | 1
  }

  uint32(): number {
    const five = Math.imul(this.#s1, 5)
    const result = Math.imul((five << 7) | (five >>> 25), 9)
    const t = this.#s1 << 9
    this.#s2 ^= this.#s0
    this.#s3 ^= this.#s1
    this.#s1 ^= this.#s2
    this.#s0 ^= this.#s3
    this.#s2 ^= t
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21)
    return result >>> 0
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= 0x100000000, `not a bound: ${bound}`)
    // Values at and above the largest multiple of the bound are drawn again: no modulo bias.
    const limit = 0x100000000 - (0x100000000 % bound)
    let value = this.uint32()
    while (value >= limit) value = this.uint32()
    return value % bound
  }

  fraction(): number {
    return this.uint32() / 0x100000000
  }

  fork(label: string): Random {
    return new Xoshiro128(labelHash(this.seed, label))
  }
}

/** A seed from the platform's entropy, for when nobody gave one; print it. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] as number
}

function splitmix32(value: number): number {
  let z = value
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return z ^ (z >>> 15)
}

function labelHash(seed: number, label: string): number {
  let hash = splitmix32(seed ^ 0x5bd1e995)
  for (let at = 0; at < label.length; at++) {
    hash = splitmix32((hash ^ label.charCodeAt(at)) + 0x9e3779b9)
  }
  return hash >>> 0
}
