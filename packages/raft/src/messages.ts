// What replicas of a group say to each other. Plain data: a core that is handed any of these, late,
// twice or out of order, stays safe; only their loss costs time.
import type { Entry, Epoch, LogIndex, NodeId, SnapshotMeta } from '@quorate/core'

/** Asks for a vote, or, where `pre` is set, whether a vote would be given. */
export interface VoteRequest {
  /** Its kind. */
  readonly type: 'vote'
  /** The term that the candidate seeks to lead. */
  readonly term: Epoch
  /** Whether this only asks (Ongaro, section 9.6); nothing is promised by an answer then. */
  readonly pre: boolean
  /** Whether the leader itself asked for this election, so that its followers need not shield it. */
  readonly transfer: boolean
  /** Whether those who grant it pass it on to the others, because the candidate may not reach them. */
  readonly relay: boolean
  /** Who seeks to lead; another than the sender where it was passed on. */
  readonly candidate: NodeId
  /** The candidate's last entry. */
  readonly lastIndex: LogIndex
  /** That entry's term. */
  readonly lastTerm: Epoch
}

/** Answers a {@link VoteRequest}. */
export interface VoteReply {
  /** Its kind. */
  readonly type: 'voteReply'
  /** The term asked for where granted, otherwise the voter's own. */
  readonly term: Epoch
  /** Whether it answers a request that only asked. */
  readonly pre: boolean
  /** Whether the vote is given. */
  readonly granted: boolean
  /** Whom it is given to or refused. */
  readonly candidate: NodeId
  /** Whose vote it is; another than the sender's where it was passed on. */
  readonly voter: NodeId
}

/** Carries entries, or none to probe where the logs meet. */
export interface AppendRequest {
  /** Its kind. */
  readonly type: 'append'
  /** The leader's term. */
  readonly term: Epoch
  /** Counts the leader's append messages; comes back in the answer. */
  readonly id: number
  /** The entry right before `entries`. */
  readonly prevIndex: LogIndex
  /** That entry's term. */
  readonly prevTerm: Epoch
  /** What the leader knows to be committed. */
  readonly commit: LogIndex
  /** Entries from `prevIndex + 1` on, without gaps. */
  readonly entries: readonly Entry[]
}

/** Answers an {@link AppendRequest} or a {@link SnapshotOffer}, once what it acknowledges is durable. */
export interface AppendReply {
  /** Its kind. */
  readonly type: 'appendReply'
  /** The follower's term. */
  readonly term: Epoch
  /** The `id` of what it answers. */
  readonly id: number
  /** Whether the logs met. */
  readonly ok: boolean
  /** Where `ok`, the logs are equal and durable up to here; otherwise the `prevIndex` refused. */
  readonly index: LogIndex
  /** Where not `ok`: the logs may meet at this index or before, not after. */
  readonly hint: LogIndex
  /** The term of the follower's entry at `hint`. */
  readonly hintTerm: Epoch
  /** As in {@link HeartbeatReply}. */
  readonly blank: number
}

/** Keeps followers from campaigning, confirms leadership for reads and leases, carries small news. */
export interface Heartbeat {
  /** Its kind. */
  readonly type: 'heartbeat'
  /** The leader's term. */
  readonly term: Epoch
  /** Counts the leader's rounds of heartbeats; comes back in the answer. */
  readonly round: number
  /** Committed, and known to be equal in the follower's log. */
  readonly commit: LogIndex
  /** Committed at the leader, whether or not the follower holds it. */
  readonly leaderCommit: LogIndex
  /** The largest `stamp` of the follower that came before this was sent, while the leader's lease held; otherwise 0. */
  readonly echo: number
  /** The group is idle: stop waiting for heartbeats until addressed. */
  readonly hibernate: boolean
  /**
   * Which memory of the follower is vouched for, as {@link HeartbeatReply.blank} named it: its log has
   * been brought up to a leader proven current, so it may vote again. 0 where none is.
   */
  readonly vouch: number
}

/** Answers a {@link Heartbeat}. */
export interface HeartbeatReply {
  /** Its kind. */
  readonly type: 'heartbeatReply'
  /** The follower's term. */
  readonly term: Epoch
  /** The `round` of what it answers; 0 where it only tells its term. */
  readonly round: number
  /** The follower's own count of its answers, for {@link Heartbeat.echo}. */
  readonly stamp: number
  /** How much it is wished as a leader. */
  readonly priority: number
  /**
   * Where it lost or never had its state and must not be counted until vouched for: names its memory,
   * drawn anew at each start. Otherwise 0.
   */
  readonly blank: number
  /** Whether it has stopped waiting for heartbeats. */
  readonly hibernating: boolean
  /** Members that asked it for a vote of late: it hears them, and they do not hear the leader. */
  readonly starved: readonly NodeId[]
}

/** Tells that entries the follower holds are committed; not answered. */
export interface CommitNotice {
  /** Its kind. */
  readonly type: 'commit'
  /** The leader's term. */
  readonly term: Epoch
  /** Committed, and known to be equal in the follower's log. */
  readonly commit: LogIndex
}

/** Tells a follower that what it lacks exists only as a snapshot, and where. */
export interface SnapshotOffer {
  /** Its kind. */
  readonly type: 'snapshotOffer'
  /** The leader's term. */
  readonly term: Epoch
  /** As in {@link AppendRequest}. */
  readonly id: number
  /** Which snapshot. */
  readonly snapshot: SnapshotMeta
  /** Others that may have it. */
  readonly others: readonly NodeId[]
}

/** Tells the target of a transfer to campaign at once. */
export interface TimeoutNow {
  /** Its kind. */
  readonly type: 'timeoutNow'
  /** The leader's term. */
  readonly term: Epoch
}

/** A follower asks for a read barrier. */
export interface ReadRequest {
  /** Its kind. */
  readonly type: 'read'
  /** The follower's term. */
  readonly term: Epoch
  /** Names the request; never used again, not even after a restart. */
  readonly token: number
  /** Whether the leader's lease is good enough. */
  readonly lease: boolean
}

/** Answers a {@link ReadRequest}. */
export interface ReadReply {
  /** Its kind. */
  readonly type: 'readReply'
  /** The leader's term. */
  readonly term: Epoch
  /** Whose answer it is. */
  readonly token: number
  /** What must be applied before the read. */
  readonly index: LogIndex
}

/** Asks a leader that let its group hibernate to go on with heartbeats; a follower passes it on. */
export interface Wake {
  /** Its kind. */
  readonly type: 'wake'
  /** The sender's term. */
  readonly term: Epoch
}

/** Asks a leader for a snapshot to replace what was applied, whatever the log holds. */
export interface RefillRequest {
  /** Its kind. */
  readonly type: 'refill'
  /** The sender's term. */
  readonly term: Epoch
  /** Only a snapshot that stands after this entry is of use. */
  readonly index: LogIndex
}

/** A message between two replicas of a group. */
export type RaftMessage =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | CommitNotice
  | SnapshotOffer
  | TimeoutNow
  | ReadRequest
  | ReadReply
  | Wake
  | RefillRequest
