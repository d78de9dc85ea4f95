// MurmurHash3 x86_32, the default hash of every ring: the fastest well-spread hash that 32-bit
// integer arithmetic allows, and one that every language has.
import type { Key } from '@quorate/core'
import { scramble } from './hash.ts'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'

/** MurmurHash3 x86_32 (Austin Appleby, public domain): 32 bits, seeded. The default. */
export const murmur3: KeyHash = {
  name: 'murmur3',
  bits: 32,
  hash(key: Key, seed = 0, from = 0, to = key.length): number {
    if (typeof key === 'string') {
      if (from === 0 && to === key.length) return ofText(key, seed) >>> 0
      return ofUtf8(key, seed, from, to) >>> 0
    }
    checkKey(key)
    return ofBytes(key, seed, from, to) >>> 0
  },
}

function block(hash: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function last(hash: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  return hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

function ofBytes(bytes: Uint8Array, seed: number, from: number, to: number): number {
  const length = to - from
  const end = to - (length & 3)
  let h = seed | 0
  let i = from
  for (; i < end; i += 4) {
    const low = bytes[i]! | (bytes[i + 1]! << 8)
    h = block(h, low | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
  }
  if (i < to) {
    let word = bytes[i]!
    if (i + 1 < to) word |= bytes[i + 1]! << 8
    if (i + 2 < to) word |= bytes[i + 2]! << 16
    h = last(h, word)
  }
  return scramble(h ^ length)
}

// Text is hashed as if it were ASCII and only hashed again, as UTF-8, where it was not.
function ofText(text: string, seed: number): number {
  const length = text.length
  const end = length & ~3
  let h = seed | 0
  let seen = 0
  let i = 0
  while (i < end) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    h = block(h, a | (b << 8) | (c << 16) | (d << 24))
    i += 4
  }
  const rest = length & 3
  if (rest !== 0) {
    const a = text.charCodeAt(i)
    const b = rest > 1 ? text.charCodeAt(i + 1) : 0
    const c = rest > 2 ? text.charCodeAt(i + 2) : 0
    seen |= a | b | c
    h = last(h, a | (b << 8) | (c << 16))
  }
  return seen > 0x7f ? ofUtf8(text, seed, 0, length) : scramble(h ^ length)
}

function ofUtf8(text: string, seed: number, from: number, to: number): number {
  const bytes = utf8(text, from, to)
  return ofBytes(bytes, seed, 0, utf8Length)
}
