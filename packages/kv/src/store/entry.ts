// Values on their way in and out of a store: entries as callers see them, and the two ways in
// which a value can be bytes.
import { ByteReader, decodeUtf8, encode } from '@quorate/core'
import type { Codec } from '@quorate/core'
import { valueBytes } from '../key.ts'
import type { KvEntry, KvValue } from '../kv.ts'
import type { FoundValue } from '../machine/result.ts'

/** How values become bytes and back. */
export interface ValueFormat<In, Out> {
  /** The bytes of a value, checked. */
  toBytes(value: In): Uint8Array
  /** The value of bytes. */
  fromBytes(bytes: Uint8Array): Out
}

/** Bytes and strings in, bytes out. */
export const plainValues: ValueFormat<KvValue, Uint8Array> = {
  toBytes: valueBytes,
  fromBytes: (bytes) => bytes,
}

/** Values of a codec, in and out. */
export function codecValues<T>(codec: Codec<T>): ValueFormat<T, T> {
  return {
    toBytes: (value) => valueBytes(encode(codec, value)),
    fromBytes(bytes) {
      const reader = new ByteReader(bytes)
      const value = codec.read(reader)
      reader.end()
      return value
    },
  }
}

/** Makes an entry of a key and what was found there. */
export function entryOf<Out>(
  format: ValueFormat<never, Out>,
  key: Uint8Array,
  found: FoundValue,
): KvEntry<Out> {
  const bytes = found.value
  return {
    key,
    value: format.fromBytes(bytes),
    version: found.version,
    text: () => decodeUtf8(bytes),
    keyText: () => decodeUtf8(key),
  }
}
