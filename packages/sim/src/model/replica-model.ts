// One replica without a runtime: a core, its disk, its state machine, and what lies between them.
// Every step that a driver takes on its own time (a write that completes, a crash) is a call here.
import type {
  ByteWriter,
  CallId,
  ConsensusCore,
  ConsensusFactory,
  Effects,
  EntriesRequest,
  Entry,
  Epoch,
  Input,
  Limits,
  LogIndex,
  Membership,
  NodeId,
  Random,
  SnapshotFetch,
  SnapshotMeta,
  Tracer,
  WriteBatch,
} from '@quorate/core'
import { snapshotId } from '@quorate/core'
import type { LogImage } from './log-image.ts'
import { applyBatch, emptyImage, entryAt, lastIndexOf, recover } from './log-image.ts'
import { InvariantViolation, hold } from './violation.ts'

/** What all replicas of a simulated group have in common. */
export interface GroupContext<M> {
  /** The algorithm. */
  readonly consensus: ConsensusFactory<M>
  /** The group's name, handed to the cores. */
  readonly group: string
  /** Limits handed to the cores. */
  readonly limits: Limits
  /** The source of randomness of one start of a core. */
  randomOf(id: NodeId, start: number): Random
  /** The tracer of one replica. */
  tracerOf(id: NodeId): Tracer
}

/** What a replica tells its surroundings of, while a call on it runs. */
export interface ReplicaSink<M> {
  /** A message leaves. */
  send(from: NodeId, to: NodeId, message: M): void
  /** A core took an input; the effects have not been acted on yet. */
  stepped(replica: ReplicaModel<M>, input: Input<M>, effects: Effects<M>): void
  /** The state machine took an entry. */
  applied(replica: ReplicaModel<M>, entry: Entry): void
  /** The state machine was replaced by a snapshot. */
  installed(replica: ReplicaModel<M>, snapshot: SnapshotMeta): void
  /** A batch became durable. */
  persisted(replica: ReplicaModel<M>, before: LogImage, batch: WriteBatch): void
  /** All effects of a step have been acted on. */
  settled(replica: ReplicaModel<M>): void
  /** The checksum of the state after every entry up to `index`: the content of a snapshot there. */
  contentAt(index: LogIndex): number
}

interface Waiting<M> {
  readonly seq: number
  readonly to: NodeId
  readonly message: M
}

interface Work {
  readonly seq: number
  readonly install: SnapshotMeta | undefined
  readonly entries: readonly Entry[]
}

/** A core that an explorer can branch from. Algorithms implement it as a seam for tests. */
export interface ExplorableCore<M = unknown> extends ConsensusCore<M> {
  /** An independent copy. The randomness may be shared. */
  clone(): ExplorableCore<M>
  /**
   * Writes everything that the core's future depends on, in a canonical order and form; absolute
   * times and randomness left out.
   */
  fingerprint(writer: ByteWriter): void
}

/** One replica of a simulated group. */
export class ReplicaModel<M> {
  /** The host's name. */
  readonly id: NodeId
  /** The members that it was told at its first start; `undefined` where it joins. */
  readonly bootstrap: Membership | undefined
  /** What its disk holds. */
  durable: LogImage = emptyImage
  /** What its disk will hold once everything handed out is durable. */
  written: LogImage = emptyImage
  /** Batches handed out and not durable yet, in order. */
  pending: readonly WriteBatch[] = []
  /** Its time, in milliseconds. It starts anew with no crash. */
  now = 0
  /** The core; `undefined` while it is down. */
  core: ConsensusCore<M> | undefined
  /** The last entry that its state machine contains. */
  appliedIndex: LogIndex = 0
  /** The last entry handed out to be applied, snapshots included. */
  handedIndex: LogIndex = 0
  /** The snapshots whose content lies finished on its disk. */
  finished: readonly SnapshotMeta[] = []
  /** The snapshot that its core wants. */
  wish: SnapshotFetch | undefined
  /** Whether its core asked for a snapshot to be taken. */
  asked = false
  /** How many batches the core handed out since its start. */
  handedSeq = 0
  /** How many of them are durable. */
  persistedSeq = 0
  /** How often it was started. */
  starts = 0
  /** The largest commit index and epoch that this core has shown. */
  seen: { readonly commitIndex: LogIndex; readonly epoch: number } = { commitIndex: 0, epoch: 0 }

  #waiting: readonly Waiting<M>[] = []
  #work: readonly Work[] = []
  #requests: readonly EntriesRequest[] = []
  readonly #context: GroupContext<M>
  /** The epoch in which a batch that removes entries was handed out. */
  #epochs = new WeakMap<WriteBatch, Epoch>()

  /** A replica on an empty disk; {@link start} makes its core. */
  constructor(id: NodeId, bootstrap: Membership | undefined, context: GroupContext<M>) {
    this.id = id
    this.bootstrap = bootstrap
    this.#context = context
  }

  /** Whether it is up. */
  get up(): boolean {
    return this.core !== undefined
  }

  /** The core. Only while it is up. */
  get running(): ConsensusCore<M> {
    if (this.core === undefined) throw new TypeError(`replica ${this.id} is down`)
    return this.core
  }

  /** How many messages wait for a write. */
  get waitingMessages(): number {
    return this.#waiting.length
  }

  /** Starts the core from what the disk holds. */
  start(sink: ReplicaSink<M>): void {
    if (this.core !== undefined) throw new TypeError(`replica ${this.id} is up already`)
    const { consensus, group, limits } = this.#context
    this.written = this.durable
    this.appliedIndex = this.handedIndex = this.durable.snapshot?.index ?? 0
    this.seen = { commitIndex: 0, epoch: 0 }
    this.core = consensus.create({
      id: this.id,
      group,
      recovered: recover(this.durable),
      bootstrap: this.bootstrap,
      appliedIndex: this.appliedIndex,
      now: this.now,
      random: this.#context.randomOf(this.id, this.starts++),
      limits,
      tracer: this.#context.tracerOf(this.id),
    })
    sink.settled(this)
  }

  /** Loses the core and everything that is not durable. */
  crash(): void {
    this.core = undefined
    this.written = this.durable
    this.pending = []
    this.#waiting = []
    this.#work = []
    this.#requests = []
    this.wish = undefined
    this.asked = false
    this.handedSeq = this.persistedSeq = 0
  }

  /** Gives the core one input and acts on what it wants. */
  step(input: Input<M>, sink: ReplicaSink<M>): void {
    this.#stepOnce(input, sink)
    this.#settle(sink)
  }

  /** Completes the oldest write. */
  persist(sink: ReplicaSink<M>): void {
    const batch = this.pending[0]
    if (batch === undefined) throw new TypeError(`replica ${this.id} has nothing to persist`)
    const before = this.durable
    this.pending = this.pending.slice(1)
    this.durable = applyBatch(before, batch)
    this.persistedSeq = batch.seq
    sink.persisted(this, before, batch)
    const released = this.#waiting.filter((waiting) => waiting.seq <= batch.seq)
    this.#waiting = this.#waiting.filter((waiting) => waiting.seq > batch.seq)
    for (const { to, message } of released) sink.send(this.id, to, message)
    this.step({ type: 'persisted', seq: batch.seq }, sink)
  }

  /** Takes a snapshot of the state machine and leaves `keep` entries of log behind it. */
  takeSnapshot(keep: number, sink: ReplicaSink<M>): SnapshotMeta {
    const position = this.running.appliedPosition()
    const checksum = sink.contentAt(position.index)
    const sizeBytes = position.index
    const id = snapshotId(position.index, position.epoch, sizeBytes, checksum)
    const snapshot: SnapshotMeta = { ...position, id, sizeBytes, checksum }
    this.asked = false
    this.#finish(snapshot)
    const compactTo = Math.max(0, position.index - keep)
    this.step({ type: 'snapshotTaken', snapshot, compactTo }, sink)
    return snapshot
  }

  /** Answers the core's wish for a snapshot from another replica, which may not have it. */
  fetchSnapshot(from: ReplicaModel<M> | undefined, sink: ReplicaSink<M>): boolean {
    const wish = this.wish
    if (wish === undefined) throw new TypeError(`replica ${this.id} wants no snapshot`)
    this.wish = undefined
    const { snapshot } = wish
    const found = from?.finished.some((each) => each.id === snapshot.id) === true
    if (found) this.#finish(snapshot)
    this.step({ type: found ? 'snapshotFetched' : 'snapshotFetchFailed', snapshot }, sink)
    return found
  }

  /** An independent copy, its core included, which must be able to clone itself. */
  clone(): ReplicaModel<M> {
    const copy = new ReplicaModel(this.id, this.bootstrap, this.#context)
    copy.core = (this.core as ExplorableCore<M> | undefined)?.clone()
    copy.durable = this.durable
    copy.written = this.written
    copy.pending = this.pending
    copy.now = this.now
    copy.appliedIndex = this.appliedIndex
    copy.handedIndex = this.handedIndex
    copy.finished = this.finished
    copy.wish = this.wish
    copy.asked = this.asked
    copy.handedSeq = this.handedSeq
    copy.persistedSeq = this.persistedSeq
    copy.starts = this.starts
    copy.seen = this.seen
    copy.#waiting = this.#waiting
    copy.#work = this.#work
    copy.#requests = this.#requests
    copy.#epochs = this.#epochs
    return copy
  }

  /** The epoch in which a batch that removes entries was handed out. */
  epochOf(batch: WriteBatch): Epoch {
    return this.#epochs.get(batch) ?? this.running.status().epoch
  }

  /** Calls `visit` with each message that waits for a write, and how many writes it waits for. */
  eachWaiting(visit: (to: NodeId, message: M, writes: number) => void): void {
    for (const { to, message, seq } of this.#waiting) visit(to, message, seq - this.persistedSeq)
  }

  #finish(snapshot: SnapshotMeta): void {
    const others = this.finished.filter((each) => each.id !== snapshot.id)
    this.finished = [...others, snapshot]
  }

  #stepOnce(input: Input<M>, sink: ReplicaSink<M>): void {
    const effects = this.running.step(input, this.now)
    sink.stepped(this, input, effects)
    this.#takeBatch(effects)
    for (const { to, message } of effects.send) sink.send(this.id, to, message)
    if (this.pending.length === 0) {
      for (const { to, message } of effects.sendAfterPersist) sink.send(this.id, to, message)
    } else if (effects.sendAfterPersist.length > 0) {
      const seq = this.handedSeq
      const waiting = effects.sendAfterPersist.map(({ to, message }) => ({ seq, to, message }))
      this.#waiting = [...this.#waiting, ...waiting]
    }
    this.#takeWork(effects)
    if (effects.fetchSnapshot !== undefined) this.wish = effects.fetchSnapshot
    if (effects.takeSnapshot === true) this.asked = true
    if (effects.readEntries.length > 0) this.#requests = [...this.#requests, ...effects.readEntries]
  }

  #takeBatch(effects: Effects<M>): void {
    const batch = effects.persist
    if (batch === undefined) return
    const expected = this.handedSeq + 1
    hold(batch.seq === expected, 'ordering-law', () => `batch ${batch.seq} after ${expected - 1}`)
    const named = batch.snapshot
    hold(
      named === undefined || this.finished.some((each) => each.id === named.id),
      'ordering-law',
      () => `batch ${batch.seq} names a snapshot that was never finished`,
    )
    this.written = applyBatch(this.written, batch)
    this.handedSeq = batch.seq
    this.pending = [...this.pending, batch]
    if (batch.truncateFrom !== undefined) this.#epochs.set(batch, this.running.status().epoch)
  }

  #takeWork(effects: Effects<M>): void {
    const { install, apply } = effects
    if (install !== undefined) {
      hold(
        install.index > this.handedIndex,
        'apply-order',
        () => `${this.id} installs ${install.index} after handing out ${this.handedIndex}`,
      )
      hold(
        effects.persist?.snapshot?.id === install.id,
        'ordering-law',
        () => `${this.id} installs a snapshot that its batch does not name`,
      )
      this.handedIndex = install.index
      this.#work = [...this.#work, { seq: this.handedSeq, install, entries: [] }]
    }
    if (apply.length === 0) return
    for (const entry of apply) {
      const expected = this.handedIndex + 1
      hold(
        entry.index === expected,
        'apply-order',
        () => `${this.id} hands out ${entry.index} where ${expected} follows`,
      )
      this.handedIndex = expected
    }
    this.#work = [...this.#work, { seq: 0, install: undefined, entries: apply }]
  }

  /** Runs the state machine and answers reads of the log until nothing is left to do. */
  #settle(sink: ReplicaSink<M>): void {
    // The bound turns a core that asks for the same thing for ever into a failure.
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const request = this.#requests[0]
      const work = this.#work[0]
      if (request !== undefined) {
        this.#requests = this.#requests.slice(1)
        const entries = this.#readEntries(request)
        this.#stepOnce({ type: 'entriesRead', id: request.id as CallId, entries }, sink)
      } else if (work !== undefined && work.seq <= this.persistedSeq) {
        this.#work = this.#work.slice(1)
        this.#stepOnce({ type: 'applied', index: this.#run(work, sink) }, sink)
      } else {
        sink.settled(this)
        return
      }
    }
    throw new InvariantViolation('ordering-law', `${this.id} never comes to rest`)
  }

  #run(work: Work, sink: ReplicaSink<M>): LogIndex {
    if (work.install !== undefined) {
      this.appliedIndex = work.install.index
      sink.installed(this, work.install)
    }
    for (const entry of work.entries) {
      this.appliedIndex = entry.index
      sink.applied(this, entry)
    }
    return this.appliedIndex
  }

  #readEntries(request: EntriesRequest): readonly Entry[] | undefined {
    if (request.first < this.written.firstIndex) return undefined
    const entries: Entry[] = []
    let bytes = 0
    for (let at = request.first; at <= Math.min(request.last, lastIndexOf(this.written)); at++) {
      const entry = entryAt(this.written, at) as Entry
      bytes += entry.payload.length
      if (entries.length > 0 && bytes > request.bytesMax) break
      entries.push(entry)
    }
    return entries
  }
}
