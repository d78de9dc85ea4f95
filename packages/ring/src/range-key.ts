// Keys as bytes in their order. The order of UTF-8 bytes is that of code points, which is not
// that in which a language may compare its strings.
import type { Key } from '@quorate/core'
import { checkKey, utf8, utf8Length } from './key.ts'

/** The bytes of a key. */
export function keyBytes(key: Key): Uint8Array {
  checkKey(key)
  if (typeof key !== 'string') return key
  const bytes = utf8(key, 0, key.length)
  return bytes.slice(0, utf8Length)
}

/** Orders bytes: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** Bytes for a message. */
export function keyText(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, 32)].map((byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  )
  return `"${shown.join('')}"${bytes.length > 32 ? '...' : ''}`
}
