// Three hosts in one process: raft over storage in memory and a network that can be cut, with
// stores, servers and clients on top, and hosts that can be killed and started again.
import type { Logger, Metrics, Transport } from '@quorate/core'
import { createRandom } from '@quorate/core'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { createHost } from '@quorate/runtime'
import type { Host, ReplicaOptions } from '@quorate/runtime'
import { memoryDisk, memoryStorage } from '@quorate/storage-memory'
import type { MemoryDisk, MemoryStorageOptions } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import type { MemoryNetwork } from '@quorate/transport-memory'
import { connect, createKv, serveKv } from '../../src/index.ts'
import type { Kv, KvClient, KvOptions, KvServer } from '../../src/index.ts'

/** What a test may choose. */
export interface ClusterOptions {
  readonly hosts?: readonly string[]
  /** Hosts that the partitioner does not name; they are started later. */
  readonly spare?: readonly string[]
  readonly shards?: number
  readonly replicas?: number
  readonly seed?: number
  readonly kv?: Partial<KvOptions>
  readonly logger?: Logger
  readonly metrics?: (host: string) => Metrics
  /** Told of what hosts do with replicas, in order. */
  readonly onReplica?: (host: string, event: string) => void
  /** Called once a host has done what another asked of it, before the answer leaves. */
  readonly onDone?: (host: string, request: Uint8Array) => void
  /** Asked before each operation of a host's storage whether it fails. */
  readonly fault?: (host: string) => ReturnType<NonNullable<MemoryStorageOptions['fault']>>
}

/** One host with everything on it. */
export interface TestHost {
  readonly host: Host
  readonly kv: Kv
  readonly server: KvServer
}

/** A cluster of one process. */
export interface TestCluster {
  readonly network: MemoryNetwork
  readonly hosts: ReadonlyMap<string, TestHost>
  readonly ids: readonly string[]
  kv(id: string): Kv
  /** Stops a host without ceremony; its disk stays. */
  kill(id: string): Promise<void>
  start(id: string, own?: Partial<KvOptions>): Promise<TestHost>
  /** The next start of a host that does not run finds an empty disk. */
  replaceDisk(id: string): void
  client(addresses?: readonly string[], name?: string): Promise<KvClient>
  /** The host that leads a shard, once there is one that all running hosts agree on. */
  leader(shard: number): Promise<string>
  close(): Promise<void>
}

/** Starts a cluster. */
export async function testCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = new Cluster(options)
  await Promise.all(cluster.ids.map((id) => cluster.start(id)))
  return cluster
}

class Cluster implements TestCluster {
  readonly network = memoryNetwork()
  readonly hosts = new Map<string, TestHost>()
  readonly ids: readonly string[]
  readonly #options: ClusterOptions
  readonly #disks = new Map<string, MemoryDisk>()
  readonly #clients: KvClient[] = []
  #starts = 0

  constructor(options: ClusterOptions) {
    this.#options = options
    this.ids = options.hosts ?? ['a', 'b', 'c']
  }

  kv(id: string): Kv {
    const found = this.hosts.get(id)
    if (found === undefined) throw new Error(`host ${id} does not run`)
    return found.kv
  }

  replaceDisk(id: string): void {
    this.#disks.delete(id)
  }

  async start(id: string, own: Partial<KvOptions> = {}): Promise<TestHost> {
    const { shards = 4, replicas = 3, seed = 1 } = this.#options
    let disk = this.#disks.get(id)
    if (disk === undefined) this.#disks.set(id, (disk = memoryDisk()))
    const host = await createHost({
      id,
      transport: this.network.transport() as Transport,
      storage: memoryStorage({ disk, fault: () => this.#options.fault?.(id) }),
      random: createRandom(seed).fork(`${id}/${this.#starts++}`),
      rejoin: own.rejoin,
      logger: this.#options.logger,
      metrics: this.#options.metrics?.(id),
    })
    for (const other of [...this.ids, ...(this.#options.spare ?? [])]) {
      if (other !== id) host.setPeer(other, `memory:${other}`)
    }
    const kv = await createKv({
      host: this.#watched(id, host),
      consensus: raft({ electionTimeoutMs: 150, heartbeatIntervalMs: 25 }),
      partitioner: hashRing({ members: this.ids, shards, replicas }),
      ...this.#options.kv,
      ...own,
    })
    const listener = this.network.listener(`client:${id}`)
    const server = await serveKv({ kv, listener, advertise: `client:${id}` })
    const started = { host, kv, server }
    this.hosts.set(id, started)
    return started
  }

  #watched(id: string, host: Host): Host {
    const { onReplica, onDone } = this.#options
    if (onReplica === undefined && onDone === undefined) return host
    return new Proxy(host, {
      get(target, name) {
        if (name === 'serve' && onDone !== undefined) {
          return (...[service, handler]: Parameters<Host['serve']>) =>
            target.serve(service, async (request, from) => {
              const answer = await handler(request, from)
              onDone(id, request)
              return answer
            })
        }
        if (name === 'createReplica' && onReplica !== undefined) {
          return async (options: ReplicaOptions) => {
            onReplica(id, `${options.members === undefined ? 'join' : 'found'} ${options.group}`)
            const replica = await target.createReplica(options)
            replica.on('snapshot', ({ cause }) => onReplica(id, `${cause} ${options.group}`))
            return replica
          }
        }
        if (name === 'dropReplica' && onReplica !== undefined) {
          return (group: string) => {
            onReplica(id, `drop ${group}`)
            return target.dropReplica(group)
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  async kill(id: string): Promise<void> {
    const { host, kv, server } = this.hosts.get(id) as TestHost
    this.hosts.delete(id)
    this.network.cut(id)
    this.#disks.get(id)?.crash()
    await Promise.allSettled([server.close(), host.close({ signal: AbortSignal.abort() })])
    await kv.close().catch(() => {})
    this.network.heal(id)
  }

  async client(
    addresses: readonly string[] = this.ids.map((id) => `client:${id}`),
    name = 'kv',
  ): Promise<KvClient> {
    const client = await connect({ addresses, name, dialer: this.network.dialer() })
    this.#clients.push(client)
    return client
  }

  async leader(shard: number): Promise<string> {
    for (;;) {
      const views = [...this.hosts.values()].flatMap(({ kv }) => {
        const replica = kv.replica(shard)
        return replica === undefined ? [] : [replica.consensus()]
      })
      const [first] = views
      const agreed = first?.leader
      if (agreed !== undefined && views.every(({ leader }) => leader === agreed)) return agreed
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    for (const { server, kv, host } of this.hosts.values()) {
      await server.close()
      await kv.close()
      await host.close()
    }
  }
}
