// Keys are bytes, ordered as unsigned bytes. Inside a shard a key is a string with one character
// for each byte: engines compare such strings natively, in exactly the order of the bytes.
import { QuorateError, decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { Key } from '@quorate/core'
import { kvLimits } from './limits.ts'

/** A key with one character, U+0000 to U+00FF, for each byte. */
export type RawKey = string

/** The bytes of a key that a caller gave, checked. */
export function keyBytes(key: Key): Uint8Array {
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new TypeError(`a key must be a string or a Uint8Array, got ${typeof key}`)
  }
  // The caller may do with its bytes what it likes as soon as the call has returned.
  const bytes = typeof key === 'string' ? boundBytes(key, 'a key') : new Uint8Array(key)
  checkKeyLength(bytes.length)
  return bytes
}

/** The bytes of a prefix or bound of a range, which may be empty. */
export function boundBytes(key: Key, what: string): Uint8Array {
  if (typeof key !== 'string') return key
  if (!key.isWellFormed()) {
    throw new QuorateError('INVALID_ARGUMENT', `${what} must not hold a lone surrogate`)
  }
  return encodeUtf8(key)
}

/** Throws unless a key of that many bytes is allowed. */
function checkKeyLength(length: number): void {
  if (length === 0) throw new QuorateError('INVALID_ARGUMENT', 'a key must not be empty')
  if (length > kvLimits.keyBytesMax) {
    throw new QuorateError(
      'LIMIT_EXCEEDED',
      `a key has at most ${kvLimits.keyBytesMax} bytes, got ${length}`,
      { details: { limit: kvLimits.keyBytesMax, size: length } },
    )
  }
}

/** The bytes of a value that a caller gave, checked. */
export function valueBytes(value: Uint8Array | string): Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new TypeError(`a value must be a string or a Uint8Array, got ${typeof value}`)
  }
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new QuorateError('INVALID_ARGUMENT', 'a value must not hold a lone surrogate')
  }
  const bytes = typeof value === 'string' ? encodeUtf8(value) : value
  if (bytes.length > kvLimits.valueBytesMax) {
    throw new QuorateError(
      'LIMIT_EXCEEDED',
      `a value has at most ${kvLimits.valueBytesMax} bytes, got ${bytes.length}`,
      { details: { limit: kvLimits.valueBytesMax, size: bytes.length } },
    )
  }
  return bytes
}

/** One character for each byte. */
export function rawKey(bytes: Uint8Array): RawKey {
  // A key has at most 4,096 bytes, well below what engines allow as arguments.
  return String.fromCharCode.apply(null, bytes as unknown as number[])
}

/** The bytes of a raw key. */
export function rawKeyBytes(key: RawKey): Uint8Array {
  const bytes = new Uint8Array(key.length)
  for (let at = 0; at < key.length; at++) bytes[at] = key.charCodeAt(at)
  return bytes
}

/** The first byte string after every one that starts with `prefix`; empty where there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  // Not `slice`, which in Node's own kind of bytes is a view.
  const end = new Uint8Array(prefix.subarray(0, length))
  if (length > 0) end[length - 1] = (end[length - 1] as number) + 1
  return end
}

/** The text of a key for messages: its UTF-8, or its bytes in hexadecimal. */
export function shownKey(bytes: Uint8Array): string {
  const head = bytes.subarray(0, 64)
  try {
    return JSON.stringify(decodeUtf8(head))
  } catch {
    return `0x${Array.from(head, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
  }
}
