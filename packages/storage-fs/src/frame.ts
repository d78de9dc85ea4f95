// A frame is what one atomic write becomes: a header, then records. Checksums of headers depend
// on store, segment and offset, so that bytes of another place or time never pass for these.
import { crc32c } from '@quorate/core'
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  aligned,
} from './layout.ts'

const SPLIT = 0x100000000

/** A record to be written. */
export interface RecordDraft {
  readonly type: number
  readonly kind: number
  readonly flags: number
  readonly group: number
  readonly index: number
  readonly epoch: number
  readonly payload: Uint8Array
}

/** What a frame's header says besides its records. */
export interface FrameFields {
  /** Counts frames of the log. */
  readonly lsn: number
  /** Everything before this position of the log was durable when the frame was made. */
  readonly durable: number
  /** The checksum in the header of the frame before. */
  readonly previousCrc: number
  readonly flags: number
}

/** A frame's header, checked. */
export interface FrameHeader extends FrameFields {
  readonly crc: number
  /** Bytes of the whole frame. */
  readonly bytes: number
  readonly records: number
  readonly headersCrc: number
}

/** A record's header, with where it is in the buffer that it was read from. */
export interface RecordView {
  readonly type: number
  readonly kind: number
  readonly flags: number
  readonly group: number
  readonly index: number
  readonly epoch: number
  readonly payloadBytes: number
  readonly payloadCrc: number
  /** Where its header starts. */
  readonly at: number
}

/** Bytes that a frame of these records takes. */
export function frameBytes(records: readonly RecordDraft[]): number {
  let bytes = FRAME_HEADER_BYTES
  for (const record of records) bytes += RECORD_HEADER_BYTES + aligned(record.payload.length)
  return bytes
}

/** The seed of a segment, from which that of each offset follows. */
export function segmentSeed(store: Uint8Array, segment: number): number {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, segment, true)
  return crc32c(bytes, crc32c(store))
}

/** Different for each offset of a segment, so the same header never has one checksum at two places. */
function seedAt(seed: number, offset: number): number {
  return (seed ^ Math.imul(offset / 8 + 1, 0x9e3779b1)) >>> 0
}

/**
 * Writes a frame into a buffer.
 *
 * @param at - where in the buffer; the bytes there are overwritten, padding included
 * @param offset - where in the segment's file it will be
 * @returns the checksum in its header, for the next frame
 */
export function writeFrame(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  seed: number,
  offset: number,
  fields: FrameFields,
  records: readonly RecordDraft[],
): number {
  let next = at + FRAME_HEADER_BYTES
  let headersCrc = seedAt(seed, offset)
  for (const record of records) {
    writeRecord(view, bytes, next, record)
    headersCrc = crc32c(bytes, headersCrc, next, next + RECORD_HEADER_BYTES)
    next += RECORD_HEADER_BYTES + aligned(record.payload.length)
  }
  view.setUint32(at + 4, next - at, true)
  view.setUint32(at + 8, records.length, true)
  view.setUint32(at + 12, headersCrc, true)
  setUint53(view, at + 16, fields.lsn)
  setUint53(view, at + 24, fields.durable)
  view.setUint32(at + 32, fields.previousCrc, true)
  view.setUint32(at + 36, FRAME_MAGIC, true)
  view.setUint32(at + 40, fields.flags, true)
  view.setUint32(at + 44, 0, true)
  const crc = crc32c(bytes, seedAt(seed, offset), at + 4, at + FRAME_HEADER_BYTES)
  view.setUint32(at, crc, true)
  return crc
}

function writeRecord(view: DataView, bytes: Uint8Array, at: number, record: RecordDraft): void {
  const { payload } = record
  view.setUint32(at, payload.length, true)
  view.setUint32(at + 4, record.type | (record.kind << 8) | (record.flags << 16), true)
  view.setUint32(at + 8, record.group, true)
  view.setUint32(at + 12, crc32c(payload), true)
  setUint53(view, at + 16, record.index)
  setUint53(view, at + 24, record.epoch)
  const start = at + RECORD_HEADER_BYTES
  bytes.set(payload, start)
  bytes.fill(0, start + payload.length, start + aligned(payload.length))
}

/**
 * The header of the frame at `at`, or `undefined` where there is no valid one.
 *
 * @param end - where the buffer's valid bytes end; a frame that reaches further is not valid
 */
export function readFrameHeader(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  end: number,
  seed: number,
  offset: number,
): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > end || view.getUint32(at + 36, true) !== FRAME_MAGIC)
    return undefined
  const crc = view.getUint32(at, true)
  if (crc !== crc32c(bytes, seedAt(seed, offset), at + 4, at + FRAME_HEADER_BYTES)) return undefined
  const size = view.getUint32(at + 4, true)
  const records = view.getUint32(at + 8, true)
  if (size > FRAME_BYTES_MAX || size < FRAME_HEADER_BYTES + records * RECORD_HEADER_BYTES)
    return undefined
  const lsn = getUint53(view, at + 16)
  const durable = getUint53(view, at + 24)
  if (lsn === undefined || durable === undefined || view.getUint32(at + 44, true) !== 0)
    return undefined
  return {
    crc,
    bytes: size,
    records,
    headersCrc: view.getUint32(at + 12, true),
    lsn,
    durable,
    previousCrc: view.getUint32(at + 32, true),
    flags: view.getUint32(at + 40, true),
  }
}

/** Where a frame's records are, or `undefined` where their headers do not match the frame's checksum. */
export function readRecords(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  end: number,
  seed: number,
  offset: number,
  header: FrameHeader,
): readonly RecordView[] | undefined {
  const stop = at + header.bytes
  if (stop > end) return undefined
  const records: RecordView[] = []
  let next = at + FRAME_HEADER_BYTES
  let headersCrc = seedAt(seed, offset)
  for (let count = 0; count < header.records; count++) {
    if (next + RECORD_HEADER_BYTES > stop) return undefined
    const record = readRecord(view, next)
    if (record === undefined) return undefined
    headersCrc = crc32c(bytes, headersCrc, next, next + RECORD_HEADER_BYTES)
    records.push(record)
    next += RECORD_HEADER_BYTES + aligned(record.payloadBytes)
  }
  return next === stop && headersCrc === header.headersCrc ? records : undefined
}

/** A record's header as it stands, or `undefined` where a field is out of range. */
export function readRecord(view: DataView, at: number): RecordView | undefined {
  const payloadBytes = view.getUint32(at, true)
  const word = view.getUint32(at + 4, true)
  const index = getUint53(view, at + 16)
  const epoch = getUint53(view, at + 24)
  if (payloadBytes > PAYLOAD_BYTES_MAX || index === undefined || epoch === undefined)
    return undefined
  return {
    type: word & 0xff,
    kind: (word >>> 8) & 0xff,
    flags: (word >>> 16) & 0xff,
    group: view.getUint32(at + 8, true),
    index,
    epoch,
    payloadBytes,
    payloadCrc: view.getUint32(at + 12, true),
    at,
  }
}

/** The payload of a record that lies whole in `bytes`. */
export function payloadOf(bytes: Uint8Array, record: RecordView): Uint8Array {
  const start = record.at + RECORD_HEADER_BYTES
  return bytes.subarray(start, start + record.payloadBytes)
}

/** Whether a record's payload has its checksum and its padding is zero. */
export function payloadIsSound(bytes: Uint8Array, record: RecordView): boolean {
  const start = record.at + RECORD_HEADER_BYTES
  const end = start + record.payloadBytes
  if (record.payloadCrc !== crc32c(bytes, 0, start, end)) return false
  return isZero(bytes, end, start + aligned(record.payloadBytes))
}

const ZEROS = Buffer.alloc(65_536)

/** Whether all bytes of a stretch are zero. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from < 64) {
    for (let at = from; at < to; at++) if (bytes[at] !== 0) return false
    return true
  }
  for (let at = from; at < to; at += ZEROS.length) {
    const part = bytes.subarray(at, Math.min(at + ZEROS.length, to))
    if (ZEROS.compare(part, 0, part.length, 0, part.length) !== 0) return false
  }
  return true
}

function setUint53(view: DataView, at: number, value: number): void {
  // The remainder of a division of doubles is slow; nearly every value is below the split.
  const high = value < SPLIT ? 0 : Math.floor(value / SPLIT)
  view.setUint32(at, value - high * SPLIT, true)
  view.setUint32(at + 4, high, true)
}

function getUint53(view: DataView, at: number): number | undefined {
  const high = view.getUint32(at + 4, true)
  return high > 0x1fffff ? undefined : high * SPLIT + view.getUint32(at, true)
}
