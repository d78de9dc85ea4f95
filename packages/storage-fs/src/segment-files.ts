// Making segments, and finding those that are there. A segment gets its name only when it is
// whole and durable, so a file with that name and a bad header is damage, not a crash.
import { QuorateError } from '@quorate/core'
import type { Fs, FsFile } from './fs.ts'
import { fillZero, namesIn, readFully, writeAll } from './fs.ts'
import { storageFailed } from './journal-errors.ts'
import { SEGMENT_HEADER_BYTES, segmentName, segmentSeq } from './layout.ts'
import type { Segment } from './segment.ts'
import { openSegment, positionAt } from './segment.ts'
import type { SegmentHeader } from './segment-header.ts'
import { decodeSegmentHeader, encodeSegmentHeader } from './segment-header.ts'

/** Makes a segment of `bytes` bytes with frames in it, durable and under its name when it returns. */
export function createSegment(
  fs: Fs,
  directory: string,
  header: SegmentHeader,
  frames: Uint8Array,
  bytes: number,
): Segment {
  const path = `${directory}/${segmentName(header.seq)}`
  const file = fs.open(`${path}.tmp`, 'wx+')
  try {
    writeAll(file, encodeSegmentHeader(header), 0)
    writeAll(file, frames, SEGMENT_HEADER_BYTES)
    fillZero(file, SEGMENT_HEADER_BYTES + frames.length, bytes)
    file.sync()
  } catch (error) {
    file.close()
    throw error
  }
  fs.rename(`${path}.tmp`, path)
  fs.syncDir(directory)
  return { header, path, file, end: undefined }
}

/**
 * Opens every segment, in order.
 *
 * @throws QuorateError `STORAGE_CORRUPT` where one is missing, out of order, of another store, or
 * without a valid header
 */
export function openSegments(fs: Fs, directory: string): Segment[] {
  const seqs = (namesIn(fs, directory) ?? [])
    .map((name) => segmentSeq(name))
    .filter((seq) => seq !== undefined)
    .sort((a, b) => a - b)
  const segments: Segment[] = []
  try {
    for (const seq of seqs) {
      const segment = openOne(fs, `${directory}/${segmentName(seq)}`)
      const before = segments.at(-1)
      if (segment.header.seq !== seq)
        throw corrupt(segment.path, `is segment ${segment.header.seq}`)
      if (before !== undefined) link(before, segment)
      segments.push(segment)
    }
  } catch (error) {
    for (const { file } of segments) file.close()
    throw error
  }
  return segments
}

function openOne(fs: Fs, path: string): Segment {
  const file = fs.open(path, 'r')
  let header: SegmentHeader | undefined
  try {
    const block = new Uint8Array(SEGMENT_HEADER_BYTES)
    readFully(file, block, 0)
    header = decodeSegmentHeader(block)
  } finally {
    file.close()
  }
  if (header === undefined) throw corrupt(path, 'has no valid header')
  return openSegment(fs, path, header)
}

/** Checks that a segment follows another, and notes where that one's frames end. */
function link(before: Segment, after: Segment): void {
  const { header } = after
  const end = header.previousEnd
  if (header.seq !== before.header.seq + 1) {
    throw corrupt(after.path, `follows segment ${before.header.seq}: one between them is missing`)
  }
  if (Buffer.compare(header.store, before.header.store) !== 0)
    throw corrupt(after.path, 'belongs to another store')
  if (end < SEGMENT_HEADER_BYTES || positionAt(before.header, end) !== header.start) {
    throw corrupt(after.path, 'does not start where the segment before it ends')
  }
  before.end = end
}

/**
 * Closes files, all of them also where closing one fails: that is a failed sync like any other.
 *
 * @throws QuorateError `STORAGE_FAILED` where it does
 */
export function closeFiles(files: readonly FsFile[]): void {
  const failures: unknown[] = []
  for (const file of files) {
    try {
      file.close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw storageFailed('a file of the log could not be closed', failures[0])
}

function corrupt(path: string, what: string): QuorateError {
  return new QuorateError('STORAGE_CORRUPT', `${path} ${what}`, { details: { path } })
}
