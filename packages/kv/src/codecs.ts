// Codecs for values of the two kinds that nearly everybody stores, so that no program has to write
// its own before it can store an object.
import { QuorateError, decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { Codec } from '@quorate/core'

/** Values that JSON can write, as UTF-8. What it cannot write throws a `TypeError`. */
export function jsonCodec<T>(): Codec<T> {
  return {
    write(writer, value) {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new TypeError(`JSON cannot write a ${typeof value}`)
      writer.raw(encodeUtf8(text))
    },
    read(reader) {
      const text = decodeUtf8(reader.raw(reader.remaining))
      try {
        return JSON.parse(text) as T
      } catch (cause) {
        throw new QuorateError('MALFORMED', 'the value is not JSON', { cause })
      }
    },
  }
}

/** Well-formed text, as UTF-8. */
export function textCodec(): Codec<string> {
  return {
    write(writer, value) {
      if (!value.isWellFormed()) {
        throw new QuorateError('INVALID_ARGUMENT', 'a value must not hold a lone surrogate')
      }
      writer.raw(encodeUtf8(value))
    },
    read: (reader) => decodeUtf8(reader.raw(reader.remaining)),
  }
}
