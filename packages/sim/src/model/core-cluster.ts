// A whole group in one synchronous object: replicas without a runtime, a bag of messages, and every
// promise checked after every step. Scripts, properties and exploration are written against it.
import type {
  CallId,
  ConsensusFactory,
  Effects,
  Entry,
  ErrorCode,
  Input,
  Limits,
  LogIndex,
  MembershipTarget,
  NodeId,
  Random,
  ReadMode,
  SnapshotMeta,
  Tracer,
  WriteBatch,
} from '@quorate/core'
import { createRandom, decode, encode, membershipOf, noTracer, resolveLimits } from '@quorate/core'
import type { CallRecord } from './calls.ts'
import { Calls } from './calls.ts'
import type { Promises } from './history.ts'
import { History, defaultPromises } from './history.ts'
import { Judge } from './judge.ts'
import type { LogImage } from './log-image.ts'
import type { GroupContext, ReplicaSink } from './replica-model.ts'
import { ReplicaModel } from './replica-model.ts'
import { hold } from './violation.ts'

/** What a simulated group of cores is made of. */
export interface CoreClusterOptions<M> {
  /** The algorithm. */
  readonly consensus: ConsensusFactory<M>
  /** The members of the group at its start. */
  readonly members: MembershipTarget
  /** What the algorithm promises. Default: everything that {@link Promises} names. */
  readonly promises?: Promises | undefined
  /** The seed of the cores' randomness. Default 1. */
  readonly seed?: number | undefined
  /** Limits to replace. */
  readonly limits?: Partial<Limits> | undefined
  /** The tracer of a replica. Default: none. */
  readonly tracer?: ((id: NodeId) => Tracer) | undefined
  /** The randomness of one start of a core. Default: forked from the seed. */
  readonly randomOf?: ((id: NodeId, start: number) => Random) | undefined
  /** Whether every write completes at once instead of waiting for `persist`. Default false. */
  readonly persistAtOnce?: boolean | undefined
}

/** A message under way. */
export interface FlightMessage<M> {
  /** Counts the messages sent, from 1; a duplicate has its own. */
  readonly id: number
  /** Who sent it. */
  readonly from: NodeId
  /** Whom it is for. */
  readonly to: NodeId
  /** What it says. */
  readonly message: M
}

/** What happens in a cluster, for whoever watches. */
export type ClusterEvent<M> =
  | {
      readonly type: 'step'
      readonly id: NodeId
      readonly input: Input<M>
      readonly effects: Effects<M>
    }
  | { readonly type: 'send'; readonly message: FlightMessage<M>; readonly lost: boolean }
  | { readonly type: 'persisted'; readonly id: NodeId; readonly batch: WriteBatch }
  | { readonly type: 'applied'; readonly id: NodeId; readonly entry: Entry }
  | { readonly type: 'installed'; readonly id: NodeId; readonly snapshot: SnapshotMeta }
  | { readonly type: 'answered'; readonly call: CallRecord }

/** Which messages a call means. Absent fields match all. */
export interface MessageFilter<M> {
  /** Sent by. */
  readonly from?: NodeId | undefined
  /** Addressed to. */
  readonly to?: NodeId | undefined
  /** With this content. */
  readonly where?: ((message: M) => boolean) | undefined
}

/**
 * A group of cores, their disks and the network between them: made with `new`, and driven by hand. Its
 * calls are synchronous, and each throws an {@link InvariantViolation} where a promise is broken.
 */
export class CoreCluster<M> implements ReplicaSink<M> {
  /** Messages under way, oldest first. */
  readonly messages: FlightMessage<M>[] = []
  /** What the group has committed so far. */
  readonly history: History
  /** The calls made and how they ended. */
  readonly calls: Calls
  /** Called with everything that happens. */
  watch: (event: ClusterEvent<M>) => void = () => {}

  readonly #options: CoreClusterOptions<M>
  readonly #context: GroupContext<M>
  readonly #replicas = new Map<NodeId, ReplicaModel<M>>()
  readonly #cut = new Set<string>()
  readonly #judge: Judge<M>
  /** How far the clock of a replica that was woken early is ahead of the cluster's. */
  readonly #ahead = new Map<NodeId, number>()
  #now = 0
  #sent = 0

  /** Makes the group and starts every member. */
  constructor(options: CoreClusterOptions<M>) {
    this.#options = options
    const bootstrap = membershipOf(options.members)
    this.#context = {
      consensus: options.consensus,
      group: 'group',
      limits: resolveLimits(options.limits),
      randomOf:
        options.randomOf ?? ((id, start) => createRandom(options.seed ?? 1).fork(`${id}/${start}`)),
      tracerOf: options.tracer ?? (() => noTracer),
    }
    this.history = new History(bootstrap, { ...defaultPromises, ...definedOf(options.promises) })
    this.calls = new Calls((call) => this.watch({ type: 'answered', call }))
    this.#judge = new Judge()
    for (const id of [...bootstrap.voters, ...bootstrap.learners]) this.#add(id, bootstrap)
  }

  /** Cluster time in milliseconds. Replicas' own times are never behind it. */
  get now(): number {
    return this.#now
  }

  /** The replicas' ids, in order of creation. */
  get ids(): readonly NodeId[] {
    return [...this.#replicas.keys()]
  }

  /** The replica of an id. */
  replica(id: NodeId): ReplicaModel<M> {
    const replica = this.#replicas.get(id)
    if (replica === undefined) throw new TypeError(`no replica ${id}`)
    return replica
  }

  /** The replica that leads with the largest epoch, if any is up and leads. */
  leader(): NodeId | undefined {
    let best: { readonly id: NodeId; readonly epoch: number } | undefined
    for (const { id, core } of this.#replicas.values()) {
      const status = core?.status()
      if (status?.role !== 'leader') continue
      if (best === undefined || status.epoch > best.epoch) best = { id, epoch: status.epoch }
    }
    return best?.id
  }

  /** Starts a replica that joins the group: it knows no members. */
  join(id: NodeId): void {
    if (this.#replicas.has(id)) throw new TypeError(`replica ${id} exists`)
    this.#add(id, undefined)
  }

  /** Gives a core any input, for what the other methods do not cover. */
  step(id: NodeId, input: Input<M>): void {
    this.replica(id).step(input, this)
  }

  /** Moves a replica's clock, and no other's, to the time at which its core wants a tick, and ticks. */
  wake(id: NodeId): void {
    const replica = this.replica(id)
    const { wakeAt } = replica.running
    if (!Number.isFinite(wakeAt)) throw new TypeError(`replica ${id} waits for nothing`)
    replica.now = Math.max(replica.now, wakeAt)
    this.#ahead.set(id, replica.now - this.#now)
    this.step(id, { type: 'tick' })
  }

  /** Wakes a replica until it stops following, at most `limit` times; says whether it did. */
  campaign(id: NodeId, limit = 50): boolean {
    const epoch = this.replica(id).running.status().epoch
    for (let count = 0; count < limit; count++) {
      this.wake(id)
      const status = this.replica(id).running.status()
      if (status.role === 'leader' || status.role === 'candidate') return true
      // A pre-vote round leaves the role as it is, and messages tell that it has begun.
      if (status.epoch > epoch || this.messages.some((each) => each.from === id)) return true
    }
    return false
  }

  /** Lets time pass: each core is ticked whenever it asked for it, in order of time. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (let ticks = 0; ; ticks++) {
      const due = this.#firstDue(until)
      if (due === undefined) break
      const endless = ticks > ms * 100 + 10_000
      hold(!endless, 'ordering-law', () => `${due.id} wants ${ticks} ticks in ${ms} ms`)
      this.#now = Math.max(this.#now, this.#dueAt(due))
      this.#setClock(due)
      this.step(due.id, { type: 'tick' })
    }
    this.#now = until
    for (const replica of this.#replicas.values()) this.#setClock(replica)
  }

  /** Proposes commands and returns the call. */
  propose(id: NodeId, ...commands: Uint8Array[]): CallId {
    return this.#call(id, (call) => {
      this.calls.proposed(call, id, commands)
      this.step(id, { type: 'propose', id: call, commands })
    })
  }

  /** Asks for a read barrier and returns the call. */
  read(id: NodeId, mode: ReadMode = 'quorum'): CallId {
    return this.#call(id, (call) => {
      this.calls.asked(call, id, mode, this.history.length)
      this.step(id, { type: 'read', id: call, mode })
    })
  }

  /** Asks for a change of membership and returns the call. */
  changeMembership(id: NodeId, target: MembershipTarget, expectedVersion?: number): CallId {
    return this.#call(id, (call) => {
      this.calls.ordered(call, id)
      this.step(id, { type: 'changeMembership', id: call, target, expectedVersion })
    })
  }

  /** Asks for a transfer of leadership and returns the call. */
  transfer(id: NodeId, to?: NodeId): CallId {
    return this.#call(id, (call) => {
      this.calls.ordered(call, id)
      this.step(id, { type: 'transferLeadership', id: call, to })
    })
  }

  /** Asks for a replica to be refilled from a snapshot and returns the call. */
  refill(id: NodeId): CallId {
    return this.#call(id, (call) => {
      this.calls.ordered(call, id)
      this.step(id, { type: 'requestSnapshot', id: call })
    })
  }

  /** Takes a snapshot at a replica. */
  snapshot(id: NodeId, keep = 0): SnapshotMeta {
    return this.replica(id).takeSnapshot(keep, this)
  }

  /** Fetches the snapshot that a replica wants, from the first of its sources that has it. */
  fetchSnapshot(id: NodeId, from?: NodeId): boolean {
    const replica = this.replica(id)
    const sources = from === undefined ? (replica.wish?.from ?? []) : [from]
    const wanted = replica.wish?.snapshot.id
    const source = sources
      .map((each) => this.#replicas.get(each))
      .find((each) => each?.up === true && each.finished.some((meta) => meta.id === wanted))
    return replica.fetchSnapshot(source, this)
  }

  /** Lets the snapshot fetch of a replica fail. */
  failFetch(id: NodeId): void {
    this.replica(id).fetchSnapshot(undefined, this)
  }

  /** Completes up to `count` writes of a replica, oldest first; returns how many there were. */
  persist(id: NodeId, count: number = Number.POSITIVE_INFINITY): number {
    const replica = this.replica(id)
    let done = 0
    while (done < count && replica.pending.length > 0) {
      replica.persist(this)
      done++
    }
    return done
  }

  /** Messages under way that match. */
  matching(filter: MessageFilter<M> = {}): FlightMessage<M>[] {
    const { from, to, where } = filter
    return this.messages.filter(
      (each) =>
        (from === undefined || each.from === from) &&
        (to === undefined || each.to === to) &&
        (where === undefined || where(each.message)),
    )
  }

  /** Delivers one message under way; to a replica that is down it is lost. */
  deliver(flight: FlightMessage<M>): void {
    this.drop(flight)
    const { from, to, message } = flight
    const replica = this.#replicas.get(to)
    if (replica?.up === true) replica.step({ type: 'receive', from, message }, this)
  }

  /** Loses one message under way. */
  drop(flight: FlightMessage<M>): void {
    const at = this.messages.indexOf(flight)
    if (at < 0) throw new TypeError(`message ${flight.id} is not under way`)
    this.messages.splice(at, 1)
  }

  /** Puts a second copy of a message under way. */
  duplicate(flight: FlightMessage<M>): void {
    this.messages.push({ ...flight, id: ++this.#sent })
  }

  /**
   * Completes writes, fetches and snapshots asked for and delivers messages, oldest first, until nothing is left
   * to do. No time passes.
   *
   * @param among - only writes of these replicas and messages between them. Default: all
   * @returns how many steps it took
   */
  stabilize(among: readonly NodeId[] = this.ids, limit = 100_000): number {
    for (let steps = 0; steps < limit; steps++) if (!this.#settleOne(among)) return steps
    throw new TypeError(`the group has not come to rest after ${limit} steps`)
  }

  /** Stops a replica; what is not durable is lost. */
  crash(id: NodeId): void {
    this.replica(id).crash()
    this.calls.lost(id)
  }

  /** Starts a replica from its disk. */
  restart(id: NodeId): void {
    const replica = this.replica(id)
    this.#setClock(replica)
    replica.start(this)
  }

  /** Loses every message from one replica to another from now on. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
  }

  /** Splits the replicas into sides that do not hear each other; who is on no side hears nobody. */
  partition(...sides: readonly (readonly NodeId[])[]): void {
    this.heal()
    for (const a of this.ids) {
      for (const b of this.ids) {
        if (a !== b && !sides.some((side) => side.includes(a) && side.includes(b))) this.cut(a, b)
      }
    }
  }

  /** Repairs the network. */
  heal(): void {
    this.#cut.clear()
  }

  /** Implements {@link ReplicaSink}: a message leaves. */
  send(from: NodeId, to: NodeId, message: M): void {
    // What travels is bytes: nothing of the sender's objects may reach the receiver.
    const { codec } = this.#options.consensus
    const copy = decode(codec, encode(codec, message))
    const flight: FlightMessage<M> = { id: ++this.#sent, from, to, message: copy }
    const lost = this.#cut.has(`${from}>${to}`)
    if (!lost) this.messages.push(flight)
    this.watch({ type: 'send', message: flight, lost })
  }

  /** Implements {@link ReplicaSink}: a core took an input. */
  stepped(replica: ReplicaModel<M>, input: Input<M>, effects: Effects<M>): void {
    this.calls.stepped(replica.id, effects)
    this.watch({ type: 'step', id: replica.id, input, effects })
  }

  /** Implements {@link ReplicaSink}: an entry was applied. */
  applied(replica: ReplicaModel<M>, entry: Entry): void {
    const fresh = this.history.isNew(entry)
    this.history.applied(replica.id, entry, replica.running.status().epoch)
    if (fresh) this.#judge.committed(this.history, entry, this.#replicas)
    this.watch({ type: 'applied', id: replica.id, entry })
    this.calls.applied(replica.id, entry)
  }

  /** Implements {@link ReplicaSink}: a snapshot was installed. */
  installed(replica: ReplicaModel<M>, snapshot: SnapshotMeta): void {
    this.history.installed(replica.id, snapshot)
    this.watch({ type: 'installed', id: replica.id, snapshot })
    this.calls.skipped(replica.id, snapshot.index)
  }

  /** Implements {@link ReplicaSink}: a batch became durable. */
  persisted(replica: ReplicaModel<M>, before: LogImage, batch: WriteBatch): void {
    this.#judge.persisted(this.history, replica, before, batch, this.#replicas)
    this.watch({ type: 'persisted', id: replica.id, batch })
  }

  /** Implements {@link ReplicaSink}: a replica came to rest. */
  settled(replica: ReplicaModel<M>): void {
    this.#judge.settled(this.history, replica)
    if (this.#options.persistAtOnce === true && replica.pending.length > 0) replica.persist(this)
  }

  /** Implements {@link ReplicaSink}: the content of a snapshot. */
  contentAt(index: LogIndex): number {
    return this.history.contentAt(index).low
  }

  /** The code that a call was rejected with; `undefined` while it is open or where it succeeded. */
  rejection(call: CallId): ErrorCode | undefined {
    return this.calls.get(call).rejected
  }

  #call(id: NodeId, make: (call: CallId) => void): CallId {
    if (!this.replica(id).up) throw new TypeError(`replica ${id} is down`)
    const call = this.calls.next()
    make(call)
    return call
  }

  #add(id: NodeId, bootstrap: ReplicaModel<M>['bootstrap']): void {
    const replica = new ReplicaModel(id, bootstrap, this.#context)
    replica.now = this.#now
    this.#replicas.set(id, replica)
    replica.start(this)
  }

  #setClock(replica: ReplicaModel<M>): void {
    replica.now = Math.max(replica.now, this.#now + (this.#ahead.get(replica.id) ?? 0))
  }

  /** When a replica wants its next tick, in the cluster's time. */
  #dueAt(replica: ReplicaModel<M>): number {
    return replica.running.wakeAt - (this.#ahead.get(replica.id) ?? 0)
  }

  #firstDue(until: number): ReplicaModel<M> | undefined {
    let first: ReplicaModel<M> | undefined
    for (const replica of this.#replicas.values()) {
      if (!replica.up || this.#dueAt(replica) > until) continue
      if (first === undefined || this.#dueAt(replica) < this.#dueAt(first)) first = replica
    }
    return first
  }

  #settleOne(among: readonly NodeId[]): boolean {
    for (const id of among) {
      const replica = this.replica(id)
      if (replica.pending.length > 0) {
        replica.persist(this)
        return true
      }
    }
    const flight = this.messages.find(
      (each) => among.includes(each.from) && among.includes(each.to),
    )
    if (flight !== undefined) {
      this.deliver(flight)
      return true
    }
    const asked = among.find((id) => this.replica(id).up && this.replica(id).asked)
    if (asked !== undefined) {
      this.snapshot(asked)
      return true
    }
    const wishing = among.find((id) => this.replica(id).up && this.replica(id).wish !== undefined)
    if (wishing === undefined) return false
    return this.fetchSnapshot(wishing)
  }
}

function definedOf(promises: Promises | undefined): Record<string, never> {
  const given = Object.entries(promises ?? {}).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as Record<string, never>
}
