// From what a crash left to a log that can be written again. It runs synchronously over the
// port, may itself be interrupted at any call, and then gives the same result the next time.
import type { ClusterId, NodeId } from '@quorate/core'
import { QuorateError, defined } from '@quorate/core'
import { segmentSeed, writeFrame } from './frame.ts'
import type { Fs, FsFile } from './fs.ts'
import { namesIn, writeAll } from './fs.ts'
import {
  FORMAT_VERSION,
  LOG_DIRECTORY,
  META_FILE,
  SEGMENT_HEADER_BYTES,
  SNAPSHOT_DIRECTORY,
} from './layout.ts'
import type { MetaSlot } from './meta-file.ts'
import { META_SLOT_BYTES, encodeMetaSlot, readMeta } from './meta-file.ts'
import { Groups, applyRecord, damaged } from './replay.ts'
import type { FrameView, Segment, SegmentBytes, TailVerdict, WalkEnd } from './segment.ts'
import { judgeTail, positionAt, segmentReader, walkFrames } from './segment.ts'
import { createSegment, openSegments } from './segment-files.ts'
import type { SegmentHeader } from './segment-header.ts'

/** What recovery needs. */
export interface RecoveryContext {
  readonly fs: Fs
  readonly directory: string
  readonly cluster: ClusterId
  readonly host: NodeId
  readonly segmentBytes: number
  /** What becomes of damaged entries: refuse to open, or report them as faulty. */
  readonly onDamage: 'halt' | 'repair'
  /** Whether an unfinished write at the end is refused rather than cut off. */
  readonly strictTail?: boolean | undefined
  /** 16 random bytes, for a new store. */
  readonly newStore: () => Uint8Array
}

/** How the log ended when it was opened. */
export interface RecoveryReport {
  /** `new`: there was none. `closed`: in good order. `clean`: nothing after the last write. `torn`: an unfinished write was cut. */
  readonly tail: 'new' | 'closed' | 'clean' | 'torn'
  /**
   * Whether the end was cut where nothing says whether it had been acknowledged: an unfinished write,
   * in all likelihood, and possibly the last acknowledged one, damaged since.
   */
  readonly tailAmbiguous: boolean
  /** Bytes of an unfinished write that were cut off. */
  readonly cutBytes: number
  /** Bytes of frames that were written anew, because nothing proved that they had reached the disk. */
  readonly forwardedBytes: number
  /** Bytes of log that were read. */
  readonly scannedBytes: number
}

/** A log that is ready to be written. */
export interface RecoveredLog {
  readonly store: Uint8Array
  /** In order; the last one is to be written. At least one. */
  readonly segments: Segment[]
  /** The offset in the last segment at which the next frame goes. */
  readonly offset: number
  readonly lsn: number
  readonly crc: number
  readonly groups: Groups
  readonly meta: MetaSlot
  readonly metaFile: FsFile
  readonly report: RecoveryReport
}

/** Opens the log of a directory, or makes one. */
export function recoverLog(context: RecoveryContext): RecoveredLog {
  const { fs, directory } = context
  makeDirectory(fs, directory, SNAPSHOT_DIRECTORY)
  const names = fs.readdir(directory)
  sweep(fs, directory)
  if (!names.includes(LOG_DIRECTORY)) return createLog(context)
  // A process that was killed may have left names that are there and not yet durable.
  fs.syncDir(directory)
  fs.syncDir(`${directory}/${LOG_DIRECTORY}`)
  if (!names.includes(META_FILE))
    throw new QuorateError('STORAGE_CORRUPT', `${directory}/${META_FILE} is missing`)
  const metaFile = fs.open(`${directory}/${META_FILE}`, 'r+')
  let segments: Segment[] = []
  try {
    segments = openSegments(fs, `${directory}/${LOG_DIRECTORY}`)
    const first = segments[0]
    if (first === undefined)
      throw new QuorateError('STORAGE_CORRUPT', `${directory}/log holds no segment`)
    checkIdentity(context, first.header)
    const meta = readMeta(metaFile)
    if (meta === undefined || Buffer.compare(meta.store, first.header.store) !== 0) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        `both slots of ${directory}/${META_FILE} are damaged`,
      )
    }
    settleSlot(metaFile, meta)
    return replayLog(context, segments, meta, metaFile)
  } catch (error) {
    metaFile.close()
    for (const { file } of segments) file.close()
    throw error
  }
}

/**
 * Writes the slot in force once more. It may have been written and never synced, or the sync may have
 * failed; the next one goes over the other slot, which would then be the last that is on the disk.
 */
function settleSlot(file: FsFile, meta: MetaSlot): void {
  const { bytes, position } = encodeMetaSlot(meta)
  writeAll(file, bytes, position)
  file.datasync()
}

/** Makes a directory and every missing one above it, each durable in its parent. */
export function makeDirectories(fs: Fs, path: string): void {
  const parts = path.split('/')
  let made = false
  /** Where the last directory stands that was there. */
  let home: string | undefined
  for (let depth = 1; depth <= parts.length; depth++) {
    const parent = parts.slice(0, depth - 1).join('/') || (path.startsWith('/') ? '/' : '.')
    const name = parts[depth - 1]
    if (name === undefined || name === '') continue
    if (namesIn(fs, pathIn(parent, name)) !== undefined) home = parent
    else {
      // Whoever made that one may have been killed before it was durable.
      if (!made && home !== undefined) fs.syncDir(home)
      made = true
      makeDirectory(fs, parent, name)
    }
  }
  if (!made && home !== undefined) fs.syncDir(home)
}

function pathIn(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`
}

function makeDirectory(fs: Fs, parent: string, name: string): void {
  const path = pathIn(parent, name)
  if (namesIn(fs, path) !== undefined) return
  fs.mkdir(path)
  fs.syncDir(parent)
}

/** Removes what an interrupted run left unfinished. */
function sweep(fs: Fs, directory: string): void {
  for (const folder of [
    directory,
    `${directory}/${LOG_DIRECTORY}`,
    `${directory}/${LOG_DIRECTORY}.tmp`,
  ]) {
    const unfinished = (namesIn(fs, folder) ?? []).filter(
      (name) => name.endsWith('.tmp') && name !== `${LOG_DIRECTORY}.tmp`,
    )
    for (const name of unfinished) fs.unlink(`${folder}/${name}`)
    if (unfinished.length > 0) fs.syncDir(folder)
  }
}

/** The log directory gets its name last, so that a half-made store is simply made again. */
function createLog(context: RecoveryContext): RecoveredLog {
  const { fs, directory, cluster, host, segmentBytes } = context
  const metaPath = `${directory}/${META_FILE}`
  refuseRemains(context)
  const store = context.newStore()
  const names = fs.readdir(directory)
  if (names.includes(META_FILE)) fs.unlink(metaPath)
  const metaFile = fs.open(metaPath, 'wx+')
  const meta: MetaSlot = { store, seq: 0, durable: 0, hardStates: [], starts: 0 }
  writeAll(metaFile, new Uint8Array(2 * META_SLOT_BYTES), 0)
  writeAll(metaFile, encodeMetaSlot(meta).bytes, 0)
  metaFile.sync()
  fs.syncDir(directory)
  const building = `${directory}/${LOG_DIRECTORY}.tmp`
  if (!names.includes(`${LOG_DIRECTORY}.tmp`)) fs.mkdir(building)
  for (const name of fs.readdir(building)) fs.unlink(`${building}/${name}`)
  const header: SegmentHeader = {
    version: FORMAT_VERSION,
    cluster,
    host,
    store,
    seq: 1,
    start: 0,
    previousEnd: 0,
    previousCrc: 0,
    lsn: 1,
    nextGroup: 1,
  }
  const made = createSegment(fs, building, header, new Uint8Array(0), segmentBytes)
  const log = `${directory}/${LOG_DIRECTORY}`
  fs.rename(building, log)
  fs.syncDir(directory)
  const segment: Segment = { ...made, path: made.path.replace(building, log) }
  const report: RecoveryReport = {
    tail: 'new',
    tailAmbiguous: false,
    cutBytes: 0,
    forwardedBytes: 0,
    scannedBytes: 0,
  }
  const groups = new Groups()
  return {
    store,
    segments: [segment],
    offset: SEGMENT_HEADER_BYTES,
    lsn: 1,
    crc: 0,
    groups,
    meta,
    metaFile,
    report,
  }
}

/** A directory without a log that was once in use has lost it: it must not start empty. */
function refuseRemains({ fs, directory }: RecoveryContext): void {
  const used = (namesIn(fs, `${directory}/${SNAPSHOT_DIRECTORY}`) ?? []).some((name) =>
    name.endsWith('.snap'),
  )
  let seq = 0
  if (fs.readdir(directory).includes(META_FILE)) {
    const file = fs.open(`${directory}/${META_FILE}`, 'r')
    seq = readMeta(file)?.seq ?? 0
    file.close()
  }
  if (!used && seq === 0) return
  throw new QuorateError(
    'STORAGE_CORRUPT',
    `${directory} was in use and its log is gone; rebuild this host from its peers`,
  )
}

function checkIdentity({ cluster, host }: RecoveryContext, header: SegmentHeader): void {
  if (header.cluster === cluster && header.host === host) return
  throw new QuorateError(
    'CLUSTER_MISMATCH',
    `the data belongs to host "${header.host}" of cluster "${header.cluster}", not to "${host}" of "${cluster}"; use another directory`,
    {
      details: {
        expected: { cluster, host },
        found: { cluster: header.cluster, host: header.host },
      },
    },
  )
}

function replayLog(
  context: RecoveryContext,
  segments: Segment[],
  meta: MetaSlot,
  metaFile: FsFile,
): RecoveredLog {
  const read = segmentReader()
  const groups = new Groups()
  const last = defined(segments.at(-1), 'a log has a segment')
  let scannedBytes = 0
  let before: WalkEnd = {
    offset: 0,
    lsn: (segments[0] as Segment).header.lsn,
    crc: (segments[0] as Segment).header.previousCrc,
  }
  for (const segment of segments) {
    const bytes = read(segment)
    const { header } = segment
    scannedBytes += bytes.end
    groups.nextNumber = Math.max(groups.nextNumber, header.nextGroup)
    if (header.lsn !== before.lsn || header.previousCrc !== before.crc) {
      throw damaged(header.start, 'a segment does not follow the one before it')
    }
    if (segment === last) {
      return finish(context, { segments, meta, metaFile, groups, bytes, scannedBytes })
    }
    const end = defined(segment.end, 'a segment that is not the last one has an end')
    before = walkFrames(bytes, end, (frame) => applyFrame(groups, bytes, frame))
    if (before.offset !== end) {
      throw damaged(
        positionAt(header, before.offset),
        'a frame before the end of a finished segment is not valid',
      )
    }
  }
  throw new Error('unreachable: a log has a last segment')
}

interface Unfinished {
  readonly segments: Segment[]
  readonly meta: MetaSlot
  readonly metaFile: FsFile
  readonly groups: Groups
  readonly bytes: SegmentBytes
  readonly scannedBytes: number
}

function finish(context: RecoveryContext, log: Unfinished): RecoveredLog {
  const { groups, bytes, segments, meta, metaFile, scannedBytes } = log
  const verdict = judgeTail(bytes, meta.durable)
  if (verdict.corrupt) {
    throw damaged(
      positionAt(bytes.header, verdict.cut),
      'bytes that had reached the disk are no longer valid',
    )
  }
  if (verdict.sealed)
    throw damaged(positionAt(bytes.header, verdict.cut), 'the segment that follows is missing')
  if (!verdict.clean && context.strictTail === true) {
    throw damaged(
      positionAt(bytes.header, verdict.cut),
      'the last write is not whole, and "strictTail" does not take it for an unfinished one',
    )
  }
  const inPlace =
    verdict.closedAt ??
    (verdict.clean && verdict.cut === SEGMENT_HEADER_BYTES ? verdict.cut : undefined)
  const stop = inPlace ?? verdict.proven
  const end = walkFrames(bytes, stop, (frame) => applyFrame(groups, bytes, frame))
  const common = { store: bytes.header.store, segments, groups, meta, metaFile }
  if (inPlace !== undefined) {
    const tail = verdict.closedAt === undefined ? 'clean' : 'closed'
    const report: RecoveryReport = {
      tail,
      tailAmbiguous: false,
      cutBytes: 0,
      forwardedBytes: 0,
      scannedBytes,
    }
    return settle(context, { ...common, offset: end.offset, lsn: end.lsn, crc: end.crc, report })
  }
  const moved = forward(context, log, verdict, end)
  return settle(context, { ...common, ...moved, report: { ...moved.report, scannedBytes } })
}

/**
 * Writes what nothing proves to be on the disk into a new segment. A failed sync may have left
 * pages that read well and were never written; reading them back from there proves nothing.
 */
function forward(
  context: RecoveryContext,
  log: Unfinished,
  verdict: TailVerdict,
  end: WalkEnd,
): Pick<RecoveredLog, 'offset' | 'lsn' | 'crc' | 'report'> {
  const { bytes, segments, groups } = log
  const old = defined(segments.at(-1), 'a log has a segment')
  const header: SegmentHeader = {
    ...old.header,
    version: FORMAT_VERSION,
    seq: old.header.seq + 1,
    start: positionAt(old.header, end.offset),
    previousEnd: end.offset,
    previousCrc: end.crc,
    lsn: end.lsn,
    nextGroup: groups.nextNumber,
  }
  const length = verdict.cut - end.offset
  const copy = resealed(bytes, end.offset, verdict.cut, header)
  const size = Math.max(context.segmentBytes, SEGMENT_HEADER_BYTES + length)
  const segment = createSegment(
    context.fs,
    `${context.directory}/${LOG_DIRECTORY}`,
    header,
    copy.bytes,
    size,
  )
  old.end = end.offset
  segments.push(segment)
  for (const frame of copy.frames)
    applyFrame(groups, { ...bytes, header, bytes: copy.image }, frame)
  const cutBytes = verdict.clean ? 0 : bytes.end - verdict.cut
  const report: RecoveryReport = {
    tail: verdict.clean ? 'clean' : 'torn',
    tailAmbiguous: !verdict.clean,
    cutBytes,
    forwardedBytes: length,
    scannedBytes: 0,
  }
  return { offset: SEGMENT_HEADER_BYTES + length, lsn: copy.lsn, crc: copy.crc, report }
}

/** The frames of a stretch, with checksums for their new place. */
function resealed(from: SegmentBytes, start: number, cut: number, header: SegmentHeader) {
  const image = new Uint8Array(SEGMENT_HEADER_BYTES + cut - start)
  const view = new DataView(image.buffer)
  const seed = segmentSeed(header.store, header.seq)
  const frames: FrameView[] = []
  let { lsn, previousCrc: crc } = header
  walkFrames(from, cut, ({ header: old, offset, records }) => {
    if (offset < start) return
    const at = SEGMENT_HEADER_BYTES + offset - start
    const drafts = records.map((record) => ({
      ...record,
      payload: from.bytes.slice(record.at + 32, record.at + 32 + record.payloadBytes),
    }))
    const fields = { lsn: lsn++, durable: header.start, previousCrc: crc, flags: old.flags }
    crc = writeFrame(view, image, at, seed, at, fields, drafts)
    frames.push({
      header: { ...old, ...fields, crc },
      offset: at,
      records: records.map((r) => ({ ...r, at: r.at - offset + at })),
    })
  })
  return { bytes: image.subarray(SEGMENT_HEADER_BYTES), image, frames, lsn, crc }
}

function applyFrame(groups: Groups, segment: SegmentBytes, frame: FrameView): void {
  for (const record of frame.records) {
    applyRecord(groups, segment.bytes, record, positionAt(segment.header, record.at))
  }
}

/** Checks that what was read is whole, and uses the second copy of a damaged hard state. */
function settle(context: RecoveryContext, log: RecoveredLog): RecoveredLog {
  for (const image of log.groups.byNumber.values()) {
    const spare = log.meta.hardStates.find(({ group }) => group === image.number)
    const damagedAt = image.damaged.get('hardState')
    if (damagedAt !== undefined && spare !== undefined && spare.position >= damagedAt) {
      image.setHardState(spare.bytes, spare.position)
    }
    const [part] = image.damaged
    if (part !== undefined) throw damaged(part[1], `the ${part[0]} of a group cannot be read`)
    if (image.identity === undefined || image.table.missing().length > 0) {
      throw damaged(
        log.segments[0]?.header.start ?? 0,
        `the log of group ${image.identity?.id ?? image.number} has gaps`,
      )
    }
    const [fault] = image.table.faults(image.first, image.last)
    if (fault !== undefined && context.onDamage === 'halt') {
      throw damaged(
        image.table.position(fault.first),
        `entries ${fault.first} to ${fault.last} of group "${image.identity.id}" cannot be read`,
      )
    }
  }
  return log
}
