// What a host and its replicas are to each other: what it lends to all of them alike, and what it
// asks of each beyond the contract that stores know.
import type {
  LogIndex,
  ConsensusCore,
  AbortOptions,
  Clock,
  ConsensusFactory,
  GroupId,
  HostStorage,
  Limits,
  Logger,
  LogStorage,
  NodeId,
  QuorateError,
  Random,
  Replica,
  Tracer,
} from '@quorate/core'
import type { Calls } from './calls.ts'
import type { Readiness } from './handover.ts'
import type { Meters } from './metrics.ts'
import type { Ticker } from './ticker.ts'

/** What a host lends to its replicas; one object for all of them. */
export interface ReplicaContext {
  /** The host. */
  readonly id: NodeId
  /** Time. */
  readonly clock: Clock
  /**
   * Randomness for a replica that is being opened, different at each opening: also where the group
   * was here before, and where the host starts again from the same seed. Otherwise a proposal could
   * be taken for one of an earlier incarnation.
   */
  incarnation(group: GroupId): Random
  /** Limits. */
  readonly limits: Limits
  /** Where log lines go. */
  readonly logger: Logger
  /** Where the protocol's events go. */
  readonly tracer: Tracer
  /** Where measurements go. */
  readonly meters: Meters
  /** Wakes replicas. */
  readonly ticker: Ticker
  /** Calls to other hosts. */
  readonly calls: Pick<Calls, 'call'>
  /** The host's storage, for its free space. */
  readonly storage: Pick<HostStorage, 'spaceLow'>
  /** How long a replica may take to hand over leadership and end what is pending, in milliseconds. */
  readonly drainTimeoutMs: number
  /** How long disk and state machine may take to come to rest after that, in milliseconds. */
  readonly closeTimeoutMs: number
  /** Whether a connection to a host stands. */
  reachable(peer: NodeId): boolean
  /** Sends a message of a group's core. */
  send(from: HostedReplica, to: NodeId, message: unknown): void
  /** A replica has stopped for good. */
  onFailed(group: GroupId, error: QuorateError): void
  /** A replica has been closed. */
  onClosed(replica: HostedReplica): void
}

/** What a replica starts from. */
export interface ReplicaStart {
  /** Its log. */
  readonly log: LogStorage
  /** Its core. */
  readonly core: ConsensusCore
  /** Its randomness, different at each start. */
  readonly random: Random
  /** What the state machine contains. */
  readonly appliedIndex: LogIndex
  /** Where its newest snapshot stands. */
  readonly newest: LogIndex
}

/** A replica as its host sees it. */
export interface HostedReplica extends Replica {
  /** The algorithm. */
  readonly consensusFactory: ConsensusFactory
  /** The algorithm's tag in frames. */
  readonly tag: number
  /** Its log, from which other hosts may fetch snapshots. */
  readonly log: LogStorage
  /** Why it has stopped for good, where it has. */
  readonly failure: QuorateError | undefined
  /** Whether its disk refuses writes for lack of room. */
  readonly full: boolean
  /** A message came from a member's host. */
  receive(from: NodeId, message: unknown): void
  /** A connection to a host was made or lost. */
  peer(peer: NodeId, state: 'reachable' | 'unreachable'): void
  /** Whether it could lead the group from now on, for one that is about to leave. */
  canLead(): Readiness
  /**
   * Refuses proposals from now on, ends what is pending and hands leadership over, in bounded time.
   * Never rejects.
   */
  drain(options?: AbortOptions): Promise<void>
  /** Ends everything without draining; resolves once disk and state machine are at rest. */
  release(): Promise<void>
}
