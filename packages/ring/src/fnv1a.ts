// FNV-1a, the simplest hash that other systems are likely to have. Its upper bits are weak for
// short keys, so a ring by it is less even than one by murmur3.
import type { Key } from '@quorate/core'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'

const OFFSET = 0x811c9dc5
const PRIME = 0x01000193

/** FNV-1a of 32 bits (RFC 9923). It knows no seed. */
export const fnv1a: KeyHash = {
  name: 'fnv1a',
  bits: 32,
  hash(key: Key, _seed = 0, from = 0, to = key.length): number {
    if (typeof key === 'string') {
      const bytes = utf8(key, from, to)
      return ofBytes(bytes, 0, utf8Length) >>> 0
    }
    checkKey(key)
    return ofBytes(key, from, to) >>> 0
  },
}

function ofBytes(bytes: Uint8Array, from: number, to: number): number {
  let h = OFFSET
  for (let i = from; i < to; i++) h = Math.imul(h ^ bytes[i]!, PRIME)
  return h
}
