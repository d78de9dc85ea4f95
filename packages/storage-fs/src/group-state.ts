// The record that says all of a group but its entries: its identity, its hard state, its
// snapshots, and where its log begins and ends. A group starts with one; collection repeats it.
import type { Epoch, GroupAlgorithm, GroupId, LogIndex, SnapshotMeta } from '@quorate/core'
import { ByteReader, ByteWriter, snapshotMetaCodec } from '@quorate/core'

/** All of a group but its entries. */
export interface GroupState {
  readonly id: GroupId
  readonly algorithm: GroupAlgorithm
  readonly hardState: Uint8Array | undefined
  readonly snapshot: SnapshotMeta | undefined
  /** Whether that one is known to be damaged. */
  readonly snapshotLost: boolean
  /** The snapshot before, kept in case the newest proves bad. */
  readonly previous: SnapshotMeta | undefined
  /** The first index of the log as callers see it. */
  readonly first: LogIndex
  /** The first index whose entry is kept, for a start from `previous`. */
  readonly retained: LogIndex
  readonly last: LogIndex
  /** The epoch of the index before `retained`. */
  readonly baseEpoch: Epoch
}

const HARD_STATE = 1
const SNAPSHOT = 2
const PREVIOUS = 4
const SNAPSHOT_LOST = 8

/** The payload of a state record. */
export function encodeGroupState(state: GroupState): Uint8Array {
  const writer = new ByteWriter()
  const { hardState, snapshot, snapshotLost, previous } = state
  writer.uint8(
    (hardState === undefined ? 0 : HARD_STATE) |
      (snapshot === undefined ? 0 : SNAPSHOT) |
      (previous === undefined ? 0 : PREVIOUS) |
      (snapshotLost ? SNAPSHOT_LOST : 0),
  )
  writer.text(state.id)
  writer.text(state.algorithm.name)
  writer.varint(state.algorithm.format)
  writer.varint(state.first)
  writer.varint(state.retained)
  writer.varint(state.last)
  writer.varint(state.baseEpoch)
  if (hardState !== undefined) writer.bytes(hardState)
  if (snapshot !== undefined) snapshotMetaCodec.write(writer, snapshot)
  if (previous !== undefined) snapshotMetaCodec.write(writer, previous)
  return writer.finish()
}

/** The payload of a record of lost entries: the last of them. */
export function encodeLost(last: LogIndex): Uint8Array {
  const writer = new ByteWriter()
  writer.varint(last)
  return writer.finish()
}

/** The last index that a record of lost entries speaks of; `MALFORMED` where it holds none. */
export function decodeLost(payload: Uint8Array): LogIndex {
  const reader = new ByteReader(payload)
  const last = reader.varint()
  reader.end()
  return last
}

/** The payload of a record of a lost snapshot: its id. */
export function encodeLostSnapshot(id: string): Uint8Array {
  const writer = new ByteWriter()
  writer.text(id)
  return writer.finish()
}

/** The id that a record of a lost snapshot names; `MALFORMED` where it names none. */
export function decodeLostSnapshot(payload: Uint8Array): string {
  const reader = new ByteReader(payload)
  const id = reader.text()
  reader.end()
  return id
}

/** The state that a payload holds; `MALFORMED` where it holds none. */
export function decodeGroupState(payload: Uint8Array): GroupState {
  const reader = new ByteReader(payload)
  const has = reader.uint8()
  const id = reader.text()
  const algorithm = { name: reader.text(), format: reader.varint() }
  const [first, retained, last, baseEpoch] = [
    reader.varint(),
    reader.varint(),
    reader.varint(),
    reader.varint(),
  ]
  const hardState = has & HARD_STATE ? reader.bytes().slice() : undefined
  const snapshot = has & SNAPSHOT ? snapshotMetaCodec.read(reader) : undefined
  const previous = has & PREVIOUS ? snapshotMetaCodec.read(reader) : undefined
  reader.end()
  return {
    id,
    algorithm,
    hardState,
    snapshot,
    snapshotLost: (has & SNAPSHOT_LOST) !== 0,
    previous,
    first,
    retained,
    last,
    baseEpoch,
  } as GroupState
}
