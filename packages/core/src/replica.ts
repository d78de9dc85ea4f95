// What a store needs of one replicated group. A store depends on this and not on what stands
// behind it, so that a group can also be served by an engine of another make.
import type { ConsensusStatus, ReadMode, Role } from './consensus.ts'
import type { EventSource } from './emitter.ts'
import type { QuorateError } from './errors.ts'
import type { Epoch, GroupId, LogIndex, NodeId } from './ids.ts'
import type { AbortOptions, Closeable } from './lifecycle.ts'
import type { Membership, MembershipTarget } from './membership.ts'

/** Options of a call with a deadline. */
export interface CallOptions extends AbortOptions {
  /** How long to wait, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

/** Options of a proposal. */
export interface ProposeOptions extends CallOptions {
  /**
   * Whether a replica that does not lead hands the command to the leader's host, twice at the most
   * where leadership moves. It is never handed over again once it may have arrived. Default `false`.
   */
  readonly forward?: boolean | undefined
}

/** What a replica tells of, by event name. */
export interface ReplicaEvents {
  /** Role, leader or epoch changed. */
  leadership: { readonly role: Role; readonly leader: NodeId | undefined; readonly epoch: Epoch }
  /** The membership in force changed. */
  membership: Membership
  /** A snapshot was taken or installed. */
  snapshot: { readonly index: LogIndex; readonly cause: 'taken' | 'installed' }
  /** The replica has stopped for good; `QuorateError` says why. */
  failed: QuorateError
}

/** One member of one group. */
export interface Replica extends Closeable, EventSource<ReplicaEvents> {
  /** The host that it lives on. */
  readonly id: NodeId
  /** The group. */
  readonly group: GroupId
  /** How it stands. */
  consensus(): ConsensusStatus
  /**
   * Replicates a command and applies it; resolves with the state machine's result, at this replica,
   * or at the leader where it was forwarded.
   *
   * @throws QuorateError `NOT_LEADER` (`details.leader` names the leader where one is known),
   * `PROPOSAL_DROPPED`, `LIMIT_EXCEEDED`, `NO_SPACE`: not applied, and never will be.
   * `OUTCOME_UNKNOWN` after a timeout, an abort, a change of leader or a close: it may have been
   */
  propose(command: Uint8Array, options?: ProposeOptions): Promise<Uint8Array>
  /**
   * Waits until a local read is as fresh as `mode` asks for, and resolves with the index applied.
   *
   * @throws QuorateError `NOT_LEADER`, `NO_QUORUM`, `TIMEOUT`, `ABORTED`, `CLOSED`
   */
  readBarrier(mode: ReadMode, options?: CallOptions): Promise<LogIndex>
  /** A read barrier, then the state machine's answer. Default mode `quorum`. */
  query(
    query: Uint8Array,
    options?: CallOptions & { readonly mode?: ReadMode | undefined },
  ): Promise<Uint8Array>
  /**
   * Brings the group to a membership; resolves with it when it is committed and final.
   *
   * @throws QuorateError `CONFLICT` where the version is not `expectedVersion` or another change is
   * under way, `INVALID_MEMBERSHIP`, `NOT_LEADER`, `OUTCOME_UNKNOWN`
   */
  changeMembership(
    target: MembershipTarget,
    options?: CallOptions & { readonly expectedVersion?: number | undefined },
  ): Promise<Membership>
  /**
   * Hands leadership to a voter, by default to the one that is furthest; resolves when it leads.
   *
   * @throws QuorateError `NOT_LEADER`, `INVALID_ARGUMENT`, `TIMEOUT`
   */
  transferLeadership(to?: NodeId, options?: CallOptions): Promise<void>
  /** Takes a snapshot now and compacts the log; resolves with its index once a crash no longer undoes it. */
  takeSnapshot(options?: AbortOptions): Promise<LogIndex>
  /**
   * Throws away what this replica's state machine holds and refills it from another member's
   * snapshot, for a replica whose state is not to be trusted; resolves with the snapshot's index once
   * it is installed. It goes on to vote meanwhile, and applies nothing.
   *
   * @throws QuorateError `CONFLICT` on the leader, which has to hand over first, and where a refill is
   * under way; `NOT_SUPPORTED` on a witness, which keeps no state; `UNAVAILABLE` where no leader is
   * found; `TIMEOUT`, `ABORTED`: it may still happen
   */
  refill(options?: CallOptions): Promise<LogIndex>
}
