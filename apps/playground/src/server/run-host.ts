// One process of a cluster, composed: storage, transport, host, store, clients and dashboard,
// opened in this order and closed in the other.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Closeable, Logger } from '@quorate/core'
import { closeAll, QuorateError } from '@quorate/core'
import type { Kv, ManagedOptions } from '@quorate/kv'
import { createKv, serveKv } from '@quorate/kv'
import { createHost } from '@quorate/runtime'
import { webSocketListener, webSockets } from '@quorate/transport-ws'
import { choose, consensusChoices, placement, storageChoices } from '../choices.ts'
import type { ClusterPlan, HostEntry } from '../cluster/host-table.ts'
import { isWildcard, urlHost } from './address.ts'
import { createClusterView } from './cluster-view.ts'
import { hostDirectory } from './host-directory.ts'
import { createHttp } from './http.ts'

/** What one host of a cluster is made of. */
export interface HostSettings {
  /** Its name. */
  readonly id: string
  /** What the cluster is. */
  readonly plan: ClusterPlan
  /** What it was when this host ran before. */
  readonly before?: ClusterPlan | undefined
  /** The hosts, as far as they are known, this one among them. */
  readonly hosts: readonly HostEntry[]
  /** The port for other hosts. */
  readonly peerPort: number
  /** The port for clients and the dashboard. */
  readonly clientPort: number
  /** The address that both ports are bound to. */
  readonly bind: string
  /** The name or address under which others reach this host. */
  readonly advertise: string
  /** The data directory; the host has its own below it. */
  readonly data: string
  /** The storage's name. */
  readonly storage: string
  /** What becomes of entries that the disk has lost; `undefined` where nobody has said. */
  readonly onDamage?: 'halt' | 'repair' | undefined
  /** Milliseconds without work after which a shard sleeps; 0: never. */
  readonly hibernateAfterMs: number
  /** How the store places its shards. */
  readonly managed: ManagedOptions
  /** Whether the host was here before and its data is gone. */
  readonly rejoin?: boolean | undefined
}

/** A host that runs. */
export interface RunningHost extends Pick<Closeable, 'close'> {
  /** Its store. */
  readonly kv: Kv
  /** Where clients connect. */
  readonly clientAddress: string
  /** The dashboard. */
  readonly dashboard: string
  /** Resolves with why once its disk has failed: nothing is stored from then on. */
  readonly diskFailed: Promise<QuorateError>
}

/** Where a host keeps what it knows of the others. */
export function hostFilePath(data: string, id: string): string {
  return join(data, `${id}.hosts.json`)
}

/**
 * Starts a host; what had been opened is closed again where something fails.
 *
 * @throws QuorateError `PORT_IN_USE`, `INVALID_OPTIONS`, `STORAGE_LOCKED`, `CLUSTER_MISMATCH`,
 * `STORAGE_ALGORITHM_MISMATCH`, `STORAGE_CORRUPT`
 */
export async function runHost(settings: HostSettings, logger: Logger): Promise<RunningHost> {
  const { id, plan, bind, advertise, storage, hibernateAfterMs } = settings
  // A wrong name is told before anything is opened or made, whatever is in the directory.
  const storageOf = choose(storageChoices, storage, '--storage')
  const consensus = choose(consensusChoices, plan.consensus, '--consensus')({ hibernateAfterMs })
  const open: Pick<Closeable, 'close'>[] = []
  try {
    const transport = webSockets({
      listen: { port: settings.peerPort, host: bind },
      peers: peersOf(settings),
    })
    const host = await createHost({
      id,
      cluster: plan.cluster,
      logger,
      rejoin: settings.rejoin,
      storage: storageOf({ directory: join(settings.data, id), onDamage: onDamage(settings) }),
      transport,
    })
    open.push(host)
    const diskFailed = new Promise<QuorateError>((resolve) => {
      host.on('replicaFailed', ({ error }) => {
        if (error.code === 'STORAGE_FAILED') resolve(error)
      })
    })
    // Only now: where another process has this data, that is what has to be said.
    checkUnchanged(settings)
    const partitioner = placement(plan.members, plan.shards, plan.replicas)
    const { managed, rejoin } = settings
    const kv = await createKv({ host, consensus, partitioner, managed, rejoin })
    open.push(kv)
    const peerPort = transport.port ?? settings.peerPort
    const directory = await hostDirectory({
      host,
      file: { plan, peerPort, clientPort: settings.clientPort, hosts: settings.hosts },
      path: hostFilePath(settings.data, id),
      peerPort,
      placed: async () => Object.keys((await kv.admin.placement({ timeoutMs: 3_000 })).hosts),
    })
    open.push(directory)
    const http = createHttp({
      kv,
      directory,
      view: createClusterView(host, kv, { consensus: plan.consensus, storage }),
    })
    open.push({
      close: () => new Promise((resolve) => http.close(() => resolve()).closeAllConnections()),
    })
    const port = await listen(http, settings.clientPort, bind)
    const listener = webSocketListener({ server: http, path: '/client' })
    const clientAddress = `ws://${urlHost(advertise)}:${port}/client`
    // An address of this machine alone would lead clients of others astray.
    const told = isWildcard(advertise) ? undefined : clientAddress
    open.push(await serveKv({ kv, listener, advertise: told }))
    return {
      kv,
      clientAddress,
      dashboard: `http://${urlHost(bind)}:${port}`,
      diskFailed,
      close: (options) => closeAll(open, options),
    }
  } catch (error) {
    await closeAll(open).catch((closing: unknown) =>
      logger.warn({ error: closing }, 'closing failed'),
    )
    throw error
  }
}

/** What a store was founded with cannot be changed by other options: hosts come by joining. */
function checkUnchanged({ id, plan, before }: HostSettings): void {
  if (before === undefined) return
  const founded = (of: ClusterPlan): string =>
    `--shards ${of.shards} --replicas ${of.replicas} and the hosts ${of.members.join(', ')}`
  if (founded(plan) === founded(before)) return
  throw new QuorateError(
    'INVALID_OPTIONS',
    `host ${id} belongs to a cluster that began with ${founded(before)}: start it with these; further hosts come by --join`,
  )
}

/** An entry that only this host ever held comes from nobody: it must not wait for others in silence. */
function onDamage({ onDamage: chosen, plan }: HostSettings): 'halt' | 'repair' {
  const copies = Math.min(plan.replicas, plan.members.length)
  return chosen ?? (copies > 1 ? 'repair' : 'halt')
}

function peersOf({ id, hosts }: HostSettings): Readonly<Record<string, string>> {
  const others = hosts.filter((entry) => entry.id !== id && entry.gone !== true)
  return Object.fromEntries(others.map((entry) => [entry.id, entry.peer]))
}

async function listen(
  server: ReturnType<typeof createHttp>,
  port: number,
  bind: string,
): Promise<number> {
  try {
    await once(server.listen(port, bind), 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new QuorateError(
      'PORT_IN_USE',
      `port ${port} is in use: stop what uses it, or choose another by --client-port`,
      { cause: error },
    )
  }
  return (server.address() as AddressInfo).port
}
