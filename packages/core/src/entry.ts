// The unit of a replicated log, and how it is written where a codec has to carry one. The
// payload stays the bytes that arrived: nothing between the proposer and the disk re-encodes it.
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { Codec } from './codec.ts'
import { QuorateError } from './errors.ts'
import type { Epoch, LogIndex } from './ids.ts'

/**
 * What an entry is for. `command`: bytes for the state machine. `noop`: nothing, a leader's first
 * entry or a filled gap. `membership`: a {@link Membership}, encoded; in Paxos also the stop-sign.
 */
export type EntryKind = 'command' | 'noop' | 'membership'

/** One entry of a replicated log. Immutable, its payload included. */
export interface Entry {
  /** Its position; positions have no gaps. */
  readonly index: LogIndex
  /** The epoch of the leader that made it. Stored and returned as it is; it need not grow along the log. */
  readonly epoch: Epoch
  /** What it is for. */
  readonly kind: EntryKind
  /** Its bytes; empty for a `noop`. */
  readonly payload: Uint8Array
}

/** A stretch of a log: from the first index to the last, both included. */
export interface IndexRange {
  /** The first index. */
  readonly first: LogIndex
  /** The last index, at least `first`. */
  readonly last: LogIndex
}

/** Says that the entries from an index on, up to the next run, have one epoch. */
export interface EpochRun {
  /** The first index of the run. */
  readonly from: LogIndex
  /** Their epoch. */
  readonly epoch: Epoch
}

const KINDS: readonly EntryKind[] = ['command', 'noop', 'membership']

/** The byte that stands for a kind, on the wire and on disk: 0 command, 1 noop, 2 membership. */
export function entryKindByte(kind: EntryKind): number {
  return KINDS.indexOf(kind)
}

/**
 * The kind that a byte stands for.
 *
 * @throws QuorateError `MALFORMED` where it stands for none
 */
export function entryKindOf(byte: number): EntryKind {
  const kind = KINDS[byte]
  if (kind === undefined) throw new QuorateError('MALFORMED', `unknown kind of entry: ${byte}`)
  return kind
}

/** One entry: index and epoch as varints, the kind as a byte, the payload with its length. */
export const entryCodec: Codec<Entry> = {
  write(writer: ByteWriter, entry: Entry): void {
    writer.varint(entry.index)
    writer.varint(entry.epoch)
    writer.uint8(entryKindByte(entry.kind))
    writer.bytes(entry.payload)
  },
  read(reader: ByteReader): Entry {
    return {
      index: reader.varint(),
      epoch: reader.varint(),
      kind: entryKindOf(reader.uint8()),
      payload: reader.bytes(),
    }
  },
}

/** What an entry counts against limits: its payload's bytes and nothing else. */
export function entryBytes(entry: Entry): number {
  return entry.payload.length
}
