// How hosts and shards stand, as the commands and the dashboard show it: what the map says, and
// what the hosts that answer say.
import type { HostState, KvClient, KvStatus, Placement } from '@quorate/kv'
import { isQuorateError } from '@quorate/core'

/** One host. */
export interface MemberOverview {
  /** Its name. */
  readonly id: string
  /** What it is to the placement; `unknown` where the map cannot be read. */
  readonly state: HostState | 'unknown'
  /** Whether it answers. */
  readonly reachable: boolean
  /** Where clients connect to it, where it said so. */
  readonly address?: string | undefined
  /** The shards of which it is a voter. */
  readonly shards: readonly number[]
  /** The shards that it leads. */
  readonly leads: readonly number[]
}

/** A move that is under way. */
export interface MoveOverview {
  /** The shard. */
  readonly shard: number
  /** The hosts that get a replica. */
  readonly to: readonly string[]
  /** The hosts that lose theirs. */
  readonly from: readonly string[]
  /** Why. */
  readonly reason: string
}

/** The whole cluster. */
export interface ClusterOverview {
  /** The hosts, in order. */
  readonly hosts: readonly MemberOverview[]
  /** The shards with fewer replicas that answer than they should have. */
  readonly underReplicated: readonly number[]
  /** The shards without a leader. */
  readonly leaderless: readonly number[]
  /** The moves under way. */
  readonly moves: readonly MoveOverview[]
  /** Whether nothing is planned by itself. */
  readonly paused: boolean
  /** Why the map could not be read; moves and states are unknown then. */
  readonly mapError?: string | undefined
}

/** Puts the map and the status together; without a map the status alone. */
export function overviewOf(
  status: KvStatus,
  placement: Placement | undefined,
  mapError?: string,
): ClusterOverview {
  const shards = status.shards.filter(({ voters, owners }) => voters.length + owners.length > 0)
  const hosts = status.hosts.map(({ id, reachable, address }): MemberOverview => ({
    id,
    state: placement === undefined ? 'unknown' : (placement.hosts[id] ?? 'unknown'),
    reachable,
    address,
    shards: shards.filter(({ voters }) => voters.includes(id)).map(({ shard }) => shard),
    leads: shards.filter(({ leader }) => leader === id).map(({ shard }) => shard),
  }))
  const moves = (placement?.shards ?? []).flatMap(({ voters, move }, shard): MoveOverview[] => {
    if (move === undefined) return []
    const to = move.to.filter((id) => !voters.includes(id))
    const from = voters.filter((id) => !move.to.includes(id))
    return [{ shard, to, from, reason: move.reason }]
  })
  return {
    hosts,
    underReplicated: shards.filter((one) => one.underReplicated).map(({ shard }) => shard),
    leaderless: shards.filter(({ leader }) => leader === undefined).map(({ shard }) => shard),
    moves,
    paused: placement?.paused ?? false,
    mapError,
  }
}

/** Asks for both at once; a map that no quorum tells leaves the status. */
export async function readOverview(
  store: Pick<KvClient, 'status' | 'admin'>,
  timeoutMs: number,
): Promise<{ readonly status: KvStatus; readonly overview: ClusterOverview }> {
  let mapError: string | undefined
  const [status, placement] = await Promise.all([
    store.status({ timeoutMs }),
    store.admin.placement({ timeoutMs }).catch((error: unknown) => {
      if (!isQuorateError(error)) throw error
      mapError = `${error.code}: ${error.message}`
      return undefined
    }),
  ])
  return { status, overview: overviewOf(status, placement, mapError) }
}
