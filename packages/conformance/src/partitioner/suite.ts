// What the partitioner and placement suites share: how a check says what it expected, and keys
// that have led others astray.
import { AssertionError, isQuorateError } from '@quorate/core'
import type { ErrorCode } from '@quorate/core'

/** Throws unless `condition` holds. */
export function check(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message())
}

/** Throws unless two plain values are equal. */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  check(a === b, () => `${what}: expected ${String(b)}, got ${String(a)}`)
}

/** Throws unless `body` throws a QuorateError with `code`. */
export function checkThrows(body: () => unknown, code: ErrorCode, what: string): void {
  try {
    body()
  } catch (error) {
    if (isQuorateError(error, code)) return
    throw new AssertionError(`${what}: expected ${code}, got ${String(error)}`)
  }
  throw new AssertionError(`${what}: expected ${code}, but nothing was thrown`)
}

/** Keys `key-0` to `key-<n-1>`. */
export function plainKeys(n: number): readonly string[] {
  return Array.from({ length: n }, (_, i) => `key-${i}`)
}

/** Keys that have led implementations astray: empty, any script, long, with braces. */
export const ODD_KEYS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  'é',
  'é',
  'ключ',
  '鍵',
  '😀',
  '\u{10ffff}',
  '{tag}rest',
  '{}',
  '}{',
  'a'.repeat(100_000),
]

const encoder = new TextEncoder()

/** The UTF-8 bytes of a key. */
export function bytesOf(key: string): Uint8Array {
  return encoder.encode(key)
}

/** The statistic of Pearson's test of counts against expectations. */
export function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + (count - expected[i]!) ** 2 / expected[i]!, 0)
}

/** A value that chi-square with `degrees` of freedom exceeds with odds below one in a million. */
export function chiSquareLimit(degrees: number): number {
  // Wilson and Hilferty: the cube root of chi-square over its degrees is nearly normal.
  const part = 2 / (9 * degrees)
  return degrees * (1 - part + 5 * Math.sqrt(part)) ** 3
}
