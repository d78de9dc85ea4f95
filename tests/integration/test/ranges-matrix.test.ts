// The suite of sorted ranges, run over every consensus, every storage and every transport: hosts are
// killed, started again on what their disks hold, and join later.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostStorage } from '@quorate/core'
import type { Kv, KvClient, KvServer } from '@quorate/kv'
import { connect, createKv, serveKv } from '@quorate/kv'
import type { Host } from '@quorate/runtime'
import { createHost } from '@quorate/runtime'
import type { RangeCluster } from '../../../packages/kv/test/contract/ranges.ts'
import { rangeSuite } from '../../../packages/kv/test/contract/ranges.ts'
import { eachComposition } from './store-parts.ts'

const FIRST = ['a', 'b', 'c']
const ROUNDS = Number(process.env.KV_RANGE_ROUNDS ?? 5)

interface Running {
  readonly storage: HostStorage
  readonly host: Host
  readonly kv: Kv
  readonly server: KvServer
}

eachComposition((name, parts) => {
  rangeSuite(
    name,
    async ({ partitioner, managed, spare }) => {
      const directory = await mkdtemp(join(tmpdir(), 'quorate-test-'))
      const network = await parts.network([...FIRST, ...spare])
      const storage = parts.storages()
      const consensus = parts.consensus({ electionTimeoutMs: 250, heartbeatIntervalMs: 50 })
      const running = new Map<string, Running>()
      const clients: KvClient[] = []
      const start = async (id: string): Promise<void> => {
        const disk = storage(join(directory, id))
        const host = await createHost({ id, transport: network.transport(id), storage: disk })
        const kv = await createKv({ host, consensus, partitioner, managed })
        const advertise = network.address(id)
        const server = await serveKv({ kv, listener: network.listener(id), advertise })
        running.set(id, { storage: disk, host, kv, server })
      }
      const cluster: RangeCluster = {
        kv: (id) => (running.get(id) as Running).kv,
        start,
        async client(hosts = FIRST) {
          const addresses = hosts.map((id) => network.address(id))
          const client = await connect({ addresses, dialer: network.dialer() })
          clients.push(client)
          return client
        },
        async kill(id) {
          const { host, kv, server, storage: disk } = running.get(id) as Running
          running.delete(id)
          await Promise.allSettled([server.close(), host.close({ signal: AbortSignal.abort() })])
          await kv.close().catch(() => {})
          // Whoever comes next finds the disk free.
          await disk.close().catch(() => {})
        },
        async close() {
          await Promise.all(clients.map((client) => client.close()))
          for (const { server, kv, host } of running.values()) {
            await server.close()
            await kv.close()
            await host.close()
          }
          await rm(directory, { recursive: true, force: true })
        },
      }
      await Promise.all(FIRST.map(start))
      return cluster
    },
    ROUNDS,
  )
})
