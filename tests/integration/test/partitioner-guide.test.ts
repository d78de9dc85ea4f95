// The partitioner of the guide "Write a partitioner", held to the suite that the guide names, and in a
// store: keys of one tenant are together.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { partitionerConformance } from '@quorate/conformance/partitioner'
import type { Partitioner } from '@quorate/core'
import { createKv } from '@quorate/kv'
import { raft } from '@quorate/raft'
import { createHost } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { afterAll, describe, expect, it } from 'vitest'

interface Guide {
  tenants(options: {
    readonly members: readonly string[]
    readonly shards: number
    readonly replicas: number
  }): Partitioner
}

const guide = new URL('../../../docs/guides/write-a-partitioner.md', import.meta.url)
const module = fileURLToPath(new URL('./.partitioner-guide.ts', import.meta.url))
const [, code = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(guide, 'utf8')) ?? []
writeFileSync(module, code)
const { tenants } = (await import(/* @vite-ignore */ module)) as Guide

afterAll(() => rmSync(module, { force: true }))

partitionerConformance({
  name: 'the guide',
  test: { describe, it },
  supports: { uniformShards: true, zones: false, changes: false, minimalMovement: false },
  create: (members, { shards, replicas }) =>
    tenants({ members: members.map(({ id }) => id), shards, replicas }),
})

it('places a store', async () => {
  const transport = memoryNetwork().transport()
  const host = await createHost({ id: 'a', transport, storage: memoryStorage() })
  const partitioner = tenants({ members: ['a'], shards: 16, replicas: 1 })
  const kv = await createKv({ host, consensus: raft(), partitioner })
  const shards = ['ann/1', 'ann/2', 'ann/2/x', 'ann'].map((key) => kv.shardOf(key))
  expect(new Set(shards).size).toBe(1)
  await kv.put('ann/1', 'x')
  expect((await kv.get('ann/1'))?.text()).toBe('x')
  await kv.close()
  await host.close()
})
