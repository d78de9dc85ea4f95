// Replaces hosts of the group that holds the map, on the leader of that group: learner, caught up,
// swapped, said so in the map itself.
import type { NodeId, Replica } from '@quorate/core'
import type { Keeper } from './keeper.ts'
import { planMap } from './map-group.ts'
import type { MapMove } from './map-group.ts'
import type { Placement, PlacementCommand } from './state.ts'

const STEP_TIMEOUT_MS = 5_000

/** What replacements are made with. */
export interface MapMoverContext {
  /** Asks other hosts. */
  readonly keeper: Keeper
  /** This host's replica of the map's group; it leads. */
  readonly replica: Replica
  /** A new replica becomes a voter once it is at most so many entries behind. */
  readonly lagEntriesMax: number
  /** How many hosts should hold the map. */
  readonly asked: number
  /** Ends what is under way. */
  readonly signal: AbortSignal
  /** Whether a host can be reached. */
  reachable(id: NodeId): boolean
  /** Changes the map. */
  change(command: PlacementCommand): Promise<void>
}

/** Plans a replacement where one is due, or takes the one under way as far as it goes now. */
export async function lookAfterMap(
  context: MapMoverContext,
  placement: Placement,
  dead: ReadonlySet<NodeId>,
  suspects: ReadonlySet<NodeId>,
): Promise<void> {
  const { map, paused } = placement
  if (map?.move !== undefined) return step(context, map.move, dead)
  const { asked } = context
  const planned = paused ? undefined : planMap(placement, { dead, suspects, asked })
  if (planned !== undefined) await context.change({ type: 'map-plan', ...planned })
}

async function step(
  context: MapMoverContext,
  move: MapMove,
  dead: ReadonlySet<NodeId>,
): Promise<void> {
  const { replica, keeper, change, lagEntriesMax, reachable, signal } = context
  const { membership, peers, commitIndex } = replica.consensus()
  const { voters, learners, outgoing, version } = membership
  if (outgoing.length > 0) return
  const within = { timeoutMs: STEP_TIMEOUT_MS, signal }
  const options = { ...within, expectedVersion: version }
  const missing = move.to.filter((id) => !voters.includes(id))
  const back = move.dead !== undefined && voters.includes(move.dead) && reachable(move.dead)
  if (missing.length > 0 && (back || missing.some((id) => dead.has(id)))) {
    const kept = learners.filter((id) => !missing.includes(id))
    if (kept.length < learners.length) {
      await replica.changeMembership({ voters, learners: kept }, options)
    }
    return change({ type: 'map-cancel', move: move.id })
  }
  for (const id of missing) await keeper.ask(id, { op: 'prepare-map' }, STEP_TIMEOUT_MS)
  if (missing.some((id) => !learners.includes(id))) {
    const all = [...new Set([...learners, ...missing])]
    await replica.changeMembership({ voters, learners: all }, options)
    return
  }
  const behind = (id: NodeId): number => {
    const matched = peers.find((peer) => peer.id === id)?.matchIndex ?? 0
    return matched === 0 ? Number.POSITIVE_INFINITY : commitIndex - matched
  }
  if (missing.some((id) => behind(id) > lagEntriesMax)) return
  if (!move.to.includes(replica.id)) {
    // The leader goes first; whoever leads then goes on.
    const stays = voters.find((id) => move.to.includes(id) && reachable(id))
    return replica.transferLeadership(stays, within)
  }
  if (missing.length > 0 || voters.length !== move.to.length || learners.length > 0) {
    await replica.changeMembership({ voters: move.to, learners: [] }, options)
  }
  await change({ type: 'map-complete', move: move.id })
}
