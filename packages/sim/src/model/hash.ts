// Fingerprints: two independent 32-bit lanes over bytes, so that millions of states can be told
// apart in typed arrays, and a whole run can be compared by one number.

/** A 64-bit value in two 32-bit halves, as unsigned integers. */
export interface Hash64 {
  /** The upper half. */
  readonly high: number
  /** The lower half. */
  readonly low: number
}

/** The hash of nothing, to go on from. */
export const emptyHash: Hash64 = Object.freeze({ high: 0x9747b28c, low: 0x3c6ef372 })

/** The hash of `bytes` after `seed`. */
export function hashBytes(bytes: Uint8Array, seed: Hash64 = emptyHash): Hash64 {
  let high = seed.high ^ bytes.length
  let low = seed.low
  const end = bytes.length & ~3
  let at = 0
  for (; at < end; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    high = Math.imul(high ^ word, 0xcc9e2d51)
    high = (high << 13) | (high >>> 19)
    low = Math.imul(low ^ word, 0x1b873593)
    low = (low << 17) | (low >>> 15)
    low = (low + high) | 0
  }
  let rest = 0
  for (let shift = 0; at < bytes.length; at++, shift += 8) rest |= (bytes[at] as number) << shift
  high = Math.imul(high ^ rest, 0xcc9e2d51)
  low = Math.imul(low ^ rest ^ (high >>> 15), 0x1b873593)
  return finish(high, low)
}

/** The hash of a number (its low 32 bits and the rest) after `seed`. */
export function hashNumber(value: number, seed: Hash64): Hash64 {
  const upper = Math.floor(value / 0x100000000) | 0
  const high = Math.imul(seed.high ^ value, 0xcc9e2d51) ^ upper
  const low = Math.imul((seed.low + value) | 0, 0x1b873593) ^ (high >>> 13)
  return finish(high, low)
}

/** The hash of two hashes in order. */
export function hashPair(a: Hash64, b: Hash64): Hash64 {
  return finish(
    Math.imul(a.high, 0x85ebca6b) ^ b.high ^ (a.low >>> 7),
    Math.imul(a.low ^ b.low, 0xc2b2ae35) + b.high,
  )
}

/** The sum of two hashes, the same in any order: what a bag of things hashes to. */
export function hashSum(a: Hash64, b: Hash64): Hash64 {
  return { high: (a.high + b.high) >>> 0, low: (a.low + b.low) >>> 0 }
}

/** Takes `b` back out of a sum. */
export function hashDifference(a: Hash64, b: Hash64): Hash64 {
  return { high: (a.high - b.high) >>> 0, low: (a.low - b.low) >>> 0 }
}

/** Sixteen hexadecimal digits. */
export function hashText(hash: Hash64): string {
  const half = (value: number): string => value.toString(16).padStart(8, '0')
  return half(hash.high) + half(hash.low)
}

function finish(high: number, low: number): Hash64 {
  let h = high ^ (low >>> 16)
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  h ^= h >>> 15
  let l = (low + Math.imul(h, 0x9e3779b9)) | 0
  l = Math.imul(l ^ (l >>> 16), 0x85ebca6b)
  l = Math.imul(l ^ (l >>> 13), 0xc2b2ae35)
  l ^= l >>> 16
  return { high: h >>> 0, low: l >>> 0 }
}
