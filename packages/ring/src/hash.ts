// What a ring needs of a hash. A hash is part of the data: its name is written into every
// snapshot, and a snapshot is never read with another one.
import { QuorateError } from '@quorate/core'
import type { Key } from '@quorate/core'

/** A stable hash of keys. Equal bytes give equal hashes in every process, version and language. */
export interface KeyHash {
  /** Names the hash in snapshots, for example `'murmur3'`. Never reused for another function. */
  readonly name: string
  /** How many bits a hash has: 32, or 16 for those that only number slots. */
  readonly bits: 16 | 32
  /**
   * Hashes bytes, or the UTF-8 bytes of text, to an unsigned integer of {@link KeyHash.bits}.
   *
   * @param key - the bytes or the text
   * @param seed - an unsigned 32-bit seed, 0 by default; hashes that know no seed ignore it
   * @param from - the first byte or code unit to hash; 0 by default
   * @param to - one past the last byte or code unit to hash; the length by default
   * @throws QuorateError `INVALID_ARGUMENT` where text holds a lone surrogate
   */
  hash(key: Key, seed?: number, from?: number, to?: number): number
}

/**
 * Spreads the bits of a 32-bit integer: a bijection in which every input bit reaches every output
 * bit. The result is signed, which an engine can hand from function to function without
 * allocating, while integers from 2^31 up have to be boxed on the way.
 */
export function scramble(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** {@link scramble}, unsigned. */
export function mix32(value: number): number {
  return scramble(value) >>> 0
}

/** Returns `hash` where it can place keys on a circle of 2^32 positions. */
export function checkHash(hash: KeyHash): KeyHash {
  if (typeof hash.hash !== 'function' || typeof hash.name !== 'string') {
    throw new TypeError('The hash must be a KeyHash, such as murmur3')
  }
  if (hash.bits === 32) return hash
  throw new QuorateError('INVALID_OPTIONS', `The hash ${hash.name} has ${hash.bits} bits, not 32`)
}
