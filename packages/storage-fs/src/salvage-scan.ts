// Reads a damaged log as far as it can be vouched for: finds the next valid frame behind one that
// is not, and works out from what follows which entries were lost in between. It only reads.
import type { GroupId, IndexRange, LogIndex } from '@quorate/core'
import { QuorateError, decode, isQuorateError, snapshotMetaCodec } from '@quorate/core'
import type { RecordView } from './frame.ts'
import { isZero, payloadIsSound, payloadOf, readFrameHeader, readRecords } from './frame.ts'
import type { GroupImage } from './group-image.ts'
import { decodeGroupState, decodeLost, decodeLostSnapshot } from './group-state.ts'
import {
  ALIGNMENT,
  FRAME_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  TYPE_COMPACT,
  TYPE_COPY,
  TYPE_DROP,
  TYPE_ENTRY,
  TYPE_HARD_STATE,
  TYPE_LOST,
  TYPE_SNAPSHOT,
  TYPE_SNAPSHOT_LOST,
  TYPE_STATE,
  TYPE_TRUNCATE,
} from './layout.ts'
import type { MetaSlot } from './meta-file.ts'
import { Groups } from './replay.ts'
import type { Segment, SegmentBytes } from './segment.ts'
import { positionAt, segmentReader } from './segment.ts'

/** A stretch of the log that cannot be read. */
export interface LostStretch {
  /** Where it begins. */
  readonly position: number
  /** How long it is; 0 where a whole segment is missing, whose length nobody knows. */
  readonly bytes: number
}

/** What can be kept of a group. */
export interface SalvagedGroup {
  /** The group. */
  readonly id: GroupId
  /** The first index of its log. */
  readonly firstIndex: LogIndex
  /** The last index that is known of. */
  readonly lastIndex: LogIndex
  /** Entries that are lost: a storage tells them as faulty from then on. */
  readonly faulty: readonly IndexRange[]
  /**
   * Whether more may be lost than what is told as faulty: entries after the last, a vote, or that the
   * group was dropped. Such a host must not vote again as if it remembered everything: rebuild it from
   * its peers, unless there are none.
   */
  readonly uncertain: boolean
}

/** What became doubtful of a group with a stretch that cannot be read. */
interface Doubt {
  entries: boolean
  hardState: boolean
}

/** A damaged log, read. */
export class SalvageScan {
  readonly groups: Groups = new Groups()
  readonly lost: LostStretch[] = []
  /** Numbers of groups of which nothing says who they are. */
  readonly nameless: number[] = []
  /** The number of the frame after the last one. */
  lsn = 1
  /** The position after the last frame. */
  end = 0
  readonly #doubts = new Map<number, Doubt>()
  readonly #meta: MetaSlot | undefined
  /** Where the last stretch ends that cannot be read. */
  #lostUntil = -1

  constructor(segments: readonly Segment[], meta: MetaSlot | undefined) {
    this.#meta = meta
    const read = segmentReader()
    let before: Segment | undefined
    for (const segment of segments) {
      if (before !== undefined && segment.header.seq !== before.header.seq + 1)
        this.#lose(this.end, segment.header.start)
      this.#scan(read(segment), segment === segments.at(-1))
      before = segment
    }
    for (const image of this.groups.byNumber.values()) this.#conclude(image)
  }

  #scan(content: SegmentBytes, last: boolean): void {
    const { bytes, view, seed, end, header: segment } = content
    this.groups.nextNumber = Math.max(this.groups.nextNumber, segment.nextGroup)
    let offset = SEGMENT_HEADER_BYTES
    while (offset + FRAME_HEADER_BYTES <= end) {
      const header = readFrameHeader(view, bytes, offset, end, seed, offset)
      const records = header && readRecords(view, bytes, offset, end, seed, offset, header)
      if (records !== undefined && header !== undefined) {
        this.lsn = header.lsn + 1
        for (const record of records)
          this.#apply(bytes, record, positionAt(segment, offset) + record.at - offset)
        offset += header.bytes
        continue
      }
      // A header that is valid says how far the damage behind it can reach.
      const next = header === undefined ? nextFrame(content, offset) : offset + header.bytes
      if (next === undefined) break
      this.#lose(positionAt(segment, offset), positionAt(segment, next))
      offset = next
    }
    this.end = positionAt(segment, offset)
    const durable = this.#meta?.durable ?? 0
    const isLost = last ? durable > this.end : !isZero(bytes, offset, end)
    if (isLost) this.#lose(this.end, last ? durable : positionAt(segment, end))
    if (isLost) this.end = last ? durable : positionAt(segment, end)
  }

  /** Whatever a group is known to be, it may have changed in there. */
  #lose(from: number, to: number): void {
    this.lost.push({ position: from, bytes: Math.max(0, to - from) })
    this.#lostUntil = Math.max(this.#lostUntil, to)
    for (const number of this.groups.byNumber.keys())
      this.#doubts.set(number, { entries: true, hardState: true })
  }

  #doubt(number: number): Doubt {
    let doubt = this.#doubts.get(number)
    if (doubt === undefined)
      this.#doubts.set(number, (doubt = { entries: false, hardState: false }))
    return doubt
  }

  #apply(bytes: Uint8Array, record: RecordView, position: number): void {
    const { type, index, epoch, kind, payloadBytes } = record
    const image = this.groups.at(record.group)
    const doubt = this.#doubt(record.group)
    const sound = payloadIsSound(bytes, record)
    if (type === TYPE_ENTRY) {
      if (doubt.entries || index !== image.last + 1) this.#reconcile(image, index, epoch)
      doubt.entries = false
      if (!image.append(index, epoch, kind, payloadBytes, position)) return
      if (!sound) image.table.markFaulty(index)
    } else if (type === TYPE_COPY) {
      if (image.place(index, epoch, kind, payloadBytes, position) && !sound)
        image.table.markFaulty(index)
    } else if (!sound) this.#loseRecord(record, position)
    else this.#applySmall(image, doubt, bytes, record, position)
  }

  #applySmall(
    image: GroupImage,
    doubt: Doubt,
    bytes: Uint8Array,
    record: RecordView,
    position: number,
  ): void {
    const { type, index, epoch } = record
    const payload = payloadOf(bytes, record)
    if (type === TYPE_STATE) {
      const state = parsed(() => decodeGroupState(payload))
      if (state === undefined) return this.#loseRecord(record, position)
      image.setState(state, position)
      doubt.hardState = false
    } else if (type === TYPE_DROP) {
      this.groups.byNumber.delete(record.group)
      this.#doubts.delete(record.group)
    } else if (type === TYPE_HARD_STATE) {
      image.setHardState(payload.slice(), position)
      doubt.hardState = false
    } else if (type === TYPE_TRUNCATE) image.truncate(index)
    else if (type === TYPE_COMPACT) image.compact(index, epoch)
    else if (type === TYPE_LOST)
      image.lose(index, parsed(() => decodeLost(payload)) ?? index, epoch, position)
    else if (type === TYPE_SNAPSHOT_LOST)
      image.loseSnapshot(parsed(() => decodeLostSnapshot(payload)) ?? '')
    else if (type === TYPE_SNAPSHOT) {
      const meta = parsed(() => decode(snapshotMetaCodec, payload))
      if (meta === undefined) this.#loseRecord(record, position)
      else image.setSnapshot(meta)
    }
  }

  /** A record is there and what it says is not. */
  #loseRecord(record: RecordView, position: number): void {
    this.lost.push({ position, bytes: record.payloadBytes })
    this.#lostUntil = Math.max(this.#lostUntil, position)
    if (record.type === TYPE_HARD_STATE) this.#doubt(record.group).hardState = true
    else this.#doubts.set(record.group, { entries: true, hardState: true })
  }

  /**
   * The first entry after something was lost. Where its epoch is that of the entry before it, nothing
   * was replaced meanwhile: replacing begins a later epoch. Otherwise no entry after the snapshot can
   * be vouched for. What lies between the last entry and this one is lost.
   */
  #reconcile(image: GroupImage, index: LogIndex, epoch: number): void {
    const { table, epochs } = image
    if (table.last < table.first && image.identity === undefined) return
    image.truncate(index)
    const known = table.last
    const isSame = known < table.first || epochs.at(known) === epoch
    if (known + 1 < index) image.lose(known + 1, index - 1, epoch, -1)
    const from = Math.max(table.first, (image.snapshot?.index ?? 0) + 1)
    if (!isSame) for (let at = from; at <= known; at++) table.markFaulty(at)
  }

  /** Uses the second copy of a hard state, and settles what is missing. */
  #conclude(image: GroupImage): void {
    const { number, table, identity } = image
    if (identity === undefined) {
      this.nameless.push(number)
      return
    }
    const doubt = this.#doubt(number)
    const copy = this.#meta?.hardStates.find(({ group }) => group === number)
    const isNewer = copy !== undefined && copy.position > image.hardStateAt
    // The second file repeats the newest hard state of every group, as of what it calls durable.
    const isCurrent = copy !== undefined && (this.#meta?.durable ?? 0) >= this.#lostUntil
    if (copy !== undefined && isNewer) image.setHardState(copy.bytes, copy.position)
    if (isNewer || isCurrent) doubt.hardState = false
    for (const index of table.missing()) table.markFaulty(index)
  }

  /** What can be kept of each group. */
  describe(): readonly SalvagedGroup[] {
    return [...this.groups.byNumber.values()].flatMap((image) => {
      const { identity, first, last, table, number } = image
      if (identity === undefined) return []
      const { entries, hardState } = this.#doubt(number)
      const faulty = table.faults(first, last)
      const uncertain = entries || hardState
      return [{ id: identity.id, firstIndex: first, lastIndex: last, faulty, uncertain }]
    })
  }
}

/** Where the next valid frame starts; `undefined` where there is none. */
function nextFrame(content: SegmentBytes, from: number): number | undefined {
  const { bytes, view, seed, end } = content
  if (isZero(bytes, from, end)) return undefined
  for (let at = from + ALIGNMENT; at + FRAME_HEADER_BYTES <= end; at += ALIGNMENT) {
    if (readFrameHeader(view, bytes, at, end, seed, at) !== undefined) return at
  }
  return undefined
}

function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (isQuorateError(error)) return undefined
    throw error
  }
}

/** The error of a store of which not enough is left. */
export function hopeless(directory: string, why: string): QuorateError {
  return new QuorateError(
    'STORAGE_CORRUPT',
    `${directory} cannot be repaired: ${why}; rebuild this host from its peers`,
  )
}
