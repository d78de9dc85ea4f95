// Thousands of groups that nobody uses, over three hosts in one process: what each replica costs in
// heap, what all of them cost in processor time once they sleep, and how long they take to start.
//
//   bench idle-groups [--groups 10000] [--seconds 10]
import { parseArgs } from 'node:util'
import type { Host } from '@quorate/runtime'
import { createHost } from '@quorate/runtime'
import type { ConsensusFactory, Replica, StateMachine } from '@quorate/core'
import { raft } from '@quorate/raft'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { record, round } from './record.ts'

const { values } = parseArgs({
  options: {
    groups: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '10' },
  },
})
const groups = Number(values.groups)
const ids = ['a', 'b', 'c']
const hibernateAfterMs = 1_000
const electionTimeoutMs = 5_000
const heartbeatIntervalMs = 500
const WAVE = 500

/** A state machine without any state, so that only the runtime and the core are measured. */
const NOTHING = new Uint8Array(0)
const machine: StateMachine = {
  apply: (commands) => commands.map(() => NOTHING),
  query: () => NOTHING,
  snapshot: () => [],
  restore: () => Promise.resolve(),
}

const heapUsed = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
const passing = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The share of one core that this process uses over some seconds. */
async function busyShare(seconds: number): Promise<number> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  await passing(seconds * 1_000)
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / 1_000 / (performance.now() - started)
}

async function openHosts(): Promise<Host[]> {
  const network = memoryNetwork()
  return Promise.all(
    ids.map((id) => createHost({ id, transport: network.transport(), storage: memoryStorage() })),
  )
}

/** Opens some groups on every host, and waits until each has a leader. */
async function openWave(
  hosts: readonly Host[],
  consensus: ConsensusFactory,
  from: number,
  to: number,
): Promise<number> {
  const started = performance.now()
  const wave: Replica[] = []
  for (let group = from; group < to; group++) {
    const options = {
      group: `g${group}`,
      consensus,
      stateMachine: machine,
      members: { voters: ids },
    }
    wave.push(...(await Promise.all(hosts.map((host) => host.createReplica(options)))))
  }
  const seconds = (performance.now() - started) / 1_000
  while (wave.some((replica) => replica.consensus().leader === undefined)) await passing(100)
  return seconds
}

/** Waits until the process has become idle. */
async function untilAsleep(): Promise<void> {
  const started = performance.now()
  while ((await busyShare(2)) > 0.1) {
    if (performance.now() - started > 300_000) throw new Error('the groups do not fall asleep')
  }
}

const replicas = groups * ids.length
const hosts = await openHosts()
const empty = heapUsed()
const started = performance.now()
const consensus = raft({ hibernateAfterMs, electionTimeoutMs, heartbeatIntervalMs })
let openSeconds = 0
// Groups that all start at once would all hold elections at once: a host opens them in waves.
for (let from = 0; from < groups; from += WAVE) {
  openSeconds += await openWave(hosts, consensus, from, Math.min(groups, from + WAVE))
}
const leadersAfterSeconds = (performance.now() - started) / 1_000
await untilAsleep()
const asleep = heapUsed()
const share = await busyShare(Number(values.seconds))
const led = hosts[0]!.replicas().find((replica) => replica.consensus().role === 'leader')
const before = performance.now()
await led?.propose(new Uint8Array(16))
const wakeMs = performance.now() - before
const closing = performance.now()
await Promise.all(hosts.map((host) => host.close()))
const row = {
  groups,
  replicas,
  openPerSecond: round(replicas / openSeconds),
  leadersAfterSeconds: round(leadersAfterSeconds),
  heapKiBEach: round((asleep - empty) / replicas / 1_024),
  corePercentIdle: round(share * 100),
  firstWriteMs: round(wakeMs),
  closeSeconds: round((performance.now() - closing) / 1_000),
}
console.table([row])
record('idle-groups', { hibernateAfterMs, electionTimeoutMs, heartbeatIntervalMs, ...row })
