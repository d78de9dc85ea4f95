// The state of one replica, all of it in one place: plain fields, changed only by the functions
// that are named after what Raft does.
import type {
  CallId,
  ConsensusInit,
  Epoch,
  Limits,
  LogFields,
  LogIndex,
  Membership,
  NodeId,
  Random,
  SnapshotMeta,
  Tracer,
} from '@quorate/core'
import { isVoter } from '@quorate/core'
import { inflight, outbox, pendingReads } from '@quorate/core/algorithm'
import type {
  ConfigHistory,
  Inflight,
  Outbox,
  PendingReads,
  ReplicaLog,
} from '@quorate/core/algorithm'
import type { RaftMessage } from './messages.ts'
import type { HardState } from './hard-state.ts'
import type { ResolvedOptions } from './options.ts'
import type { Progress } from './progress.ts'

/** What a replica does in its term. */
export type RaftRole = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** A transfer of leadership under way, at the leader and, until its end is known, after. */
export interface Transfer {
  /** The call; `undefined` where the leader decided by itself. */
  readonly id: CallId | undefined
  /** To whom. */
  readonly to: NodeId
  /** When it is given up. */
  readonly deadline: number
  /** Whether the target has been told to campaign. */
  told: boolean
}

/** A change of membership that a caller waits for. */
export interface PendingChange {
  /** The call. */
  readonly id: CallId
  /** What is wished. */
  readonly target: Membership
  /** `learn`: new voters catch up as learners. `change`: the change itself is in the log. */
  stage: 'learn' | 'change'
  /** When catching up is given up, pushed on while it makes progress. */
  deadline: number
  /** How far all new voters had come when the deadline was set. */
  caughtUp: LogIndex
}

/** A snapshot being fetched. */
export interface PendingFetch {
  /** Which. */
  readonly snapshot: SnapshotMeta
  /** The offer it answers. */
  readonly offerId: number
  /** The term of that offer. */
  readonly term: Epoch
}

/** A refill that a caller waits for. */
export interface PendingRefill {
  /** The call. */
  readonly id: CallId
  /** When it was asked for. */
  readonly since: number
  /** When the leader is asked next, unless a snapshot is on its way. */
  askAt: number
  /** The snapshot that the state machine is being restored from; 0 before there is one. */
  installed: LogIndex
}

/** What a replica is given. */
export type ReplicaContext = Pick<
  ConsensusInit,
  'id' | 'limits' | 'random' | 'tracer' | 'now' | 'appliedIndex'
>

/** One replica's state. */
export class RaftState {
  /** The replica's host. */
  readonly id: NodeId
  /** What was set. */
  readonly options: ResolvedOptions
  /** What it must stay within. */
  readonly limits: Limits
  /** Where its randomness comes from. */
  readonly random: Random
  /** Where its events go. */
  readonly tracer: Tracer
  /** The log. */
  readonly log: ReplicaLog
  /** The memberships in the log. */
  readonly configs: ConfigHistory
  /** The effects of the step under way. */
  readonly out: Outbox<RaftMessage> = outbox()

  /** The time of the step under way. */
  now: number
  /** When it wants its next tick. */
  wakeAt = 0
  /** Whether an election was put off because the process had stood still. */
  stalled = false
  /** When a leader last found that it had stood still. */
  stalledAt: number = Number.NEGATIVE_INFINITY

  /** The latest term seen. */
  term: Epoch
  /** Who got the vote in it. */
  vote: NodeId | undefined
  /** The members before the first entry. */
  readonly initial: Membership | undefined
  /** Whether it lacks its past. */
  blank: boolean
  /** Names what this start of the replica remembers, so that no other is vouched for by mistake; never 0. */
  readonly memory: number
  /** Where it lacks its past: its log is equal to that of the leader of its term up to here. */
  verified: LogIndex = 0
  /** The batch that makes it durable that it was vouched for. */
  vouchSeq = 0
  /** The last entry it once acknowledged and may have lost; see {@link HardState.floorIndex}. */
  floorIndex: LogIndex
  /** That entry's term. */
  floorTerm: Epoch
  /** The commit index in the hard state last handed out, and when that was. */
  savedCommit: LogIndex
  /** When the hard state was handed out last. */
  savedAt: number
  /** Storage still holds entries past the log's end that the next append must remove. */
  leftoverFrom: LogIndex | undefined

  /** What it does. */
  role: RaftRole = 'follower'
  /** The leader of the term, where known. */
  leader: NodeId | undefined
  /** Every entry up to here is committed. */
  commitIndex: LogIndex
  /** Every entry up to here has been handed out to be applied. */
  applying: LogIndex
  /** Every entry up to here has been applied. */
  applied: LogIndex
  /** What has been handed out to be applied and is not applied. */
  readonly applyInflight: Inflight = inflight()
  /** The read of old entries to be applied that is under way, 0 where none is. */
  applyReading = 0

  /** The last batch handed out. */
  seq = 0
  /** Whether storage held nothing when this replica started. */
  neverStored = false
  /** The last batch known to be durable. */
  durableSeq = 0
  /** The last request for old entries. */
  readId = 0

  /** When it campaigns. */
  electionDeadline = 0
  /** How long it waits for a leader, as last drawn. */
  electionTimeout = 0
  /** Nobody gets a vote before: a promise given before the start may still be relied on. */
  silentUntil: number
  /** When a leader was last heard of. */
  heardAt: number = Number.NEGATIVE_INFINITY
  /** Which one. */
  heardFrom: NodeId | undefined
  /** The answers to the campaign under way; its own once it is durable. */
  readonly votes: Map<NodeId, boolean> = new Map()
  /** The batch that makes its own vote durable. */
  voteSeq = 0
  /** Whether the campaign was asked for by the leader. */
  transferring = false
  /** Whether its requests are to be passed on, because an earlier campaign came to no end. */
  relaying = false
  /** Who passed a vote on to it in this campaign. */
  via: NodeId | undefined

  /** What a leader knows of its peers, in order of id. */
  peers: Progress[] = []
  /** The same by id. */
  readonly progress: Map<NodeId, Progress> = new Map()
  /** The last append message. */
  appendId = 0
  /** The leader's first entry. */
  termStart: LogIndex = 0
  /** When heartbeats are due. */
  heartbeatAt: number = Number.POSITIVE_INFINITY
  /** When it became the leader. */
  ledSince = 0
  /** Uncommitted entries that it proposed, by batch. */
  readonly uncommitted: Inflight = inflight()
  /** The last round of heartbeats, and the last that a quorum confirmed. */
  round = 0
  /** The last round that a quorum confirmed. */
  confirmedRound = 0
  /** The rounds not confirmed yet and when each was sent, oldest first. */
  readonly rounds: { readonly round: number; readonly at: number }[] = []
  /** Until when it may answer reads by its lease. */
  leaseUntil: number = Number.NEGATIVE_INFINITY
  /** Rounds up to this one do not renew the lease. */
  leaseAfterRound = 0
  /** Read barriers waiting. */
  readonly reads: PendingReads = pendingReads()
  /** When those that were sent to a leader are looked through for answers that are overdue. */
  retryReadsAt: number = Number.POSITIVE_INFINITY
  /** A transfer under way. */
  transfer: Transfer | undefined
  /** Not before this does it hand over leadership by itself again. */
  handOverAfter = 0
  /** A change of membership under way. */
  change: PendingChange | undefined
  /** The latest snapshot in storage. */
  snapshot: SnapshotMeta | undefined
  /** A snapshot being fetched. */
  fetch: PendingFetch | undefined
  /** A refill under way. */
  refill: PendingRefill | undefined
  /** When there was last anything to do. */
  busyAt: number
  /** Whether it has stopped waiting for or sending heartbeats. */
  hibernating = false
  /** A follower's count of its answers to heartbeats; it begins anywhere, so that no two starts share one. */
  stamp: number
  /** When those answers were sent, oldest first, for bounded staleness. */
  readonly stamps: { readonly stamp: number; readonly at: number }[] = []
  /** Once `index` is applied, a local read shows all that was committed at `at`. */
  fresh: { readonly index: LogIndex; readonly at: number } = {
    index: 0,
    at: Number.NEGATIVE_INFINITY,
  }
  /** When each member asked for a vote last, as far as it is recent. */
  readonly starvedAt: Map<NodeId, number> = new Map()

  /** The state that a replica starts with. */
  constructor(
    init: ReplicaContext,
    options: ResolvedOptions,
    hard: HardState,
    log: ReplicaLog,
    configs: ConfigHistory,
    commitIndex: LogIndex,
  ) {
    this.id = init.id
    this.options = options
    this.limits = init.limits
    this.random = init.random
    this.tracer = init.tracer
    this.log = log
    this.configs = configs
    this.now = init.now
    this.term = hard.term
    this.vote = hard.vote
    this.initial = hard.initial
    this.blank = hard.blank
    this.memory = Math.max(1, init.random.fork('memory').uint32())
    this.floorIndex = hard.floorIndex
    this.floorTerm = hard.floorTerm
    this.savedCommit = hard.commit
    this.savedAt = init.now
    this.commitIndex = commitIndex
    this.applying = init.appliedIndex
    this.applied = init.appliedIndex
    this.silentUntil = init.now
    this.busyAt = init.now
    this.stamp = init.random.fork('stamp').uint32()
  }

  /** The membership in force. */
  get membership(): Membership {
    return this.configs.last
  }

  /** Whether it votes. */
  get isVoter(): boolean {
    return isVoter(this.membership, this.id)
  }

  /** How far a voter is known to hold the log durably; for quorum arithmetic. */
  readonly matchOf: (id: NodeId) => LogIndex = matchesOf(this)

  /** The latest round of heartbeats that a voter acknowledged; for quorum arithmetic. */
  readonly roundOf: (id: NodeId) => number = roundsOf(this)

  /** Reports an event of the protocol. Guard costly fields by `tracer.enabled`. */
  event(name: string, fields: LogFields): void {
    if (this.tracer.enabled) this.tracer.event(name, { id: this.id, term: this.term, ...fields })
  }

  /** Marks a subtle branch as run. */
  mark(name: string): void {
    this.tracer.mark(name)
  }
}

/** {@link RaftState.matchOf} of a state. */
export function matchesOf(r: RaftState): (id: NodeId) => LogIndex {
  return (id) => {
    if (id === r.id) return r.log.stableIndex
    const progress = r.progress.get(id)
    return progress === undefined || progress.blank ? 0 : progress.match
  }
}

/** {@link RaftState.roundOf} of a state. */
export function roundsOf(r: RaftState): (id: NodeId) => number {
  return (id) => {
    if (id === r.id) return r.round
    const progress = r.progress.get(id)
    return progress === undefined || progress.blank ? 0 : progress.round
  }
}
