// Durable puts through three processes on loopback, ours and etcd's in turn in one run: what a user
// gets with everything on it, disks and sockets and client included.
//
//   bench durable-puts [--seconds 8] [--rounds 3] [--consensus raft] [--shards 16] [--dir DIRECTORY]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { MeasuredStore } from './durable-puts/etcd.ts'
import { hasEtcd, startEtcd } from './durable-puts/etcd.ts'
import type { LoopResult } from './durable-puts/load.ts'
import { closedLoop } from './durable-puts/load.ts'
import { startQuorate } from './durable-puts/quorate.ts'
import { median, record, round } from './record.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    consensus: { type: 'string', default: 'raft' },
    shards: { type: 'string', default: '16' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const VALUE_BYTES = 256
const CLIENTS = [64, 256]

/** Starts a store, runs the loop with each number of clients, and stops it. */
async function measure(
  start: (directory: string) => Promise<MeasuredStore>,
): Promise<{ name: string; runs: LoopResult[] }> {
  const directory = await mkdtemp(join(values.dir, 'quorate-bench-'))
  try {
    const store = await start(directory)
    try {
      const runs: LoopResult[] = []
      for (const clients of CLIENTS) {
        const seconds = Number(values.seconds)
        runs.push(
          await closedLoop(store.put, {
            clients,
            seconds,
            valueBytes: VALUE_BYTES,
            label: String(clients),
          }),
        )
      }
      return { name: store.name, runs }
    } finally {
      await store.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

interface Summary {
  readonly store: string
  readonly clients: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

function summarise(rounds: readonly { name: string; runs: LoopResult[] }[]): Summary[] {
  return CLIENTS.map((clients, at) => {
    const of = (pick: (run: LoopResult) => number): number =>
      round(median(rounds.map(({ runs }) => pick(runs[at] as LoopResult))))
    return {
      store: rounds[0]?.name ?? '',
      clients,
      perSecond: of((run) => run.perSecond),
      p50Ms: of((run) => run.p50Ms),
      p99Ms: of((run) => run.p99Ms),
    }
  })
}

const ours: { name: string; runs: LoopResult[] }[] = []
const theirs: { name: string; runs: LoopResult[] }[] = []
const withEtcd = hasEtcd()
if (!withEtcd)
  console.error(
    'etcd is not installed (Debian packages etcd-server and etcd-client): measured without it',
  )
for (let turn = 0; turn < Number(values.rounds); turn++) {
  const options = { consensus: values.consensus, shards: Number(values.shards) }
  ours.push(await measure((directory) => startQuorate(directory, 17_400, options)))
  if (withEtcd) theirs.push(await measure((directory) => startEtcd(directory, 17_500)))
}
const rows = [...summarise(ours), ...(withEtcd ? summarise(theirs) : [])]
console.table(rows)
const ratios = withEtcd
  ? CLIENTS.map((clients, at) => {
      const ratio = (pick: (run: LoopResult) => number): number =>
        round(
          median(
            ours.map(
              ({ runs }, turn) =>
                pick(runs[at] as LoopResult) / pick(theirs[turn]?.runs[at] as LoopResult),
            ),
          ),
        )
      return { clients, throughput: ratio((run) => run.perSecond), p99: ratio((run) => run.p99Ms) }
    })
  : []
if (withEtcd)
  console.table(ratios.map((row) => ({ 'quorate / etcd, clients': row.clients, ...row })))
record('durable-puts', {
  valueBytes: VALUE_BYTES,
  rounds: ours.length,
  seconds: Number(values.seconds),
  rows,
  ratios,
})
