// The store under the simulator: on every host the production host, store and server, placed by the
// store itself; started anew at each start of a host, reached by clients over a network of their own.
import type { ConsensusFactory, Logger, NodeId } from '@quorate/core'
import type { Kv, RangeOptions } from '@quorate/kv'
import { createKv, serveKv } from '@quorate/kv'
import { hashRing, rangeTable } from '@quorate/ring'
import type { Promises, SimCluster, SimClusterOptions } from '@quorate/sim'
import { simCluster } from '@quorate/sim'

/** An algorithm, and what the simulator may expect of it. */
export interface Algorithm {
  readonly name: string
  readonly consensus: ConsensusFactory
  readonly promises?: Promises | undefined
}

/** How the keys of a store are in sorted ranges. */
export interface SimRanges {
  /** Where ranges begin at first. */
  readonly splits: readonly string[]
  /** Whether keys of one tag are never parted. */
  readonly tagsStay: boolean
  /** When ranges are split and merged by themselves. */
  readonly automatic: RangeOptions | false
}

/** What a simulated store is made of. */
export interface SimKvOptions extends Omit<SimClusterOptions, 'program' | 'promises' | 'hosts'> {
  readonly algorithm: Algorithm
  /** The hosts that the store begins with. */
  readonly members: readonly NodeId[]
  /** Hosts that may join. */
  readonly spares: readonly NodeId[]
  readonly mapHosts: readonly NodeId[]
  readonly shards: number
  readonly replicas: number
  readonly snapshots: { readonly everyEntries: number; readonly keepEntries: number }
  readonly intervalMs: number
  readonly replaceAfterMs: number
  readonly lagEntriesMax: number
  readonly balanceLeaders: boolean
  /** Absent where shards are hash slots. */
  readonly ranges?: SimRanges | undefined
  readonly loggerOf?: ((host: NodeId) => Logger) | undefined
}

/** A store on simulated hosts. */
export interface SimKv {
  readonly cluster: SimCluster
  readonly hosts: readonly NodeId[]
  readonly options: SimKvOptions
  /** The store on a host that is up. */
  kv(id: NodeId): Kv | undefined
}

/** The name of a shard's group. */
export const groupOf = (shard: number): string => `kv-${shard}`

/** The name of the map's group. */
export const MAP_GROUP = 'kv-map'

/** Makes a store; no host runs yet. */
export async function simKv(options: SimKvOptions): Promise<SimKv> {
  const { algorithm, members, spares, mapHosts, shards, replicas, snapshots } = options
  const { intervalMs, replaceAfterMs, lagEntriesMax, balanceLeaders, ranges } = options
  const hosts = [...members, ...spares]
  const stores = new Map<NodeId, Kv>()
  const partitioner = ranges
    ? rangeTable({ members, splits: ranges.splits, replicas })
    : hashRing({ members, shards, replicas })
  const pace = { intervalMs, replaceAfterMs, lagEntriesMax, balanceLeaders }
  const managed = { ...pace, mapHosts, ranges: ranges?.automatic }
  const cluster = await simCluster({
    ...options,
    hosts,
    promises: algorithm.promises,
    groups: [MAP_GROUP, ...Array.from({ length: shards }, (_, shard) => groupOf(shard))],
    async program(host, { listener }) {
      const { consensus } = algorithm
      const kv = await createKv({ host, consensus, partitioner, snapshots, managed })
      await serveKv({ kv, listener, advertise: host.id })
      stores.set(host.id, kv)
    },
  })
  const kv = (id: NodeId): Kv | undefined =>
    cluster.host(id) === undefined ? undefined : stores.get(id)
  return {
    cluster,
    hosts,
    options,
    kv,
  }
}
