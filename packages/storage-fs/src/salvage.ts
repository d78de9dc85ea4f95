// Makes a log that opens out of one that does not: everything that can be vouched for is written
// anew, what is known to be lost is marked as lost, and the old files stay, renamed.
import type { ClusterId, NodeId } from '@quorate/core'
import { QuorateError, entryKindByte } from '@quorate/core'
import { readEntries } from './entry-reader.ts'
import type { Locate } from './entry-reader.ts'
import type { RecordDraft } from './frame.ts'
import { frameBytes, segmentSeed, writeFrame } from './frame.ts'
import type { Fs } from './fs.ts'
import { namesIn, readFully, writeAll } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { encodeGroupState, encodeLost } from './group-state.ts'
import {
  FORMAT_VERSION,
  FRAME_HEADER_BYTES,
  LOG_DIRECTORY,
  META_FILE,
  SEGMENT_HEADER_BYTES,
  TYPE_COPY,
  TYPE_LOST,
  TYPE_STATE,
  segmentName,
  segmentSeq,
} from './layout.ts'
import type { MetaHardState, MetaSlot } from './meta-file.ts'
import { encodeMetaSlot, readMeta } from './meta-file.ts'
import type { LostStretch, SalvagedGroup } from './salvage-scan.ts'
import { SalvageScan, hopeless } from './salvage-scan.ts'
import type { Segment } from './segment.ts'
import { offsetAt, positionAt } from './segment.ts'
import { createSegment } from './segment-files.ts'
import type { SegmentHeader } from './segment-header.ts'
import { decodeSegmentHeader } from './segment-header.ts'

const FRAME_PAYLOAD_BYTES = 262_144
const SEGMENT_BYTES = 33_554_432

/** What {@link salvageStore} found, and did. */
export interface SalvageReport {
  /** Stretches of the log that cannot be read. */
  readonly lost: readonly LostStretch[]
  /** What can be kept. */
  readonly groups: readonly SalvagedGroup[]
  /** Groups of which only parts are left and nothing says who they are; they are given up. */
  readonly namelessGroups: number
  /** Where the log as it was is kept; `undefined` where nothing was changed. */
  readonly kept: string | undefined
}

/** Reads a damaged store and tells what can be kept; writes it anew unless `dryRun`. */
export function salvageStoreOn(
  fs: Fs,
  directory: string,
  options: {
    readonly dryRun: boolean
    readonly cluster?: ClusterId | undefined
    readonly host?: NodeId | undefined
  },
): SalvageReport {
  const folder = `${directory}/${LOG_DIRECTORY}`
  const names = namesIn(fs, folder)
  if (names === undefined) throw new QuorateError('INVALID_ARGUMENT', `${directory} holds no store`)
  const meta = metaOf(fs, directory)
  const segments = tolerantly(fs, directory, meta, options)
  try {
    const scan = new SalvageScan(segments, meta)
    const locate: Locate = (position) => {
      const found = segments.findLast(({ header }) => header.start <= position)
      if (found === undefined) throw new Error(`no segment holds ${position}`)
      return { segment: found, offset: offsetAt(found.header, position) }
    }
    const kept = options.dryRun ? undefined : rewrite(fs, directory, segments, scan, locate, meta)
    const { lost } = scan
    return { lost, groups: scan.describe(), namelessGroups: scan.nameless.length, kept }
  } finally {
    for (const { file } of segments) file.close()
  }
}

function metaOf(fs: Fs, directory: string): MetaSlot | undefined {
  if (!fs.readdir(directory).includes(META_FILE)) return undefined
  const file = fs.open(`${directory}/${META_FILE}`, 'r')
  try {
    return readMeta(file)
  } finally {
    file.close()
  }
}

/** Opens every segment; what a damaged header said follows from its neighbours where there are any. */
function tolerantly(
  fs: Fs,
  directory: string,
  meta: MetaSlot | undefined,
  identity: { readonly cluster?: string | undefined; readonly host?: string | undefined },
): Segment[] {
  const folder = `${directory}/${LOG_DIRECTORY}`
  const seqs = fs
    .readdir(folder)
    .map((name) => segmentSeq(name))
    .filter((seq) => seq !== undefined)
    .sort((a, b) => a - b)
  const found = seqs.map((seq) => {
    const path = `${folder}/${segmentName(seq)}`
    const file = fs.open(path, 'r')
    const block = new Uint8Array(SEGMENT_HEADER_BYTES)
    readFully(file, block, 0)
    return { seq, path, file, header: decodeSegmentHeader(block) }
  })
  const known = found.find(({ header }) => header !== undefined)?.header
  const store = known?.store ?? meta?.store
  const cluster = known?.cluster ?? identity.cluster
  const host = known?.host ?? identity.host
  if (store === undefined || cluster === undefined || host === undefined || found.length === 0) {
    for (const { file } of found) file.close()
    throw hopeless(directory, 'no segment says whose data it is')
  }
  const segments: Segment[] = []
  for (const [at, { seq, path, file, header }] of found.entries()) {
    const before = segments.at(-1)
    const after = found[at + 1]?.header
    const end = after?.seq === seq + 1 ? after.previousEnd : undefined
    const start =
      end !== undefined && after !== undefined
        ? after.start - (end - SEGMENT_HEADER_BYTES)
        : before === undefined
          ? 0
          : positionAt(before.header, before.end ?? before.file.size())
    const guessed: SegmentHeader = {
      version: FORMAT_VERSION,
      cluster,
      host,
      store,
      seq,
      start,
      previousEnd: 0,
      previousCrc: 0,
      lsn: 1,
      nextGroup: 1,
    }
    segments.push({ header: header ?? guessed, path, file, end })
  }
  return segments
}

/** Writes what can be kept into a new log, which takes the place of the old one when it is whole. */
function rewrite(
  fs: Fs,
  directory: string,
  segments: readonly Segment[],
  scan: SalvageScan,
  locate: Locate,
  meta: MetaSlot | undefined,
): string {
  const building = `${directory}/${LOG_DIRECTORY}.tmp`
  if (namesIn(fs, building) === undefined) fs.mkdir(building)
  for (const name of fs.readdir(building)) fs.unlink(`${building}/${name}`)
  const last = segments.at(-1) as Segment
  const writer = new LogWriter(fs, building, {
    ...last.header,
    version: FORMAT_VERSION,
    seq: last.header.seq + 1,
    start: Math.max(scan.end, meta?.durable ?? 0),
    previousEnd: 0,
    previousCrc: 0,
    lsn: scan.lsn,
    nextGroup: scan.groups.nextNumber,
  })
  const hardStates: MetaHardState[] = []
  for (const image of scan.groups.byNumber.values()) {
    if (image.identity === undefined) continue
    const position = writeGroup(writer, image, locate)
    if (image.hardState !== undefined)
      hardStates.push({ group: image.number, position, bytes: image.hardState })
  }
  const durable = writer.finish()
  const kept = keptName(fs, directory)
  fs.rename(`${directory}/${LOG_DIRECTORY}`, kept)
  fs.rename(building, `${directory}/${LOG_DIRECTORY}`)
  fs.syncDir(directory)
  writeMeta(fs, directory, { store: last.header.store, durable, hardStates }, meta)
  return kept
}

function keptName(fs: Fs, directory: string): string {
  const names = fs.readdir(directory)
  let name = `${LOG_DIRECTORY}.broken`
  for (let count = 2; names.includes(name); count++) name = `${LOG_DIRECTORY}.broken-${count}`
  return `${directory}/${name}`
}

/** Both slots, so that none speaks of the log before; made anew where the file is gone. */
function writeMeta(
  fs: Fs,
  directory: string,
  slot: Pick<MetaSlot, 'store' | 'durable' | 'hardStates'>,
  before: MetaSlot | undefined,
): void {
  const path = `${directory}/${META_FILE}`
  const exists = fs.readdir(directory).includes(META_FILE)
  const file = fs.open(path, exists ? 'r+' : 'wx+')
  const seq = (before?.seq ?? 0) + 1
  for (const next of [seq, seq + 1]) {
    const { bytes, position } = encodeMetaSlot({ ...slot, seq: next, starts: before?.starts ?? 0 })
    writeAll(file, bytes, position)
  }
  file.sync()
  file.close()
  fs.syncDir(directory)
}

/** A group's state, its entries, and which of them are lost. Returns where its state stands. */
function writeGroup(writer: LogWriter, image: GroupImage, locate: Locate): number {
  const { table, number: group } = image
  const small = { kind: 0, flags: 0, group }
  const payload = encodeGroupState(image.state())
  const position = writer.frame([{ ...small, type: TYPE_STATE, index: 0, epoch: 0, payload }])
  let records: RecordDraft[] = []
  let bytes = 0
  for (let index = table.first; index <= table.last; index++) {
    const [entry] = table.isFaulty(index) ? [] : readEntries(locate, image, index, index, 0)
    // Reading marks as faulty what cannot be read any more.
    if (entry === undefined) continue
    const kind = entryKindByte(entry.kind)
    records.push({ ...small, ...entry, type: TYPE_COPY, kind })
    bytes += entry.payload.length
    if (bytes < FRAME_PAYLOAD_BYTES) continue
    writer.frame(records)
    records = []
    bytes = 0
  }
  for (const { first, last } of table.faults(table.first, table.last)) {
    const epoch = image.epochs.at(first)
    records.push({ ...small, type: TYPE_LOST, index: first, epoch, payload: encodeLost(last) })
  }
  if (records.length > 0) writer.frame(records)
  return position + FRAME_HEADER_BYTES
}

/** Writes frames into as many segments as it takes, in bounded memory. */
class LogWriter {
  readonly #fs: Fs
  readonly #folder: string
  #header: SegmentHeader
  #buffer = new Uint8Array(SEGMENT_BYTES)
  #used = 0
  #crc: number
  #lsn: number

  constructor(fs: Fs, folder: string, header: SegmentHeader) {
    this.#fs = fs
    this.#folder = folder
    this.#header = header
    this.#crc = header.previousCrc
    this.#lsn = header.lsn
  }

  /** Adds a frame; returns its position. */
  frame(records: readonly RecordDraft[]): number {
    const bytes = frameBytes(records)
    if (this.#used > 0 && this.#used + bytes > this.#buffer.length) this.#next()
    if (bytes > this.#buffer.length) this.#buffer = new Uint8Array(bytes)
    const offset = SEGMENT_HEADER_BYTES + this.#used
    const { store, seq, start } = this.#header
    const fields = { lsn: this.#lsn++, durable: start, previousCrc: this.#crc, flags: 0 }
    const view = new DataView(this.#buffer.buffer)
    const seed = segmentSeed(store, seq)
    this.#crc = writeFrame(view, this.#buffer, this.#used, seed, offset, fields, records)
    this.#used += bytes
    return positionAt(this.#header, offset)
  }

  #next(): void {
    const end = this.#place()
    this.#header = {
      ...this.#header,
      seq: this.#header.seq + 1,
      start: positionAt(this.#header, end),
      previousEnd: end,
      previousCrc: this.#crc,
      lsn: this.#lsn,
    }
    this.#used = 0
  }

  /** Writes the segment; returns the offset at which its frames end. */
  #place(): number {
    const frames = this.#buffer.subarray(0, this.#used)
    const end = SEGMENT_HEADER_BYTES + this.#used
    createSegment(this.#fs, this.#folder, this.#header, frames, end).file.close()
    return end
  }

  /** Writes the last segment; returns the position at which the log ends. */
  finish(): number {
    return positionAt(this.#header, this.#place())
  }
}
