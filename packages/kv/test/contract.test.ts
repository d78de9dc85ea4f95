// The contract of a store, run on raft over memory: embedded in a host, and through a client.
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
