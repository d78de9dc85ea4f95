// A store of three hosts in one process, used through each of them and through clients.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KvClient } from '../src/index.ts'
import { testCluster } from './support/cluster.ts'
import type { TestCluster } from './support/cluster.ts'

describe('a store of three hosts', () => {
  let cluster: TestCluster
  let client: KvClient

  beforeAll(async () => {
    cluster = await testCluster({ shards: 4 })
    client = await cluster.client()
  })
  afterAll(async () => {
    await cluster.close()
  })

  test('what one host puts, every other and a client get', async () => {
    const { version } = await cluster.kv('a').put('greeting', 'hello')
    for (const store of [cluster.kv('a'), cluster.kv('b'), cluster.kv('c'), client]) {
      const entry = await store.get('greeting')
      expect(entry?.text()).toBe('hello')
      expect(entry?.version).toBe(version)
    }
  })

  test('status names a leader for each shard', async () => {
    for (const shard of [0, 1, 2, 3]) await cluster.leader(shard)
    const status = await client.status()
    expect(status.shards.map(({ leader }) => typeof leader)).toEqual(Array(4).fill('string'))
    expect(status.hosts.every(({ reachable }) => reachable)).toBe(true)
  })

  test('a scan over all shards is in the order of bytes', async () => {
    const keys = Array.from({ length: 500 }, (_, at) => `scan/${(at * 7919) % 500}`)
    await client.batch(keys.map((key) => ({ type: 'put', key, value: key })))
    const found: string[] = []
    for await (const entry of client.scan({ prefix: 'scan/', pageEntries: 16 })) {
      expect(entry.text()).toBe(entry.keyText())
      found.push(entry.keyText())
    }
    expect(found).toEqual(keys.toSorted())
  })
})
