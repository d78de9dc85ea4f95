// The state of one replica, all of it in one place: plain fields, changed only by the functions
// that are named after what Paxos does.
import type {
  CallId,
  ConsensusInit,
  Entry,
  Limits,
  LogFields,
  LogIndex,
  Membership,
  NodeId,
  Random,
  SnapshotMeta,
  Tracer,
} from '@quorate/core'
import { inflight, outbox, pendingReads } from '@quorate/core/algorithm'
import type {
  ConfigHistory,
  Inflight,
  Outbox,
  PendingReads,
  ReplicaLog,
} from '@quorate/core/algorithm'
import type { Ballot } from './ballot.ts'
import type { Floor } from './floor.ts'
import type { HardState } from './hard-state.ts'
import type { Answer, PaxosMessage } from './messages.ts'
import type { ResolvedOptions } from './options.ts'
import type { Progress } from './progress.ts'
import type { Inspection } from './quorum-read.ts'
import type { Relearn } from './relearn.ts'

/** What a replica does in the ballot that it has promised. */
export type PaxosRole = 'follower' | 'preparing' | 'leader'

/** What an acceptor told with its promise. */
export interface Standing {
  /** Its accepted ballot. */
  readonly accepted: Ballot
  /** Its last entry. */
  readonly length: LogIndex
  /** What it knew to be decided. */
  readonly decided: LogIndex
  /** Whether it counts for nothing. */
  readonly blank: boolean
  /** What it accepted beyond what it holds. */
  readonly floor: Floor | undefined
  /** The entry right before `entries`. */
  readonly prev: LogIndex
  /** What it sent along. */
  readonly entries: readonly Entry[]
}

/** A proposer takes over the log that its quorum's largest accepted ballot left behind. */
export interface Adoption {
  /** Who has it. */
  from: NodeId
  /** Under which ballot it was accepted. */
  readonly accepted: Ballot
  /** Where it ends. */
  readonly last: LogIndex
  /** The next entry to come. */
  next: LogIndex
  /** Those that have come and are not known to be decided; the first one's index is `next − length`. */
  readonly entries: Entry[]
}

/** A leader's log, as far as it has reached an acceptor that is not in step with it yet. */
export interface Repair {
  /** The first entry held. */
  readonly first: LogIndex
  /** The entries, in order. */
  readonly entries: Entry[]
}

/** A transfer of leadership under way, at the leader and, until its end is known, after. */
export interface Transfer {
  /** The call; `undefined` where the leader decided by itself. */
  readonly id: CallId | undefined
  /** To whom. */
  readonly to: NodeId
  /** When it is given up. */
  readonly deadline: number
  /** Whether the target has been told to prepare. */
  told: boolean
}

/** A change of membership under way. */
export interface PendingChange {
  /** The call; `undefined` where the leader decided by itself. */
  readonly id: CallId | undefined
  /** What is wished. */
  readonly target: Membership
  /** `learn`: new voters catch up. `seal`: the stop-sign is in the log. `start`: it is decided, and the next epoch is awaited. */
  stage: 'learn' | 'seal' | 'start'
  /** When catching up is given up, pushed on while it makes progress. */
  deadline: number
  /** How far all new voters had come when the deadline was set. */
  caughtUp: LogIndex
  /** What those who join know to be decided. */
  readonly joiners: Map<NodeId, LogIndex>
}

/** What a replica that began with nothing asks a leader before it may vote. */
export interface Briefing {
  /** The membership that it asks under. */
  readonly config: number
  /** Whom. */
  readonly leader: NodeId
  /** Names the read. */
  readonly token: number
  /** What must be decided here first; `undefined` before the answer. */
  readonly index: LogIndex | undefined
  /** When it was sent last. */
  readonly sentAt: number
}

/** A snapshot being fetched. */
export interface PendingFetch {
  /** Which. */
  readonly snapshot: SnapshotMeta
  /** The largest ballot promised by who offered it. */
  readonly ballot: Ballot
}

/** A stretch of decided entries that one donor is asked for. */
export interface Stretch {
  /** The next entry to come. */
  next: LogIndex
  /** The last one; 0 where the donor gives what it has. */
  readonly last: LogIndex
  /** Of whom; `undefined` while nobody is known to ask. */
  from: NodeId | undefined
  /** When. */
  sentAt: number
  /** What has come and waits for what is before it. */
  readonly entries: Entry[]
  /** The largest ballot promised by who gave it. */
  ballot: Ballot
  /** The membership that they worked under. */
  config: number
}

/** Decided entries that are being fetched, of several donors at once where there are many. */
export interface Pulling {
  /** What is asked for, in order, without gaps. */
  readonly stretches: Stretch[]
  /** The last entry that any donor is known to have. */
  target: LogIndex
  /** Donors that did not answer, or did not have what they were asked for. */
  readonly failed: Set<NodeId>
}

/** A refill from a snapshot that was asked for. */
export interface PendingRefill {
  /** The call. */
  readonly id: CallId
  /** What had been handed out to be applied: the snapshot must stand after it. */
  readonly after: LogIndex
  /** When it is given up, while there is no leader to ask. */
  deadline: number
  /** When a member is asked next. */
  askAt: number
  /** How often others than a leader have been asked. */
  asked: number
  /** Where the snapshot stands that is being restored; 0 before it has come. */
  installed: LogIndex
}

/** Old entries that are read back for somebody who pulls them. */
export interface Donation {
  /** For whom. */
  readonly to: NodeId
  /** The version of the membership that it knows of. */
  readonly config: number
  /** The ballot that the pull named. */
  readonly ballot: Ballot
}

/** What a replica is given. */
export type ReplicaContext = Pick<
  ConsensusInit,
  'id' | 'limits' | 'random' | 'tracer' | 'now' | 'appliedIndex'
>

/** One replica's state. */
export class PaxosState {
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
  readonly out: Outbox<PaxosMessage> = outbox()

  /** The time of the step under way. */
  now: number
  /** When it wants its next tick. */
  wakeAt = 0
  /** Whether acting was put off because the process had stood still. */
  stalled = false

  /** Nothing of a smaller ballot is accepted. */
  promised: Ballot
  /** The log was last accepted as a whole under this ballot, of the membership in force. */
  accepted: Ballot
  /** The batch that makes `accepted` durable. */
  acceptedSeq = 0
  /** Under memberships up to this version it lacks its past and must not be counted. */
  blankTo: number
  /** The question under which memberships it may have voted, while it is open. */
  briefing: Briefing | undefined
  /** The batch that makes the answer durable. */
  briefedSeq = 0
  /** What was accepted and then lost, until the log reaches as far again. */
  floor: Floor | undefined
  /** Decided entries that it lost, and has to learn again before it says anything. */
  relearn: Relearn | undefined
  /** The members before the first entry. */
  initial: Membership | undefined
  /** The membership in force: that of the last decided stop-sign. */
  membership: Membership
  /** The decided index in the hard state last handed out, and when that was. */
  savedDecided: LogIndex
  /** When the hard state was handed out last. */
  savedAt: number
  /** Storage still holds entries past the log's end that the next append must remove. */
  leftoverFrom: LogIndex | undefined

  /** What it does. */
  role: PaxosRole = 'follower'
  /** The leader of the promised ballot, once it is known to lead. */
  leader: NodeId | undefined
  /** Every entry up to here is decided. */
  decided: LogIndex
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
  /** The last batch known to be durable. */
  durableSeq = 0
  /** The last request for old entries. */
  readId = 0

  /** Hears a leader that is content, or has just promised one, until then. */
  contentUntil: number = Number.NEGATIVE_INFINITY
  /** When a follower acts: asks its neighbours, or weighs their answers. */
  actAt = 0
  /** By which share of the election timeout it waits longer than it must, as last drawn. */
  reluctance = 0
  /** Nobody is promised anything before: a lease granted before the start may still be relied on. */
  silentUntil: number
  /** Nobody but {@link grantedTo} is promised anything before. */
  grantedUntil: number = Number.NEGATIVE_INFINITY
  /** The leader whose lease this replica supports. */
  grantedTo: NodeId | undefined
  /** The largest ballot seen anywhere. */
  seen: Ballot = 0
  /** The last round of asking. */
  askRound = 0
  /** Whether it is open. */
  asking = false
  /** What came back. */
  readonly answers: Map<NodeId, Answer> = new Map()
  /** How many rounds it has left to a neighbour of higher priority. */
  patience = 0
  /** When each voter asked for a leader last, as far as it is recent. */
  readonly starvedAt: Map<NodeId, number> = new Map()

  /** Whether it was removed and does not know yet that the next epoch is led. */
  watching = false

  /** The promises for the ballot being prepared; its own once it is durable. */
  readonly promises: Map<NodeId, Standing> = new Map()
  /** The batch that makes its own promise durable. */
  promiseSeq = 0
  /** Whether the leader asked for this takeover. */
  transferring = false
  /** When a proposer repeats what may have been lost. */
  resendAt: number = Number.POSITIVE_INFINITY
  /** When it gives up. */
  prepareDeadline: number = Number.POSITIVE_INFINITY
  /** The log being adopted. */
  adoption: Adoption | undefined
  /** An acceptor's log being repaired. */
  repair: Repair | undefined

  /** What a leader knows of its peers, in order of id. */
  peers: Progress[] = []
  /** The same by id. */
  readonly progress: Map<NodeId, Progress> = new Map()
  /** The ballot under which the log that the leader adopted was accepted. */
  adopted: Ballot = 0
  /** Where that log ended. */
  syncIndex: LogIndex = 0
  /** When heartbeats are due. */
  heartbeatAt: number = Number.POSITIVE_INFINITY
  /** When it became the leader. */
  ledSince = 0
  /** Undecided entries that it proposed, by batch. */
  readonly undecided: Inflight = inflight()
  /** The last round of heartbeats. */
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
  /** Reads that ask a quorum of voters, by token. */
  readonly inspections: Map<number, Inspection> = new Map()
  /** A transfer under way. */
  transfer: Transfer | undefined
  /** Not before this does it hand over leadership, or seal an epoch, by itself again. */
  handOverAfter = 0
  /** A change of membership under way. */
  change: PendingChange | undefined
  /** The latest snapshot in storage. */
  snapshot: SnapshotMeta | undefined
  /** A snapshot being fetched. */
  fetch: PendingFetch | undefined
  /** Decided entries being fetched. */
  pulling: Pulling | undefined
  /** A refill that was asked for. */
  refill: PendingRefill | undefined
  /** Old entries being read for others, by the read. */
  readonly donations: Map<number, Donation> = new Map()
  /** When there was last anything to do. */
  busyAt: number
  /** Whether it has stopped waiting for or sending heartbeats. */
  hibernating = false
  /** A follower's count of its answers to heartbeats. */
  stamp = 0
  /** When those answers were sent, oldest first, for bounded staleness. */
  readonly stamps: { readonly stamp: number; readonly at: number }[] = []
  /** Once `index` is applied, a local read shows all that was decided at `at`. */
  fresh: { readonly index: LogIndex; readonly at: number } = {
    index: 0,
    at: Number.NEGATIVE_INFINITY,
  }

  /** The state that a replica starts with. */
  constructor(
    init: ReplicaContext,
    options: ResolvedOptions,
    hard: HardState,
    log: ReplicaLog,
    configs: ConfigHistory,
    decided: LogIndex,
  ) {
    this.id = init.id
    this.options = options
    this.limits = init.limits
    this.random = init.random
    this.tracer = init.tracer
    this.log = log
    this.configs = configs
    this.now = init.now
    this.promised = hard.promised
    this.accepted = hard.accepted
    this.blankTo = hard.blankTo
    this.floor = hard.floor
    this.relearn = hard.relearn
    this.initial = hard.initial
    this.membership = configs.at(decided).membership
    this.savedDecided = hard.decided
    this.savedAt = init.now
    this.decided = decided
    this.applying = init.appliedIndex
    this.applied = init.appliedIndex
    this.silentUntil = init.now
    this.busyAt = init.now
  }

  /** The version of the membership in force, which every message carries. */
  get config(): number {
    return this.membership.version
  }

  /** Whether it lacks its past, and counts for nothing. */
  get blank(): boolean {
    return this.config <= this.blankTo || this.relearn !== undefined
  }

  /** Whether it votes. */
  get isVoter(): boolean {
    return this.membership.voters.includes(this.id)
  }

  /** Whether what is applied here is to be replaced by a snapshot, which has not come yet. */
  get refilling(): boolean {
    return this.refill !== undefined && this.refill.installed === 0
  }

  /** Whether a stop-sign is in the log that is not decided: nothing may follow it. */
  get sealed(): boolean {
    return this.configs.lastIndex > this.decided
  }

  /** How far a voter is known to have accepted, durably, in this ballot; for quorum arithmetic. */
  readonly matchOf: (id: NodeId) => LogIndex = matchesOf(this)

  /** The latest round of heartbeats that a voter acknowledged; for quorum arithmetic. */
  readonly roundOf: (id: NodeId) => number = roundsOf(this)

  /** Whether a replica that is no member may speak here: one that has just been removed. */
  watchedBy(id: NodeId): boolean {
    if (this.membership.voters.includes(id) || this.leader !== undefined) return false
    return this.configs.at(this.configs.at(this.decided).index - 1).membership.voters.includes(id)
  }

  /** Reports an event of the protocol. Guard costly fields by `tracer.enabled`. */
  event(name: string, fields: LogFields): void {
    if (!this.tracer.enabled) return
    this.tracer.event(name, { id: this.id, config: this.config, ballot: this.promised, ...fields })
  }

  /** Marks a subtle branch as run. */
  mark(name: string): void {
    this.tracer.mark(name)
  }
}

/** {@link PaxosState.matchOf} of a state. */
function matchesOf(r: PaxosState): (id: NodeId) => LogIndex {
  return (id) => {
    if (id === r.id) return r.durableSeq >= r.acceptedSeq ? r.log.stableIndex : 0
    const progress = r.progress.get(id)
    return progress === undefined || progress.blank ? 0 : progress.match
  }
}

/** {@link PaxosState.roundOf} of a state. */
function roundsOf(r: PaxosState): (id: NodeId) => number {
  return (id) => {
    if (id === r.id) return r.round
    const progress = r.progress.get(id)
    return progress === undefined || progress.blank ? 0 : progress.round
  }
}
