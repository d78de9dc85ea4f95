// The claim that parts are swapped by one import: the whole contract of a store, run over every
// consensus, every storage and every transport.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  ClientDialer,
  ClientListener,
  ConsensusFactory,
  HostStorage,
  Transport,
} from '@quorate/core'
import type { Kv } from '@quorate/kv'
import { connect, createKv, serveKv } from '@quorate/kv'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { createHost } from '@quorate/runtime'
import { fsStorage } from '@quorate/storage-fs'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { webSocketDialer, webSocketListener, webSockets } from '@quorate/transport-ws'
import { kvContract } from '../../../packages/kv/test/contract/contract.ts'
import { freePorts } from './processes.ts'

const IDS = ['a', 'b', 'c']

const consensuses: Readonly<Record<string, () => ConsensusFactory>> = {
  raft: () => raft(),
  paxos: () => paxos(),
}

/** A storage for each host, below a directory that is removed afterwards. */
const storages: Readonly<Record<string, (directory: string) => HostStorage>> = {
  memory: () => memoryStorage(),
  fs: (directory) => fsStorage(directory),
}

/** How hosts and clients reach each other. */
interface Network {
  transport(id: string): Transport
  listener(id: string): ClientListener
  address(id: string): string
  dialer(): ClientDialer
}

const networks: Readonly<Record<string, () => Promise<Network>>> = {
  memory: async () => {
    const network = memoryNetwork()
    const address = (id: string): string => `client:${id}`
    return {
      transport: () => network.transport(),
      listener: (id) => network.listener(address(id)),
      address,
      dialer: () => network.dialer(),
    }
  },
  ws: async () => {
    const ports = await freePorts(IDS.length * 2)
    const peerUrl = (id: string): string => `ws://127.0.0.1:${ports[IDS.indexOf(id)]}`
    const clientPort = (id: string): number => ports[IDS.length + IDS.indexOf(id)] as number
    return {
      transport: (id) =>
        webSockets({
          listen: { port: ports[IDS.indexOf(id)] as number, host: '127.0.0.1' },
          peers: Object.fromEntries(
            IDS.filter((other) => other !== id).map((other) => [other, peerUrl(other)]),
          ),
        }),
      listener: (id) => webSocketListener({ port: clientPort(id), host: '127.0.0.1' }),
      address: (id) => `ws://127.0.0.1:${clientPort(id)}`,
      dialer: () => webSocketDialer(),
    }
  },
}

for (const [consensusName, consensus] of Object.entries(consensuses)) {
  for (const [storageName, storage] of Object.entries(storages)) {
    for (const [networkName, createNetwork] of Object.entries(networks)) {
      kvContract(`${consensusName} over ${storageName} and ${networkName}`, async () => {
        const directory = await mkdtemp(join(tmpdir(), 'quorate-test-'))
        const network = await createNetwork()
        const partitioner = hashRing({ members: IDS, shards: 4, replicas: 3 })
        const open: { close(): Promise<void> }[] = []
        const start = async (id: string): Promise<Kv> => {
          const host = await createHost({
            id,
            transport: network.transport(id),
            storage: storage(join(directory, id)),
          })
          open.push(host)
          const kv = await createKv({ host, consensus: consensus(), partitioner })
          open.push(kv)
          open.push(await serveKv({ kv, listener: network.listener(id) }))
          return kv
        }
        const [store] = await Promise.all(IDS.map(start))
        const other = await connect({
          addresses: IDS.map((id) => network.address(id)),
          dialer: network.dialer(),
        })
        return {
          store: store as Kv,
          other,
          async close() {
            await other.close()
            for (const resource of open.toReversed()) await resource.close()
            await rm(directory, { recursive: true, force: true })
          },
        }
      })
    }
  }
}
