// The second place for what no peer can give back: the latest hard states, and how far the log
// is known to be durable. Two slots, written in turn, so that a torn write leaves the other one.
import { ByteReader, ByteWriter, crc32c, isQuorateError } from '@quorate/core'
import type { FsFile } from './fs.ts'
import { readFully } from './fs.ts'

/** Bytes of one slot: one page. */
export const META_SLOT_BYTES = 4096
const MAGIC = 0x54454d51
const HEADER_BYTES = 48

/** A hard state that the file repeats. */
export interface MetaHardState {
  /** The group's number. */
  readonly group: number
  /** The position in the log of the frame that holds it. */
  readonly position: number
  readonly bytes: Uint8Array
}

/** What a slot says. */
export interface MetaSlot {
  /** The store that it belongs to. */
  readonly store: Uint8Array
  /** Grows with each write; the higher one is in force. 0 is written when the store is made. */
  readonly seq: number
  /** Everything before this position of the log is durable. */
  readonly durable: number
  /** The latest hard states, the newest first, as many as fit. */
  readonly hardStates: readonly MetaHardState[]
  /** How often the store has been opened. */
  readonly starts: number
}

/** The bytes of a slot, and where in the file they go. */
export function encodeMetaSlot(slot: MetaSlot): {
  readonly bytes: Uint8Array
  readonly position: number
} {
  const writer = new ByteWriter(META_SLOT_BYTES)
  writer.uint32(0)
  writer.uint32(MAGIC)
  writer.raw(slot.store)
  writer.uint53(slot.seq)
  writer.uint53(slot.durable)
  let room = META_SLOT_BYTES - HEADER_BYTES
  const fitting = slot.hardStates.filter(({ bytes }) => (room -= 24 + bytes.length) >= 0)
  writer.uint32(fitting.length)
  for (const { group, position, bytes } of fitting) {
    writer.uint32(group)
    writer.uint53(position)
    writer.bytes(bytes)
  }
  writer.uint32(slot.starts)
  const bytes = new Uint8Array(META_SLOT_BYTES)
  bytes.set(writer.view())
  new DataView(bytes.buffer).setUint32(0, crc32c(bytes, 0, 4), true)
  return { bytes, position: (slot.seq % 2) * META_SLOT_BYTES }
}

/** The newest valid slot of the file, `undefined` where both are bad. */
export function readMeta(file: FsFile): MetaSlot | undefined {
  const bytes = new Uint8Array(2 * META_SLOT_BYTES)
  readFully(file, bytes, 0)
  const slots = [0, 1].map((at) =>
    decodeSlot(bytes.subarray(at * META_SLOT_BYTES, (at + 1) * META_SLOT_BYTES), at),
  )
  const [a, b] = slots
  if (a === undefined || b === undefined) return a ?? b
  return a.seq > b.seq ? a : b
}

function decodeSlot(bytes: Uint8Array, parity: number): MetaSlot | undefined {
  const reader = new ByteReader(bytes)
  const crc = reader.uint32()
  if (reader.uint32() !== MAGIC || crc !== crc32c(bytes, 0, 4)) return undefined
  try {
    const store = reader.raw(16).slice()
    const seq = reader.uint53()
    const durable = reader.uint53()
    const hardStates = Array.from({ length: reader.uint32() }, () => ({
      group: reader.uint32(),
      position: reader.uint53(),
      bytes: reader.bytes().slice(),
    }))
    const starts = reader.uint32()
    return seq % 2 === parity ? { store, seq, durable, hardStates, starts } : undefined
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED')) return undefined
    throw error
  }
}
