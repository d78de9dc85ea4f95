// MD5 (RFC 1321), only because ketama places by it. It protects nothing.
import type { Key } from '@quorate/core'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'

const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const

const words = new Int32Array(16)

/** The four words of the last digest, each read little-endian. */
export const digest: Uint32Array = new Uint32Array(4)

let sines: Int32Array | undefined

// The constants are the integer parts of 2^32 |sin(i)|. Engines may differ in the last bit of a
// sine, but none of the 64 values is close enough to an integer for that to show.
function makeSines(): Int32Array {
  return Int32Array.from(
    { length: 64 },
    (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 4_294_967_296) | 0,
  )
}

/** The first four bytes of the MD5 digest, little-endian: a key's position by ketama. No seed. */
export const md5Ketama: KeyHash = {
  name: 'md5-ketama',
  bits: 32,
  hash(key: Key, _seed = 0, from = 0, to = key.length): number {
    md5(key, from, to)
    return digest[0]!
  },
}

/** Computes the MD5 digest of a key into {@link digest}. */
export function md5(key: Key, from = 0, to: number = key.length): void {
  if (typeof key === 'string') {
    const bytes = utf8(key, from, to)
    ofBytes(bytes, 0, utf8Length)
  } else {
    checkKey(key)
    ofBytes(key, from, to)
  }
}

function ofBytes(bytes: Uint8Array, from: number, to: number): void {
  digest[0] = 0x67452301
  digest[1] = 0xefcdab89
  digest[2] = 0x98badcfe
  digest[3] = 0x10325476
  const length = to - from
  const blocks = (length + 8) >>> 6
  for (let block = 0; block <= blocks; block++) {
    words.fill(0)
    const start = block * 64
    for (let i = 0; i < 64 && start + i < length; i++) {
      words[i >> 2]! |= bytes[from + start + i]! << ((i & 3) * 8)
    }
    const stop = length - start
    if (stop >= 0 && stop < 64) words[stop >> 2]! |= 0x80 << ((stop & 3) * 8)
    if (block === blocks) {
      words[14] = length << 3
      words[15] = length >>> 29
    }
    mixBlock()
  }
}

function mixBlock(): void {
  sines ??= makeSines()
  let a: number = digest[0]!
  let b: number = digest[1]!
  let c: number = digest[2]!
  let d: number = digest[3]!
  for (let i = 0; i < 64; i++) {
    const round = i >> 4
    let f: number
    let at: number
    if (round === 0) {
      f = (b & c) | (~b & d)
      at = i
    } else if (round === 1) {
      f = (d & b) | (~d & c)
      at = (5 * i + 1) & 15
    } else if (round === 2) {
      f = b ^ c ^ d
      at = (3 * i + 5) & 15
    } else {
      f = c ^ (b | ~d)
      at = (7 * i) & 15
    }
    const sum = (a + f + sines[i]! + words[at]!) | 0
    const shift = SHIFTS[round]![i & 3]!
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  digest[0]! += a
  digest[1]! += b
  digest[2]! += c
  digest[3]! += d
}
