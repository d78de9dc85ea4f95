// Reading and writing of bytes: little-endian fixed fields and LEB128 varints of up to 53 bits,
// with every length checked against what is there before anything is allocated.
import { assert } from './assert.ts'
import { QuorateError } from './errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SPLIT = 0x100000000

/** Appends to a buffer that grows; reuse one by {@link ByteWriter.reset}. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  /** A writer whose buffer starts at `capacity` bytes, default 256. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): void {
    this.#length = 0
  }

  /** Makes room for `count` more bytes and returns where they start. */
  #grow(count: number): number {
    const start = this.#length
    const needed = start + count
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, start))
      this.#bytes = larger
    }
    this.#length = needed
    return start
  }

  /** One byte, 0 to 255. */
  uint8(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  /** Four bytes, little-endian, 0 to 2^32 − 1. */
  uint32(value: number): void {
    this.setUint32(this.#grow(4), value)
  }

  /** Overwrites four bytes at `at`, written before, with `value` as little-endian. */
  setUint32(at: number, value: number): void {
    assert(at + 4 <= this.#length, 'overwrites only what was written')
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 24
  }

  /** Eight bytes, little-endian, an integer from 0 to 2^53 − 1. */
  uint53(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, () => `not a 53-bit integer: ${value}`)
    this.uint32(value % SPLIT)
    this.uint32(Math.floor(value / SPLIT))
  }

  /** One to eight bytes, LEB128, an integer from 0 to 2^53 − 1. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, () => `not a 53-bit integer: ${value}`)
    let rest = value
    while (rest >= 0x80) {
      this.uint8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.uint8(rest)
  }

  /** The bytes as they are, without their length. */
  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** The length as a varint, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.raw(bytes)
  }

  /** The length in bytes as a varint, then UTF-8. The text must be well-formed. */
  text(text: string): void {
    // Ids and most keys are short ASCII: written without the encoder.
    if (text.length < 64 && isAscii(text)) {
      const at = this.#grow(1 + text.length)
      this.#bytes[at] = text.length
      for (let i = 0; i < text.length; i++) this.#bytes[at + 1 + i] = text.charCodeAt(i)
      return
    }
    this.bytes(encoder.encode(text))
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** A view of what was written, valid until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Reads a buffer from start to end; every fault of the input is a `MALFORMED` error. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  /** A reader at the start of `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  #take(count: number): number {
    if (count > this.remaining) throw malformed(`${count} bytes expected, ${this.remaining} left`)
    const start = this.#at
    this.#at += count
    return start
  }

  /** One byte. */
  uint8(): number {
    return this.#bytes[this.#take(1)] as number
  }

  /** Four bytes, little-endian. */
  uint32(): number {
    const at = this.#take(4)
    const bytes = this.#bytes
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    )
  }

  /** Eight bytes, little-endian, at most 2^53 − 1. */
  uint53(): number {
    const low = this.uint32()
    const high = this.uint32()
    if (high > 0x1fffff) throw malformed('an integer over 2^53 - 1')
    return high * SPLIT + low
  }

  /** A LEB128 varint of at most 2^53 − 1, in its shortest form. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.uint8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && count > 0) throw malformed('a varint that is not in its shortest form')
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw malformed('a varint over 2^53 - 1')
  }

  /**
   * How many items follow: a varint that is refused where that many items of `itemBytesMin`
   * bytes each cannot be left, so that nobody allocates by a hostile count.
   */
  count(itemBytesMin: number): number {
    const count = this.varint()
    if (count * itemBytesMin > this.remaining) throw malformed(`${count} items cannot follow`)
    return count
  }

  /** `count` bytes: a view into the buffer, not a copy. */
  raw(count: number): Uint8Array {
    const at = this.#take(count)
    return this.#bytes.subarray(at, at + count)
  }

  /** A varint length, then as many bytes: a view into the buffer, not a copy. */
  bytes(): Uint8Array {
    return this.raw(this.varint())
  }

  /** A varint length, then UTF-8, which must be well-formed. */
  text(): string {
    return decodeUtf8(this.bytes())
  }

  /** Throws unless everything has been read. */
  end(): void {
    if (this.remaining > 0) throw malformed(`${this.remaining} bytes too many`)
  }
}

/** The UTF-8 bytes of a text. Lone surrogates become U+FFFD; check keys with `isWellFormed` first. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * The text of UTF-8 bytes.
 *
 * @throws QuorateError `MALFORMED` where they are not well-formed UTF-8
 */
export function decodeUtf8(bytes: Uint8Array): string {
  // TextDecoder costs about a microsecond a call; ids are short and ASCII.
  if (bytes.length < 32) {
    let text = ''
    let at = 0
    for (; at < bytes.length && (bytes[at] as number) < 0x80; at++) {
      text += String.fromCharCode(bytes[at] as number)
    }
    if (at === bytes.length) return text
  }
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new QuorateError('MALFORMED', 'text that is not well-formed UTF-8', { cause })
  }
}

/** Orders byte strings as unsigned bytes, a prefix before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length)
  for (let at = 0; at < shorter; at++) {
    const difference = (a[at] as number) - (b[at] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Whether two byte strings are equal. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed bytes: ${what}`)
}
