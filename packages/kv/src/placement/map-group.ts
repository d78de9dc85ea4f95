// The group that holds the map, as the map itself knows it: its hosts are replaced like those of
// any shard, so that no host is needed for ever.
import { compareIds } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import { isTrusted } from './planner.ts'
import type { Placement } from './state.ts'

/** Where the map is. */
export interface MapPlacement {
  /** The voters of its group. */
  readonly hosts: readonly NodeId[]
  /** What is being changed about them. */
  readonly move?: MapMove | undefined
}

/** A replacement of a host that holds the map. */
export interface MapMove {
  /** Names it: the index of the entry that planned it. */
  readonly id: number
  /** The voters that the group is to have. */
  readonly to: readonly NodeId[]
  /** Why, in words. */
  readonly reason: string
  /** The host whose failure caused it; it is given up should that one come back in time. */
  readonly dead?: NodeId | undefined
}

/** A change of where the map is. */
export type MapChange =
  | {
      readonly type: 'map-plan'
      readonly to: readonly NodeId[]
      readonly reason: string
      readonly dead?: NodeId | undefined
    }
  | { readonly type: 'map-complete' | 'map-cancel'; readonly move: number }

/** Whether a change is one of these. */
export function isMapChange(change: { readonly type: string }): change is MapChange {
  return ['map-plan', 'map-complete', 'map-cancel'].includes(change.type)
}

/** The placement after a change, or in words why it does not apply. */
export function mapChanged(
  placement: Placement,
  change: MapChange,
  index: number,
): Placement | string {
  const { map } = placement
  if (map === undefined) return 'it is not known who holds the map'
  const version = placement.version + 1
  if (change.type === 'map-plan') {
    if (map.move !== undefined) return 'the hosts of the map are being changed already'
    const to = [...new Set(change.to)].sort(compareIds)
    const known = to.every((id) => placement.hosts[id] !== undefined)
    // One at a time, so that most of those who decide stay.
    const left = map.hosts.filter((id) => !to.includes(id)).length
    const grows = left === 0 && to.length > map.hosts.length && to.length % 2 === 1
    if (!known || left > 1 || (to.length !== map.hosts.length && !grows)) {
      return 'the hosts of the map are replaced one at a time, by hosts that are there'
    }
    const { reason, dead } = change
    return { ...placement, version, map: { ...map, move: { id: index, to, reason, dead } } }
  }
  if (map.move?.id !== change.move) return `move ${change.move} of the map is not under way`
  const hosts = change.type === 'map-complete' ? map.move.to : map.hosts
  return { ...placement, version, map: { hosts } }
}

/** What the hosts of the map are planned by. */
export interface MapPlanOptions {
  /** Hosts that are given up. */
  readonly dead: ReadonlySet<NodeId>
  /** Hosts that cannot be reached at the moment. Default none. */
  readonly suspects?: ReadonlySet<NodeId> | undefined
  /** How many hosts should hold the map, an odd number. Default: as many as do. */
  readonly asked?: number | undefined
}

type Planned = Omit<MapChange & { readonly type: 'map-plan' }, 'type'>

/**
 * What should be done about the hosts of the map, or `undefined`: a dead one is replaced first, then
 * one that is drained, and then it grows to as many as are asked for.
 */
export function planMap(placement: Placement, options: MapPlanOptions): Planned | undefined {
  const { map, hosts } = placement
  const { dead, suspects, asked } = options
  if (map === undefined || map.move !== undefined || !isTrusted(placement, options))
    return undefined
  const failed = map.hosts.find((id) => dead.has(id))
  const leaving =
    failed ?? map.hosts.find((id) => hosts[id] !== 'active' && hosts[id] !== 'cordoned')
  const held = (id: NodeId): number =>
    placement.shards.filter(({ voters }) => voters.includes(id)).length
  const able = Object.keys(hosts)
    .filter((id) => hosts[id] === 'active' && !dead.has(id) && suspects?.has(id) !== true)
    .filter((id) => !map.hosts.includes(id))
    .toSorted((a, b) => held(a) - held(b) || compareIds(a, b))
  const [target] = able
  if (leaving !== undefined && target !== undefined) {
    const to = [...map.hosts.filter((id) => id !== leaving), target]
    const why = failed === undefined ? 'is drained' : 'has failed'
    return { to, reason: `host ${leaving} ${why}`, dead: failed }
  }
  const possible = Math.min(asked ?? 0, map.hosts.length + able.length)
  const size = possible % 2 === 0 ? possible - 1 : possible
  if (leaving !== undefined || size <= map.hosts.length) return undefined
  const to = [...map.hosts, ...able.slice(0, size - map.hosts.length)]
  return { to, reason: `${map.hosts.length} hosts are too few to hold it` }
}
