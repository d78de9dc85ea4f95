// How a value becomes bytes and back. The same shape serves messages between cores, commands
// and results of state machines, and values of a store.
import { ByteReader, ByteWriter } from './bytes.ts'

/** Turns values into bytes and back. */
export interface Codec<T> {
  /** Appends the bytes of `value`. */
  write(writer: ByteWriter, value: T): void
  /**
   * Reads one value from where the reader stands.
   *
   * Contract. Must check every length before it allocates, must reject with `MALFORMED` what
   * `write` cannot have written, and may return views into the reader's buffer.
   */
  read(reader: ByteReader): T
}

/** The bytes of one value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new ByteWriter()
  codec.write(writer, value)
  return writer.finish()
}

/**
 * The value that `bytes` hold.
 *
 * @throws QuorateError `MALFORMED` where they hold none, or more than one
 */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes)
  const value = codec.read(reader)
  reader.end()
  return value
}
