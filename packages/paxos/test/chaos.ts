// A group under everything that can happen to it, drawn from a seed: the simulator checks every
// promise after every step, and afterwards the group must come to work again by itself.
import type { ConsensusFactory, MembershipTarget, NodeId, Random, Tracer } from '@quorate/core'
import { createRandom, encodeUtf8, noTracer } from '@quorate/core'
import type { FlightMessage } from '@quorate/sim'
import { CoreCluster } from '@quorate/sim'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'
import { paxos } from '../src/index.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly steps: number
  readonly members?: MembershipTarget
  readonly paxos?: PaxosOptions
  readonly consensus?: ConsensusFactory<PaxosMessage>
  /** Whether there are times in which nobody asks for anything. */
  readonly idle?: boolean
  readonly changes?: boolean
  readonly commitQuorum?: (voters: number) => number
  readonly limits?: ConstructorParameters<typeof CoreCluster>[0]['limits']
  readonly tracer?: Tracer
}

const tight: ChaosOptions['limits'] = {
  messageBytesMax: 4,
  inflightMessagesMax: 2,
  inflightBytesMax: 8,
  applyBytesMax: 4,
  logWindowBytesMax: 128,
  uncommittedBytesMax: 24,
}

/** The shapes of groups that go through chaos. */
export const chaosGroups: Readonly<Record<string, Omit<ChaosOptions, 'seed' | 'steps'>>> = {
  'three voters': {},
  'reads that ask a quorum': { paxos: { quorumReads: true } },
  'five voters': { members: { voters: ['a', 'b', 'c', 'd', 'e'] } },
  'members that change': { changes: true },
  'tight limits': { limits: tight },
  'tight limits, and members that change': { limits: tight, changes: true },
  'a group that sleeps when idle': { paxos: { hibernateAfterMs: 300 }, idle: true },
  'a group that sleeps, and members that change': {
    paxos: { hibernateAfterMs: 300 },
    idle: true,
    changes: true,
  },
  'priorities and hand-over': {
    consensus: mixed({}, { a: { priority: 1 }, b: { priority: 3 }, c: { priority: 0 } }),
  },
  'five voters of which two accept and four promise': {
    members: { voters: ['a', 'b', 'c', 'd', 'e'] },
    paxos: { quorums: { prepare: 4, accept: 2 } },
    commitQuorum: () => 2,
  },
}

/** Paxos with other options at some members. */
export function mixed(
  options: PaxosOptions,
  own: Readonly<Record<NodeId, PaxosOptions>>,
): ConsensusFactory<PaxosMessage> {
  return {
    ...paxos(options),
    create: (init) => paxos({ ...options, ...own[init.id] }).create(init),
  }
}

/** Runs one group through its faults and back; throws where a promise is broken. */
export function chaos(options: ChaosOptions): CoreCluster<PaxosMessage> {
  return new Chaos(options).run()
}

class Chaos {
  readonly #options: ChaosOptions
  readonly #random: Random
  readonly #group: CoreCluster<PaxosMessage>
  #proposed = 0

  constructor(options: ChaosOptions) {
    this.#options = options
    this.#random = createRandom(options.seed)
    const { commitQuorum } = options
    this.#group = new CoreCluster<PaxosMessage>({
      consensus: options.consensus ?? paxos(options.paxos),
      members: options.members ?? { voters: ['a', 'b', 'c'] },
      seed: options.seed,
      limits: options.limits,
      tracer: () => options.tracer ?? noTracer,
      promises: commitQuorum === undefined ? undefined : { commitQuorum },
    })
    if (options.changes === true) for (const id of ['d', 'e']) this.#group.join(id)
  }

  run(): CoreCluster<PaxosMessage> {
    for (let step = 0; step < this.#options.steps; step++) {
      this.#act()
      if (this.#options.idle === true && this.#random.below(60) === 0) this.#rest()
    }
    this.#recover()
    return this.#group
  }

  #act(): void {
    const group = this.#group
    const random = this.#random
    const what = random.below(100)
    if (what < 45) {
      for (let n = random.below(5); n >= 0; n--) this.#onMessage((flight) => group.deliver(flight))
    } else if (what < 60) this.#onUp((id) => void group.persist(id, 1 + random.below(3)))
    else if (what < 68) group.advance(random.below(60))
    else if (what < 70) group.advance(random.below(1_500))
    else if (what < 79) this.#onUp((id) => this.#propose(id))
    else if (what < 83) this.#onUp((id) => void group.read(id, this.#mode()))
    else if (what < 86) this.#onMessage((flight) => group.drop(flight))
    else if (what < 88) this.#onMessage((flight) => group.duplicate(flight))
    else if (what < 90) this.#crashOrRestart()
    else if (what < 92) this.#splitOrHeal()
    else if (what < 94) this.#onUp((id) => this.#snapshot(id))
    else if (what < 96) this.#fetch()
    else if (what < 97) this.#onUp((id) => void group.transfer(id, this.#target()))
    else if (what < 98) this.#hintOrRefill()
    else if (this.#options.changes === true) this.#onUp((id) => this.#change(id))
  }

  /** Leaves the group to itself for long enough to fall asleep, with what links and hosts there are. */
  #rest(): void {
    for (let n = 20 + this.#random.below(80); n > 0; n--) {
      this.#group.advance(20)
      this.#group.stabilize()
    }
  }

  #propose(id: NodeId): void {
    const count = 1 + this.#random.below(3)
    const commands = Array.from({ length: count }, () => encodeUtf8(`v${this.#proposed++}`))
    const at = this.#random.below(3) === 0 ? id : (this.#group.leader() ?? id)
    this.#group.propose(at, ...commands)
  }

  #mode(): 'quorum' | 'local' | { readonly maxStalenessMs: number } {
    const which = this.#random.below(4)
    return which === 0 ? 'local' : which === 1 ? { maxStalenessMs: 500 } : 'quorum'
  }

  #target(): NodeId | undefined {
    return this.#random.below(3) === 0 ? undefined : this.#pick(this.#group.ids)
  }

  #change(id: NodeId): void {
    const at = this.#group.leader() ?? id
    const ids = this.#group.ids.filter(() => this.#random.below(2) === 0)
    if (ids.length === 0) return
    const learners = ids.filter(() => this.#random.below(4) === 0)
    const voters = ids.filter((each) => !learners.includes(each))
    if (voters.length > 0) this.#group.changeMembership(at, { voters, learners })
  }

  #snapshot(id: NodeId): void {
    const { appliedIndex, finished } = this.#group.replica(id)
    const newest = Math.max(0, ...finished.map(({ index }) => index))
    if (appliedIndex > newest) this.#group.snapshot(id, this.#random.below(3))
  }

  #fetch(): void {
    const wishing = this.#group.ids.filter((id) => this.#group.replica(id).wish !== undefined)
    if (wishing.length === 0) return
    const id = this.#pick(wishing)
    if (this.#random.below(4) === 0) this.#group.failFetch(id)
    else this.#group.fetchSnapshot(id)
  }

  #hintOrRefill(): void {
    if (this.#random.below(3) === 0) {
      this.#onUp((id) => void this.#group.refill(id))
      return
    }
    const type = this.#random.below(2) === 0 ? 'peerUnreachable' : 'peerReachable'
    this.#onUp((id) => this.#group.step(id, { type, peer: this.#pick(this.#group.ids) }))
  }

  #crashOrRestart(): void {
    const id = this.#pick(this.#group.ids)
    if (this.#group.replica(id).up) this.#group.crash(id)
    else this.#group.restart(id)
  }

  #splitOrHeal(): void {
    const random = this.#random
    const which = random.below(3)
    if (which === 0) {
      const side = this.#group.ids.filter(() => random.below(2) === 0)
      this.#group.partition(
        side,
        this.#group.ids.filter((id) => !side.includes(id)),
      )
    } else if (which === 1) {
      this.#group.cut(this.#pick(this.#group.ids), this.#pick(this.#group.ids))
    } else {
      this.#group.heal()
    }
  }

  #recover(): void {
    const group = this.#group
    group.heal()
    for (const id of group.ids) if (!group.replica(id).up) group.restart(id)
    this.#live(15_000, () => group.leader() !== undefined)
    const before = group.history.length
    this.#live(30_000, () => {
      const leader = group.leader()
      if (leader !== undefined && group.history.length === before) {
        group.propose(leader, encodeUtf8('after'))
      }
      return group.history.length > before && this.#even()
    })
  }

  /** Whether all members have applied everything. */
  #even(): boolean {
    const leader = this.#group.leader()
    if (leader === undefined) return false
    const { membership, lastIndex } = this.#group.replica(leader).running.status()
    const members = [...membership.voters, ...membership.learners]
    return members.every((id) => this.#group.replica(id).appliedIndex === lastIndex)
  }

  #live(ms: number, until: () => boolean): void {
    for (let passed = 0; passed < ms; passed += 20) {
      this.#group.advance(20)
      this.#group.stabilize()
      if (until()) return
    }
    const status = this.#group.ids.map((id) =>
      JSON.stringify(this.#group.replica(id).running.status()),
    )
    throw new Error(`the group does not come to work again:\n${status.join('\n')}`)
  }

  #onMessage(act: (flight: FlightMessage<PaxosMessage>) => void): void {
    const { messages } = this.#group
    if (messages.length > 0) act(this.#pick(messages))
  }

  #onUp(act: (id: NodeId) => void): void {
    const up = this.#group.ids.filter((id) => this.#group.replica(id).up)
    if (up.length > 0) act(this.#pick(up))
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T
  }
}
