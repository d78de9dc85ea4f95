// One segment's file, read back: walks its frames as far as they are valid, and looks beyond
// the first invalid byte for evidence that something durable was lost there.
import type { FrameHeader, RecordView } from './frame.ts'
import { isZero, payloadIsSound, readFrameHeader, readRecords, segmentSeed } from './frame.ts'
import type { Fs, FsFile } from './fs.ts'
import { readFully } from './fs.ts'
import {
  ALIGNMENT,
  FLAG_CLEAN,
  FLAG_SEAL,
  FRAME_HEADER_BYTES,
  SEGMENT_BYTES_MAX,
  SEGMENT_HEADER_BYTES,
} from './layout.ts'
import type { SegmentHeader } from './segment-header.ts'

/** A segment of the log. */
export interface Segment {
  readonly header: SegmentHeader
  readonly path: string
  readonly file: FsFile
  /** Where its frames end, once another segment follows; `undefined` in the last one. */
  end: number | undefined
}

/** A valid frame in a buffer. */
export interface FrameView {
  readonly header: FrameHeader
  /** Its offset in the file. */
  readonly offset: number
  readonly records: readonly RecordView[]
}

/** The bytes of a segment, with what is needed to check them. */
export interface SegmentBytes {
  readonly header: SegmentHeader
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly seed: number
  /** How many bytes are valid, from the file's start. */
  readonly end: number
}

/** Where a walk stopped. */
export interface WalkEnd {
  /** The offset of the first byte that belongs to no valid frame. */
  readonly offset: number
  /** The lsn that the next frame must have. */
  readonly lsn: number
  /** The checksum that the next frame must repeat. */
  readonly crc: number
}

/** Reads a segment whole; the buffer grows when needed and is reused. */
export function segmentReader(): (segment: Segment) => SegmentBytes {
  let buffer = new Uint8Array(0)
  return ({ header, file, end: known }) => {
    const size = Math.min(file.size(), SEGMENT_BYTES_MAX)
    if (buffer.length < size) buffer = new Uint8Array(size)
    const end = Math.min(readFully(file, buffer.subarray(0, size), 0), known ?? size)
    const view = new DataView(buffer.buffer, 0, end)
    return { header, bytes: buffer, view, seed: segmentSeed(header.store, header.seq), end }
  }
}

/** The position in the log of an offset in a segment. */
export function positionAt(header: SegmentHeader, offset: number): number {
  return header.start + offset - SEGMENT_HEADER_BYTES
}

/** The offset in a segment of a position in the log. */
export function offsetAt(header: SegmentHeader, position: number): number {
  return position - header.start + SEGMENT_HEADER_BYTES
}

/** Visits every valid frame in order, up to `stop`, until one is invalid or does not follow the one before. */
export function walkFrames(
  segment: SegmentBytes,
  stop: number,
  visit: (frame: FrameView) => void,
): WalkEnd {
  const { bytes, view, seed } = segment
  let end: WalkEnd = {
    offset: SEGMENT_HEADER_BYTES,
    lsn: segment.header.lsn,
    crc: segment.header.previousCrc,
  }
  while (end.offset < stop) {
    const { offset } = end
    const header = readFrameHeader(view, bytes, offset, stop, seed, offset)
    if (header === undefined || header.lsn !== end.lsn || header.previousCrc !== end.crc) break
    const records = readRecords(view, bytes, offset, stop, seed, offset, header)
    if (records === undefined) break
    visit({ header, offset, records })
    end = { offset: offset + header.bytes, lsn: header.lsn + 1, crc: header.crc }
  }
  return end
}

/** How the last segment of a log ends. */
export interface TailVerdict {
  /** The offset at which the good frames end. */
  readonly cut: number
  /** The offset up to which everything is known to have been durable. */
  readonly proven: number
  /** Whether nothing but zeros follows the cut. */
  readonly clean: boolean
  /** The offset of the frame that says that the log was closed in good order, where it is the last one. */
  readonly closedAt: number | undefined
  /** Whether the last frame says that another segment follows. */
  readonly sealed: boolean
  /** Whether there is a hole: something invalid before what is known to have been durable. */
  readonly corrupt: boolean
}

/**
 * Judges the end of the log's last segment. What is invalid is torn, and may be cut, unless there
 * is evidence that it was durable once: a later frame that says so, or `durable`, a position from
 * another place that does.
 */
export function judgeTail(segment: SegmentBytes, durable: number): TailVerdict {
  let proven = Math.max(segment.header.start, durable)
  const unsound: { readonly offset: number; readonly end: number }[] = []
  let closedAt: number | undefined
  let sealed = false
  const walk = walkFrames(segment, segment.end, ({ header, offset, records }) => {
    proven = Math.max(proven, header.durable)
    const sound = records.every((record) => payloadIsSound(segment.bytes, record))
    if (!sound) unsound.push({ offset, end: offset + header.bytes })
    closedAt = header.flags & FLAG_CLEAN ? offset : undefined
    sealed = (header.flags & FLAG_SEAL) !== 0
  })
  const restIsZero = isZero(segment.bytes, walk.offset, segment.end)
  if (!restIsZero) proven = Math.max(proven, evidenceBeyond(segment, walk.offset))
  const provenOffset = offsetAt(segment.header, proven)
  const torn = unsound.find(({ end }) => end > provenOffset)
  const cut = torn?.offset ?? walk.offset
  const clean = restIsZero && torn === undefined
  return {
    cut,
    proven: Math.min(provenOffset, cut),
    clean,
    closedAt: clean ? closedAt : undefined,
    sealed,
    corrupt: provenOffset > cut,
  }
}

/** The highest position that any valid frame after `from` calls durable. */
function evidenceBeyond({ bytes, view, seed, end }: SegmentBytes, from: number): number {
  let highest = 0
  const start = Math.ceil(from / ALIGNMENT) * ALIGNMENT
  for (let offset = start; offset + FRAME_HEADER_BYTES <= end; offset += ALIGNMENT) {
    const header = readFrameHeader(view, bytes, offset, end, seed, offset)
    if (header !== undefined) highest = Math.max(highest, header.durable)
  }
  return highest
}

/** Opens a segment's file to read and write. */
export function openSegment(fs: Fs, path: string, header: SegmentHeader): Segment {
  return { header, path, file: fs.open(path, 'r+'), end: undefined }
}
