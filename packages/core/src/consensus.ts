// The contract between an algorithm and whatever drives it. An algorithm is a synchronous state
// machine: an input and the time go in, effects come out, and nothing else happens.
import type { Codec } from './codec.ts'
import type { Entry } from './entry.ts'
import type { ErrorCode } from './errors.ts'
import type { Epoch, GroupId, LogIndex, NodeId } from './ids.ts'
import type { Limits } from './limits.ts'
import type { Membership, MembershipTarget } from './membership.ts'
import type { Tracer } from './observability.ts'
import type { Random } from './random.ts'
import type { SnapshotMeta, SnapshotPosition } from './snapshot.ts'
import type { DurableState, WriteBatch } from './storage.ts'

/** An algorithm: makes the cores of a group's replicas. `raft()` and `paxos()` return one. */
export interface ConsensusFactory<M = unknown> {
  /** The algorithm's name, recorded with its data; the alphabet of ids. */
  readonly name: string
  /** The version of its messages. Hosts with different versions refuse each other. */
  readonly wireVersion: number
  /** The version of its hard state and entries on disk. */
  readonly format: number
  /** How its messages are written. */
  readonly codec: Codec<M>
  /** Makes the core of one replica. */
  create(init: ConsensusInit): ConsensusCore<M>
}

/** What a core starts from. */
export interface ConsensusInit {
  /** The host that this replica lives on. */
  readonly id: NodeId
  /** The group that it belongs to. */
  readonly group: GroupId
  /** What storage holds. Whatever it says of members wins over `bootstrap`. */
  readonly recovered: DurableState
  /**
   * The members of a new group, the same at each of them; ignored once anything was stored.
   * `undefined` on a replica that joins an existing group: it stays silent until addressed. Its id may
   * have been a member before and have lost its disk: what that one acknowledged and promised is then
   * unknown to this one, which must not stand in for it.
   */
  readonly bootstrap: Membership | undefined
  /** The last entry that the state machine already contains; at least the snapshot's index. */
  readonly appliedIndex: LogIndex
  /** The time at which it is made, in the milliseconds of `step`'s `now`. */
  readonly now: number
  /** The core's only source of randomness. */
  readonly random: Random
  /** What it must stay within. */
  readonly limits: Limits
  /** Where it reports its events and coverage marks. */
  readonly tracer: Tracer
}

/** Names a call to a core; chosen by the driver, unique among the calls of one replica under way. */
export type CallId = number

/**
 * How fresh a read must be. `quorum`: linearizable, confirmed by a quorum. `lease`: linearizable as
 * long as clocks drift no more than the algorithm's bound. `local`: whatever this replica has
 * applied. `maxStalenessMs`: at most so many milliseconds behind a leader.
 */
export type ReadMode = 'quorum' | 'lease' | 'local' | { readonly maxStalenessMs: number }

/** What can happen to a core. */
export type Input<M = unknown> =
  /** Time has passed: `now` has reached {@link ConsensusCore.wakeAt}. Allowed at any other time too. */
  | { readonly type: 'tick' }
  /** A message came from another replica of the group. Any message may come late, twice or never. */
  | { readonly type: 'receive'; readonly from: NodeId; readonly message: M }
  /** Append commands, in order, all of them or none; each is one entry. */
  | { readonly type: 'propose'; readonly id: CallId; readonly commands: readonly Uint8Array[] }
  /** Ask for a read barrier. */
  | { readonly type: 'read'; readonly id: CallId; readonly mode: ReadMode }
  /** Bring the members to a target; refused where the membership's version is not `expectedVersion`. */
  | {
      readonly type: 'changeMembership'
      readonly id: CallId
      readonly target: MembershipTarget
      readonly expectedVersion: number | undefined
    }
  /** Hand leadership to a voter, or to the best one. */
  | { readonly type: 'transferLeadership'; readonly id: CallId; readonly to: NodeId | undefined }
  /** The batch with this `seq`, and so every earlier one, is durable. */
  | { readonly type: 'persisted'; readonly seq: number }
  /** The state machine contains every entry up to `index`. */
  | { readonly type: 'applied'; readonly index: LogIndex }
  /** The state machine's snapshot is finished in storage; the core may make it the group's and compact. */
  | {
      readonly type: 'snapshotTaken'
      readonly snapshot: SnapshotMeta
      readonly compactTo: LogIndex
    }
  /** A snapshot that the core asked for is finished in storage. */
  | { readonly type: 'snapshotFetched'; readonly snapshot: SnapshotMeta }
  /** A snapshot that the core asked for could not be had; it may ask again. */
  | { readonly type: 'snapshotFetchFailed'; readonly snapshot: SnapshotMeta }
  /** What the core asked to read from the log; `undefined` where the log no longer holds its start. */
  | {
      readonly type: 'entriesRead'
      readonly id: CallId
      readonly entries: readonly Entry[] | undefined
    }
  /**
   * Refill this replica from a snapshot of the group, whatever its log holds, because what it keeps
   * is not to be trusted. Complete once the snapshot is installed; rejected on a leader (`CONFLICT`),
   * which has to hand over first, and on a witness (`NOT_SUPPORTED`), which keeps no state.
   */
  | { readonly type: 'requestSnapshot'; readonly id: CallId }
  /** Messages to this peer are probably lost. A hint. */
  | { readonly type: 'peerUnreachable'; readonly peer: NodeId }
  /** A connection to this peer has been made, perhaps anew: what was sent before may be lost. A hint. */
  | { readonly type: 'peerReachable'; readonly peer: NodeId }

/** A message and whom it is for. */
export interface Envelope<M = unknown> {
  /** The replica's host. */
  readonly to: NodeId
  /** The message. */
  readonly message: M
}

/** A read barrier that has been passed: once `index` is applied, a local read is as fresh as was asked for. */
export interface ReadReady {
  /** The call. */
  readonly id: CallId
  /** What must be applied first. */
  readonly index: LogIndex
}

/** A call that will not succeed, and had no effect unless `code` is `OUTCOME_UNKNOWN`. */
export interface Rejection {
  /** The call. */
  readonly id: CallId
  /** Why. */
  readonly code: ErrorCode
  /** In words, for the error's message. */
  readonly reason: string
  /** The leader to try instead, where one is known. */
  readonly leader?: NodeId | undefined
}

/** A change of membership that is complete and committed, a transfer or a refill that has happened. */
export interface Completion {
  /** The call. */
  readonly id: CallId
}

/** A snapshot that the core wants from others. It replaces any earlier wish. */
export interface SnapshotFetch {
  /** Which one. */
  readonly snapshot: SnapshotMeta
  /** Who has it, the best first; others may have it too. */
  readonly from: readonly NodeId[]
}

/** Entries that have left the core's memory and that it needs again. */
export interface EntriesRequest {
  /** Comes back with the answer. */
  readonly id: CallId
  /** The first index. */
  readonly first: LogIndex
  /** The last index. */
  readonly last: LogIndex
  /** At most so many payload bytes, but at least one entry. */
  readonly bytesMax: number
}

/**
 * What a step wants done. Neither the object nor anything in it is modified after it was returned.
 *
 * **The ordering law.** The driver must
 * 1. persist batches in the order of their `seq`, and report each by `persisted`;
 * 2. send `sendAfterPersist` only once the highest `seq` handed out up to and including this step
 *    is durable; `send` may leave at once;
 * 3. hand `apply` to the state machine in the order of index, and report by `applied`; an `install`
 *    comes before any entry of this or a later step, once this step's batch is durable;
 * 4. never report `persisted` for a batch whose `write` failed. A failed write ends the replica:
 *    nothing is sent any more, no write is tried again.
 *
 * In turn, a core never counts its own vote or entry towards a quorum before it was told that the
 * batch with it is durable.
 */
export interface Effects<M = unknown> {
  /** Write this, atomically. */
  readonly persist: WriteBatch | undefined
  /** Send these now. */
  readonly send: readonly Envelope<M>[]
  /** Send these once everything handed out to be persisted so far is durable. */
  readonly sendAfterPersist: readonly Envelope<M>[]
  /** Committed entries to apply, of all kinds, without gaps; commands only reach the state machine. */
  readonly apply: readonly Entry[]
  /** Read barriers that have been passed. */
  readonly reads: readonly ReadReady[]
  /** Changes of membership, transfers and refills that are done. */
  readonly completed: readonly Completion[]
  /** Calls that will not succeed. */
  readonly rejected: readonly Rejection[]
  /** Restore the state machine from this snapshot, which this step's batch makes the group's. */
  readonly install: SnapshotMeta | undefined
  /** Fetch this snapshot. */
  readonly fetchSnapshot: SnapshotFetch | undefined
  /**
   * Take a snapshot of what is applied now or later, unless one is being taken, and report it by
   * `snapshotTaken`: a peer needs it. It is asked for again while it is missing.
   */
  readonly takeSnapshot?: boolean | undefined
  /** Read these from the log. */
  readonly readEntries: readonly EntriesRequest[]
  /** Whether role, leader, epoch or membership in {@link ConsensusStatus} changed. */
  readonly statusChanged: boolean
}

/** What a replica is in its group. A `candidate` seeks to lead (Paxos: prepares); a `learner` has no vote. */
export type Role = 'leader' | 'follower' | 'candidate' | 'learner'

/** What a leader knows of one peer. */
export interface PeerProgress {
  /** The peer. */
  readonly id: NodeId
  /** `probe`: its log's end is being sought. `replicate`: entries stream. `snapshot`: it needs one. */
  readonly state: 'probe' | 'replicate' | 'snapshot'
  /** Its log is known to equal the leader's up to here, durably. */
  readonly matchIndex: LogIndex
  /** The next entry to be sent. */
  readonly nextIndex: LogIndex
  /** Whether it has been heard of within an election timeout, or before the group fell asleep. */
  readonly active: boolean
}

/** How a replica stands. */
export interface ConsensusStatus {
  /** The replica's host. */
  readonly id: NodeId
  /** What it is. */
  readonly role: Role
  /** The leader that it knows of. */
  readonly leader: NodeId | undefined
  /** Its epoch. */
  readonly epoch: Epoch
  /** Every entry up to here is committed. */
  readonly commitIndex: LogIndex
  /** Every entry up to here has been applied. */
  readonly appliedIndex: LogIndex
  /** The first index that its log holds. */
  readonly firstIndex: LogIndex
  /** The last index that its log holds. */
  readonly lastIndex: LogIndex
  /** The membership in force. */
  readonly membership: Membership
  /** What a leader knows of its peers, in order of id; empty elsewhere. */
  readonly peers: readonly PeerProgress[]
}

/**
 * One replica's algorithm, without clock, randomness of its own, I/O or promises.
 *
 * Contract. `step` is total: it never throws for anything that a peer may have sent, and it throws
 * `AssertionError` only where its own state is impossible or the driver broke the ordering law. The
 * same sequence of inputs and times gives the same effects.
 */
export interface ConsensusCore<M = unknown> {
  /** The replica's host. */
  readonly id: NodeId
  /**
   * When the core wants its next tick, in the milliseconds of `now`; infinity where it waits for
   * nothing. Read it after each step.
   */
  readonly wakeAt: number
  /**
   * Takes one input.
   *
   * @param now - monotonic time in milliseconds; never less than in an earlier call
   */
  step(input: Input<M>, now: number): Effects<M>
  /** How the replica stands; a new object. */
  status(): ConsensusStatus
  /**
   * Where a snapshot of the state machine as it is now stands: the index last reported by `applied`,
   * its epoch, and the committed membership in force there.
   */
  appliedPosition(): SnapshotPosition
}

const NONE: readonly never[] = Object.freeze([])

/** Effects of a step that wants nothing done; frozen and shared. Build others by spreading it. */
export const noEffects: Effects<never> = Object.freeze({
  persist: undefined,
  send: NONE,
  sendAfterPersist: NONE,
  apply: NONE,
  reads: NONE,
  completed: NONE,
  rejected: NONE,
  install: undefined,
  fetchSnapshot: undefined,
  readEntries: NONE,
  statusChanged: false,
})
