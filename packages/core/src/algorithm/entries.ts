// Entries of a log as they travel between replicas: indexes are not written, since they follow from
// the message, and epochs only where they change.
import type { ByteReader, ByteWriter } from '../bytes.ts'
import type { Entry } from '../entry.ts'
import { entryKindByte, entryKindOf } from '../entry.ts'
import { QuorateError } from '../errors.ts'
import type { Epoch, LogIndex } from '../ids.ts'

// Beside the byte of an entry's kind: its epoch is larger than that of the one before.
const GROWS = 0x80

/** Appends entries without gaps, none of an epoch before `epoch`: their count, then each. */
export function writeEntries(writer: ByteWriter, entries: readonly Entry[], epoch: Epoch): void {
  writer.varint(entries.length)
  let last = epoch
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry
    const grows = entry.epoch !== last
    writer.uint8(entryKindByte(entry.kind) | (grows ? GROWS : 0))
    if (grows) writer.varint(entry.epoch - last)
    last = entry.epoch
    writer.bytes(entry.payload)
  }
}

/**
 * Reads entries that follow the one at `prevIndex`.
 *
 * @param epoch - as it was given to {@link writeEntries}
 * @param epochMax - no entry may be of a larger one
 * @throws QuorateError `MALFORMED`
 */
export function readEntries(
  reader: ByteReader,
  prevIndex: LogIndex,
  epoch: Epoch,
  epochMax: Epoch,
): readonly Entry[] {
  const count = reader.count(2)
  if (prevIndex + count > Number.MAX_SAFE_INTEGER) throw malformed('an index over 2^53 - 1')
  const entries: { -readonly [K in keyof Entry]: Entry[K] }[] = []
  let last = epoch
  for (let at = 1; at <= count; at++) {
    const head = reader.uint8()
    if ((head & GROWS) !== 0) {
      const growth = reader.varint()
      if (growth === 0) throw malformed('an epoch that does not grow')
      last += growth
    }
    const kind = entryKindOf(head & ~GROWS)
    entries.push({ index: prevIndex + at, epoch: last, kind, payload: reader.bytes() })
  }
  if (last > epochMax) throw malformed('an entry of a later epoch than its message')
  ownMemory(entries)
  return entries
}

/**
 * Moves payloads to memory of their own where they are the smaller part of what they were read from: a
 * log holds them for long, and would hold with each of them all that came in the same frame.
 */
function ownMemory(entries: readonly { payload: Uint8Array }[]): void {
  let bytes = 0
  for (let at = 0; at < entries.length; at++) bytes += entries[at]?.payload.length ?? 0
  if (2 * bytes >= (entries[0]?.payload.buffer.byteLength ?? 0)) return
  const own = new Uint8Array(bytes)
  let start = 0
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as { payload: Uint8Array }
    own.set(entry.payload, start)
    entry.payload = own.subarray(start, (start += entry.payload.length))
  }
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed bytes: ${what}`)
}
