// The group that holds the map, as the map itself knows it: its hosts are replaced like those of
// any shard, so that no host is needed for ever.
import { compareIds } from '@quorate/core'
import type { NodeId } from '@quorate/core'
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
    if (!known || to.length !== map.hosts.length || left > 1) {
      return 'the hosts of the map are replaced one at a time, by hosts that are there'
    }
    const { reason, dead } = change
    return { ...placement, version, map: { ...map, move: { id: index, to, reason, dead } } }
  }
  if (map.move?.id !== change.move) return `move ${change.move} of the map is not under way`
  const hosts = change.type === 'map-complete' ? map.move.to : map.hosts
  return { ...placement, version, map: { hosts } }
}

/** A replacement that should be made, or `undefined`: of a dead host first, then of one that is drained. */
export function planMap(
  placement: Placement,
  dead: ReadonlySet<NodeId>,
): Omit<MapChange & { readonly type: 'map-plan' }, 'type'> | undefined {
  const { map, hosts } = placement
  // More than a third of the hosts do not fail by chance: whoever sees that may be cut off itself.
  if (map === undefined || map.move !== undefined) return undefined
  if (dead.size * 3 > Object.keys(hosts).length) return undefined
  const failed = map.hosts.find((id) => dead.has(id))
  const leaving =
    failed ?? map.hosts.find((id) => hosts[id] !== 'active' && hosts[id] !== 'cordoned')
  if (leaving === undefined) return undefined
  const held = (id: NodeId): number =>
    placement.shards.filter(({ voters }) => voters.includes(id)).length
  const target = Object.keys(hosts)
    .filter((id) => hosts[id] === 'active' && !dead.has(id) && !map.hosts.includes(id))
    .toSorted((a, b) => held(a) - held(b) || compareIds(a, b))[0]
  if (target === undefined) return undefined
  const to = [...map.hosts.filter((id) => id !== leaving), target]
  const reason = failed === undefined ? `host ${leaving} is drained` : `host ${leaving} has failed`
  return { to, reason, dead: failed }
}
