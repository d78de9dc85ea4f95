// The contract of a host: one process's share of a cluster. Many groups live on it, over one
// transport and one storage, and what stores need beyond consensus (calls to other hosts) is here.
import type {
  AbortOptions,
  CallOptions,
  Clock,
  ClusterId,
  Closeable,
  ConsensusFactory,
  EventSource,
  GroupId,
  HostStorage,
  Limits,
  Logger,
  MembershipTarget,
  Metrics,
  NodeId,
  QuorateError,
  Random,
  Replica,
  StateMachine,
  Tracer,
  Transport,
  Unsubscribe,
} from '@quorate/core'

/** What a host is made of. */
export interface HostOptions {
  /** This host's name, unique in the cluster and never reused. */
  readonly id: NodeId
  /** The cluster. Default `'quorate'`. */
  readonly cluster?: ClusterId | undefined
  /** How it reaches other hosts. The host starts it and closes it. */
  readonly transport: Transport
  /** Where it keeps what must survive. The host opens it and closes it. */
  readonly storage: HostStorage
  /**
   * Says that this host has been here before and its storage is lost: peers that know the lost one
   * let it in with another. What it had promised is forgotten, so its replicas are made without
   * `members`, and wait until a leader takes them in; with `members` they are refused, since nobody can
   * tell an old group from a new one. To found a group here, open the host without this once what it
   * had is back. Default `false`.
   */
  readonly rejoin?: boolean | undefined
  /** Limits to replace. Default: `defaultLimits`. */
  readonly limits?: Partial<Limits> | undefined
  /** Time. Default: the platform's. */
  readonly clock?: Clock | undefined
  /** Randomness. Default: from the platform's entropy. */
  readonly random?: Random | undefined
  /** Where log lines go; an instance of pino fits. Default: nowhere. */
  readonly logger?: Logger | undefined
  /** Where measurements go. Default: nowhere. */
  readonly metrics?: Metrics | undefined
  /** Where the protocols' events go. Default: nowhere. */
  readonly tracer?: Tracer | undefined
  /**
   * How long `drain` and `close` may take to end what is pending and to hand leadership over, in
   * milliseconds; 0 hands nothing over. Default 1,000.
   */
  readonly drainTimeoutMs?: number | undefined
  /**
   * How long disks, sockets and state machines may take to come to rest after that, in milliseconds;
   * beyond, `close` rejects with `TIMEOUT`. Default 5,000.
   */
  readonly closeTimeoutMs?: number | undefined
}

/** What a replica is made of. */
export interface ReplicaOptions {
  /** The group. */
  readonly group: GroupId
  /** The algorithm, the same at every member. */
  readonly consensus: ConsensusFactory
  /** The program that is replicated. */
  readonly stateMachine: StateMachine
  /** The members of a new group, the same at each of them. `undefined` where this host joins an existing group, as on a host that rejoins. */
  readonly members?: MembershipTarget | undefined
  /** When to take snapshots and compact. */
  readonly snapshots?: SnapshotPolicy | undefined
}

/** When a replica takes a snapshot of its state machine and drops the log before it. */
export interface SnapshotPolicy {
  /** After so many applied payload bytes. Default 67,108,864 (64 MiB). */
  readonly everyBytes?: number | undefined
  /** After so many applied entries. Default 100,000. */
  readonly everyEntries?: number | undefined
  /** So many entries stay behind a snapshot for followers that lag a little. Default 1,000. */
  readonly keepEntries?: number | undefined
}

/**
 * Answers calls of other hosts. What it throws travels as its code and message; an error without a
 * code as `OUTCOME_UNKNOWN`, because nobody knows what the handler had done before it.
 */
export type CallHandler = (
  request: Uint8Array,
  context: { readonly from: NodeId; readonly signal: AbortSignal },
) => Promise<Uint8Array> | Uint8Array

/** What a host tells of, by event name. */
export interface HostEvents {
  /** A connection to a peer was made or lost. */
  peer: { readonly peer: NodeId; readonly state: 'reachable' | 'unreachable' }
  /** A replica has stopped for good. */
  replicaFailed: { readonly group: GroupId; readonly error: QuorateError }
}

/** Why a host is not well. */
export interface HealthReason {
  /**
   * What is the matter. `NOT_OPEN`: the host is opening, closing or closed. `REPLICA_FAILED`: a
   * replica has stopped for good. `DISK_FULL`: writes are refused. `SPACE_LOW`: the disk is nearly
   * full. `NO_LEADER`: a group has no leader that this host knows of. `DRAINING`: it is about to
   * leave.
   */
  readonly code:
    | 'NOT_OPEN'
    | 'REPLICA_FAILED'
    | 'DISK_FULL'
    | 'SPACE_LOW'
    | 'NO_LEADER'
    | 'DRAINING'
  /** The group that it is about, where it is about one. */
  readonly group?: GroupId | undefined
  /** In words. */
  readonly message: string
}

/** How a host is. */
export interface HostHealth {
  /**
   * `ok`: everything works. `degraded`: something does not, and may again without a restart.
   * `failed`: a replica has stopped for good, or the host is not open.
   */
  readonly status: 'ok' | 'degraded' | 'failed'
  /** Why it is not `ok`; at most 100. */
  readonly reasons: readonly HealthReason[]
}

/** One process's share of a cluster. */
export interface Host extends Closeable, EventSource<HostEvents> {
  /** Its name. */
  readonly id: NodeId
  /** Its cluster. */
  readonly cluster: ClusterId
  /** Its limits. */
  readonly limits: Limits
  /** Its clock. */
  readonly clock: Clock
  /** A source of randomness for what is built on it. */
  readonly random: Random
  /** Its logger. */
  readonly logger: Logger
  /** Its metrics. */
  readonly metrics: Metrics
  /**
   * Starts a replica of a group on this host and recovers it from storage; it takes part as soon as
   * the promise resolves, applied as far as it was known to be committed.
   *
   * @throws QuorateError `CONFLICT` where the host already has one of that group, `INVALID_OPTIONS`,
   * also for `members` on a host that rejoins, `STORAGE_ALGORITHM_MISMATCH`, `STORAGE_CORRUPT`,
   * `INVALID_MEMBERSHIP`, `CLOSED`
   */
  createReplica(options: ReplicaOptions): Promise<Replica>
  /** The replica of a group, where it has one. */
  replica(group: GroupId): Replica | undefined
  /** All its replicas, in order of group. */
  replicas(): readonly Replica[]
  /**
   * Closes a group's replica and forgets its data for good.
   *
   * @throws QuorateError `STORAGE_FAILED`, `CLOSED`
   */
  dropReplica(group: GroupId): Promise<void>
  /** Whether its storage holds anything of a group, served or not. */
  stores(group: GroupId): boolean
  /** How it is, for a readiness probe; looks at every replica. */
  health(): HostHealth
  /**
   * Prepares to leave: refuses new proposals where it leads (`PROPOSAL_DROPPED`), lets those that are
   * pending end, and hands leadership to members that can take it. Resolves after at most
   * `drainTimeoutMs`, or once `signal` is aborted; never rejects. The host goes on as a follower and
   * cannot be taken back into service; `close` drains by itself.
   */
  drain(options?: AbortOptions): Promise<void>
  /** Whether a connection to a peer stands; `true` for the host itself. */
  reachable(peer: NodeId): boolean
  /** Adds a peer, changes its address, or removes it; see {@link Transport.setPeer}. */
  setPeer(peer: NodeId, address: string | undefined): void
  /**
   * Answers calls to a service on this host until the returned function is called. One handler a
   * service; the name has the alphabet of ids.
   */
  serve(service: string, handler: CallHandler): Unsubscribe
  /**
   * Calls a service on another host, or on this one.
   *
   * @throws QuorateError whatever the handler threw; `UNAVAILABLE` where the call was certainly not
   * handed over; `OUTCOME_UNKNOWN` after a timeout, an abort or a lost connection, and where the handler
   * threw an error without a code: it may have run
   */
  call(to: NodeId, service: string, request: Uint8Array, options?: CallOptions): Promise<Uint8Array>
}
