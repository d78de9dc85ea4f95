// Ranges of keys in the order of their bytes, as a shard of sorted ranges serves them.
import { rawKey, rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { ByteRange } from './handover-command.ts'

/** The keys from `start` up to, not including, `end`. */
export interface KeyRange {
  /** The first key; empty: from the beginning. */
  readonly start: RawKey
  /** The first key after it; `undefined`: there is none. */
  readonly end: RawKey | undefined
}

/** All keys: what every shard of hash slots serves. */
export const ALL_KEYS: KeyRange = { start: '', end: undefined }

/** Whether a range holds a key. */
export function holds(range: KeyRange | undefined, key: RawKey): boolean {
  if (range === undefined) return false
  return key >= range.start && (range.end === undefined || key < range.end)
}

/** Whether a range holds all keys of another. */
export function covers(range: KeyRange | undefined, part: KeyRange): boolean {
  if (range === undefined || part.start < range.start) return false
  return range.end === undefined || (part.end !== undefined && part.end <= range.end)
}

/** Whether two ranges are the same. */
export function sameRange(a: KeyRange, b: KeyRange): boolean {
  return a.start === b.start && a.end === b.end
}

/** What is left of a range without a part at one of its ends; `'none'` where the part is no such. */
export function without(range: KeyRange, part: KeyRange): KeyRange | undefined | 'none' {
  if (!covers(range, part)) return 'none'
  if (sameRange(range, part)) return undefined
  if (part.end === range.end) return { start: range.start, end: part.start }
  if (part.start === range.start) return { start: part.end as RawKey, end: range.end }
  return 'none'
}

/** A range and one that adjoins it as one; `undefined` where they do not adjoin. */
export function joined(range: KeyRange | undefined, part: KeyRange): KeyRange | undefined {
  if (range === undefined) return part
  if (range.end === part.start) return { start: range.start, end: part.end }
  if (part.end === range.start) return { start: part.start, end: range.end }
  return undefined
}

/** A range from its bounds as bytes. */
export function rangeOfBytes({ start, end }: ByteRange): KeyRange {
  return { start: rawKey(start), end: end.length === 0 ? undefined : rawKey(end) }
}

/** The bounds of a range as bytes. */
export function rangeBytes({ start, end }: KeyRange): ByteRange {
  return { start: rawKeyBytes(start), end: rawKeyBytes(end ?? '') }
}

/** A range in JSON: its bounds in hexadecimal digits. */
export interface RangeJson {
  /** The first key; empty: from the beginning. */
  readonly start: string
  /** The first key after it; absent: there is none. */
  readonly end?: string | undefined
}

/** A range as plain data. */
export function rangeJson({ start, end }: KeyRange): RangeJson {
  return end === undefined ? { start: hexOf(start) } : { start: hexOf(start), end: hexOf(end) }
}

/** Reads what {@link rangeJson} made. */
export function rangeFromJson({ start, end }: RangeJson): KeyRange {
  return { start: keyOfHex(start), end: end === undefined ? undefined : keyOfHex(end) }
}

/** The bytes of a key in hexadecimal digits. */
export function hexOf(key: RawKey): string {
  let digits = ''
  for (let at = 0; at < key.length; at++) digits += key.charCodeAt(at).toString(16).padStart(2, '0')
  return digits
}

/** The key of hexadecimal digits. */
export function keyOfHex(digits: string): RawKey {
  let key = ''
  for (let at = 0; at < digits.length; at += 2) {
    key += String.fromCharCode(Number.parseInt(digits.slice(at, at + 2), 16))
  }
  return key
}

/** Whether something is a range in JSON. */
export function isRangeJson(value: unknown): value is RangeJson {
  if (typeof value !== 'object' || value === null) return false
  const { start, end } = value as Partial<RangeJson>
  const isHex = (digits: unknown): digits is string =>
    typeof digits === 'string' && digits.length <= 8_192 && /^([0-9a-f]{2})*$/.test(digits)
  return isHex(start) && (end === undefined || (isHex(end) && end > start))
}
