// One process of a cluster, composed: storage, transport, host, store, clients and dashboard,
// opened in this order and closed in the other.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Closeable, Logger } from '@quorate/core'
import { closeAll, QuorateError } from '@quorate/core'
import { createKv, serveKv } from '@quorate/kv'
import { createHost } from '@quorate/runtime'
import { webSocketListener, webSockets } from '@quorate/transport-ws'
import { choose, consensusChoices, placement, storageChoices } from '../choices.ts'
import { createClusterView } from './cluster-view.ts'
import { createHttp } from './http.ts'

/** What one host of a cluster is made of. */
export interface HostSettings {
  /** Its name. */
  readonly id: string
  /** The cluster's name. */
  readonly cluster: string
  /** The other hosts' names and addresses. */
  readonly peers: Readonly<Record<string, string>>
  /** The port for other hosts. */
  readonly peerPort: number
  /** The port for clients and the dashboard. */
  readonly clientPort: number
  /** The address that both ports are bound to. */
  readonly bind: string
  /** The data directory; the host has its own below it. */
  readonly data: string
  /** The algorithm's name. */
  readonly consensus: string
  /** The storage's name. */
  readonly storage: string
  /** How many shards the store has. */
  readonly shards: number
  /** How many replicas each shard has. */
  readonly replicas: number
  /** Whether the host was here before and its data is gone. */
  readonly rejoin?: boolean | undefined
}

/** A host that runs. */
export interface RunningHost extends Pick<Closeable, 'close'> {
  /** Where clients connect. */
  readonly clientAddress: string
  /** The dashboard. */
  readonly dashboard: string
}

/**
 * Starts a host; what had been opened is closed again where something fails.
 *
 * @throws QuorateError `PORT_IN_USE`, `INVALID_OPTIONS`, `STORAGE_LOCKED`, `CLUSTER_MISMATCH`,
 * `STORAGE_ALGORITHM_MISMATCH`, `STORAGE_CORRUPT`
 */
export async function runHost(settings: HostSettings, logger: Logger): Promise<RunningHost> {
  const { id, cluster, peers, bind } = settings
  const open: Pick<Closeable, 'close'>[] = []
  try {
    const members = [id, ...Object.keys(peers)].sort()
    const host = await createHost({
      id,
      cluster,
      logger,
      storage: choose(storageChoices, settings.storage, '--storage')(join(settings.data, id)),
      transport: webSockets({ listen: { port: settings.peerPort, host: bind }, peers }),
    })
    open.push(host)
    const partitioner = placement(members, settings.shards, settings.replicas)
    const consensus = choose(consensusChoices, settings.consensus, '--consensus')()
    const kv = await createKv({ host, consensus, partitioner, rejoin: settings.rejoin })
    open.push(kv)
    const http = createHttp({
      kv,
      view: createClusterView(host, kv, {
        consensus: settings.consensus,
        storage: settings.storage,
      }),
      locate(key) {
        const shard = partitioner.shardOf(key)
        return { shard, owners: partitioner.owners(shard) }
      },
    })
    open.push({
      close: () => new Promise((resolve) => http.close(() => resolve()).closeAllConnections()),
    })
    const listener = webSocketListener({ server: http, path: '/client' })
    open.push(await serveKv({ kv, listener }))
    await listen(http, settings.clientPort, bind)
    const { port } = http.address() as AddressInfo
    return {
      clientAddress: `ws://${bind}:${port}/client`,
      dashboard: `http://${bind}:${port}`,
      close: (options) => closeAll(open, options),
    }
  } catch (error) {
    await closeAll(open).catch((closing: unknown) =>
      logger.warn({ error: closing }, 'closing failed'),
    )
    throw error
  }
}

async function listen(
  server: ReturnType<typeof createHttp>,
  port: number,
  bind: string,
): Promise<void> {
  try {
    await once(server.listen(port, bind), 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new QuorateError('PORT_IN_USE', `port ${port} is in use`, { cause: error })
  }
}
