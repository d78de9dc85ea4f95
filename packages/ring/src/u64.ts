// 64-bit arithmetic in two 32-bit halves. A bigint allocates for every operation; these leave
// their result in two variables instead.

/** The upper half of the last result. */
export let high = 0

/** The lower half of the last result. */
export let low = 0

/** Multiplies modulo 2^64. */
export function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const a0 = aLow & 0xffff
  const a1 = aLow >>> 16
  const b0 = bLow & 0xffff
  const b1 = bLow >>> 16
  const p00 = a0 * b0
  const p01 = a0 * b1
  const p10 = a1 * b0
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  const carry = a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)
  low = ((middle << 16) | (p00 & 0xffff)) >>> 0
  high = (carry + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0
}

/** Adds modulo 2^64. */
export function add(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const sum = (aLow >>> 0) + (bLow >>> 0)
  low = sum >>> 0
  high = (aHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) >>> 0
}

/** Rotates left by 1 to 31 bits. */
export function rotate(aHigh: number, aLow: number, bits: number): void {
  const h = aHigh
  high = ((h << bits) | (aLow >>> (32 - bits))) >>> 0
  low = ((aLow << bits) | (h >>> (32 - bits))) >>> 0
}
