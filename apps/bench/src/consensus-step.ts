// How fast Paxos's core alone is beside Raft's, in the same run: entries committed and applied per second
// through three cores in one process, with writes that complete at once and messages as objects.
import type { ConsensusCore, ConsensusFactory, Effects, Input, NodeId } from '@quorate/core'
import { createRandom, defaultLimits, membershipOf, noTracer } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { median, record, round } from './record.ts'

const ROUNDS = 7
const SECONDS = 0.7

interface Flight {
  readonly from: NodeId
  readonly to: NodeId
  readonly message: unknown
}

class Trio {
  readonly #cores = new Map<NodeId, ConsensusCore>()
  readonly #queue: Flight[] = []
  #head = 0
  #now = 0
  #calls = 0
  applied = 0

  constructor(consensus: ConsensusFactory) {
    const bootstrap = membershipOf({ voters: ['a', 'b', 'c'] })
    for (const id of bootstrap.voters) {
      const recovered = {
        hardState: undefined,
        snapshot: undefined,
        firstIndex: 1,
        lastIndex: 0,
        epochs: [{ from: 0, epoch: 0 }],
        tail: [],
        membershipEntries: [],
        faulty: [],
      }
      const core = consensus.create({
        id,
        group: 'bench',
        recovered,
        bootstrap,
        appliedIndex: 0,
        now: 0,
        random: createRandom(1).fork(id),
        limits: defaultLimits,
        tracer: noTracer,
      })
      this.#cores.set(id, core)
    }
    const first = this.#core('a')
    while (first.status().role !== 'leader') {
      this.#now = Math.max(this.#now, first.wakeAt)
      this.#step('a', first, { type: 'tick' })
      this.#drain()
    }
  }

  /** Proposes a batch and runs until all three have applied it. */
  commit(commands: readonly Uint8Array[]): void {
    this.#step('a', this.#core('a'), { type: 'propose', id: ++this.#calls, commands })
    this.#drain()
  }

  /** A round of heartbeats, as would come by the clock. */
  beat(): void {
    const leader = this.#core('a')
    this.#now = leader.wakeAt
    this.#step('a', leader, { type: 'tick' })
    this.#drain()
  }

  #core(id: NodeId): ConsensusCore {
    return this.#cores.get(id) as ConsensusCore
  }

  #drain(): void {
    while (this.#head < this.#queue.length) {
      const { from, to, message } = this.#queue[this.#head++] as Flight
      this.#step(to, this.#core(to), { type: 'receive', from, message })
    }
    this.#queue.length = 0
    this.#head = 0
  }

  #step(id: NodeId, core: ConsensusCore, input: Input): void {
    let effects: Effects = core.step(input, this.#now)
    for (;;) {
      for (const { to, message } of effects.send) this.#queue.push({ from: id, to, message })
      for (const { to, message } of effects.sendAfterPersist) {
        this.#queue.push({ from: id, to, message })
      }
      const { persist, apply } = effects
      this.applied += apply.length
      if (apply.length > 0) {
        const index = apply[apply.length - 1]?.index as number
        const after = core.step({ type: 'applied', index }, this.#now)
        if (after.apply.length > 0 || after.send.length > 0) throw new Error('more than expected')
      }
      if (persist === undefined) return
      effects = core.step({ type: 'persisted', seq: persist.seq }, this.#now)
    }
  }
}

interface Rates {
  readonly cpu: number
  readonly wall: number
}

/** Entries that all three replicas applied, per second of processor time and of the clock. */
function commitFor(trio: Trio, commands: readonly Uint8Array[]): Rates {
  const before = trio.applied
  const cpu = process.cpuUsage()
  const start = performance.now()
  do {
    for (let n = 0; n < 64; n++) trio.commit(commands)
    trio.beat()
  } while (performance.now() - start < SECONDS * 1_000)
  const wall = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const entries = (trio.applied - before) / 3
  return { cpu: (entries * 1e6) / (user + system), wall: entries / wall }
}

const results = [1, 16, 64, 256].map((batch) => {
  const commands = Array.from({ length: batch }, () => new Uint8Array(100))
  const trios = { raft: new Trio(raft()), paxos: new Trio(paxos()) }
  const rates = { raft: [] as number[], paxos: [] as number[] }
  for (const trio of Object.values(trios)) commitFor(trio, commands)
  // In turns, so that whatever else the machine does falls on both.
  for (let n = 0; n < ROUNDS; n++) {
    rates.raft.push(commitFor(trios.raft, commands).cpu)
    rates.paxos.push(commitFor(trios.paxos, commands).cpu)
  }
  const raftPerCpuSecond = median(rates.raft)
  const paxosPerCpuSecond = median(rates.paxos)
  return {
    batch,
    raftPerCpuSecond: round(raftPerCpuSecond),
    paxosPerCpuSecond: round(paxosPerCpuSecond),
    paxosToRaft: round(paxosPerCpuSecond / raftPerCpuSecond),
  }
})
console.table(results)
record('consensus-step', { payloadBytes: 100, rounds: ROUNDS, results })
