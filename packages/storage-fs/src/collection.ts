// When the oldest segment may go, and what must be written anew before: the state of groups whose
// newest record is in it, and their live entries. Strictly from the oldest on, so that a group's
// records never outlive the record that drops it.
import { entryKindByte } from '@quorate/core'
import { readEntries } from './entry-reader.ts'
import type { Locate } from './entry-reader.ts'
import type { RecordDraft } from './frame.ts'
import type { GroupImage } from './group-image.ts'
import { encodeGroupState } from './group-state.ts'
import {
  FRAME_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  TYPE_COPY,
  TYPE_STATE,
  aligned,
} from './layout.ts'
import type { Groups } from './replay.ts'
import type { Segment } from './segment.ts'

/** A segment with at most this share of live bytes is worth copying. */
const LIVE_SHARE_MAX = 0.25
/** With more than this share of the whole log dead, the oldest segment goes whatever it holds. */
const DEAD_SHARE_MAX = 0.5
const FRAME_PAYLOAD_BYTES = 262_144
/** What an entry takes besides its payload, where it has a frame of its own. */
const ENTRY_OVERHEAD_BYTES = FRAME_HEADER_BYTES + RECORD_HEADER_BYTES

/** What must be written anew of one group. */
export interface Move {
  readonly image: GroupImage
  readonly entries: readonly number[]
}

/** The moves after which the oldest segment can go; `undefined` where it should stay. */
export function planCollection(
  groups: Groups,
  segments: readonly Segment[],
  end: number,
): { readonly moves: readonly Move[] } | undefined {
  const [oldest, next] = segments
  const last = segments.at(-1)
  if (oldest === undefined || next === undefined || last === undefined) return undefined
  const limit = next.header.start
  const moves: Move[] = []
  let live = 0
  let total = 0
  for (const image of groups.byNumber.values()) {
    if (image.identity === undefined) continue
    const { table } = image
    total += image.entryBytes + (table.last - table.first + 1) * ENTRY_OVERHEAD_BYTES
    const entries = table.before(limit)
    for (const index of entries) live += table.size(index) + ENTRY_OVERHEAD_BYTES
    const told = Math.min(image.stateAt, image.baseAt)
    if (told < limit || entries.length > 0) moves.push({ image, entries })
  }
  const used = limit - oldest.header.start
  const all = end - oldest.header.start
  const pays = live <= used * LIVE_SHARE_MAX || total < all * (1 - DEAD_SHARE_MAX)
  return pays ? { moves } : undefined
}

/** The records of a move, in frames of bounded size; `undefined` where an entry cannot be read. */
export function moveRecords(move: Move, locate: Locate): RecordDraft[][] | undefined {
  const { image, entries } = move
  const group = image.number
  const payload = encodeGroupState(image.state())
  const frames: RecordDraft[][] = [
    [{ type: TYPE_STATE, kind: 0, flags: 0, group, index: 0, epoch: 0, payload }],
  ]
  let bytes = 0
  for (const index of entries) {
    const [entry] = image.table.isFaulty(index) ? [] : readEntries(locate, image, index, index, 0)
    if (entry === undefined) return undefined
    if (bytes > FRAME_PAYLOAD_BYTES) {
      frames.push([])
      bytes = 0
    }
    bytes += entry.payload.length
    const { epoch, kind, payload: copied } = entry
    frames.at(-1)?.push({
      type: TYPE_COPY,
      kind: entryKindByte(kind),
      flags: 0,
      group,
      index,
      epoch,
      payload: copied,
    })
  }
  return frames
}

/** Notes where a group's state and entries are now. */
export function applyMove(groups: Groups, records: readonly RecordDraft[], position: number): void {
  let at = position + FRAME_HEADER_BYTES
  for (const { type, group, index, epoch, kind, payload } of records) {
    const image = groups.at(group)
    if (type === TYPE_STATE) image.stateAt = image.baseAt = at
    else image.place(index, epoch, kind, payload.length, at)
    at += RECORD_HEADER_BYTES + aligned(payload.length)
  }
}
