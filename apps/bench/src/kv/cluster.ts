// Hosts, stores and a client in one process: everything but disks and sockets is as it is in use.
import type { ConsensusFactory, Partitioner, Transport } from '@quorate/core'
import { connect, createKv, serveKv } from '@quorate/kv'
import type { Kv, KvClient, ManagedOptions } from '@quorate/kv'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { createHost } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'

/** The name of an algorithm. */
export type Algorithm = 'raft' | 'paxos'

/** A cluster of one process. */
export interface BenchCluster {
  /** The stores, by host. */
  readonly stores: readonly Kv[]
  /** A client that is connected to all hosts. */
  readonly client: KvClient
  /** Ends everything. */
  close(): Promise<void>
}

const factories: Readonly<
  Record<Algorithm, (options: { hibernateAfterMs?: number | undefined }) => ConsensusFactory>
> = { raft, paxos }

/** Starts a cluster; resolves once every shard has taken a write. */
export async function startCluster(options: {
  readonly ids: readonly string[]
  readonly consensus: Algorithm
  /** After how long without anything to do a shard falls asleep; 0: never. Default: the algorithm's own. */
  readonly hibernateAfterMs?: number | undefined
  readonly partitioner: Partitioner
  readonly managed?: ManagedOptions
}): Promise<BenchCluster> {
  const { ids, partitioner, managed, hibernateAfterMs } = options
  const consensus = factories[options.consensus]({ hibernateAfterMs })
  const network = memoryNetwork()
  const hosts = await Promise.all(
    ids.map(async (id) => {
      const transport = network.transport() as Transport
      const host = await createHost({ id, transport, storage: memoryStorage() })
      for (const other of ids) if (other !== id) host.setPeer(other, `memory:${other}`)
      const kv = await createKv({ host, consensus, partitioner, managed })
      const listener = network.listener(`client:${id}`)
      const server = await serveKv({ kv, listener, advertise: `client:${id}` })
      return { host, kv, server }
    }),
  )
  const addresses = ids.map((id) => `client:${id}`)
  const client = await connect({ addresses, dialer: network.dialer() })
  const taken = new Set<number>()
  const { length } = (await client.status()).shards
  for (let n = 0; taken.size < length; n++) {
    const key = `warm/${n}`
    if (taken.has(client.shardOf(key))) continue
    await client.put(key, 'up', { timeoutMs: 60_000 })
    await client.delete(key)
    taken.add(client.shardOf(key))
  }
  return {
    stores: hosts.map(({ kv }) => kv),
    client,
    async close() {
      await client.close()
      for (const { server, kv, host } of hosts) {
        await server.close()
        await kv.close()
        await host.close()
      }
    },
  }
}
