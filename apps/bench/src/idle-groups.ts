// Thousands of groups that nobody uses, over three hosts in one process: what each replica costs in
// heap, what all of them cost in processor time once they sleep, and how long they take to start.
//
//   bench idle-groups [--groups 10000] [--seconds 10] [--consensus raft]
import { parseArgs } from 'node:util'
import type { Host } from '@quorate/runtime'
import { createHost } from '@quorate/runtime'
import type { ConsensusFactory, StateMachine } from '@quorate/core'
import { raft } from '@quorate/raft'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { record, round } from './record.ts'

const { values } = parseArgs({
  options: {
    groups: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '10' },
    warm: { type: 'string', default: '8' },
  },
})
const groups = Number(values.groups)
const ids = ['a', 'b', 'c']
const hibernateAfterMs = 1_000

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

/** Opens every group on every host. */
async function openGroups(hosts: readonly Host[], consensus: ConsensusFactory): Promise<void> {
  for (let group = 0; group < groups; group++) {
    const options = {
      group: `g${group}`,
      consensus,
      stateMachine: machine,
      members: { voters: ids },
    }
    await Promise.all(hosts.map((host) => host.createReplica(options)))
  }
}

const leaders = (hosts: readonly Host[]): number =>
  hosts
    .flatMap((host) => host.replicas())
    .filter((replica) => replica.consensus().role === 'leader').length

/** Waits until nothing happens any more: every group has a leader, and the process has become idle. */
async function untilAsleep(hosts: readonly Host[]): Promise<number> {
  const started = performance.now()
  while (leaders(hosts) < groups || (await busyShare(1)) > 0.2) {
    if (performance.now() - started > 120_000) throw new Error('the groups do not fall asleep')
    await passing(500)
  }
  return (performance.now() - started) / 1_000
}

const replicas = groups * ids.length
const hosts = await openHosts()
const empty = heapUsed()
const started = performance.now()
await openGroups(hosts, raft({ hibernateAfterMs }))
const openSeconds = (performance.now() - started) / 1_000
const opened = heapUsed()
const asleepSeconds = await untilAsleep(hosts)
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
  electSeconds: round(asleepSeconds),
  heapKiBOpened: round((opened - empty) / replicas / 1_024),
  heapKiBAsleep: round((asleep - empty) / replicas / 1_024),
  corePercentAsleep: round(share * 100),
  firstWriteMs: round(wakeMs),
  closeSeconds: round((performance.now() - closing) / 1_000),
}
console.table([row])
record('idle-groups', { hibernateAfterMs, ...row })
