// What a poll of a watch is answered with: the changes of one shard after a revision, or how far
// there were none.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import { rawKeyBytes } from '../key.ts'
import type { Change } from '../machine/history.ts'

/** A change as a poll gives it. */
export interface PolledChange {
  /** The revision of the write. */
  readonly revision: number
  /** The key. */
  readonly key: Uint8Array
  /** The value; `undefined` where the key was removed. */
  readonly value: Uint8Array | undefined
  /** No change of a key: keys of the shard are in another from here on, or the reverse. */
  readonly handover?: Change['handover']
}

/** The changes of one shard that a poll gave. */
export interface WatchPage {
  /** Every change up to here is in this page or an earlier one. */
  readonly revision: number
  /** The changes, in order; those of one revision belong together. */
  readonly changes: readonly PolledChange[]
}

/** The bytes of a page. */
export function encodeWatchPage(revision: number, changes: readonly Change[]): Uint8Array {
  const writer = new ByteWriter(128)
  writer.varint(revision)
  writer.varint(changes.length)
  for (const { revision: at, key, value, handover } of changes) {
    writer.varint(at)
    writer.bytes(rawKeyBytes(key))
    if (handover === undefined) {
      writer.uint8(value === undefined ? 0 : 1)
      if (value !== undefined) writer.bytes(value)
    } else if ('to' in handover) {
      writer.uint8(handover.last ? 3 : 2)
      writer.varint(handover.to)
    } else {
      writer.uint8(4)
      writer.varint(handover.from)
    }
  }
  return writer.finish()
}

/**
 * Reads a page.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeWatchPage(bytes: Uint8Array): WatchPage {
  const reader = new ByteReader(bytes)
  const revision = reader.varint()
  const changes = Array.from({ length: reader.count(3) }, (): PolledChange => {
    const [at, key, kind] = [reader.varint(), reader.bytes(), reader.uint8()]
    if (kind > 4) throw new QuorateError('MALFORMED', 'a change of an unknown kind')
    if (kind < 2) return { revision: at, key, value: kind === 1 ? reader.bytes() : undefined }
    const shard = reader.varint()
    const handover = kind === 4 ? { from: shard } : { to: shard, last: kind === 3 }
    return { revision: at, key, value: undefined, handover }
  })
  reader.end()
  return { revision, changes }
}
