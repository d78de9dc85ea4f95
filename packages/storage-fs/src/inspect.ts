// Looks at a directory without a storage on it: checks it, prints it, and as a last resort cuts
// it. Everything but the cut only reads.
import type { ClusterId, GroupId, NodeId, SnapshotMeta } from '@quorate/core'
import { QuorateError, defined, isQuorateError } from '@quorate/core'
import type { RecordView } from './frame.ts'
import { payloadIsSound } from './frame.ts'
import type { Fs } from './fs.ts'
import { namesIn, writeAll } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { LOG_DIRECTORY, META_FILE, SEGMENT_HEADER_BYTES, TYPE_COPY, TYPE_ENTRY } from './layout.ts'
import type { MetaSlot } from './meta-file.ts'
import { encodeMetaSlot, readMeta } from './meta-file.ts'
import { Groups, PARTS, applyRecord } from './replay.ts'
import type { FrameView, Segment, SegmentBytes } from './segment.ts'
import { judgeTail, positionAt, segmentReader, walkFrames } from './segment.ts'
import { openSegments } from './segment-files.ts'
import { checkSnapshot, snapshotPath } from './snapshot-file.ts'

/** One thing that is wrong with a store. */
export interface Finding {
  /**
   * `damage`: something durable was lost. `torn`: an unfinished write at the end, which the next start
   * cuts off. `replaced`: something is damaged that later records have replaced, so that nothing is lost.
   */
  readonly kind: 'damage' | 'torn' | 'replaced'
  /** What is wrong, for a person. */
  readonly message: string
  /** Where in the log, where it is in the log. */
  readonly position?: number | undefined
}

/** A group, as {@link verifyStore} found it. */
export interface VerifiedGroup {
  /** The group. */
  readonly id: GroupId
  /** The first index of its log. */
  readonly firstIndex: number
  /** The last index of its log. */
  readonly lastIndex: number
  /** The id of its snapshot; `undefined` where it has none. */
  readonly snapshot: string | undefined
}

/** What {@link verifyStore} found. */
export interface StoreReport {
  /** Whose data it is; `undefined` where no segment says. */
  readonly cluster: ClusterId | undefined
  /** Which host's data it is. */
  readonly host: NodeId | undefined
  /** How many segments the log has. */
  readonly segments: number
  /** Bytes of the log that were read. */
  readonly bytes: number
  /** What the log holds, as far as it could be read. */
  readonly groups: readonly VerifiedGroup[]
  /** Everything that is wrong; empty for a store in order. */
  readonly findings: readonly Finding[]
}

/** Checks every byte of a store that nobody uses, and changes nothing. */
export function verifyStoreOn(fs: Fs, directory: string): StoreReport {
  const findings: Finding[] = []
  const note = (error: unknown): void => {
    if (!isQuorateError(error)) throw error
    const { position } = error.details as { position?: number }
    findings.push({ kind: 'damage', message: error.message, position })
  }
  const opened = openStore(fs, directory, note)
  const groups = new Groups()
  const unsound: Unsound[] = []
  let bytes = 0
  try {
    const read = segmentReader()
    for (const segment of opened.segments) {
      const content = read(segment)
      bytes += content.end
      try {
        const visit = (frame: FrameView): void => verifyFrame(content, frame, groups, unsound)
        verifySegment(content, segment.end, opened.meta, visit, findings)
      } catch (error) {
        note(error)
      }
    }
    findings.push(...unsound.map((one) => judgeUnsound(one, groups)))
    if (findings.every(({ kind, position }) => kind !== 'damage' || isAt(unsound, position)))
      verifyGroups(fs, directory, opened, groups, findings)
  } finally {
    for (const { file } of opened.segments) file.close()
  }
  const header = opened.segments[0]?.header
  return {
    cluster: header?.cluster,
    host: header?.host,
    segments: opened.segments.length,
    bytes,
    groups: describe(groups),
    findings,
  }
}

interface OpenedStore {
  readonly segments: Segment[]
  readonly meta: MetaSlot | undefined
}

function openStore(fs: Fs, directory: string, note: (error: unknown) => void): OpenedStore {
  if (namesIn(fs, `${directory}/${LOG_DIRECTORY}`) === undefined) {
    throw new QuorateError('INVALID_ARGUMENT', `${directory} holds no store`)
  }
  let segments: Segment[] = []
  try {
    segments = openSegments(fs, `${directory}/${LOG_DIRECTORY}`)
  } catch (error) {
    note(error)
  }
  let meta: MetaSlot | undefined
  if (fs.readdir(directory).includes(META_FILE)) {
    const file = fs.open(`${directory}/${META_FILE}`, 'r')
    meta = readMeta(file)
    file.close()
  }
  if (meta === undefined)
    note(new QuorateError('STORAGE_CORRUPT', `${directory}/${META_FILE} cannot be read`))
  return { segments, meta }
}

function verifySegment(
  content: SegmentBytes,
  end: number | undefined,
  meta: MetaSlot | undefined,
  visit: (frame: FrameView) => void,
  findings: Finding[],
): void {
  let stop = end
  if (stop === undefined) {
    const verdict = judgeTail(content, meta?.durable ?? 0)
    const position = positionAt(content.header, verdict.cut)
    stop = verdict.cut
    if (verdict.corrupt || verdict.sealed) {
      const message = verdict.sealed
        ? 'the segment that follows is missing'
        : 'bytes that had reached the disk are no longer valid'
      findings.push({ kind: 'damage', message, position })
    } else if (!verdict.clean) {
      findings.push({ kind: 'torn', message: 'an unfinished write at the end', position })
    }
  }
  const walk = walkFrames(content, stop, visit)
  if (walk.offset < stop) {
    const position = positionAt(content.header, walk.offset)
    findings.push({ kind: 'damage', message: 'a frame within the log is not valid', position })
  }
}

function verifyFrame(
  content: SegmentBytes,
  frame: FrameView,
  groups: Groups,
  unsound: Unsound[],
): void {
  for (const record of frame.records) {
    const position = positionAt(content.header, record.at)
    if (!payloadIsSound(content.bytes, record)) unsound.push({ record, position })
    applyRecord(groups, content.bytes, record, position)
  }
}

/** A record whose payload is damaged. */
interface Unsound {
  readonly record: RecordView
  readonly position: number
}

function isAt(unsound: readonly Unsound[], position: number | undefined): boolean {
  return unsound.some((one) => one.position === position)
}

/** Whether what a damaged record said is still needed, now that all of the log has been seen. */
function judgeUnsound({ record, position }: Unsound, groups: Groups): Finding {
  const { type, index, group } = record
  const image = groups.byNumber.get(group)
  const isEntry = type === TYPE_ENTRY || type === TYPE_COPY
  const isThere =
    image !== undefined && index >= image.table.first && index <= image.table.last && isEntry
  const isPart = image !== undefined && [...image.damaged.values()].includes(position)
  const isNeeded = isPart || (isThere && image.table.position(index) === position)
  const what = `record of type ${TYPES[type] ?? type}, group ${image?.identity?.id ?? group}, index ${index}: its payload is damaged`
  return isNeeded || !(isEntry || type in PARTS)
    ? { kind: 'damage', message: what, position }
    : { kind: 'replaced', message: `${what}, and is no longer needed`, position }
}

function verifyGroups(
  fs: Fs,
  directory: string,
  store: OpenedStore,
  groups: Groups,
  findings: Finding[],
): void {
  for (const image of groups.byNumber.values()) {
    const { identity, number, first, last, table } = image
    if (identity === undefined || table.missing().length > 0) {
      findings.push({
        kind: 'damage',
        message: `the log of group ${identity?.id ?? number} has gaps`,
      })
    }
    for (const lost of table.faults(first, last)) {
      // One that is there and damaged has been told already.
      if (findings.some(({ position }) => position === table.position(lost.first))) continue
      const message = `entries ${lost.first} to ${lost.last} of group ${identity?.id ?? number} are lost`
      findings.push({ kind: 'damage', message, position: table.position(lost.first) })
    }
    const owner = store.segments[0]?.header.store
    for (const meta of [image.snapshot, image.previous]) {
      if (meta === undefined || owner === undefined) continue
      const path = snapshotPath(directory, number, meta.id)
      const wrong = checkSnapshot(fs, path, { store: owner, group: number }, meta)
      if (wrong === undefined) continue
      const message = `snapshot ${path}: ${wrong}${wayOut(image, meta)}`
      findings.push({ kind: 'damage', message })
    }
  }
}

/** What a start makes of a damaged snapshot. */
function wayOut(image: GroupImage, { id }: SnapshotMeta): string {
  if (id !== image.snapshot?.id) return '; it is kept in case the newest proves bad'
  return image.canFallBack
    ? '; the one before is used if it is sound'
    : '; there is none to use instead: rebuild this host from its peers'
}

function describe(groups: Groups): readonly VerifiedGroup[] {
  return [...groups.byNumber.values()].flatMap(({ identity, first, last, snapshot }) =>
    identity === undefined
      ? []
      : [{ id: identity.id, firstIndex: first, lastIndex: last, snapshot: snapshot?.id }],
  )
}

/** One record of the log, as {@link dumpStore} tells it. */
export interface DumpedRecord {
  /** Where it stands in the log. */
  readonly position: number
  /** The number of its segment. */
  readonly segment: number
  /** The number of its frame. */
  readonly lsn: number
  /** `state`, `drop`, `entry`, `hard-state`, `truncate`, `snapshot`, `compact`, `copy`, `lost`, `snapshot-lost`, or a number. */
  readonly type: string
  /** The number of its group. */
  readonly group: number
  /** Its index, where its type has one. */
  readonly index: number
  /** Its epoch, where its type has one. */
  readonly epoch: number
  /** Bytes of its payload. */
  readonly bytes: number
  /** Whether its payload has its checksum. */
  readonly sound: boolean
}

const TYPES = [
  '',
  'state',
  'drop',
  'entry',
  'hard-state',
  'truncate',
  'snapshot',
  'compact',
  'copy',
  'lost',
  'snapshot-lost',
]

/** Tells every valid record of a store that nobody uses, in the order of the log. */
export function dumpStoreOn(
  fs: Fs,
  directory: string,
  visit: (record: DumpedRecord) => void,
): void {
  const segments = openSegments(fs, `${directory}/${LOG_DIRECTORY}`)
  try {
    const read = segmentReader()
    for (const segment of segments) {
      const content = read(segment)
      walkFrames(content, content.end, ({ header, records }) => {
        for (const record of records) {
          visit({
            position: positionAt(content.header, record.at),
            segment: content.header.seq,
            lsn: header.lsn,
            type: TYPES[record.type] ?? String(record.type),
            group: record.group,
            index: record.index,
            epoch: record.epoch,
            bytes: record.payloadBytes,
            sound: payloadIsSound(content.bytes, record),
          })
        }
      })
    }
  } finally {
    for (const { file } of segments) file.close()
  }
}

/** What {@link repairStore} did. */
export interface RepairReport {
  /** The position at which the log now ends. */
  readonly position: number
  /** Bytes of the log that are no longer in force. */
  readonly removedBytes: number
  /** The files as they were, renamed. */
  readonly kept: readonly string[]
}

/**
 * Cuts a log that nobody uses at a position, the start of the frame that holds it. What stood there
 * and after is lost to this host: a vote or an entry that it acknowledged may be among it, so the
 * host must not take part again under the same id unless its peers can tell it what it lost.
 */
export function repairStoreOn(fs: Fs, directory: string, truncateAt: number): RepairReport {
  const folder = `${directory}/${LOG_DIRECTORY}`
  const segments = openSegments(fs, folder)
  try {
    const target = segments.findLast(({ header }) => header.start <= truncateAt)
    if (target === undefined)
      throw new QuorateError('INVALID_ARGUMENT', `the log starts after position ${truncateAt}`)
    const content = segmentReader()(target)
    const cut = cutOffset(content, truncateAt)
    const last = defined(segments.at(-1), 'a log has a segment')
    const removedBytes = positionAt(last.header, last.file.size()) - positionAt(content.header, cut)
    const kept = segments
      .filter(({ header }) => header.seq >= target.header.seq)
      .map(({ path }) => `${path}.broken`)
    const image = content.bytes.slice(0, cut)
    for (const { path } of segments
      .filter(({ header }) => header.seq >= target.header.seq)
      .toReversed()) {
      fs.rename(path, `${path}.broken`)
    }
    writeDurably(fs, target.path, image, target.file.size())
    fs.syncDir(folder)
    rewriteMeta(fs, directory, content.header.store, positionAt(content.header, cut))
    return { position: positionAt(content.header, cut), removedBytes, kept }
  } finally {
    for (const { file } of segments) file.close()
  }
}

/** The offset of the frame that holds a position, or of the first invalid byte before it. */
function cutOffset(content: SegmentBytes, position: number): number {
  let cut = SEGMENT_HEADER_BYTES
  const walk = walkFrames(content, content.end, ({ header, offset }) => {
    if (positionAt(content.header, offset + header.bytes) <= position) cut = offset + header.bytes
  })
  return Math.min(cut, walk.offset)
}

function writeDurably(fs: Fs, path: string, image: Uint8Array, size: number): void {
  const file = fs.open(`${path}.tmp`, 'wx+')
  writeAll(file, image, 0)
  writeAll(file, new Uint8Array(size - image.length), image.length)
  file.sync()
  file.close()
  fs.rename(`${path}.tmp`, path)
}

/** The evidence of what was durable ends where the log now ends, or it would be refused again. */
function rewriteMeta(fs: Fs, directory: string, store: Uint8Array, durable: number): void {
  const file = fs.open(`${directory}/${META_FILE}`, 'r+')
  const meta = readMeta(file)
  const seq = (meta?.seq ?? 0) + 1
  const hardStates = meta?.hardStates ?? []
  const starts = meta?.starts ?? 0
  for (const next of [seq, seq + 1]) {
    const slot = encodeMetaSlot({ store, seq: next, durable, hardStates, starts })
    writeAll(file, slot.bytes, slot.position)
  }
  file.sync()
  file.close()
}
