// Composes a managed placement on a host: the replica of the map's group where this host has one,
// what follows the map, and what changes it.
import { QuorateError, isId } from '@quorate/core'
import type { AbortOptions, ConsensusFactory, NodeId, ShardId } from '@quorate/core'
import type { SnapshotPolicy } from '@quorate/runtime'
import type { OptionNames } from '../options.ts'
import type { Route } from '../routing/routes.ts'
import { shardsOf } from '../store/store.ts'
import type { Store } from '../store/store.ts'
import { Keeper, initialPlacement } from './keeper.ts'
import { Mover } from './mover.ts'
import type { MoverOptions } from './mover.ts'
import type { RangeOptions } from './range-planner.ts'
import { placementMachine } from './state.ts'

const MAP_HOSTS = 5

/** How a store places its shards itself. */
export interface ManagedOptions extends MoverOptions {
  /**
   * The hosts of the group that holds the map, an odd number of those that the partitioner names.
   * Default: the first five in order of name, or three, or one, as many as there are.
   */
  readonly mapHosts?: readonly NodeId[] | undefined
}

/** The names of {@link ManagedOptions}. */
export const MANAGED: OptionNames<ManagedOptions> = {
  mapHosts: true,
  intervalMs: true,
  replaceAfterMs: true,
  movesMax: true,
  movesPerHostMax: true,
  lagEntriesMax: true,
  balanceLeaders: true,
  moveBytesPerSecond: true,
  ranges: true,
}

/** The names of {@link RangeOptions}. */
export const RANGES: OptionNames<RangeOptions> = {
  splitBytes: true,
  splitRequestsPerSecond: true,
  mergeBytes: true,
  mergeAfterMs: true,
}

/** A host's part in a managed placement. */
export interface ManagedPlacement {
  /** Where the map is asked for. */
  readonly mapRoute: Route
  /** Stops looking after the placement. */
  stop(): Promise<void>
  /** Closes this host's replica of the map's group. */
  close(options?: AbortOptions): Promise<void>
}

/** Starts a host's part in a managed placement. */
export async function managedPlacement(
  store: Store,
  {
    consensus,
    snapshots,
    rejoin,
  }: {
    consensus: ConsensusFactory
    snapshots?: SnapshotPolicy | undefined
    rejoin?: boolean | undefined
  },
  options: ManagedOptions,
  startReplica: (shard: ShardId, members: readonly NodeId[] | undefined) => Promise<void>,
): Promise<ManagedPlacement> {
  const { host, partitioner } = store
  const initial = initialPlacement(shardsOf(partitioner), partitioner.version)
  const mapHosts = hostsOfMap(options.mapHosts, Object.keys(initial.hosts))
  const map = mapHosts.includes(host.id) ? await startMap() : undefined
  const intervalMs = options.intervalMs ?? 1_000
  const keeper = new Keeper({ store, mapHosts, initial, map, intervalMs, startReplica })
  try {
    await keeper.start()
  } catch (error) {
    await keeper.close()
    await map?.replica.close()
    throw error
  }
  const { replicas } = partitioner
  const mover = map && new Mover({ store, keeper, map, replicas, options })
  return {
    mapRoute: keeper.mapRoute,
    async stop() {
      await mover?.close()
      await keeper.close()
    },
    close: async (closing) => map?.replica.close(closing),
  }

  async function startMap(): Promise<ConstructorParameters<typeof Mover>[0]['map']> {
    const machine = placementMachine(initial)
    const group = `${store.name}-map`
    // A host that has forgotten its votes for the map has no say in it until it is brought up.
    const members = rejoin === true ? undefined : { voters: mapHosts }
    const replica = await host.createReplica({
      group,
      consensus,
      stateMachine: machine,
      members,
      snapshots,
    })
    return { replica, machine }
  }
}

function hostsOfMap(
  given: readonly NodeId[] | undefined,
  hosts: readonly NodeId[],
): readonly NodeId[] {
  const most = Math.min(MAP_HOSTS, hosts.length)
  const chosen = given ?? hosts.slice(0, most % 2 === 0 ? most - 1 : most)
  if (chosen.length > 0 && chosen.every(isId)) return chosen
  throw new QuorateError('INVALID_OPTIONS', 'mapHosts names at least one host')
}
