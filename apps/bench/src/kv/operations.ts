// Operations per second, one after the other by each of so many clients: per second of the clock, and
// per second of processor time of everything together.
import { createRandom } from '@quorate/core'
import type { Consistency, KvClient } from '@quorate/kv'
import { hashRing } from '@quorate/ring'
import { round } from '../record.ts'
import { startCluster } from './cluster.ts'
import type { Algorithm } from './cluster.ts'

const VALUE = 'v'.repeat(256)
const LEVELS: readonly Consistency[] = [
  'linearizable',
  'lease',
  'follower',
  'session',
  'local',
  { maxStalenessMs: 1_000 },
]

/** What to measure. */
export interface OperationsOptions {
  /** The algorithm. */
  readonly consensus: Algorithm
  /** How many shards. */
  readonly shards: number
  /** How many do something at a time. */
  readonly clients: number
  /** How long each kind of operation is measured. */
  readonly seconds: number
  /** How many keys there are. */
  readonly keys: number
}

/** Measures every kind of operation; one row for each. */
export async function measureOperations(options: OperationsOptions): Promise<readonly object[]> {
  const { consensus, shards, clients, keys } = options
  const ids = ['a', 'b', 'c']
  const partitioner = hashRing({ members: ids, shards, replicas: 3 })
  const cluster = await startCluster({ ids, consensus, partitioner })
  const random = createRandom(1)
  const key = (): string => `k/${String(random.below(keys)).padStart(8, '0')}`
  try {
    const { client } = cluster
    await fill(client, keys)
    const kinds: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['put', () => client.put(key(), VALUE)],
      ...LEVELS.map((consistency): readonly [string, () => Promise<unknown>] => [
        `get, ${typeof consistency === 'string' ? consistency : '1 s stale'}`,
        () => client.get(key(), { consistency }),
      ]),
      ['scan of 100', () => scan(client, key())],
    ]
    const rows: object[] = []
    for (const [operation, run] of kinds) {
      const rates = await measure(run, options)
      rows.push({ shards, clients, operation, ...rates })
    }
    return rows
  } finally {
    await cluster.close()
  }
}

async function fill(client: KvClient, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += 1_000) {
    const ops = Array.from({ length: Math.min(1_000, keys - from) }, (_, at) => ({
      type: 'put' as const,
      key: `k/${String(from + at).padStart(8, '0')}`,
      value: VALUE,
    }))
    await client.batch(ops)
  }
}

async function scan(client: KvClient, start: string): Promise<void> {
  for await (const _ of client.scan({ start, limit: 100, pageEntries: 100 }));
}

async function measure(
  run: () => Promise<unknown>,
  { clients, seconds }: OperationsOptions,
): Promise<object> {
  const latencies: number[] = []
  const cpu = process.cpuUsage()
  const started = performance.now()
  const until = started + seconds * 1_000
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let now = started; now < until;) {
        await run()
        const done = performance.now()
        latencies.push(done - now)
        now = done
      }
    }),
  )
  const elapsed = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const sorted = latencies.sort((a, b) => a - b)
  return {
    perSecond: round(latencies.length / elapsed),
    perCpuSecond: round((latencies.length * 1e6) / (user + system)),
    p50Ms: round(sorted[sorted.length >> 1] ?? 0),
    p99Ms: round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
  }
}
