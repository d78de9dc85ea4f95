// How hosts and shards stand, as the commands and the dashboard show it: what the map says, and
// what the hosts that answer say.
import { isQuorateError } from '@quorate/core'
import type { KvClient, KvStatus, Placement } from '@quorate/kv'
import type { ClusterOverview, MemberOverview, MoveOverview } from './overview-types.ts'

/** Puts the map and the status together; without a map the status alone. */
export function overviewOf(
  status: KvStatus,
  placement: Placement | undefined,
  mapError?: string,
): ClusterOverview {
  const shards = status.shards.filter(({ voters, owners }) => voters.length + owners.length > 0)
  const hosts = status.hosts.map(({ id, reachable, suspect, address }): MemberOverview => ({
    id,
    state: stateOf(id, placement),
    reachable,
    suspect,
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

function stateOf(id: string, placement: Placement | undefined): MemberOverview['state'] {
  const state = placement?.hosts[id] ?? 'unknown'
  return state === 'draining' && replicasLeft(placement, id) === 0 ? 'drained' : state
}

/** How many shards a host has or is about to get. */
export function replicasLeft(placement: Placement | undefined, host: string): number {
  return (placement?.shards ?? []).filter(
    ({ voters, move }) => voters.includes(host) || move?.to.includes(host) === true,
  ).length
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
