// Applies the frames of the log, in order, to the groups. It trusts nothing that it has not
// checked: a record that cannot be is damage, never something to skip.
import { QuorateError, decode, isQuorateError, snapshotMetaCodec } from '@quorate/core'
import type { RecordView } from './frame.ts'
import { payloadIsSound, payloadOf } from './frame.ts'
import { GroupImage } from './group-image.ts'
import type { DamagedPart } from './group-image.ts'
import { decodeGroupState, decodeLost, decodeLostSnapshot } from './group-state.ts'
import {
  RECORD_OPTIONAL,
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

/** Which part of a group a record of a type holds, where a later one can do without it. */
export const PARTS: Readonly<Record<number, DamagedPart>> = {
  [TYPE_STATE]: 'state',
  [TYPE_HARD_STATE]: 'hardState',
  [TYPE_SNAPSHOT]: 'snapshot',
}

/** The groups that a log describes. */
export class Groups {
  readonly byNumber: Map<number, GroupImage> = new Map()
  /** More than every number ever given, as far as the log tells. */
  nextNumber = 1

  /** The group of a number, made where it is new. */
  at(number: number): GroupImage {
    let image = this.byNumber.get(number)
    if (image === undefined) {
      this.byNumber.set(number, (image = new GroupImage(number)))
      this.nextNumber = Math.max(this.nextNumber, number + 1)
    }
    return image
  }
}

/**
 * Applies one record.
 *
 * @param bytes - the buffer in which the record and its payload lie
 * @param position - where in the log the record stands
 */
export function applyRecord(
  groups: Groups,
  bytes: Uint8Array,
  record: RecordView,
  position: number,
): void {
  const { type, index, epoch, kind, payloadBytes } = record
  const image = groups.at(record.group)
  const sound = payloadIsSound(bytes, record)
  if (!sound && type !== TYPE_ENTRY && type !== TYPE_COPY) {
    const part = PARTS[type]
    if (part === undefined)
      throw damaged(position, 'a record that cannot be done without is damaged')
    image.damaged.set(part, position)
    return
  }
  switch (type) {
    case TYPE_STATE:
      return image.setState(
        parsed(position, () => decodeGroupState(payloadOf(bytes, record))),
        position,
      )
    case TYPE_DROP:
      groups.byNumber.delete(record.group)
      return
    case TYPE_ENTRY:
      if (!image.append(index, epoch, kind, payloadBytes, position)) {
        throw damaged(position, `entry ${index} follows ${image.last}`)
      }
      if (!sound) image.table.markFaulty(index)
      return
    case TYPE_COPY:
      // Where the state record before it is damaged too, nothing says yet that there is such an entry.
      if (image.place(index, epoch, kind, payloadBytes, position) && !sound)
        image.table.markFaulty(index)
      return
    case TYPE_HARD_STATE:
      return image.setHardState(payloadOf(bytes, record).slice(), position)
    case TYPE_TRUNCATE:
      return image.truncate(index)
    case TYPE_SNAPSHOT:
      return image.setSnapshot(
        parsed(position, () => decode(snapshotMetaCodec, payloadOf(bytes, record))),
      )
    case TYPE_SNAPSHOT_LOST:
      return image.loseSnapshot(
        parsed(position, () => decodeLostSnapshot(payloadOf(bytes, record))),
      )
    case TYPE_LOST: {
      const last = parsed(position, () => decodeLost(payloadOf(bytes, record)))
      if (last > image.last) throw damaged(position, `lost entries end after ${image.last}`)
      return image.lose(index, last, epoch, position)
    }
    case TYPE_COMPACT:
      return image.compact(index, epoch)
    default:
      if ((record.flags & RECORD_OPTIONAL) === 0) {
        throw new QuorateError(
          'STORAGE_VERSION_MISMATCH',
          `a record of unknown type ${type} at ${position}: a newer version wrote it`,
        )
      }
  }
}

function parsed<T>(position: number, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (!isQuorateError(cause)) throw cause
    throw damaged(position, 'a record that makes no sense', cause)
  }
}

/** The error of a log that is damaged at a position. */
export function damaged(position: number, what: string, cause?: unknown): QuorateError {
  return new QuorateError(
    'STORAGE_CORRUPT',
    `the log is damaged at position ${position}: ${what}; rebuild this host from its peers, or see "quorate store repair"`,
    { cause, details: { position } },
  )
}
