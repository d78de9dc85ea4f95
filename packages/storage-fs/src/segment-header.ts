// The first block of a segment: whose it is, and exactly where its predecessor ends. With that,
// a predecessor's torn tail is dead for good, without ever writing into it again.
import { ByteReader, ByteWriter, QuorateError, crc32c, isQuorateError } from '@quorate/core'
import { FORMAT_VERSION, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC } from './layout.ts'

/** What a segment says of itself. */
export interface SegmentHeader {
  /** The format that it was written in. */
  readonly version: number
  readonly cluster: string
  readonly host: string
  /** 16 random bytes, the same in every segment of one store. */
  readonly store: Uint8Array
  /** Its number; the next segment's is one more. */
  readonly seq: number
  /** The position in the log at which its first frame stands. */
  readonly start: number
  /** The offset in the file before at which that one's frames end; 0 in the first segment. */
  readonly previousEnd: number
  /** The checksum of the last frame before, which the first frame here repeats. */
  readonly previousCrc: number
  /** The lsn of its first frame. */
  readonly lsn: number
  /** The number that the next new group gets, at the least. */
  readonly nextGroup: number
}

/** The block of a header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const writer = new ByteWriter(SEGMENT_HEADER_BYTES)
  writer.uint32(SEGMENT_MAGIC)
  writer.uint32(0)
  writer.uint32(header.version)
  // The oldest version of this software's format that can read the file.
  writer.uint32(FORMAT_VERSION)
  writer.raw(header.store)
  writer.uint53(header.seq)
  writer.uint53(header.start)
  writer.uint53(header.previousEnd)
  writer.uint32(header.previousCrc)
  writer.uint53(header.lsn)
  writer.uint32(header.nextGroup)
  writer.text(header.cluster)
  writer.text(header.host)
  const block = new Uint8Array(SEGMENT_HEADER_BYTES)
  block.set(writer.view())
  new DataView(block.buffer).setUint32(4, crc32c(block, 0, 8), true)
  return block
}

/**
 * The header that a block holds, or `undefined` where it holds none that is whole.
 *
 * @throws QuorateError `STORAGE_VERSION_MISMATCH` where a newer version wrote it
 */
export function decodeSegmentHeader(block: Uint8Array): SegmentHeader | undefined {
  if (block.length < SEGMENT_HEADER_BYTES) return undefined
  const reader = new ByteReader(block.subarray(0, SEGMENT_HEADER_BYTES))
  if (reader.uint32() !== SEGMENT_MAGIC) return undefined
  if (reader.uint32() !== crc32c(block, 0, 8, SEGMENT_HEADER_BYTES)) return undefined
  const version = reader.uint32()
  const readerVersion = reader.uint32()
  if (readerVersion > FORMAT_VERSION) {
    throw new QuorateError(
      'STORAGE_VERSION_MISMATCH',
      `the data is in format ${version}, this version reads up to ${FORMAT_VERSION}; use the newer version that wrote it`,
      { details: { found: version, supported: FORMAT_VERSION } },
    )
  }
  try {
    return {
      version,
      store: reader.raw(16).slice(),
      seq: reader.uint53(),
      start: reader.uint53(),
      previousEnd: reader.uint53(),
      previousCrc: reader.uint32(),
      lsn: reader.uint53(),
      nextGroup: reader.uint32(),
      cluster: reader.text(),
      host: reader.text(),
    }
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED')) return undefined
    throw error
  }
}
