// Keys are bytes. A string stands for its UTF-8 bytes, so that a ring agrees with one written in
// any other language; the encoder writes to one reused buffer so that a lookup allocates nothing.
import { QuorateError } from '@quorate/core'
import type { Key } from '@quorate/core'

const SCRATCH_BYTES_MAX = 65_536

let scratch = new Uint8Array(1024)

/** Encodes `text` from code unit `from` up to `to`; the result is valid until the next call. */
export function utf8(text: string, from: number, to: number): Uint8Array {
  const room = (to - from) * 3
  let target = scratch
  if (room > target.length) {
    target = new Uint8Array(room)
    // A rare huge key must not pin its buffer for the life of the process.
    if (room <= SCRATCH_BYTES_MAX) scratch = target
  }
  utf8Length = encode(text, from, to, target)
  return target
}

/** How many bytes the last {@link utf8} wrote. */
export let utf8Length = 0

function encode(text: string, from: number, to: number, target: Uint8Array): number {
  let at = 0
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      target[at++] = unit
    } else if (unit < 0x800) {
      target[at++] = 0xc0 | (unit >> 6)
      target[at++] = 0x80 | (unit & 0x3f)
    } else if (unit < 0xd800 || unit > 0xdfff) {
      target[at++] = 0xe0 | (unit >> 12)
      target[at++] = 0x80 | ((unit >> 6) & 0x3f)
      target[at++] = 0x80 | (unit & 0x3f)
    } else {
      const low = i + 1 < to ? text.charCodeAt(i + 1) : 0
      if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) throw loneSurrogate(i)
      const point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
      target[at++] = 0xf0 | (point >> 18)
      target[at++] = 0x80 | ((point >> 12) & 0x3f)
      target[at++] = 0x80 | ((point >> 6) & 0x3f)
      target[at++] = 0x80 | (point & 0x3f)
      i++
    }
  }
  return at
}

function loneSurrogate(index: number): QuorateError {
  return new QuorateError(
    'INVALID_ARGUMENT',
    `A key must be well-formed text, but it has a lone surrogate at index ${index}`,
  )
}

/** Throws the `TypeError` for a key that is neither text nor bytes. */
export function checkKey(key: unknown): asserts key is Key {
  if (typeof key === 'string' || key instanceof Uint8Array) return
  throw new TypeError(`A key must be a string or a Uint8Array, got ${typeof key}`)
}

const OPEN = 0x7b
const CLOSE = 0x7d

/**
 * Start and end of the part of a key that decides its shard: what stands between the first `{`
 * and the next `}` where that is not empty, the whole key otherwise. The start is returned; the
 * end is left in {@link tagEnd}.
 */
export function tagStart(key: Key): number {
  tagEnd = key.length
  if (typeof key === 'string') {
    const open = key.indexOf('{')
    if (open < 0) return 0
    return bounded(open, key.indexOf('}', open + 1))
  }
  const open = key.indexOf(OPEN)
  if (open < 0) return 0
  return bounded(open, key.indexOf(CLOSE, open + 1))
}

/** The end that belongs to the last {@link tagStart}. */
export let tagEnd = 0

function bounded(open: number, close: number): number {
  if (close <= open + 1) return 0
  tagEnd = close
  return open + 1
}

/**
 * The hash tag of a key: the part between its first `{` and the next `}`, or the whole key where
 * there is none or it is empty. Keys with equal tags share a shard.
 */
export function hashTag(key: string): string {
  const start = tagStart(key)
  return key.slice(start, tagEnd)
}
