// Names a snapshot's content and position. The bytes themselves are the state machine's; they
// are streamed, never held whole.
import type { Codec } from './codec.ts'
import type { Epoch, LogIndex } from './ids.ts'
import type { Membership } from './membership.ts'
import { membershipCodec } from './membership.ts'

/** Where in the log a snapshot stands: it replaces every entry up to `index`. */
export interface SnapshotPosition {
  /** The last entry that the state includes. */
  readonly index: LogIndex
  /** That entry's epoch. */
  readonly epoch: Epoch
  /** The committed membership in force at `index`. */
  readonly membership: Membership
}

/** A complete snapshot: position and content. Two with equal `id` have equal bytes. */
export interface SnapshotMeta extends SnapshotPosition {
  /** Names the content, 1 to 64 characters of the alphabet of ids. */
  readonly id: string
  /** How many bytes. */
  readonly sizeBytes: number
  /** The CRC-32C of all bytes. */
  readonly checksum: number
}

/** The id that a store gives to a snapshot: position, size and checksum in hexadecimal. */
export function snapshotId(
  index: LogIndex,
  epoch: Epoch,
  sizeBytes: number,
  checksum: number,
): string {
  return [index, epoch, sizeBytes, checksum].map((part) => part.toString(16)).join('-')
}

/** A snapshot's description, on the wire and on disk. */
export const snapshotMetaCodec: Codec<SnapshotMeta> = {
  write(writer, meta) {
    writer.text(meta.id)
    writer.varint(meta.index)
    writer.varint(meta.epoch)
    writer.varint(meta.sizeBytes)
    writer.uint32(meta.checksum)
    membershipCodec.write(writer, meta.membership)
  },
  read(reader) {
    const id = reader.text()
    const index = reader.varint()
    const epoch = reader.varint()
    const sizeBytes = reader.varint()
    const checksum = reader.uint32()
    return { id, index, epoch, sizeBytes, checksum, membership: membershipCodec.read(reader) }
  },
}
