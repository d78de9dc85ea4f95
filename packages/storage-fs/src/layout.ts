// The numbers and names of the format, in one place: what a directory holds, and how a segment,
// a frame and a record are laid out. docs of the format: README.md, "What is on disk".

/** The format that this version writes. */
export const FORMAT_VERSION = 1
/** A segment's header takes one block; frames follow. */
export const SEGMENT_HEADER_BYTES = 4096
/** Bytes before a frame's records. */
export const FRAME_HEADER_BYTES = 48
/** Bytes before a record's payload. */
export const RECORD_HEADER_BYTES = 32
/** Frames, and payloads within them, start at a multiple of this. */
export const ALIGNMENT = 8
/** The largest payload of a record. */
export const PAYLOAD_BYTES_MAX = 67_108_864
/** The largest frame. */
export const FRAME_BYTES_MAX = 268_435_456
/** The largest segment: of the largest size that can be asked for, or one made for the largest frame. */
export const SEGMENT_BYTES_MAX = 1_073_741_824

/** First word of a segment: `QSEG`. */
export const SEGMENT_MAGIC = 0x47455351
/** A word in each frame's header: `QFRM`. */
export const FRAME_MAGIC = 0x4d524651

/** Set in a frame that says "closed in good order": nothing follows. */
export const FLAG_CLEAN = 1
/** Set in a frame that ends a segment whose successor is durable. */
export const FLAG_SEAL = 2

/** Identity and whole small state of a group: what a log can start with. */
export const TYPE_STATE = 1
/** The group is gone. */
export const TYPE_DROP = 2
/** One entry. */
export const TYPE_ENTRY = 3
/** The group's hard state. */
export const TYPE_HARD_STATE = 4
/** Entries from an index on are gone. */
export const TYPE_TRUNCATE = 5
/** The group's snapshot. */
export const TYPE_SNAPSHOT = 6
/** Entries up to an index are gone. */
export const TYPE_COMPACT = 7
/** An entry moved from an older segment. */
export const TYPE_COPY = 8

/** Entries up to an index exist and are lost. */
export const TYPE_LOST = 9
/** A snapshot, in force or kept, is damaged: the one before stands in for it. */
export const TYPE_SNAPSHOT_LOST = 10

/** A record that a reader may skip when it does not know the type. */
export const RECORD_OPTIONAL = 1

/** Where the log's segments are. */
export const LOG_DIRECTORY = 'log'
/** Where snapshots are. */
export const SNAPSHOT_DIRECTORY = 'snapshots'
/** The two-slot file of hard states and evidence. */
export const META_FILE = 'meta'
/** Space in reserve. */
export const BALLAST_FILE = 'ballast'
/** The lock. */
export const LOCK_FILE = 'LOCK'

/** A segment's file name: its number in ten digits, so that names sort as numbers do. */
export function segmentName(seq: number): string {
  return `${String(seq).padStart(10, '0')}.seg`
}

/** The number of a segment by its file name, `undefined` for any other file. */
export function segmentSeq(name: string): number | undefined {
  return /^\d{10,16}\.seg$/.test(name) ? Number.parseInt(name, 10) : undefined
}

/** Rounds up to the alignment. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}
