// What a host's storage owes: one object for all groups of a host, so that they can share one
// log and one fsync, and one atomic write, so that no crash can separate what belongs together.
import type { Entry, EpochRun, IndexRange } from './entry.ts'
import type { ClusterId, GroupId, LogIndex, NodeId } from './ids.ts'
import type { AbortOptions, Closeable } from './lifecycle.ts'
import type { Clock } from './clock.ts'
import type { Logger, Metrics } from './observability.ts'
import type { SnapshotMeta, SnapshotPosition } from './snapshot.ts'

/** What a storage can do; conformance suites skip by this alone. */
export interface StorageSupports {
  /** Whether what was written outlives the process. */
  readonly durable: boolean
  /** Whether an unfinished {@link SnapshotWriter} outlives the process, so that a transfer resumes. */
  readonly snapshotResume: boolean
  /** Whether damaged entries are reported in {@link DurableState.faulty} rather than by refusing to open. */
  readonly faultyRanges: boolean
}

/** What a host hands to its storage when it opens it. */
export interface StorageContext {
  /** The cluster that the data belongs to. */
  readonly cluster: ClusterId
  /** The host that the data belongs to. */
  readonly host: NodeId
  /** Time, for metrics and pacing only: nothing stored may depend on it. */
  readonly clock: Clock
  /** Where warnings go. */
  readonly logger: Logger
  /** Where measurements go. */
  readonly metrics: Metrics
}

/** Which storage a host has, and how often it was opened: what its peers remember it by. */
export interface StorageIdentity {
  /** Drawn at random when the storage was made; the alphabet of ids. */
  readonly store: string
  /** Counts how often it has been opened, this time included, from 1. */
  readonly epoch: number
}

/** The algorithm that a group's data belongs to. */
export interface GroupAlgorithm {
  /** The name of the {@link ConsensusFactory}. */
  readonly name: string
  /** The version of the bytes in its hard state and entries. */
  readonly format: number
}

/** A group that a storage holds. */
export interface StoredGroup {
  /** The group. */
  readonly id: GroupId
  /** Whose data it is. */
  readonly algorithm: GroupAlgorithm
}

/**
 * All durable state of one host.
 *
 * Contract. The implementor must serve all groups through one object, must keep groups apart, and
 * must be usable by one process at a time.
 */
export interface HostStorage extends Closeable {
  /** What this storage can do. */
  readonly supports: StorageSupports
  /**
   * Opens or creates the storage and recovers it. Called once, before anything else.
   *
   * @throws QuorateError `STORAGE_LOCKED` where another process holds it, `CLUSTER_MISMATCH` where
   * it belongs to another cluster or host, `STORAGE_VERSION_MISMATCH` where it was written in a
   * format that this version cannot read, `STORAGE_CORRUPT` where it is damaged beyond its policy,
   * `NO_SPACE` or `STORAGE_FAILED` where the system refuses
   */
  open(context: StorageContext): Promise<void>
  /**
   * Which storage this is; `undefined` where it has no identity because it never outlives the
   * process. Hosts tell it to their peers, which so notice a disk that was replaced or set back.
   *
   * Contract. The same `store` as long as the data lives, another one for any other storage; an
   * `epoch` that has grown with every `open`, durably before `open` resolved. Asked for once it is
   * open. Default: without identity.
   */
  identity?(): StorageIdentity | undefined
  /**
   * Whether free space has fallen below the storage's low-water mark. The host then refuses
   * proposals with `NO_SPACE`, while reads, votes and followers' appends go on.
   */
  readonly spaceLow: boolean
  /** The groups that hold data, in order of id. */
  groups(): readonly StoredGroup[]
  /**
   * The log of one group, created with its first write. One at a time for each group.
   *
   * @throws QuorateError `STORAGE_ALGORITHM_MISMATCH` where the group's data belongs to another
   * algorithm or a newer format of it
   */
  group(id: GroupId, algorithm: GroupAlgorithm): LogStorage
  /**
   * Forgets a group for good; durable when it resolves. The group must not be in use.
   *
   * Contract. A dropped group must not come back after any crash; a group made later under the
   * same id must not see anything of the dropped one.
   */
  drop(id: GroupId): Promise<void>
}

/** What a group's log holds when a replica starts. */
export interface DurableState {
  /** The algorithm's own small state, last written; `undefined` where none ever was. */
  readonly hardState: Uint8Array | undefined
  /** The snapshot last written, whose bytes can be read back; `undefined` where none was. */
  readonly snapshot: SnapshotMeta | undefined
  /** The first index that the log still holds: 1, or one past the last `compactTo`. */
  readonly firstIndex: LogIndex
  /** The last index that the log holds; `firstIndex − 1` where it holds none. */
  readonly lastIndex: LogIndex
  /** The epochs of every index from `firstIndex − 1` (0 has epoch 0) to `lastIndex`, in runs; a run's epoch may repeat or fall. */
  readonly epochs: readonly EpochRun[]
  /** The newest entries, contiguous, ending at `lastIndex`, within the bytes asked for. */
  readonly tail: readonly Entry[]
  /** All entries of kind `membership` that the log holds, in order. */
  readonly membershipEntries: readonly Entry[]
  /** Entries that exist and cannot be read; disjoint, in order, within first and last index. Empty unless `supports.faultyRanges`. */
  readonly faulty: readonly IndexRange[]
}

/**
 * What a core wants durable, as one atomic step. Applied in this order: `truncateFrom`,
 * `snapshot`, `compactTo`, `append`, `hardState`.
 */
export interface WriteBatch {
  /** Counts the batches of one replica since it started, from 1, without gaps. */
  readonly seq: number
  /** Replaces the hard state. `undefined` leaves it as it is. */
  readonly hardState?: Uint8Array | undefined
  /** Removes every entry from this index on. */
  readonly truncateFrom?: LogIndex | undefined
  /** Makes a finished snapshot the group's. It must have been finished by a {@link SnapshotWriter}. */
  readonly snapshot?: SnapshotMeta | undefined
  /**
   * Removes every entry up to this index: at most the snapshot's (with `snapshot` applied), and where
   * the log ends before that, either an index within the log or exactly the snapshot's. The latter
   * leaves the log empty, to go on right after it; the snapshot then says which epoch came before,
   * as nothing does for an index between the two. An index that is gone already removes nothing.
   */
  readonly compactTo?: LogIndex | undefined
  /** Entries to add; the first one follows the log's last index without a gap. */
  readonly append: readonly Entry[]
}

/** A stretch of a log to read. */
export interface EntryRange extends IndexRange {
  /** Stop before the entry that would exceed this many payload bytes; the first is read in any case. */
  readonly bytesMax: number
}

/** The log of one group. */
export interface LogStorage {
  /** The group. */
  readonly id: GroupId
  /**
   * What is stored, to start from. Called once, before any write.
   *
   * @param options - `tailBytesMax`: at most this many payload bytes of entries in `tail`, default
   * all; at least the last entry is there where the log holds one that is not faulty
   * @throws QuorateError `STORAGE_CORRUPT`, `STORAGE_FAILED`, `CLOSED`
   */
  load(
    options?: AbortOptions & { readonly tailBytesMax?: number | undefined },
  ): Promise<DurableState>
  /**
   * Makes a batch durable.
   *
   * Contract. The implementor must apply all of it or nothing, whatever crashes; must resolve only
   * once it would survive the loss of power (where `supports.durable`); must keep the order of calls,
   * so that a batch is never durable before an earlier one of its group; may be called again before
   * it resolved; must, once one write failed, reject every later one with the same error, and must
   * not try a failed fsync again: what the system then calls clean may never have reached the disk.
   * The caller must not modify anything that it passed.
   *
   * @throws QuorateError `NO_SPACE` where the disk is full: nothing of this batch was written, and
   * every later batch of the group is rejected likewise until the caller writes this one, by its
   * `seq`, again. `STORAGE_FAILED` for any other failure, `CLOSED`
   */
  write(batch: WriteBatch): Promise<void>
  /**
   * Reads entries back, also ones whose write has not resolved yet.
   *
   * Contract. Returns a contiguous run that starts at `range.first`; shorter than asked for only
   * because of `bytesMax` or where a faulty entry follows.
   *
   * @throws QuorateError `COMPACTED` where the first is no longer in the log, `STORAGE_CORRUPT` where
   * it is faulty, `INVALID_ARGUMENT` where the range ends past the log, `STORAGE_FAILED`, `CLOSED`
   */
  read(range: EntryRange, options?: AbortOptions): Promise<readonly Entry[]>
  /**
   * Starts to write a snapshot, or goes on with an unfinished one of the same `id`. One at a time
   * for each group; it becomes the group's only by a later batch that names it.
   *
   * @param target - where it stands; with `id`, `sizeBytes` and `checksum` where its content is
   * known because it comes from another host
   */
  snapshotWriter(target: SnapshotPosition & Partial<SnapshotMeta>): Promise<SnapshotWriter>
  /**
   * The bytes of a snapshot from `offset` on (default 0), in chunks of the implementor's choosing.
   *
   * Contract. Must verify what it yields. A snapshot that a batch has replaced stays readable for
   * readers that have begun, or their iteration throws.
   *
   * @throws QuorateError `SNAPSHOT_UNAVAILABLE` where there is none of that `id`, `STORAGE_CORRUPT`
   * where its bytes are damaged
   */
  readSnapshot(
    id: string,
    options?: AbortOptions & { readonly offset?: number | undefined },
  ): AsyncIterable<Uint8Array>
  /** Releases the group, waiting for writes under way; idempotent. */
  close(): Promise<void>
}

/** Writes one snapshot, in order, in bounded memory. */
export interface SnapshotWriter {
  /** How many bytes it already holds: where the next chunk must start. */
  readonly offset: number
  /** Adds bytes; resolves when more may be given. */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Completes the snapshot; durable and readable by its id when it resolves.
   *
   * @throws QuorateError `STORAGE_CORRUPT` where size or checksum are not the announced ones; the
   * content is then discarded
   */
  finish(): Promise<SnapshotMeta>
  /** Stops writing. `keep` leaves what is there for a later writer of the same id (default: no). */
  close(options?: { readonly keep?: boolean | undefined }): Promise<void>
}
