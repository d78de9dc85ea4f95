// A cluster of real processes looks after itself: a host that is killed for good is replaced, a new
// one takes its share and no more, and clients notice nothing but time.
import { describe, expect, it } from 'vitest'
import type { KvClient, Placement } from '@quorate/kv'
import type { ProcessCluster } from './processes.ts'
import { processCluster } from './processes.ts'

const IDS = ['a', 'b', 'c', 'd', 'e']
const SHARDS = 8
const REPLICAS = 3
const WRITERS = 8
const TIMEOUT_MS = 240_000

/** What clients did while everything went on. */
interface Traffic {
  /** Ends it; resolves with what must be stored, and rejects with the first error that a client saw. */
  stop(): Promise<ReadonlyMap<string, number>>
  /** The longest time that a call took so far, in milliseconds. */
  readonly longestMs: number
}

/** Clients that count, each in keys of its own, and bear no error. */
function traffic(client: KvClient): Traffic {
  const counts = new Map<string, number>()
  let stopped = false
  let longestMs = 0
  const write = async (writer: number): Promise<void> => {
    for (let turn = 0; !stopped; turn++) {
      const key = `n/${writer}/${turn % 16}`
      const started = performance.now()
      const sum = await client.increment(key, 1, { timeoutMs: 60_000 })
      longestMs = Math.max(longestMs, performance.now() - started)
      counts.set(key, (counts.get(key) ?? 0) + 1)
      // Applied once each, whatever was repeated on the way.
      if (sum !== counts.get(key)) throw new Error(`${key} is ${sum}, not ${counts.get(key)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
  // Whoever stops them is told.
  writers.catch(() => {})
  return {
    async stop() {
      stopped = true
      await writers
      return counts
    },
    get longestMs() {
      return longestMs
    },
  }
}

const held = ({ shards }: Placement, id: string): number =>
  shards.filter(({ voters }) => voters.includes(id)).length

const moves = ({ shards }: Placement): number =>
  shards.reduce((sum, { epoch }) => sum + epoch - 1, 0)

/** Whether hosts have equally many replicas, but for one. */
function isSpread(placement: Placement, hosts: readonly string[]): boolean {
  const loads = hosts.map((id) => held(placement, id))
  return Math.max(...loads) - Math.min(...loads) <= 1
}

async function until(
  client: KvClient,
  enough: (placement: Placement) => boolean,
): Promise<Placement> {
  for (;;) {
    const placement = await client.admin.placement({ timeoutMs: 60_000 })
    const moving = placement.shards.some(({ move }) => move !== undefined)
    if (!moving && enough(placement)) return placement
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Waits until the store itself says that nothing is missing. */
async function untilWhole(client: KvClient): Promise<void> {
  for (;;) {
    const { shards } = await client.status({ timeoutMs: 60_000 })
    if (shards.every(({ underReplicated, leader }) => !underReplicated && leader !== undefined))
      return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function checkHealing(cluster: ProcessCluster): Promise<void> {
  await Promise.all(IDS.map((id) => cluster.start(id)))
  const client = await cluster.client()
  try {
    await untilWhole(client)
    const before = await until(client, () => true)
    const clients = traffic(client)
    const { hosts } = await client.status()
    const victim = [...hosts].sort((a, b) => b.leads - a.leads)[0]?.id as string
    const lost = held(before, victim)
    await cluster.kill(victim)

    // The first status that is asked for says what is missing.
    const status = await client.status({ timeoutMs: 60_000 })
    const missing = status.shards.filter(({ underReplicated }) => underReplicated)
    expect(missing.length).toBe(lost)

    const healed = await until(client, (placement) => held(placement, victim) === 0)
    await untilWhole(client)
    for (const { voters } of healed.shards) expect(voters).toHaveLength(REPLICAS)
    // What was lost is replaced, and nothing else is touched.
    expect(moves(healed) - moves(before)).toBe(lost)

    // A sixth host takes over the map from the one that is gone, which can then be forgotten.
    await cluster.join('f')
    await until(client, ({ map }) => map?.hosts.includes(victim) !== true)
    await client.admin.leave(victim)
    const live = [...IDS.filter((id) => id !== victim), 'f']
    const spread = await until(client, (placement) => isSpread(placement, live))
    await untilWhole(client)
    const share = (SHARDS * REPLICAS) / live.length
    expect(held(spread, 'f')).toBeLessThanOrEqual(1.02 * share)
    expect(held(spread, 'f')).toBeGreaterThanOrEqual(Math.floor(share))
    // Nothing moves but what makes the hosts even.
    const gained = live.map((id) => Math.max(0, held(spread, id) - held(healed, id)))
    expect(moves(spread) - moves(healed)).toBe(gained.reduce((sum, each) => sum + each, 0))
    expect(await client.admin.plan()).toEqual([])

    const counts = await clients.stop()
    let total = 0
    for (const [key, count] of counts) {
      expect((await client.get(key, { timeoutMs: 60_000 }))?.text()).toBe(`${count}`)
      total += count
    }
    console.log(
      `${victim} held ${lost} of ${SHARDS * REPLICAS} replicas; ${total} writes, none failed, the longest took ${clients.longestMs.toFixed(0)} ms`,
    )
  } finally {
    await client.close()
  }
}

describe('a cluster of five processes', () => {
  it.each(['raft', 'paxos'])(
    'replaces a host that is gone and lets a sixth take its share (%s)',
    async (consensus) => {
      const options = ['--replace-after', '3000']
      const cluster = await processCluster({ ids: IDS, consensus, shards: SHARDS, options })
      try {
        await checkHealing(cluster)
      } finally {
        await cluster.remove()
      }
    },
    TIMEOUT_MS,
  )
})
