// One member of one group: drives the algorithm's core against storage, network and state machine,
// and keeps the ordering law that the core's effects come with.
import type {
  AbortOptions,
  CallId,
  CallOptions,
  ConsensusCore,
  ConsensusFactory,
  Effects,
  Emitter,
  Envelope,
  GroupId,
  Input,
  Lifecycle,
  LogIndex,
  LogStorage,
  Membership,
  NodeId,
  ProposeOptions,
  QuorateError,
  Random,
  ReadMode,
  Rejection,
  Replica,
  ReplicaEvents,
  Role,
  SnapshotMeta,
  SnapshotPosition,
  StateMachine,
} from '@quorate/core'
import { createEmitter, membershipOf, membersOf, QuorateError as Failure } from '@quorate/core'
import type { ApplyLaneHandlers } from './apply-lane.ts'
import { ApplyLane } from './apply-lane.ts'
import { Barriers } from './barriers.ts'
import { Exclusive } from './exclusive.ts'
import { proposeAnywhere } from './forwarding.ts'
import { algorithmTag } from './frame.ts'
import { Gates } from './gates.ts'
import type { Readiness } from './handover.ts'
import type { ReplicaOptions, SnapshotPolicy } from './host.ts'
import type { HostedReplica, ReplicaContext, ReplicaStart } from './hosted-replica.ts'
import type { LeavingOwner } from './leaving.ts'
import { Leaving } from './leaving.ts'
import { Proposals } from './proposals.ts'
import { readBack } from './read-back.ts'
import type { SnapshotFetcher } from './snapshot-exchange.ts'
import { createSnapshotFetcher } from './snapshot-exchange.ts'
import type { SnapshotTakerContext } from './snapshot-taker.ts'
import { SnapshotTaker } from './snapshot-taker.ts'
import type { StorageLaneHandlers } from './storage-lane.ts'
import { StorageLane } from './storage-lane.ts'
import type { Sleeper } from './ticker.ts'
import { PendingCalls, within } from './waiting.ts'

const DEFAULT_POLICY: SnapshotPolicy = {}

// A host may have thousands of these, most of them idle: what only a busy one needs is made when it
// is needed first, and lanes call this object instead of functions made for them.
export class RunningReplica
  implements
    HostedReplica,
    Sleeper,
    ApplyLaneHandlers,
    StorageLaneHandlers,
    SnapshotTakerContext,
    LeavingOwner
{
  readonly group: GroupId
  readonly log: LogStorage
  readonly stateMachine: StateMachine
  readonly consensusFactory: ConsensusFactory
  readonly tag: number
  failure: QuorateError | undefined
  full = false
  readonly #context: ReplicaContext
  readonly #core: ConsensusCore
  readonly #random: Random
  readonly #apply: ApplyLane
  readonly #storage: StorageLane
  readonly #taker: SnapshotTaker
  #events: Emitter<ReplicaEvents> | undefined
  #proposals: Proposals | undefined
  #barriers: Barriers | undefined
  #calls: PendingCalls | undefined
  #fetcher: SnapshotFetcher | undefined
  #status: Lifecycle = 'open'
  /** Whether inputs still reach the core: also while it is closing and hands over leadership. */
  #running = true
  #leaving: Leaving | undefined
  #closing: Promise<void> | undefined
  #releasing: Promise<void> | undefined
  #inputs: Input[] = []
  #driving = false
  #flushing = false
  readonly #gates: Gates = new Gates()
  #lastCallId = 0
  readonly #snapshots: Exclusive = new Exclusive()
  /** Where the snapshot stands that was installed last. */
  #installedIndex: LogIndex = 0
  #role: Role
  #leader: NodeId | undefined
  #epoch: number
  #membership: Membership

  constructor(context: ReplicaContext, options: ReplicaOptions, start: ReplicaStart) {
    const { log, core, random, appliedIndex, newest } = start
    this.group = options.group
    this.log = log
    this.stateMachine = options.stateMachine
    this.consensusFactory = options.consensus
    this.tag = algorithmTag(options.consensus)
    this.#context = context
    this.#core = core
    this.#random = random
    const { role, leader, epoch, membership } = core.status()
    this.#role = role
    this.#leader = leader
    this.#epoch = epoch
    this.#membership = membership
    this.#apply = new ApplyLane(context, options.stateMachine, appliedIndex, this)
    this.#storage = new StorageLane(log, context.clock, this)
    const policy = options.snapshots ?? DEFAULT_POLICY
    this.#taker = new SnapshotTaker(context, this, policy, newest)
    context.meters.replicas.add(1)
    if (role === 'leader') context.meters.leading.add(1)
  }

  start(): void {
    this.#drive({ type: 'tick' })
  }

  get id(): NodeId {
    return this.#context.id
  }

  get status(): Lifecycle {
    return this.#status
  }

  get wakeAt(): number {
    return this.#running ? this.#core.wakeAt : Number.POSITIVE_INFINITY
  }

  wake(): void {
    this.#drive({ type: 'tick' })
  }

  on<Name extends keyof ReplicaEvents>(
    name: Name,
    listener: (event: ReplicaEvents[Name]) => void,
  ): () => void {
    this.#events ??= createEmitter<ReplicaEvents>(this.#context.logger)
    return this.#events.on(name, listener)
  }

  consensus(): ReturnType<Replica['consensus']> {
    return this.#core.status()
  }

  receive(from: NodeId, message: unknown): void {
    this.#drive({ type: 'receive', from, message })
  }

  peer(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    if (!membersOf(this.#membership).includes(peer)) return
    this.#drive({ type: state === 'reachable' ? 'peerReachable' : 'peerUnreachable', peer })
  }

  async propose(command: Uint8Array, options: ProposeOptions = {}): Promise<Uint8Array> {
    this.#checkOpen()
    if (options.forward !== true) return this.#propose(command, options)
    const { id, group } = this
    const { clock, calls, reachable } = this.#context
    return proposeAnywhere(
      {
        id,
        group,
        clock,
        reachable,
        leader: () => this.#leader,
        isMember: (host) => membersOf(this.#membership).includes(host),
        here: (payload, how) => this.#propose(payload, how),
        ask: (to, service, request, how) => calls.call(to, service, request, how),
        doubt: (peer) => this.#doubt(peer),
      },
      command,
      options,
    )
  }

  async #propose(command: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    this.#checkOpen()
    if (this.cramped) {
      this.#checkRoom()
      this.#context.meters.proposals.add('no_space')
      throw new Failure(
        'NO_SPACE',
        `the disk of host ${this.id} is full or nearly so; free space, then try again`,
      )
    }
    if (this.#leaving?.draining && this.#role === 'leader') {
      this.#context.meters.proposals.add('proposal_dropped')
      throw new Failure('PROPOSAL_DROPPED', 'this host is about to leave and hands over leadership')
    }
    if (this.#proposals === undefined) {
      this.#proposals = new Proposals(this.#context, this.#random.fork('proposals'), () =>
        this.#flushSoon(),
      )
      this.#apply.origin = this.#proposals.origin
    }
    return this.#proposals.add(command, options)
  }

  async readBarrier(mode: ReadMode, options: CallOptions = {}): Promise<LogIndex> {
    this.#checkOpen()
    if (mode === 'local') return this.#apply.appliedIndex
    this.#barriers ??= new Barriers(
      this.#context,
      () => this.#apply.appliedIndex,
      () => this.#flushSoon(),
    )
    return this.#barriers.add(mode, options)
  }

  async query(
    query: Uint8Array,
    options: CallOptions & { readonly mode?: ReadMode | undefined } = {},
  ): Promise<Uint8Array> {
    await this.readBarrier(options.mode ?? 'quorum', options)
    return this.stateMachine.query(query)
  }

  async changeMembership(
    target: Parameters<Replica['changeMembership']>[0],
    options: CallOptions & { readonly expectedVersion?: number | undefined } = {},
  ): Promise<Membership> {
    this.#checkOpen()
    membershipOf(target)
    const { expectedVersion } = options
    await this.#callsTable().add(
      'the change of membership',
      (id) => this.#drive({ type: 'changeMembership', id, target, expectedVersion }),
      options,
      'OUTCOME_UNKNOWN',
    )
    return this.#core.status().membership
  }

  async transferLeadership(to?: NodeId, options: CallOptions = {}): Promise<void> {
    this.#checkOpen()
    await this.transfer(to, options)
  }

  async takeSnapshot(options: AbortOptions = {}): Promise<LogIndex> {
    this.#checkOpen()
    const index = await this.#taker.take(options)
    // A snapshot counts from when the log names it: until then a crash takes it back.
    await this.#storage.durable(options)
    return index
  }

  async refill(options: CallOptions = {}): Promise<LogIndex> {
    this.#checkOpen()
    const begin = (id: CallId): void => this.#drive({ type: 'requestSnapshot', id })
    await this.#callsTable().add('the refill', begin, options, 'TIMEOUT')
    return this.#installedIndex
  }

  get leads(): boolean {
    return this.#running && this.#role === 'leader'
  }

  get cramped(): boolean {
    return this.full || this.#context.storage.spaceLow
  }

  canLead(): Readiness {
    if (this.#status !== 'open' || this.#leaving?.draining || this.full) return 'no'
    if (!this.#membership.voters.includes(this.id)) return 'no'
    return this.cramped ? 'cramped' : 'yes'
  }

  pending(): Promise<void> | undefined {
    if (!this.#running || this.#proposals === undefined || this.#proposals.size === 0) return
    return this.#proposals.empty()
  }

  drain(options: AbortOptions = {}): Promise<void> {
    return this.#leavingOf().drain(options)
  }

  close(options: AbortOptions = {}): Promise<void> {
    this.#closing ??= this.#closeOrderly(options)
    return this.#closing
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release()
    return this.#releasing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #closeOrderly(options: AbortOptions): Promise<void> {
    if (this.#status === 'open') this.#status = 'closing'
    await this.drain(options)
    const { clock, closeTimeoutMs, logger } = this.#context
    const onLate = (error: unknown): void =>
      logger.warn({ group: this.group, error }, 'a replica failed to close, too late to be told')
    const how = await within(clock, this.release(), closeTimeoutMs, options, onLate)
    if (how !== 'late') return
    throw new Failure(
      'TIMEOUT',
      `disk or state machine of group "${this.group}" did not come to rest in ${closeTimeoutMs} ms`,
    )
  }

  async #release(): Promise<void> {
    this.#status = 'closing'
    if (this.failure === undefined) this.#stop(new Failure('CLOSED', 'the replica was closed'))
    try {
      await Promise.all([this.#apply.close(), this.#fetcher?.close(), this.#taker.close()])
      await this.log.close()
    } finally {
      this.#events?.clear()
      this.#status = 'closed'
      this.#context.onClosed(this)
    }
  }

  #leavingOf(): Leaving {
    this.#leaving ??= new Leaving(this.#context, this)
    return this.#leaving
  }

  /** Somebody else leads where this disk has no room. */
  #checkRoom(): void {
    if (this.leads && this.cramped) this.#leavingOf().checkRoom()
  }

  /** See {@link Replica.transferLeadership}; also while the replica is closing. */
  transfer(to: NodeId | undefined, options: CallOptions): Promise<void> {
    const begin = (id: CallId): void => this.#drive({ type: 'transferLeadership', id, to })
    return this.#callsTable().add('the transfer of leadership', begin, options, 'TIMEOUT')
  }

  #callsTable(): PendingCalls {
    this.#calls ??= new PendingCalls(this.#context.clock, () => ++this.#lastCallId)
    return this.#calls
  }

  #checkOpen(): void {
    if (this.#status !== 'open') {
      throw this.failure ?? new Failure('CLOSED', `the replica of group "${this.group}" is closed`)
    }
  }

  /** Feeds one input to the core, and whatever inputs its effects cause at once. */
  #drive(input: Input): void {
    if (!this.#running) return
    this.#inputs.push(input)
    if (this.#driving) return
    this.#driving = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#perform(this.#core.step(next, this.#context.clock.now()))
      }
    } catch (cause) {
      // The core's state is impossible: a bug. This replica must not go on, the host may.
      this.onFailed(new Failure('STATE_MACHINE_FAILED', 'the consensus core failed', { cause }))
    } finally {
      this.#driving = false
      this.#inputs.length = 0
    }
    if (this.#running) this.#context.ticker.reschedule(this)
  }

  #perform(effects: Effects): void {
    if (!this.#running) return
    if (effects.persist !== undefined) this.#storage.write(effects.persist)
    this.#send(effects.send)
    if (effects.sendAfterPersist.length > 0) this.#gate(effects.sendAfterPersist)
    if (effects.install !== undefined) this.#install(effects.install)
    this.#apply.apply(effects.apply)
    for (const { id, index } of effects.reads) this.#barriers?.ready(id, index)
    for (const { id } of effects.completed) this.#calls?.complete(id)
    for (const rejection of effects.rejected) this.#reject(rejection)
    if (effects.fetchSnapshot !== undefined) this.#fetcherOf().want(effects.fetchSnapshot)
    if (effects.takeSnapshot) this.#taker.take().catch((error) => this.onSnapshotFailed(error))
    for (const request of effects.readEntries) this.#readEntries(request)
    if (effects.statusChanged) this.#onStatusChanged()
  }

  #send(envelopes: readonly Envelope[]): void {
    for (const { to, message } of envelopes) this.#context.send(this, to, message)
  }

  /** Holds messages until everything handed to storage so far is durable. */
  #gate(envelopes: readonly Envelope[]): void {
    const seq = this.#storage.lastSeq
    if (this.#storage.durableSeq >= seq) this.#send(envelopes)
    else this.#gates.hold(seq, envelopes)
  }

  /** The storage lane: every batch up to `seq` is durable. */
  onDurable(seq: number): void {
    this.#gates.open(seq, (envelopes) => this.#send(envelopes))
    this.#apply.durable(seq)
    this.#drive({ type: 'persisted', seq })
  }

  /** The storage lane: the disk is full, or has room again. */
  onFull(full: boolean): void {
    this.full = full
    const { logger } = this.#context
    if (!full) return logger.info({ group: this.group }, 'the disk has room again')
    logger.error(
      { group: this.group },
      'the disk is full: proposals are refused until there is room',
    )
    this.#checkRoom()
  }

  /** The apply lane: one of this replica's own commands has been applied. */
  onResult(sequence: number, result: Uint8Array): void {
    this.#proposals?.applied(sequence, result)
  }

  /** The apply lane: everything up to an index has been applied. */
  onApplied(index: LogIndex, entries: number, bytes: number): void {
    this.#drive({ type: 'applied', index })
    this.#barriers?.applied(index)
    this.#taker.applied(entries, bytes)
  }

  /** The apply lane: the state machine was restored. */
  onInstalled(snapshot: SnapshotMeta): void {
    this.#installedIndex = snapshot.index
    this.#drive({ type: 'applied', index: snapshot.index })
    this.#barriers?.applied(snapshot.index)
    this.#events?.emit('snapshot', { index: snapshot.index, cause: 'installed' })
  }

  #install(snapshot: SnapshotMeta): void {
    this.#apply.install(snapshot, this.#storage.lastSeq, () => this.log.readSnapshot(snapshot.id))
  }

  #readEntries({ id, ...range }: Effects['readEntries'][number]): void {
    readBack(this.log, range).then(
      (entries) => this.#drive({ type: 'entriesRead', id, entries }),
      (error: QuorateError) => this.onFailed(error),
    )
  }

  #reject({ id, code, reason, leader }: Rejection): void {
    const error = new Failure(code, reason, { details: leader === undefined ? {} : { leader } })
    if (this.#proposals?.rejectBatch(id, error) || this.#barriers?.rejectRound(id, error)) return
    this.#calls?.reject(id, error)
    if (code === 'NOT_LEADER') this.#doubt(leader)
  }

  /** Something was asked of this replica in its leader's place: of one that sleeps nobody misses it. */
  #doubt(peer: NodeId | undefined): void {
    if (peer !== undefined) this.#drive({ type: 'peerUnreachable', peer })
  }

  /**
   * Hands proposals and reads of this turn to the core, once for all of them; what exceeds one batch
   * waits for the next turn, so that other groups have theirs.
   */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.defer(() => {
      this.#flushing = false
      if (!this.#running) return
      const nextId = (): CallId => ++this.#lastCallId
      const batch = this.#proposals?.take(nextId)
      if (batch !== undefined) this.#drive({ type: 'propose', ...batch })
      const rounds = this.#barriers?.take(nextId) ?? []
      for (const { id, mode } of rounds) this.#drive({ type: 'read', id, mode })
      if (this.#proposals?.waiting) this.#flushSoon()
    })
  }

  #onStatusChanged(): void {
    const { role, leader, epoch, membership } = this.#core.status()
    const before = this.#role
    const moved = before !== role || this.#leader !== leader || this.#epoch !== epoch
    const { meters, logger } = this.#context
    if (leader !== undefined && leader !== this.#leader) meters.leaderChanges.add()
    if ((before === 'leader') !== (role === 'leader')) {
      meters.leading.add(role === 'leader' ? 1 : -1)
    }
    const reshaped = this.#membership.version !== membership.version
    this.#role = role
    this.#leader = leader
    this.#epoch = epoch
    this.#membership = membership
    if (before === 'leader' && role !== 'leader') this.#onDeposed(leader)
    if (before !== 'leader') this.#checkRoom()
    if (moved) {
      logger.debug({ group: this.group, role, leader, epoch }, 'leadership changed')
      this.#events?.emit('leadership', { role, leader, epoch })
    }
    if (reshaped) this.#events?.emit('membership', membership)
  }

  #onDeposed(leader: NodeId | undefined): void {
    const details = leader === undefined ? {} : { leader }
    this.#proposals?.rejectAll(
      new Failure('OUTCOME_UNKNOWN', 'leadership was lost before the proposal was committed', {
        details,
      }),
      new Failure('NOT_LEADER', 'this replica no longer leads', { details }),
    )
  }

  #fetcherOf(): SnapshotFetcher {
    this.#fetcher ??= createSnapshotFetcher({
      ...this.#context,
      group: this.group,
      log: this.log,
      random: this.#random.fork('fetch'),
      exclusive: (job) => this.exclusive(job),
      onFetched: (snapshot) => this.#drive({ type: 'snapshotFetched', snapshot }),
      onFailed: (snapshot) => this.#drive({ type: 'snapshotFetchFailed', snapshot }),
    })
    return this.#fetcher
  }

  /** The snapshot taker: runs a job when state machine and core agree on what has been applied. */
  between(job: () => void): void {
    this.#apply.run(() => {
      if (!this.#driving) return job()
      // The core has not been told yet what was applied just now: try again after this turn.
      this.#context.clock.defer(() => this.between(job))
    })
    if (!this.#running) job()
  }

  /** The snapshot taker: where the state stands. */
  position(): SnapshotPosition {
    return this.#core.appliedPosition()
  }

  /** The snapshot taker: a snapshot is in storage. */
  onSnapshotTaken(snapshot: SnapshotMeta, compactTo: LogIndex): void {
    this.#drive({ type: 'snapshotTaken', snapshot, compactTo })
    this.#events?.emit('snapshot', { index: snapshot.index, cause: 'taken' })
  }

  /** The snapshot taker: one that the policy asked for could not be taken. */
  onSnapshotFailed(error: unknown): void {
    if (!this.#running) return
    this.#context.logger.warn({ group: this.group, error }, 'a snapshot could not be taken')
  }

  /** Keeps two writers of this group's snapshots apart. */
  exclusive<T>(job: () => Promise<T>): Promise<T> {
    return this.#snapshots.run(job)
  }

  /** Storage, state machine or core: this replica has stopped for good. */
  onFailed(error: QuorateError): void {
    if (!this.#running) return
    this.failure = error
    this.#context.logger.error(
      { group: this.group, code: error.code, error },
      'a replica has stopped',
    )
    this.#status = 'closing'
    this.#taker.stop()
    this.#stop(error)
    this.#events?.emit('failed', error)
    this.#context.onFailed(this.group, error)
  }

  /** No input reaches the core from now on, nothing leaves it, and whatever waits ends. */
  #stop(cause: QuorateError): void {
    this.#running = false
    const { ticker, meters } = this.#context
    ticker.remove(this)
    meters.replicas.add(-1)
    if (this.#role === 'leader') meters.leading.add(-1)
    this.#storage.close(cause)
    this.#leaving?.close()
    this.#gates.clear()
    this.#proposals?.rejectAll(unknownOutcome(cause), cause)
    this.#barriers?.rejectAll(cause)
    this.#calls?.rejectAll(unknownOutcome(cause))
  }
}

function unknownOutcome(cause: QuorateError): QuorateError {
  return new Failure('OUTCOME_UNKNOWN', `the replica stopped: ${cause.message}`, { cause })
}
