// The contract of a store, run on raft over memory: embedded in a host, and through a client.
import { rangeTable } from '@quorate/ring'
import { kvContract } from './contract/contract.ts'
import { testCluster } from './support/cluster.ts'

kvContract('embedded, raft over memory', async () => {
  const cluster = await testCluster({ shards: 4 })
  return {
    store: cluster.kv('a'),
    other: cluster.kv('b'),
    close: () => cluster.close(),
  }
})

kvContract('a client, raft over memory', async () => {
  const cluster = await testCluster({ shards: 4 })
  const [store, other] = [await cluster.client(), await cluster.client(['client:c'])]
  return { store, other, close: () => cluster.close() }
})

kvContract('sorted ranges, raft over memory', async () => {
  const partitioner = rangeTable({ members: ['a', 'b', 'c'], splits: ['case-3', 'case-6'] })
  const cluster = await testCluster({ kv: { partitioner } })
  return { store: cluster.kv('a'), other: await cluster.client(), close: () => cluster.close() }
})
