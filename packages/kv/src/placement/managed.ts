// Composes a managed placement on a host: the replica of the map's group where this host has one,
// what follows the map, and what changes it.
import { QuorateError, isId } from '@quorate/core'
import type { AbortOptions, ConsensusFactory, NodeId, Replica, ShardId } from '@quorate/core'
import type { SnapshotPolicy } from '@quorate/runtime'
import type { OptionNames } from '../options.ts'
import type { Route } from '../routing/routes.ts'
import { hostsOf } from '../store/store.ts'
import type { Store } from '../store/store.ts'
import { Keeper, initialPlacement } from './keeper.ts'
import { LeftMark } from './left-mark.ts'
import { Mover } from './mover.ts'
import type { MoverOptions } from './mover.ts'
import type { RangeOptions } from './range-planner.ts'
import { placementMachine } from './state.ts'
import type { PlacementMachine } from './state.ts'

const MAP_HOSTS = 5

/** How a store places its shards itself. */
export interface ManagedOptions extends MoverOptions {
  /**
   * The hosts of the group that holds the map, an odd number of those that the partitioner names.
   * Default: the first five in order of name, or three, or one, as many as there are; it then grows
   * to three and five as hosts join, which it does not where they are named.
   */
  readonly mapHosts?: readonly NodeId[] | undefined
}

/** The names of {@link ManagedOptions}. */
export const MANAGED: OptionNames<ManagedOptions> = {
  mapHosts: true,
  intervalMs: true,
  suspectAfterMs: true,
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
  const mapHostsAsked = options.mapHosts?.length ?? MAP_HOSTS
  const mapHosts = hostsOfMap(options.mapHosts, hostsOf(partitioner))
  const initial = initialPlacement(partitioner, mapHosts)
  const group = `${store.name}-map`
  const left = new LeftMark(store, consensus)
  const isFounder = mapHosts.includes(host.id)
  const hasLeft = left.isThere
  let held: HeldMap | undefined
  // A host that has forgotten its votes for the map has no say in it until it is brought up, nor has
  // one that has left it.
  const founds = isFounder && !hasLeft && rejoin !== true
  if (host.stores(group) || (isFounder && !hasLeft)) {
    held = await startMap(founds ? mapHosts : undefined)
  }
  const known = hasLeft ? await left.known() : { map: mapHosts, hosts: [] }
  const isFresh = isFounder && !hasLeft && held?.replica.consensus().lastIndex === 0
  const intervalMs = options.intervalMs ?? 1_000
  const keeper = new Keeper({
    store,
    mapHosts: known.map,
    known: known.hosts,
    initial,
    isFresh,
    intervalMs,
    startReplica,
    map: () => held,
    holdMap,
    dropMap,
  })
  try {
    await keeper.start()
  } catch (error) {
    await keeper.close()
    await held?.replica.close()
    throw error
  }
  look()
  return {
    mapRoute: keeper.mapRoute,
    async stop() {
      await held?.mover?.close()
      await keeper.close()
      await held?.mover?.close()
    },
    close: async (closing) => held?.replica.close(closing),
  }

  async function startMap(members: readonly NodeId[] | undefined): Promise<HeldMap> {
    const machine = placementMachine(initial)
    const replica = await host.createReplica({
      group,
      consensus,
      stateMachine: machine,
      members: members && { voters: members },
      snapshots,
    })
    return { replica, machine }
  }

  /** Looks after the placement from now on, whenever this host leads. */
  function look(): void {
    const { replicas } = partitioner
    if (held === undefined || held.mover !== undefined) return
    held.mover = new Mover({ store, keeper, map: held, replicas, mapHostsAsked, options })
  }

  async function holdMap(hold: boolean): Promise<void> {
    if (hold === (held !== undefined)) return
    if (hold) {
      held = await startMap(undefined)
      keeper.followMap()
      look()
    } else {
      const { mover, replica } = held as HeldMap
      held = undefined
      await mover?.close()
      await replica.close()
      await dropMap()
    }
  }

  /** Drops what this host has of a map that others hold by now. */
  async function dropMap(): Promise<void> {
    if (held !== undefined || !host.stores(group)) return
    // With nothing of it, whoever is to found it would do so once more.
    if (isFounder && !left.isThere) await left.leave(keeper.placement)
    await host.dropReplica(group)
  }
}

interface HeldMap {
  readonly replica: Replica
  readonly machine: PlacementMachine
  mover?: Mover
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
