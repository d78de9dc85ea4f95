// How much simulated time goes by in one second of processor time: five replicas with every kind of
// fault on, with and without the judges, and the same with nobody using them.
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import type { SimulateOptions } from '@quorate/sim'
import { registerMap, registerWorkload, simulate } from '@quorate/sim'
import { median, record, round } from './record.ts'

const ROUNDS = 7
const SEEDS = 10

const algorithms: Readonly<Record<string, Pick<SimulateOptions, 'consensus' | 'promises'>>> = {
  raft: {
    consensus: raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 50, clockDriftMax: 0.1 }),
  },
  paxos: {
    consensus: paxos({ electionTimeoutMs: 300, heartbeatIntervalMs: 50, clockDriftMax: 0.1 }),
    promises: { leaderPerEpoch: false, epochsAgree: false },
  },
}

const common = {
  stateMachine: registerMap,
  workload: registerWorkload(),
  canonicalSnapshots: true,
  members: 5,
  spares: 0,
  groups: 1,
  driftMax: 0.04,
} satisfies Partial<SimulateOptions>

const situations: Readonly<Record<string, Partial<SimulateOptions>>> = {
  'every fault, 5 clients': { everything: true, clients: 5 },
  'no fault, 5 clients': { plan: [], clients: 5, network: { loss: 0, duplication: 0 } },
  'no fault, nobody': { plan: [], clients: 0, network: { loss: 0, duplication: 0 } },
}

interface Rate {
  readonly simulatedSecondsPerSecond: number
  readonly eventsPerSecond: number
}

async function measure(options: Omit<SimulateOptions, 'seed'>, from: number): Promise<Rate> {
  const before = process.cpuUsage()
  let simulatedMs = 0
  let events = 0
  for (let seed = from; seed < from + SEEDS; seed++) {
    const result = await simulate({ ...options, seed })
    if (result.failure !== undefined)
      throw new Error(`seed ${seed}`, { cause: result.failure.error })
    simulatedMs += result.simulatedMs
    events += result.events
  }
  const { user, system } = process.cpuUsage(before)
  const seconds = (user + system) / 1e6
  return {
    simulatedSecondsPerSecond: simulatedMs / 1_000 / seconds,
    eventsPerSecond: events / seconds,
  }
}

const results: { algorithm: string; situation: string; rate: Rate }[] = []
for (const [algorithm, own] of Object.entries(algorithms)) {
  for (const [situation, faults] of Object.entries(situations)) {
    const rates: Rate[] = []
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await measure({ ...common, ...own, ...faults }, 1 + round * SEEDS))
    }
    const rate = {
      simulatedSecondsPerSecond: round(median(rates.map((one) => one.simulatedSecondsPerSecond))),
      eventsPerSecond: round(median(rates.map((one) => one.eventsPerSecond))),
    }
    results.push({ algorithm, situation, rate })
    console.log(
      `${algorithm}, ${situation}: ${rate.simulatedSecondsPerSecond} simulated seconds and ${rate.eventsPerSecond} events per processor second`,
    )
  }
}
record('sim', { rounds: ROUNDS, seedsPerRound: SEEDS, results })
