// The suite of sorted ranges, run on raft over memory; and what a store of hash slots says to a split.
import { expect, test } from 'vitest'
import { rangeSuite } from './contract/ranges.ts'
import { testCluster } from './support/cluster.ts'

const rounds = Number(process.env['KV_RANGE_ROUNDS'] ?? 12)

rangeSuite(
  'raft over memory',
  async ({ partitioner, managed, spare, seed }) => {
    const cluster = await testCluster({ spare, seed, kv: { partitioner, managed } })
    return {
      kv: (id) => cluster.kv(id),
      client: (hosts) => cluster.client(hosts?.map((id) => `client:${id}`)),
      kill: (id) => cluster.kill(id),
      start: (id) => cluster.start(id),
      close: () => cluster.close(),
    }
  },
  rounds,
)

test('a store of hash slots is not split', async () => {
  const cluster = await testCluster({ kv: { managed: { intervalMs: 30 } } })
  await expect(cluster.kv('a').admin.split('k')).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  await cluster.close()
})
