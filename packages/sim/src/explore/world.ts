// One state of an exploration, immutable once made. A successor shares every replica with its parent
// but the one that acted, so that branching costs one clone of one core.
import type {
  Codec,
  Effects,
  Entry,
  Input,
  LogIndex,
  MembershipTarget,
  NodeId,
  SnapshotMeta,
  WriteBatch,
} from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import type { Hash64 } from '../model/hash.ts'
import { emptyHash, hashDifference, hashNumber, hashPair, hashSum } from '../model/hash.ts'
import type { History } from '../model/history.ts'
import { Judge } from '../model/judge.ts'
import type { LogImage } from '../model/log-image.ts'
import type { ReplicaModel, ReplicaSink } from '../model/replica-model.ts'
import { hold } from '../model/violation.ts'
import { messageHash, replicaHash, textHash } from './fingerprint.ts'

/** What may still happen, by kind of event. */
export interface Budget {
  /** Ticks, of elections and of leaders. */
  readonly timeouts: number
  /** Commands proposed. */
  readonly proposals: number
  /** Linearizable reads. */
  readonly reads: number
  /** Deliveries of a message that stays under way. */
  readonly duplicates: number
  /** Crashes, each of which loses what is not durable. */
  readonly crashes: number
  /** Snapshots taken. */
  readonly snapshots: number
  /** Transfers of leadership. */
  readonly transfers: number
  /** Changes of membership, in the order of the targets. */
  readonly changes: number
}

/** One thing that can happen in a state. */
export type Action =
  | { readonly type: 'deliver' | 'deliver-twice'; readonly flight: number }
  | {
      readonly type:
        | 'persist'
        | 'crash'
        | 'restart'
        | 'timeout'
        | 'propose'
        | 'read'
        | 'snapshot'
        | 'fetch'
        | 'transfer'
        | 'change'
      readonly replica: number
    }

/** A message under way. */
export interface Flight<M> {
  readonly from: NodeId
  readonly to: NodeId
  readonly message: M
  readonly hash: Hash64
}

/** What all states of one exploration share. */
export interface WorldContext<M> {
  readonly codec: Codec<M>
  readonly targets: readonly MembershipTarget[]
  readonly persistAtOnce: boolean
}

interface OpenRead {
  readonly id: number
  readonly at: NodeId
  readonly floor: LogIndex
}

/** A state. */
export class World<M> {
  readonly context: WorldContext<M>
  readonly replicas: readonly ReplicaModel<M>[]
  readonly hashes: readonly Hash64[]
  readonly flights: readonly Flight<M>[]
  readonly bag: Hash64
  readonly history: History
  readonly budget: Budget
  readonly reads: readonly OpenRead[]
  readonly calls: number

  constructor(parts: Omit<World<M>, 'fingerprint' | 'actions' | 'after'>) {
    this.context = parts.context
    this.replicas = parts.replicas
    this.hashes = parts.hashes
    this.flights = parts.flights
    this.bag = parts.bag
    this.history = parts.history
    this.budget = parts.budget
    this.reads = parts.reads
    this.calls = parts.calls
  }

  /** The hash of everything that the future depends on, budget included. */
  fingerprint(): Hash64 {
    let hash = hashPair(this.bag, this.history.fingerprint())
    for (const each of this.hashes) hash = hashPair(hash, each)
    const { timeouts, proposals, reads, duplicates, crashes, snapshots, transfers, changes } =
      this.budget
    hash = hashNumber(timeouts + proposals * 64 + reads * 4096 + duplicates * 262144, hash)
    hash = hashNumber(crashes + snapshots * 64 + transfers * 4096 + changes * 262144, hash)
    for (const { id, at, floor } of this.reads) {
      hash = hashPair(hash, hashNumber(id * 64 + floor, textHash(at)))
    }
    return hash
  }

  /** Everything that can happen now, in a fixed order. */
  actions(): readonly Action[] {
    const actions: Action[] = []
    const { budget } = this
    for (const [flight, { to }] of this.flights.entries()) {
      if (this.replicas.find(({ id }) => id === to)?.up !== true) continue
      actions.push({ type: 'deliver', flight })
      if (budget.duplicates > 0) actions.push({ type: 'deliver-twice', flight })
    }
    for (const [at, replica] of this.replicas.entries()) {
      const add = (type: Exclude<Action['type'], 'deliver' | 'deliver-twice'>): void =>
        void actions.push({ type, replica: at })
      if (!replica.up) {
        add('restart')
        continue
      }
      const { role } = replica.running.status()
      if (replica.pending.length > 0) add('persist')
      if (replica.wish !== undefined) add('fetch')
      if (budget.crashes > 0) add('crash')
      if (budget.timeouts > 0 && Number.isFinite(replica.running.wakeAt)) add('timeout')
      if (budget.snapshots > 0 && replica.appliedIndex > (replica.durable.snapshot?.index ?? 0))
        add('snapshot')
      if (role !== 'leader') continue
      if (budget.proposals > 0) add('propose')
      if (budget.reads > 0) add('read')
      if (budget.transfers > 0) add('transfer')
      if (budget.changes > 0) add('change')
    }
    return actions
  }

  /**
   * The state after an action.
   *
   * @throws InvariantViolation where it breaks a promise
   */
  after(action: Action): World<M> {
    return new Step(this).run(action)
  }
}

/** The state in which an exploration begins. */
export function firstWorld<M>(
  context: WorldContext<M>,
  replicas: readonly ReplicaModel<M>[],
  flights: readonly Omit<Flight<M>, 'hash'>[],
  history: History,
  budget: Budget,
): World<M> {
  const { codec } = context
  const hashed = flights.map((each) => ({
    ...each,
    hash: messageHash(codec, each.from, each.to, each.message),
  }))
  return new World({
    context,
    replicas,
    hashes: replicas.map((replica) => replicaHash(replica, codec)),
    flights: hashed,
    bag: hashed.reduce((sum, { hash }) => hashSum(sum, hash), emptyHash),
    history,
    budget,
    reads: [],
    calls: 1_000,
  })
}

/** The making of one successor. */
class Step<M> implements ReplicaSink<M> {
  readonly #from: World<M>
  readonly #judge = new Judge<M>()
  readonly #replicas: ReplicaModel<M>[]
  readonly #flights: Flight<M>[]
  #bag: Hash64
  #history: History
  #ownHistory = false
  #reads: readonly OpenRead[]

  constructor(from: World<M>) {
    this.#from = from
    this.#replicas = [...from.replicas]
    this.#flights = [...from.flights]
    this.#bag = from.bag
    this.#history = from.history
    this.#reads = from.reads
  }

  run(action: Action): World<M> {
    const { context, budget, calls } = this.#from
    const at = this.#place(action)
    const replica = (this.#from.replicas[at] as ReplicaModel<M>).clone()
    this.#replicas[at] = replica
    this.#act(action, replica)
    while (context.persistAtOnce && replica.pending.length > 0) replica.persist(this)
    const hashes = [...this.#from.hashes]
    hashes[at] = replicaHash(replica, context.codec)
    return new World({
      context,
      replicas: this.#replicas,
      hashes,
      flights: this.#flights,
      bag: this.#bag,
      history: this.#history,
      budget: spend(budget, action),
      reads: this.#reads,
      calls: action.type === 'propose' || action.type === 'read' ? calls + 1 : calls,
    })
  }

  #place(action: Action): number {
    if ('replica' in action) return action.replica
    const { to } = this.#from.flights[action.flight] as Flight<M>
    return this.#from.replicas.findIndex(({ id }) => id === to)
  }

  #act(action: Action, replica: ReplicaModel<M>): void {
    const { calls, history, budget, context } = this.#from
    switch (action.type) {
      case 'deliver':
      case 'deliver-twice': {
        const { from, message, hash } = this.#from.flights[action.flight] as Flight<M>
        if (action.type === 'deliver') {
          this.#flights.splice(action.flight, 1)
          this.#bag = hashDifference(this.#bag, hash)
        }
        return replica.step({ type: 'receive', from, message }, this)
      }
      case 'persist':
        return replica.persist(this)
      case 'crash':
        this.#reads = this.#reads.filter((read) => read.at !== replica.id)
        return replica.crash()
      case 'restart':
        return replica.start(this)
      case 'timeout':
        replica.now = Math.max(replica.now, replica.running.wakeAt)
        return replica.step({ type: 'tick' }, this)
      case 'propose': {
        const command = encodeUtf8(`c${budget.proposals}`)
        return replica.step({ type: 'propose', id: calls, commands: [command] }, this)
      }
      case 'read':
        this.#reads = [...this.#reads, { id: calls, at: replica.id, floor: history.length }]
        return replica.step({ type: 'read', id: calls, mode: 'quorum' }, this)
      case 'snapshot':
        return void replica.takeSnapshot(0, this)
      case 'fetch': {
        const wanted = replica.wish?.snapshot.id
        const source = this.#replicas.find(
          (each) => each !== replica && each.finished.some(({ id }) => id === wanted),
        )
        return void replica.fetchSnapshot(source, this)
      }
      case 'transfer':
        return replica.step({ type: 'transferLeadership', id: calls, to: undefined }, this)
      case 'change': {
        const target = context.targets[context.targets.length - budget.changes] as MembershipTarget
        return replica.step(
          { type: 'changeMembership', id: calls, target, expectedVersion: undefined },
          this,
        )
      }
      default:
    }
  }

  send(from: NodeId, to: NodeId, message: M): void {
    const hash = messageHash(this.#from.context.codec, from, to, message)
    // A second copy of a message under way adds nothing: copies are what duplicates are for.
    for (const each of this.#flights) {
      if (each.hash.low === hash.low && each.hash.high === hash.high) return
    }
    this.#flights.push({ from, to, message, hash })
    this.#bag = hashSum(this.#bag, hash)
  }

  stepped(replica: ReplicaModel<M>, _input: Input<M>, effects: Effects<M>): void {
    for (const { id, index } of effects.reads) {
      const read = this.#reads.find((each) => each.id === id)
      hold(read !== undefined, 'call-outcome', () => `read ${id} passes, which nobody waits for`)
      const floor = read?.floor ?? 0
      hold(
        index >= floor,
        'read-freshness',
        () => `a read at ${replica.id} passed at ${index} though ${floor} was applied before`,
      )
      this.#reads = this.#reads.filter((each) => each !== read)
    }
    if (effects.rejected.length === 0) return
    const rejected = new Set(effects.rejected.map(({ id }) => id))
    this.#reads = this.#reads.filter(({ id }) => !rejected.has(id))
  }

  applied(replica: ReplicaModel<M>, entry: Entry): void {
    const fresh = this.#history.isNew(entry)
    const history = fresh ? this.#own() : this.#history
    history.applied(replica.id, entry, replica.running.status().epoch)
    if (fresh) this.#judge.committed(history, entry, this.#byId())
  }

  installed(replica: ReplicaModel<M>, snapshot: SnapshotMeta): void {
    this.#history.installed(replica.id, snapshot)
  }

  persisted(replica: ReplicaModel<M>, before: LogImage, batch: WriteBatch): void {
    this.#judge.persisted(this.#history, replica, before, batch, this.#byId())
  }

  settled(replica: ReplicaModel<M>): void {
    const { role, epoch } = replica.running.status()
    const news = role === 'leader' && !this.#history.knowsLeader(epoch, replica.id)
    this.#judge.settled(news ? this.#own() : this.#history, replica)
  }

  contentAt(index: LogIndex): number {
    return this.#history.contentAt(index).low
  }

  #own(): History {
    if (!this.#ownHistory) this.#history = this.#history.clone()
    this.#ownHistory = true
    return this.#history
  }

  #byId(): ReadonlyMap<NodeId, ReplicaModel<M>> {
    return new Map(this.#replicas.map((replica) => [replica.id, replica]))
  }
}

const COSTS: Partial<Record<Action['type'], keyof Budget>> = {
  'deliver-twice': 'duplicates',
  crash: 'crashes',
  timeout: 'timeouts',
  propose: 'proposals',
  read: 'reads',
  snapshot: 'snapshots',
  transfer: 'transfers',
  change: 'changes',
}

function spend(budget: Budget, action: Action): Budget {
  const cost = COSTS[action.type]
  return cost === undefined ? budget : { ...budget, [cost]: budget[cost] - 1 }
}
