// One member of one group: drives the algorithm's core against storage, network and state machine,
// and keeps the ordering law that the core's effects come with.
import type {
  CallId,
  CallOptions,
  Clock,
  ConsensusCore,
  Effects,
  Emitter,
  Envelope,
  GroupId,
  HostStorage,
  Input,
  Lifecycle,
  Limits,
  LogIndex,
  Logger,
  LogStorage,
  Membership,
  NodeId,
  QuorateError,
  Random,
  ReadMode,
  Rejection,
  Replica,
  ReplicaEvents,
  Role,
  SnapshotMeta,
  Tracer,
} from '@quorate/core'
import {
  createEmitter,
  isQuorateError,
  membershipOf,
  membersOf,
  QuorateError as Failure,
} from '@quorate/core'
import type { ApplyLane } from './apply-lane.ts'
import { createApplyLane } from './apply-lane.ts'
import { createBarriers } from './barriers.ts'
import type { Calls } from './calls.ts'
import type { ReplicaOptions } from './host.ts'
import { createProposals } from './proposals.ts'
import { createSnapshotFetcher } from './snapshot-exchange.ts'
import { createSnapshotTaker } from './snapshot-taker.ts'
import { createStorageLane } from './storage-lane.ts'
import type { Ticker } from './ticker.ts'
import { createPendingCalls } from './waiting.ts'

/** What a host lends to its replicas. */
export interface ReplicaContext {
  /** The host. */
  readonly id: NodeId
  /** Time. */
  readonly clock: Clock
  /** Randomness for this replica alone. */
  readonly random: Random
  /** Limits. */
  readonly limits: Limits
  /** Where log lines go. */
  readonly logger: Logger
  /** Where the protocol's events go. */
  readonly tracer: Tracer
  /** Wakes the replica. */
  readonly ticker: Ticker
  /** Calls to other hosts. */
  readonly calls: Pick<Calls, 'call'>
  /** The host's storage, for its free space. */
  readonly storage: Pick<HostStorage, 'spaceLow'>
  /** Sends a message of the group's core. */
  send(to: NodeId, message: unknown): void
  /** The replica has stopped for good. */
  onFailed(error: QuorateError): void
}

/** A replica as its host sees it. */
export interface HostedReplica extends Replica {
  /** Its log, from which other hosts may fetch snapshots. */
  readonly log: LogStorage
  /** A message came from a member's host. */
  receive(from: NodeId, message: unknown): void
  /** A connection to a host was made or lost. */
  peer(peer: NodeId, state: 'reachable' | 'unreachable'): void
}

/** Recovers a replica from its log and starts it. */
export async function openReplica(
  context: ReplicaContext,
  options: ReplicaOptions,
  log: LogStorage,
): Promise<HostedReplica> {
  const { stateMachine, consensus, members } = options
  const recovered = await log.load({ tailBytesMax: context.limits.logWindowBytesMax })
  let appliedIndex = stateMachine.appliedIndex ?? 0
  const { snapshot } = recovered
  if (snapshot !== undefined && appliedIndex < snapshot.index) {
    await stateMachine.restore(log.readSnapshot(snapshot.id))
    appliedIndex = snapshot.index
  }
  const core = consensus.create({
    id: context.id,
    group: options.group,
    recovered,
    bootstrap: members === undefined ? undefined : membershipOf(members),
    appliedIndex,
    now: context.clock.now(),
    random: context.random.fork('core'),
    limits: context.limits,
    tracer: context.tracer,
  })
  const replica = new RunningReplica(
    context,
    options,
    log,
    core,
    appliedIndex,
    snapshot?.index ?? 0,
  )
  replica.start()
  return replica
}

interface Gate {
  readonly seq: number
  readonly envelopes: readonly Envelope[]
}

class RunningReplica implements HostedReplica {
  readonly id: NodeId
  readonly group: GroupId
  readonly log: LogStorage
  readonly #context: ReplicaContext
  readonly #core: ConsensusCore
  readonly #stateMachine: ReplicaOptions['stateMachine']
  readonly #events: Emitter<ReplicaEvents>
  readonly #apply: ApplyLane
  readonly #storage
  readonly #proposals
  readonly #barriers
  readonly #calls
  readonly #fetcher
  readonly #taker
  #status: Lifecycle = 'open'
  #failure: QuorateError | undefined
  #closing: Promise<void> | undefined
  #inputs: Input[] = []
  #driving = false
  #flushing = false
  #gates: Gate[] = []
  #full = false
  #lastCallId = 0
  #snapshotLock: Promise<unknown> = Promise.resolve()
  #known: { role: Role; leader: NodeId | undefined; epoch: number; membership: Membership }

  constructor(
    context: ReplicaContext,
    options: ReplicaOptions,
    log: LogStorage,
    core: ConsensusCore,
    appliedIndex: LogIndex,
    snapshotIndex: LogIndex,
  ) {
    const { clock, limits, logger, random } = context
    this.id = context.id
    this.group = options.group
    this.log = log
    this.#context = context
    this.#core = core
    this.#stateMachine = options.stateMachine
    this.#events = createEmitter<ReplicaEvents>(logger)
    this.#known = core.status()
    const nextId = (): CallId => ++this.#lastCallId
    const flushSoon = (): void => this.#flushSoon()
    this.#proposals = createProposals(clock, random.fork('proposals'), limits, flushSoon)
    this.#barriers = createBarriers(
      clock,
      limits.pendingCallsMax,
      () => this.#apply.appliedIndex,
      flushSoon,
    )
    this.#calls = createPendingCalls(clock, nextId)
    this.#apply = createApplyLane(options.stateMachine, this.#proposals.origin, appliedIndex, {
      onResult: (sequence, result) => this.#proposals.applied(sequence, result),
      onApplied: (index, entries, bytes) => this.#onApplied(index, entries, bytes),
      onInstalled: (snapshot) => this.#onInstalled(snapshot),
      onFailed: (error) => this.#fail(error),
    })
    this.#storage = createStorageLane(log, clock, {
      onDurable: (seq) => this.#onDurable(seq),
      onFull: (full) => this.#onFull(full),
      onFailed: (error) => this.#fail(error),
    })
    const exclusive = <T>(job: () => Promise<T>): Promise<T> => this.#exclusive(job)
    this.#fetcher = createSnapshotFetcher({
      group: options.group,
      log,
      calls: context.calls,
      clock,
      random: random.fork('fetch'),
      limits,
      logger,
      exclusive,
      onFetched: (snapshot) => this.#drive({ type: 'snapshotFetched', snapshot }),
      onFailed: (snapshot) => this.#drive({ type: 'snapshotFetchFailed', snapshot }),
    })
    this.#taker = createSnapshotTaker(
      {
        log,
        stateMachine: options.stateMachine,
        policy: options.snapshots ?? {},
        exclusive,
        between: (job) => this.#between(job),
        position: () => core.appliedPosition(),
        onTaken: (snapshot, compactTo) => {
          this.#drive({ type: 'snapshotTaken', snapshot, compactTo })
          this.#events.emit('snapshot', { index: snapshot.index, cause: 'taken' })
        },
        onFailed: (error) => {
          if (this.#status === 'open')
            logger.warn({ group: this.group, error }, 'a snapshot could not be taken')
        },
      },
      snapshotIndex,
    )
  }

  start(): void {
    this.#drive({ type: 'tick' })
  }

  get status(): Lifecycle {
    return this.#status
  }

  get wakeAt(): number {
    return this.#status === 'open' ? this.#core.wakeAt : Number.POSITIVE_INFINITY
  }

  wake(): void {
    this.#drive({ type: 'tick' })
  }

  on: Replica['on'] = (name, listener) => this.#events.on(name, listener)

  consensus(): ReturnType<Replica['consensus']> {
    return this.#core.status()
  }

  receive(from: NodeId, message: unknown): void {
    this.#drive({ type: 'receive', from, message })
  }

  peer(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    if (!membersOf(this.#known.membership).includes(peer)) return
    this.#drive({ type: state === 'reachable' ? 'peerReachable' : 'peerUnreachable', peer })
  }

  async propose(command: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    this.#checkOpen()
    if (this.#full || this.#context.storage.spaceLow) {
      throw new Failure(
        'NO_SPACE',
        'the disk of this host is full or nearly so; free space, then try again',
      )
    }
    return this.#proposals.add(command, options)
  }

  async readBarrier(mode: ReadMode, options: CallOptions = {}): Promise<LogIndex> {
    this.#checkOpen()
    return mode === 'local' ? this.#apply.appliedIndex : this.#barriers.add(mode, options)
  }

  async query(
    query: Uint8Array,
    options: CallOptions & { readonly mode?: ReadMode | undefined } = {},
  ): Promise<Uint8Array> {
    await this.readBarrier(options.mode ?? 'quorum', options)
    return this.#stateMachine.query(query)
  }

  async changeMembership(
    target: Parameters<Replica['changeMembership']>[0],
    options: CallOptions & { readonly expectedVersion?: number | undefined } = {},
  ): Promise<Membership> {
    this.#checkOpen()
    membershipOf(target)
    const { expectedVersion } = options
    await this.#calls.add(
      'the change of membership',
      (id) => this.#drive({ type: 'changeMembership', id, target, expectedVersion }),
      options,
      'OUTCOME_UNKNOWN',
    )
    return this.#core.status().membership
  }

  async transferLeadership(to?: NodeId, options: CallOptions = {}): Promise<void> {
    this.#checkOpen()
    const begin = (id: CallId): void => this.#drive({ type: 'transferLeadership', id, to })
    await this.#calls.add('the transfer of leadership', begin, options, 'TIMEOUT')
  }

  async takeSnapshot(): Promise<LogIndex> {
    this.#checkOpen()
    return this.#taker.take()
  }

  close(): Promise<void> {
    this.#closing ??= this.#release()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #release(): Promise<void> {
    const failed = this.#failure !== undefined
    this.#status = 'closing'
    this.#context.ticker.remove(this)
    this.#storage.close()
    this.#gates = []
    if (!failed) this.#rejectEverything(new Failure('CLOSED', 'the replica was closed'))
    await Promise.all([this.#apply.close(), this.#fetcher.close(), this.#taker.close()])
    await this.log.close()
    this.#events.clear()
    this.#status = 'closed'
  }

  #checkOpen(): void {
    if (this.#status !== 'open') {
      throw this.#failure ?? new Failure('CLOSED', `the replica of group "${this.group}" is closed`)
    }
  }

  /** Feeds one input to the core, and whatever inputs its effects cause at once. */
  #drive(input: Input): void {
    if (this.#status !== 'open') return
    this.#inputs.push(input)
    if (this.#driving) return
    this.#driving = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#perform(this.#core.step(next, this.#context.clock.now()))
      }
    } catch (cause) {
      // The core's state is impossible: a bug. This replica must not go on, the host may.
      this.#fail(new Failure('STATE_MACHINE_FAILED', 'the consensus core failed', { cause }))
    } finally {
      this.#driving = false
      this.#inputs.length = 0
    }
    if (this.#status === 'open') this.#context.ticker.reschedule(this)
  }

  #perform(effects: Effects): void {
    if (this.#status !== 'open') return
    if (effects.persist !== undefined) this.#storage.write(effects.persist)
    for (const { to, message } of effects.send) this.#context.send(to, message)
    if (effects.sendAfterPersist.length > 0) this.#gate(effects.sendAfterPersist)
    if (effects.install !== undefined) this.#install(effects.install)
    this.#apply.apply(effects.apply)
    for (const { id, index } of effects.reads) this.#barriers.ready(id, index)
    for (const { id } of effects.completed) this.#calls.complete(id)
    for (const rejection of effects.rejected) this.#reject(rejection)
    if (effects.fetchSnapshot !== undefined) this.#fetcher.want(effects.fetchSnapshot)
    for (const request of effects.readEntries) this.#readEntries(request)
    if (effects.statusChanged) this.#onStatusChanged()
  }

  /** Holds messages until everything handed to storage so far is durable. */
  #gate(envelopes: readonly Envelope[]): void {
    const seq = this.#storage.lastSeq
    if (this.#storage.durableSeq >= seq) {
      for (const { to, message } of envelopes) this.#context.send(to, message)
    } else this.#gates.push({ seq, envelopes })
  }

  #onDurable(seq: number): void {
    let opened = 0
    for (const gate of this.#gates) {
      if (gate.seq > seq) break
      for (const { to, message } of gate.envelopes) this.#context.send(to, message)
      opened++
    }
    if (opened > 0) this.#gates.splice(0, opened)
    this.#apply.durable(seq)
    this.#drive({ type: 'persisted', seq })
  }

  #onFull(full: boolean): void {
    this.#full = full
    const { logger } = this.#context
    if (!full) return logger.info({ group: this.group }, 'the disk has room again')
    logger.error(
      { group: this.group },
      'the disk is full: proposals are refused until there is room',
    )
    // Somebody else may have room. Whether the transfer succeeds makes no difference here.
    if (this.#known.role === 'leader') {
      this.#drive({ type: 'transferLeadership', id: ++this.#lastCallId, to: undefined })
    }
  }

  #install(snapshot: SnapshotMeta): void {
    this.#apply.install(snapshot, this.#storage.lastSeq, () => this.log.readSnapshot(snapshot.id))
  }

  #onInstalled(snapshot: SnapshotMeta): void {
    this.#drive({ type: 'applied', index: snapshot.index })
    this.#barriers.applied(snapshot.index)
    this.#events.emit('snapshot', { index: snapshot.index, cause: 'installed' })
  }

  #onApplied(index: LogIndex, entries: number, bytes: number): void {
    this.#drive({ type: 'applied', index })
    this.#barriers.applied(index)
    this.#taker.applied(entries, bytes)
  }

  #readEntries({ id, first, last, bytesMax }: Effects['readEntries'][number]): void {
    this.log.read({ first, last, bytesMax }).then(
      (entries) => this.#drive({ type: 'entriesRead', id, entries }),
      (error: unknown) => {
        if (isQuorateError(error, 'COMPACTED') || isQuorateError(error, 'STORAGE_CORRUPT')) {
          return this.#drive({ type: 'entriesRead', id, entries: undefined })
        }
        if (this.#status !== 'open') return
        this.#fail(
          isQuorateError(error)
            ? error
            : new Failure('STORAGE_FAILED', 'the log could not be read', { cause: error }),
        )
      },
    )
  }

  #reject({ id, code, reason, leader }: Rejection): void {
    const error = new Failure(code, reason, { details: leader === undefined ? {} : { leader } })
    if (this.#proposals.rejectBatch(id, error) || this.#barriers.rejectRound(id, error)) return
    this.#calls.reject(id, error)
  }

  /** Hands proposals and reads of this turn to the core, once for all of them. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.defer(() => {
      this.#flushing = false
      const nextId = (): CallId => ++this.#lastCallId
      for (
        let batch = this.#proposals.take(nextId);
        batch !== undefined;
        batch = this.#proposals.take(nextId)
      ) {
        this.#drive({ type: 'propose', ...batch })
      }
      for (const { id, mode } of this.#barriers.take(nextId))
        this.#drive({ type: 'read', id, mode })
    })
  }

  #onStatusChanged(): void {
    const before = this.#known
    const now = this.#core.status()
    this.#known = now
    const { role, leader, epoch, membership } = now
    if (before.role === 'leader' && role !== 'leader') {
      const details = leader === undefined ? {} : { leader }
      this.#proposals.rejectAll(
        new Failure('OUTCOME_UNKNOWN', 'leadership was lost before the proposal was committed', {
          details,
        }),
        new Failure('NOT_LEADER', 'this replica no longer leads', { details }),
      )
    }
    if (before.role !== role || before.leader !== leader || before.epoch !== epoch) {
      this.#context.logger.debug({ group: this.group, role, leader, epoch }, 'leadership changed')
      this.#events.emit('leadership', { role, leader, epoch })
    }
    if (before.membership.version !== membership.version)
      this.#events.emit('membership', membership)
  }

  /** Runs a job when the state machine and the core agree on what has been applied. */
  #between(job: () => void): void {
    this.#apply.run(() => {
      if (!this.#driving) return job()
      // The core has not been told yet what was applied just now: try again after this turn.
      this.#context.clock.defer(() => this.#between(job))
    })
    if (this.#status !== 'open') job()
  }

  #exclusive<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#snapshotLock.then(job, job)
    this.#snapshotLock = result.catch(() => undefined)
    return result
  }

  #fail(error: QuorateError): void {
    if (this.#status !== 'open') return
    this.#failure = error
    this.#context.logger.error(
      { group: this.group, code: error.code, error },
      'a replica has stopped',
    )
    this.#status = 'closing'
    this.#context.ticker.remove(this)
    this.#storage.close()
    this.#gates = []
    this.#rejectEverything(error)
    this.#events.emit('failed', error)
    this.#context.onFailed(error)
  }

  #rejectEverything(cause: QuorateError): void {
    this.#proposals.rejectAll(
      new Failure('OUTCOME_UNKNOWN', `the replica stopped: ${cause.message}`, { cause }),
      cause,
    )
    this.#barriers.rejectAll(cause)
    this.#calls.rejectAll(
      new Failure('OUTCOME_UNKNOWN', `the replica stopped: ${cause.message}`, { cause }),
    )
  }
}
