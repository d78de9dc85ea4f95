// Reads entries back from the segments. Every entry is checked again as it is read: a disk may
// have lost since what it had when the log was opened.
import type { Entry, LogIndex } from '@quorate/core'
import { crc32c, entryKindOf } from '@quorate/core'
import { readRecord } from './frame.ts'
import { readFully } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { RECORD_HEADER_BYTES } from './layout.ts'
import type { Segment } from './segment.ts'

/** Finds the segment of a position. */
export type Locate = (position: number) => { readonly segment: Segment; readonly offset: number }

/** One read of a file covers entries that are at most this far apart. */
const GAP_BYTES_MAX = 16_384
/** One read of a file covers at most this much, unless one entry is larger. */
const SPAN_BYTES_MAX = 4_194_304

/**
 * Entries from `first` on, up to `last`. Ends before one that cannot be read, and marks it as
 * faulty; ends before the one that would exceed `bytesMax`, except for the first.
 */
export function readEntries(
  locate: Locate,
  image: GroupImage,
  first: LogIndex,
  last: LogIndex,
  bytesMax: number,
): Entry[] {
  const { table } = image
  const entries: Entry[] = []
  let stop = first
  let total = 0
  while (stop <= last && !table.isFaulty(stop)) {
    total += table.size(stop)
    if (stop > first && total > bytesMax) break
    stop++
  }
  let next = first
  while (next < stop) {
    const end = spanEnd(image, next, stop, locate)
    const read = readSpan(locate, image, next, end)
    entries.push(...read)
    if (read.length < end - next) break
    next = end
  }
  return entries
}

/** The index after the last entry that one read of a file should cover. */
function spanEnd(image: GroupImage, from: LogIndex, stop: LogIndex, locate: Locate): LogIndex {
  const { table } = image
  const start = table.position(from)
  const { segment } = locate(start)
  let end = start + RECORD_HEADER_BYTES + table.size(from)
  let next = from + 1
  for (; next < stop; next++) {
    const position = table.position(next)
    const after = position + RECORD_HEADER_BYTES + table.size(next)
    if (position < end || position - end > GAP_BYTES_MAX || after - start > SPAN_BYTES_MAX) break
    if (locate(position).segment !== segment) break
    end = after
  }
  return next
}

function readSpan(locate: Locate, image: GroupImage, from: LogIndex, end: LogIndex): Entry[] {
  const { table } = image
  const start = table.position(from)
  const { segment, offset } = locate(start)
  const bytes = new Uint8Array(
    table.position(end - 1) + RECORD_HEADER_BYTES + table.size(end - 1) - start,
  )
  const got = tryRead(segment, bytes, offset)
  const view = new DataView(bytes.buffer)
  const entries: Entry[] = []
  for (let index = from; index < end; index++) {
    const entry = entryAt(image, index, view, bytes.subarray(0, got), table.position(index) - start)
    if (entry === undefined) {
      table.markFaulty(index)
      break
    }
    entries.push(entry)
  }
  return entries
}

/** A read that fails is a read of nothing: the entries are then faulty, not absent. */
function tryRead(segment: Segment, bytes: Uint8Array, offset: number): number {
  try {
    return readFully(segment.file, bytes, offset)
  } catch {
    return 0
  }
}

function entryAt(
  image: GroupImage,
  index: LogIndex,
  view: DataView,
  bytes: Uint8Array,
  at: number,
): Entry | undefined {
  const { table, epochs } = image
  const size = table.size(index)
  const start = at + RECORD_HEADER_BYTES
  if (start + size > bytes.length) return undefined
  const record = readRecord(view, at)
  const epoch = epochs.at(index)
  const kind = table.kind(index)
  if (record === undefined || record.index !== index || record.epoch !== epoch) return undefined
  if (record.group !== image.number || record.payloadBytes !== size || record.kind !== kind)
    return undefined
  const payload = bytes.subarray(start, start + size)
  if (crc32c(payload) !== record.payloadCrc) return undefined
  return { index, epoch, kind: entryKindOf(kind), payload }
}
