// How long writes wait while the shard that they go to is moved to another host, leader and all, or
// is split and merged again: what the slowest of them saw, beside a time in which nothing moved.
import type { KvAdmin, KvClient, Placement } from '@quorate/kv'
import { hashRing, rangeTable } from '@quorate/ring'
import { round } from '../record.ts'
import { startCluster } from './cluster.ts'
import type { Algorithm, BenchCluster } from './cluster.ts'

const VALUE = 'v'.repeat(256)
const WRITERS = 16
const IDS = ['a', 'b', 'c', 'd']

/** What to measure. */
export interface StallsOptions {
  /** The algorithm. */
  readonly consensus: Algorithm
  /** How many keys the shard has. */
  readonly keys: number
  /** How often it is moved, and split. */
  readonly rounds: number
}

/** Measures moves, then splits and merges; one row for each. */
export async function measureStalls(options: StallsOptions): Promise<readonly object[]> {
  const { consensus } = options
  const managed = { intervalMs: 20, balanceLeaders: false, ranges: false } as const
  const members = IDS.slice(0, 3)
  const slots = hashRing({ members, shards: 1, replicas: 3 })
  const ranges = rangeTable({ members, replicas: 3 })
  const moving = await startCluster({ ids: IDS, consensus, partitioner: slots, managed })
  const rows: object[] = []
  try {
    await moving.client.admin.pause()
    await moving.client.admin.join('d')
    rows.push(...(await compare('a move of the leader', moving, options, move)))
  } finally {
    await moving.close()
  }
  const splitting = await startCluster({ ids: IDS, consensus, partitioner: ranges, managed })
  try {
    rows.push(...(await compare('a split and a merge', splitting, options, splitAndMerge)))
  } finally {
    await splitting.close()
  }
  return rows
}

async function compare(
  what: string,
  { client }: BenchCluster,
  { keys, rounds }: StallsOptions,
  disturb: (client: KvClient, keys: number) => Promise<void>,
): Promise<readonly object[]> {
  for (let from = 0; from < keys; from += 1_000) {
    const part = Array.from({ length: Math.min(1_000, keys - from) }, (_, at) => from + at)
    await client.batch(part.map((n) => ({ type: 'put', key: keyOf(n), value: VALUE })))
  }
  const quiet = await writing(client, keys, () => passing(1_000))
  const disturbed = await writing(client, keys, async () => {
    for (let n = 0; n < rounds; n++) await disturb(client, keys)
  })
  return [
    { during: 'nothing', keys, ...quiet },
    { during: what, keys, ...disturbed },
  ]
}

/** Moves the leader's replica to the host that has none. */
async function move(client: KvClient): Promise<void> {
  const [shard] = (await client.status()).shards
  const to = IDS.find((id) => shard?.voters.includes(id) === false) as string
  await client.admin.move(0, shard?.leader as string, to)
  await calm(client.admin)
}

async function splitAndMerge(client: KvClient, keys: number): Promise<void> {
  await client.admin.split(keyOf(keys >> 1))
  await calm(client.admin)
  await client.admin.merge(keyOf(0))
  await calm(client.admin)
}

async function calm(admin: KvAdmin): Promise<void> {
  const busy = ({ shards }: Placement): boolean =>
    shards.some(({ move: one, handover, receiving, forgetting }) =>
      [one, handover, receiving, forgetting].some((change) => change !== undefined),
    )
  while (busy(await admin.placement())) await passing(10)
}

/** Writes until something else is done, and tells how long writes took. */
async function writing(client: KvClient, keys: number, work: () => Promise<void>): Promise<object> {
  const latencies: number[] = []
  let stop = false
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = writer; !stop; n += WRITERS * 7) {
      const started = performance.now()
      await client.put(keyOf(n % keys), VALUE, { timeoutMs: 30_000 })
      latencies.push(performance.now() - started)
      // As fast as a client would ask, not as fast as the store can.
      await passing(1)
    }
  })
  await work()
  stop = true
  await Promise.all(writers)
  const sorted = latencies.sort((a, b) => a - b)
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return { writes: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) }
}

function keyOf(n: number): string {
  return `k/${String(n).padStart(8, '0')}`
}

function passing(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
