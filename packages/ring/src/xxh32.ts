// XXH32, for rings that have to agree with systems that place by it.
import type { Key } from '@quorate/core'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'

const P1 = 0x9e3779b1
const P2 = 0x85ebca77
const P3 = 0xc2b2ae3d
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

/** XXH32 (Yann Collet, BSD-2-Clause specification): 32 bits, seeded. */
export const xxh32: KeyHash = {
  name: 'xxh32',
  bits: 32,
  hash(key: Key, seed = 0, from = 0, to = key.length): number {
    if (typeof key === 'string') {
      const bytes = utf8(key, from, to)
      return ofBytes(bytes, seed, 0, utf8Length) >>> 0
    }
    checkKey(key)
    return ofBytes(key, seed, from, to) >>> 0
  },
}

function rotl(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function lane(sum: number, input: number): number {
  return Math.imul(rotl((sum + Math.imul(input, P2)) | 0, 13), P1)
}

function ofBytes(bytes: Uint8Array, seed: number, from: number, to: number): number {
  let at = from
  let h = (seed + P5) | 0
  if (to - from >= 16) {
    let a = (seed + P1 + P2) | 0
    let b = (seed + P2) | 0
    let c = seed | 0
    let d = (seed - P1) | 0
    for (; at + 16 <= to; at += 16) {
      a = lane(a, word(bytes, at))
      b = lane(b, word(bytes, at + 4))
      c = lane(c, word(bytes, at + 8))
      d = lane(d, word(bytes, at + 12))
    }
    h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0
  }
  h = (h + to - from) | 0
  for (; at + 4 <= to; at += 4) {
    h = Math.imul(rotl((h + Math.imul(word(bytes, at), P3)) | 0, 17), P4)
  }
  for (; at < to; at++) h = Math.imul(rotl((h + Math.imul(bytes[at]!, P5)) | 0, 11), P1)
  h = Math.imul(h ^ (h >>> 15), P2)
  h = Math.imul(h ^ (h >>> 13), P3)
  return h ^ (h >>> 16)
}
