// A group under everything that can happen to it, drawn from a seed: the simulator checks every
// promise after every step, and afterwards the group must come to work again by itself.
import type { Membership, MembershipTarget, NodeId, Random, Tracer } from '@quorate/core'
import { createRandom, encodeUtf8, membersOf, noTracer } from '@quorate/core'
import type { FlightMessage } from '@quorate/sim'
import { CoreCluster } from '@quorate/sim'
import type { RaftMessage, RaftOptions } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { forget } from './scenarios.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly steps: number
  readonly members?: MembershipTarget
  readonly raft?: RaftOptions
  readonly changes?: boolean
  /** Whether `c` is removed, loses its disk and is added again, over and over. */
  readonly returning?: boolean
  /** Whether `c` loses its disk at any moment, while it is counted on and again while it comes back. */
  readonly wiped?: boolean
  readonly commitQuorum?: (voters: number) => number
  readonly limits?: ConstructorParameters<typeof CoreCluster>[0]['limits']
  readonly tracer?: Tracer
}

/** Runs one group through its faults and back; throws where a promise is broken. */
export function chaos(options: ChaosOptions): CoreCluster<RaftMessage> {
  return new Chaos(options).run()
}

class Chaos {
  readonly #options: ChaosOptions
  readonly #random: Random
  readonly #group: CoreCluster<RaftMessage>
  #proposed = 0

  constructor(options: ChaosOptions) {
    this.#options = options
    this.#random = createRandom(options.seed)
    const { commitQuorum } = options
    this.#group = new CoreCluster<RaftMessage>({
      consensus: raft(options.raft),
      members: options.members ?? { voters: ['a', 'b', 'c'] },
      seed: options.seed,
      limits: options.limits,
      tracer: () => options.tracer ?? noTracer,
      promises: commitQuorum === undefined ? undefined : { commitQuorum },
    })
    if (options.changes === true) for (const id of ['d', 'e']) this.#group.join(id)
  }

  run(): CoreCluster<RaftMessage> {
    for (let step = 0; step < this.#options.steps; step++) this.#act()
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
    else if (this.#options.wiped === true) this.#wipe()
    else if (this.#options.returning === true) this.#removeOrReturn()
    else if (this.#options.changes === true) this.#onUp((id) => this.#change(id))
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

  /** Takes `c` out of the group, or, once nobody counts it any more, brings it back without data. */
  #removeOrReturn(): void {
    const group = this.#group
    const leader = group.leader()
    if (leader === undefined || leader === 'c') return
    const rest = group.ids.filter((id) => id !== 'c')
    const isMember = (id: NodeId): boolean =>
      membersOf(group.replica(id).running.status().membership).includes('c')
    if (isMember(leader)) group.changeMembership(leader, { voters: rest })
    else if (
      rest.every((id) => group.replica(id).up && !isMember(id)) &&
      !membersOf(group.history.membershipAt(group.history.length) as Membership).includes('c')
    ) {
      forget(group, 'c')
      group.changeMembership(leader, { voters: group.ids })
    }
  }

  #wipe(): void {
    if (this.#random.below(3) === 0) forget(this.#group, 'c')
  }

  #fetch(): void {
    const asked = this.#group.ids.filter((id) => this.#group.replica(id).asked)
    if (asked.length > 0) return void this.#group.snapshot(this.#pick(asked))
    const wishing = this.#group.ids.filter((id) => this.#group.replica(id).wish !== undefined)
    if (wishing.length === 0) return
    const id = this.#pick(wishing)
    if (this.#random.below(4) === 0) this.#group.failFetch(id)
    else this.#group.fetchSnapshot(id)
  }

  #hintOrRefill(): void {
    if (this.#random.below(3) === 0) return this.#onUp((id) => void this.#group.refill(id))
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
    // Whoever waits to be refilled lets others lead for ten election timeouts.
    this.#live(30_000, () => group.leader() !== undefined)
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

  #onMessage(act: (flight: FlightMessage<RaftMessage>) => void): void {
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
