// The parts that a store can be made of, by name: every consensus, every storage and every transport,
// each of them one import.
import type {
  ClientDialer,
  ClientListener,
  ConsensusFactory,
  HostStorage,
  Transport,
} from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { fsStorage } from '@quorate/storage-fs'
import type { MemoryDisk } from '@quorate/storage-memory'
import { memoryDisk, memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { webSocketDialer, webSocketListener, webSockets } from '@quorate/transport-ws'
import { freePorts } from './processes.ts'

/** How soon a leader is missed. */
export interface Timing {
  readonly electionTimeoutMs?: number
  readonly heartbeatIntervalMs?: number
}

/** The algorithms. */
const consensuses: Readonly<Record<string, (timing: Timing) => ConsensusFactory>> = {
  raft: (timing) => raft(timing),
  paxos: (timing) => paxos(timing),
}

/** The storages of hosts, each of which keeps what it has in a directory of its own name. */
const storages: Readonly<Record<string, () => (directory: string) => HostStorage>> = {
  memory: () => {
    const disks = new Map<string, MemoryDisk>()
    return (directory) => {
      const disk = disks.get(directory) ?? memoryDisk()
      disks.set(directory, disk)
      // Whoever had it before is gone, with whatever it had not made durable.
      disk.crash()
      return memoryStorage({ disk })
    }
  },
  fs: () => (directory) => fsStorage(directory),
}

/** How hosts and clients reach each other. */
export interface Network {
  transport(id: string): Transport
  listener(id: string): ClientListener
  address(id: string): string
  dialer(): ClientDialer
}

/** The networks, for hosts of these names. */
const networks: Readonly<Record<string, (ids: readonly string[]) => Promise<Network>>> = {
  memory: async (ids) => {
    const network = memoryNetwork()
    const address = (id: string): string => `client:${id}`
    return {
      transport: (id) => {
        const transport = network.transport()
        for (const other of ids) if (other !== id) transport.setPeer(other, `memory:${other}`)
        return transport
      },
      listener: (id) => network.listener(address(id)),
      address,
      dialer: () => network.dialer(),
    }
  },
  ws: async (ids) => {
    const ports = await freePorts(ids.length * 2)
    const peerUrl = (id: string): string => `ws://127.0.0.1:${ports[ids.indexOf(id)]}`
    const clientPort = (id: string): number => ports[ids.length + ids.indexOf(id)] as number
    return {
      transport: (id) =>
        webSockets({
          listen: { port: ports[ids.indexOf(id)] as number, host: '127.0.0.1' },
          peers: Object.fromEntries(
            ids.filter((other) => other !== id).map((other) => [other, peerUrl(other)]),
          ),
        }),
      listener: (id) => webSocketListener({ port: clientPort(id), host: '127.0.0.1' }),
      address: (id) => `ws://127.0.0.1:${clientPort(id)}`,
      dialer: () => webSocketDialer(),
    }
  },
}

/** Calls what is given for every combination of parts, with its name. */
export function eachComposition(
  use: (
    name: string,
    parts: {
      readonly consensus: (timing?: Timing) => ConsensusFactory
      readonly storages: () => (directory: string) => HostStorage
      readonly network: (ids: readonly string[]) => Promise<Network>
    },
  ) => void,
): void {
  for (const [consensusName, consensus] of Object.entries(consensuses)) {
    for (const [storageName, storage] of Object.entries(storages)) {
      for (const [networkName, network] of Object.entries(networks)) {
        use(`${consensusName} over ${storageName} and ${networkName}`, {
          consensus: (timing = {}) => consensus(timing),
          storages: storage,
          network,
        })
      }
    }
  }
}
