// How long a store takes no writes after its leader has died: the leader's process is killed again
// and again, ours and etcd's in turn in one run, with the same timeouts for both.
//
//   bench failover [--kills 20] [--minutes 5] [--consensus raft] [--dir DIRECTORY]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hasEtcd } from './durable-puts/etcd.ts'
import type { FailingCluster } from './failover/clusters.ts'
import { etcdCluster, quorateCluster } from './failover/clusters.ts'
import { record, round } from './record.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '5' },
    consensus: { type: 'string', default: 'raft' },
    dir: { type: 'string', default: tmpdir() },
  },
})
// The defaults of both, said aloud.
const electionTimeoutMs = 1_000
const heartbeatIntervalMs = 100
/** A put is begun this often: one that went to the dead leader must not hide the first that is taken. */
const PROBE_MS = 10
const GIVE_UP_MS = 30_000
/** Where in the heartbeat's period the kill falls is left to chance; that the cluster rests before is not. */
const REST_MS = 500

const passing = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Kills the leader and measures until the first put that was begun afterwards is acknowledged. */
async function failOver(cluster: FailingCluster, kill: number): Promise<number> {
  const leader = await cluster.leader()
  await passing(REST_MS + Math.random() * heartbeatIntervalMs)
  const session = await cluster.session(leader)
  try {
    await session.put(`failover/${kill}/before`)
    const killed = performance.now()
    cluster.kill(leader)
    return await firstPut(session.put, kill, killed)
  } finally {
    await session.close()
    await cluster.restart(leader)
  }
}

function firstPut(
  put: (key: string) => Promise<unknown>,
  kill: number,
  killed: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let probe = 0
    const timer = setInterval(() => {
      if (performance.now() - killed > GIVE_UP_MS) {
        clearInterval(timer)
        reject(new Error('no write was taken in time'))
      }
      put(`failover/${kill}/${probe++}`).then(
        () => {
          clearInterval(timer)
          resolve(performance.now() - killed)
        },
        () => undefined,
      )
    }, PROBE_MS)
  })
}

async function measure(
  kills: number,
  start: (directory: string) => FailingCluster | Promise<FailingCluster>,
): Promise<{ readonly name: string; readonly times: readonly number[] }> {
  const directory = await mkdtemp(join(values.dir, 'quorate-failover-'))
  try {
    const cluster = await start(directory)
    try {
      const times: number[] = []
      const end = performance.now() + Number(values.minutes) * 60_000
      for (let kill = 0; kill < kills; kill++) {
        if (performance.now() > end) {
          console.error(`${cluster.name}: ${kill} kills of ${kills} in ${values.minutes} minutes`)
          break
        }
        times.push(await failOver(cluster, kill))
      }
      return { name: cluster.name, times }
    } finally {
      await cluster.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const kills = Number(values.kills)
const results = [await measure(kills, (to) => quorateCluster(to, 17_600, values.consensus))]
if (hasEtcd()) {
  const flags = [
    `--heartbeat-interval=${heartbeatIntervalMs}`,
    `--election-timeout=${electionTimeoutMs}`,
  ]
  results.push(await measure(kills, (to) => etcdCluster(to, 17_700, flags)))
} else {
  console.error('etcd is not installed (Debian packages etcd-server and etcd-client)')
}
const rows = results.map(({ name, times }) => {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN)
  return {
    store: name,
    kills: times.length,
    leastMs: at(0),
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    mostMs: at(1),
  }
})
console.table(rows)
record('failover', {
  electionTimeoutMs,
  heartbeatIntervalMs,
  rows,
  times: Object.fromEntries(results.map(({ name, times }) => [name, times.map(round)])),
})
process.exit(0)
