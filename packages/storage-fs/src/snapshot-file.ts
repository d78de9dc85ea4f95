// The file of a snapshot: a header, chunks that are checked one by one, and a footer that says
// what the whole is. A file has its final name only when all of it is durable.
import type { SnapshotMeta } from '@quorate/core'
import {
  ByteReader,
  ByteWriter,
  QuorateError,
  crc32c,
  decode,
  encode,
  isQuorateError,
  snapshotMetaCodec,
} from '@quorate/core'
import type { Fs, FsFile } from './fs.ts'
import { readFully, writeAll } from './fs.ts'
import { SNAPSHOT_DIRECTORY } from './layout.ts'

/** Bytes of the snapshot in each chunk but the last. */
export const CHUNK_BYTES = 262_144
const CHUNK_HEADER_BYTES = 8
const HEADER_BYTES = 64
const TRAILER_BYTES = 12
const HEADER_MAGIC = 0x504e5351
const FOOTER_MAGIC = 0x444e5351
const VERSION = 1

/** The path of a finished snapshot. */
export function snapshotPath(directory: string, group: number, id: string): string {
  return `${directory}/${SNAPSHOT_DIRECTORY}/${group}.${id}.snap`
}

/** The path of a snapshot that is being written; the same for one that goes on. */
export function partialPath(directory: string, group: number, id: string | undefined): string {
  return `${directory}/${SNAPSHOT_DIRECTORY}/${group}.${id ?? ''}.part`
}

/** The group's number and the kind of a snapshot's file name; `undefined` for other files. */
export function parseSnapshotName(
  name: string,
): { readonly group: number; readonly id: string; readonly kind: 'snap' | 'part' } | undefined {
  const match = /^(\d+)\.([A-Za-z0-9_-]*)\.(snap|part)$/.exec(name)
  if (match === null) return undefined
  return { group: Number(match[1]), id: match[2] as string, kind: match[3] as 'snap' | 'part' }
}

/** Where chunk number `at` starts in the file. */
function chunkOffset(at: number): number {
  return HEADER_BYTES + at * (CHUNK_HEADER_BYTES + CHUNK_BYTES)
}

function chunkSeed(store: Uint8Array, group: number, at: number): number {
  const writer = new ByteWriter(24)
  writer.raw(store)
  writer.uint32(group)
  writer.uint32(at)
  return crc32c(writer.view())
}

/** What every chunk's checksum depends on. */
export interface SnapshotFileOwner {
  readonly store: Uint8Array
  readonly group: number
}

/** Writes the header. */
export function writeSnapshotHeader(file: FsFile, { store, group }: SnapshotFileOwner): void {
  const writer = new ByteWriter(HEADER_BYTES)
  writer.uint32(HEADER_MAGIC)
  writer.uint32(0)
  writer.uint32(VERSION)
  writer.raw(store)
  writer.uint32(group)
  const bytes = new Uint8Array(HEADER_BYTES)
  bytes.set(writer.view())
  new DataView(bytes.buffer).setUint32(4, crc32c(bytes, 0, 8), true)
  writeAll(file, bytes, 0)
}

/** Whether the file starts with this owner's header. */
function hasHeader(file: FsFile, { store, group }: SnapshotFileOwner): boolean {
  const bytes = new Uint8Array(HEADER_BYTES)
  if (readFully(file, bytes, 0) < HEADER_BYTES) return false
  const reader = new ByteReader(bytes)
  if (reader.uint32() !== HEADER_MAGIC || reader.uint32() !== crc32c(bytes, 0, 8)) return false
  if (reader.uint32() > VERSION)
    throw new QuorateError('STORAGE_VERSION_MISMATCH', 'a newer version wrote a snapshot')
  return Buffer.compare(reader.raw(16), store) === 0 && reader.uint32() === group
}

/** Writes chunk number `at`. */
export function writeChunk(
  file: FsFile,
  owner: SnapshotFileOwner,
  at: number,
  chunk: Uint8Array,
): void {
  const header = new Uint8Array(CHUNK_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(0, chunk.length, true)
  view.setUint32(
    4,
    crc32c(chunk, crc32c(header, chunkSeed(owner.store, owner.group, at), 0, 4)),
    true,
  )
  writeAll(file, header, chunkOffset(at))
  writeAll(file, chunk, chunkOffset(at) + CHUNK_HEADER_BYTES)
}

/** Chunk number `at`, checked; `undefined` where it is not there or damaged. */
function readChunk(file: FsFile, owner: SnapshotFileOwner, at: number): Uint8Array | undefined {
  const header = new Uint8Array(CHUNK_HEADER_BYTES)
  if (readFully(file, header, chunkOffset(at)) < CHUNK_HEADER_BYTES) return undefined
  const view = new DataView(header.buffer)
  const length = view.getUint32(0, true)
  if (length === 0 || length > CHUNK_BYTES) return undefined
  const chunk = new Uint8Array(length)
  if (readFully(file, chunk, chunkOffset(at) + CHUNK_HEADER_BYTES) < length) return undefined
  return isSound(header, chunk, owner, at) ? chunk : undefined
}

function isSound(
  header: Uint8Array,
  chunk: Uint8Array,
  { store, group }: SnapshotFileOwner,
  at: number,
): boolean {
  const crc = crc32c(chunk, crc32c(header, chunkSeed(store, group, at), 0, 4))
  return crc === new DataView(header.buffer, header.byteOffset).getUint32(4, true)
}

/** Where chunk number `at` of a snapshot lies in its file, header and all; 0 bytes after the last. */
export function chunkExtent(
  { sizeBytes }: SnapshotMeta,
  at: number,
): { readonly position: number; readonly bytes: number } {
  const bytes = Math.min(CHUNK_BYTES, sizeBytes - at * CHUNK_BYTES)
  return { position: chunkOffset(at), bytes: bytes > 0 ? CHUNK_HEADER_BYTES + bytes : 0 }
}

/** The chunk in what was read of its extent; `undefined` where it is damaged. */
export function chunkIn(
  extent: Uint8Array,
  owner: SnapshotFileOwner,
  at: number,
): Uint8Array | undefined {
  const header = extent.slice(0, CHUNK_HEADER_BYTES)
  const chunk = extent.subarray(CHUNK_HEADER_BYTES)
  const length = new DataView(header.buffer).getUint32(0, true)
  return length === chunk.length && isSound(header, chunk, owner, at) ? chunk : undefined
}

/** Writes the footer after `chunks` chunks, the last of which may be short. */
export function writeFooter(file: FsFile, meta: SnapshotMeta): void {
  const body = encode(snapshotMetaCodec, meta)
  const bytes = new Uint8Array(body.length + TRAILER_BYTES)
  bytes.set(body)
  const view = new DataView(bytes.buffer)
  view.setUint32(body.length, body.length, true)
  view.setUint32(body.length + 4, FOOTER_MAGIC, true)
  view.setUint32(body.length + 8, crc32c(bytes, 0, 0, body.length + 8), true)
  writeAll(file, bytes, footerOffset(meta.sizeBytes))
}

function footerOffset(sizeBytes: number): number {
  return HEADER_BYTES + sizeBytes + Math.ceil(sizeBytes / CHUNK_BYTES) * CHUNK_HEADER_BYTES
}

function readFooter(file: FsFile): SnapshotMeta | undefined {
  const size = file.size()
  const trailer = new Uint8Array(TRAILER_BYTES)
  if (
    size < HEADER_BYTES + TRAILER_BYTES ||
    readFully(file, trailer, size - TRAILER_BYTES) < TRAILER_BYTES
  )
    return undefined
  const view = new DataView(trailer.buffer)
  const length = view.getUint32(0, true)
  if (view.getUint32(4, true) !== FOOTER_MAGIC || length > 1_048_576 || length > size)
    return undefined
  const bytes = new Uint8Array(length + TRAILER_BYTES)
  readFully(file, bytes, size - bytes.length)
  if (crc32c(bytes, 0, 0, length + 8) !== view.getUint32(8, true)) return undefined
  try {
    const meta = decode(snapshotMetaCodec, bytes.subarray(0, length))
    return footerOffset(meta.sizeBytes) + bytes.length === size ? meta : undefined
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED')) return undefined
    throw error
  }
}

/** A snapshot's file, open to be read. */
export interface OpenSnapshot {
  readonly meta: SnapshotMeta
  /** For who reads it by other means. */
  readonly file: FsFile
  /** The bytes from chunk number `at` on: one chunk, checked. */
  chunk(at: number): Uint8Array
  close(): void
}

/** Opens a finished snapshot; `STORAGE_CORRUPT` where header or footer are damaged. */
export function openSnapshot(fs: Fs, path: string, owner: SnapshotFileOwner): OpenSnapshot {
  const file = fs.open(path, 'r')
  try {
    const meta = hasHeader(file, owner) ? readFooter(file) : undefined
    if (meta === undefined) throw corrupt(path, 'its header or its footer is damaged')
    return {
      meta,
      file,
      chunk(at) {
        const chunk = readChunk(file, owner, at)
        const expected = Math.min(CHUNK_BYTES, meta.sizeBytes - at * CHUNK_BYTES)
        if (chunk?.length !== expected) throw corrupt(path, `chunk ${at} is damaged`)
        return chunk
      },
      close: () => file.close(),
    }
  } catch (error) {
    file.close()
    throw error
  }
}

/** Checks every byte of a finished snapshot against what it should be; returns what is wrong. */
export function checkSnapshot(
  fs: Fs,
  path: string,
  owner: SnapshotFileOwner,
  expected: SnapshotMeta,
): string | undefined {
  let open: OpenSnapshot | undefined
  try {
    open = openSnapshot(fs, path, owner)
    if (open.meta.id !== expected.id || open.meta.checksum !== expected.checksum)
      return 'it is another snapshot'
    let crc = 0
    for (let at = 0; at * CHUNK_BYTES < open.meta.sizeBytes; at++) crc = crc32c(open.chunk(at), crc)
    return crc === expected.checksum ? undefined : 'its checksum is not the one recorded'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    open?.close()
  }
}

/** What an interrupted write left: whole chunks, and a short last one to go on with. */
export interface PartialContent {
  readonly chunks: number
  readonly rest: Uint8Array
  readonly crc: number
}

/** Reads as much of an unfinished snapshot as is sound. */
export function readPartial(file: FsFile, owner: SnapshotFileOwner): PartialContent {
  let chunks = 0
  let crc = 0
  if (!hasHeader(file, owner)) return { chunks, rest: new Uint8Array(0), crc }
  for (;;) {
    const chunk = readChunk(file, owner, chunks)
    if (chunk === undefined) return { chunks, rest: new Uint8Array(0), crc }
    crc = crc32c(chunk, crc)
    if (chunk.length < CHUNK_BYTES) return { chunks, rest: chunk, crc }
    chunks++
  }
}

function corrupt(path: string, what: string): QuorateError {
  return new QuorateError('STORAGE_CORRUPT', `snapshot ${path}: ${what}`, { details: { path } })
}
