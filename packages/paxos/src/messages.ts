// What replicas of a group say to each other. Plain data: a core that is handed any of these, late,
// twice or out of order, stays safe; only their loss costs time.
import type { Entry, LogIndex, Membership, NodeId, SnapshotMeta } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import type { Floor } from './floor.ts'

/** What every message begins with. */
export interface Envelope {
  /** The version of the membership that the sender works under. Nothing counts in another one. */
  readonly config: number
  /** The ballot that it is about; in answers, the largest that the sender has promised. */
  readonly ballot: Ballot
}

/** Phase 1a: asks to be promised that nothing of a smaller ballot will be accepted any more. */
export interface Prepare extends Envelope {
  /** Its kind. */
  readonly type: 'prepare'
  /** The proposer's own accepted ballot. */
  readonly accepted: Ballot
  /** The proposer's last entry. */
  readonly length: LogIndex
  /** What the proposer knows to be decided. */
  readonly decided: LogIndex
  /** Whether the leader itself asked for this, so that its followers need not shield it. */
  readonly transfer: boolean
}

/** Phase 1b: the promise, and where the acceptor's log stands. Durable before it is sent. */
export interface Promise1b extends Envelope {
  /** Its kind. */
  readonly type: 'promise'
  /** The ballot under which the acceptor's whole log was last accepted. */
  readonly accepted: Ballot
  /** Its last entry. */
  readonly length: LogIndex
  /** What it knows to be decided. */
  readonly decided: LogIndex
  /** Whether it lost or never had its past; it then counts for nothing. */
  readonly blank: boolean
  /** What it accepted and lost beyond what it holds; it counts beside a log that shows as much. */
  readonly floor: Floor | undefined
  /** The entry right before `entries`. */
  readonly prev: LogIndex
  /** What the proposer seems to lack, as far as it is at hand. */
  readonly entries: readonly Entry[]
}

/** A larger ballot has been promised: whoever sent the smaller one is told. */
export interface Nack extends Envelope {
  /** Its kind. */
  readonly type: 'nack'
}

/** Phase 2a: entries, in order, to follow `prev`. Before a follower is in step, the repair of its log. */
export interface Accept extends Envelope {
  /** Its kind. */
  readonly type: 'accept'
  /** The entry right before `entries`. */
  readonly prev: LogIndex
  /** That entry's epoch: where it is the same, the logs are equal up to there. */
  readonly prevEpoch: number
  /** A follower that has not accepted in this ballot does so at once for everything up to here. */
  readonly syncTo: LogIndex
  /** What is decided. */
  readonly decided: LogIndex
  /** Entries from `prev + 1` on. */
  readonly entries: readonly Entry[]
}

/** Phase 2b: the acceptor's log is the leader's up to `index`. Durable before it is sent. */
export interface Accepted extends Envelope {
  /** Its kind. */
  readonly type: 'accepted'
  /** Up to where; with `partial`, what has arrived of a repair that is not complete. */
  readonly index: LogIndex
  /** Whether entries were missing in between: the leader goes on from `index`. */
  readonly gap: boolean
  /** Whether this only makes room for more, and acknowledges nothing. */
  readonly partial: boolean
  /** As in {@link Promise1b}: it may be the first that the leader hears of it. */
  readonly blank: boolean
}

/** Tells that entries are decided; not answered. */
export interface Decide extends Envelope {
  /** Its kind. */
  readonly type: 'decide'
  /** Up to where. */
  readonly decided: LogIndex
}

/** Tells that a leader lives and is content, confirms it for reads and leases. */
export interface Heartbeat extends Envelope {
  /** Its kind. */
  readonly type: 'heartbeat'
  /** Counts the leader's rounds; comes back in the answer. */
  readonly round: number
  /** Whether it hears a quorum. A leader that does not may be replaced at once. */
  readonly happy: boolean
  /** The group is idle: stop waiting for heartbeats until addressed. */
  readonly hibernate: boolean
  /** What is decided. */
  readonly decided: LogIndex
  /** The largest `stamp` of the follower that came before this was sent, while the lease held; otherwise 0. */
  readonly echo: number
}

/** Answers a {@link Heartbeat}; with its own `ballot` it also grants the lease. */
export interface HeartbeatReply extends Envelope {
  /** Its kind. */
  readonly type: 'heartbeatReply'
  /** The `round` of what it answers. */
  readonly round: number
  /** The follower's own count of its answers. */
  readonly stamp: number
  /** How much it is wished as a leader. */
  readonly priority: number
  /** What it knows to be decided. */
  readonly decided: LogIndex
  /** As in {@link Promise1b}. */
  readonly blank: boolean
  /** Whether it knows, durably, in which epochs it may have voted and forgotten it: in none after this one. */
  readonly briefed: boolean
  /** Whether it has stopped waiting for heartbeats. */
  readonly hibernating: boolean
  /** Voters that it hears and that asked it for a leader of late. */
  readonly starved: readonly NodeId[]
}

/** Asks a voter how it stands, by one that misses its leader. Promises nothing. */
export interface Ask extends Envelope {
  /** Its kind. */
  readonly type: 'ask'
  /** Counts the rounds of asking. */
  readonly round: number
}

/** Answers an {@link Ask}. */
export interface Answer extends Envelope {
  /** Its kind. */
  readonly type: 'answer'
  /** The `round` asked in; 0 where it only tells of a later membership. */
  readonly round: number
  /** Whether it leads, or hears a leader that is content. */
  readonly happy: boolean
  /** Whether it leads, or follows one that does. */
  readonly led: boolean
  /** How much it is wished as a leader; 0 where it cannot lead. */
  readonly priority: number
  /** What it knows to be decided. */
  readonly decided: LogIndex
}

/** Asks for entries: decided ones, or, of who promised `ballot`, all that it accepted. */
export interface Pull extends Envelope {
  /** Its kind. */
  readonly type: 'pull'
  /** The first one. */
  readonly first: LogIndex
  /** The last one; 0 for as many as there are. */
  readonly last: LogIndex
}

/** Answers a {@link Pull}. */
export interface Pulled extends Envelope {
  /** Its kind. */
  readonly type: 'pulled'
  /** The entry right before `entries`. */
  readonly prev: LogIndex
  /** What the sender knows to be decided; entries past it are only accepted. */
  readonly decided: LogIndex
  /** From `prev + 1` on. */
  readonly entries: readonly Entry[]
  /** The members at `prev`, for a replica that knows of none. */
  readonly base: Membership | undefined
}

/** Tells that what a replica lacks exists only as a snapshot, and where. */
export interface Offer extends Envelope {
  /** Its kind. */
  readonly type: 'offer'
  /** Which. */
  readonly snapshot: SnapshotMeta
  /** Others that may have it. */
  readonly others: readonly NodeId[]
}

/** Asks for a snapshot to replace what was applied here, whatever the log holds. */
export interface Refill extends Envelope {
  /** Its kind. */
  readonly type: 'refill'
  /** Only one that stands after this entry is of use. */
  readonly index: LogIndex
}

/** Tells the target of a transfer to prepare at once. */
export interface TakeOver extends Envelope {
  /** Its kind. */
  readonly type: 'takeOver'
}

/** A follower asks the leader for a read barrier. */
export interface ReadRequest extends Envelope {
  /** Its kind. */
  readonly type: 'read'
  /** Names the request; never used again, not even after a restart. */
  readonly token: number
  /** Whether the leader's lease is good enough. */
  readonly lease: boolean
}

/** Answers a {@link ReadRequest}. */
export interface ReadReply extends Envelope {
  /** Its kind. */
  readonly type: 'readReply'
  /** Whose answer it is. */
  readonly token: number
  /** What must be applied before the read. */
  readonly index: LogIndex
}

/** Paxos quorum read: asks a voter how far its log goes. No leader is involved. */
export interface Inspect extends Envelope {
  /** Its kind. */
  readonly type: 'inspect'
  /** Names the read. */
  readonly token: number
}

/** Answers an {@link Inspect}, once the log is durable up to there. */
export interface Inspected extends Envelope {
  /** Its kind. */
  readonly type: 'inspected'
  /** Names the read. */
  readonly token: number
  /** Its last entry, decided or not. */
  readonly length: LogIndex
  /** Whether it counts. */
  readonly blank: boolean
}

/** Asks a leader that let its group hibernate to go on with heartbeats. */
export interface Wake extends Envelope {
  /** Its kind. */
  readonly type: 'wake'
}

/** A message between two replicas of a group. */
export type PaxosMessage =
  | Prepare
  | Promise1b
  | Nack
  | Accept
  | Accepted
  | Decide
  | Heartbeat
  | HeartbeatReply
  | Ask
  | Answer
  | Pull
  | Pulled
  | Offer
  | Refill
  | TakeOver
  | ReadRequest
  | ReadReply
  | Inspect
  | Inspected
  | Wake
