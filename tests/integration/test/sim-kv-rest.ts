// When a simulated store has come to rest: every shard has its replicas on hosts that live, the groups
// and the disks are as the map says, and what the store tells of itself is true.
import type { NodeId } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import type { KvClient, KvStatus, Placement } from '@quorate/kv'
import type { SimKv } from './sim-kv-store.ts'
import { MAP_GROUP, groupOf } from './sim-kv-store.ts'

/** Where everything is, and why it has not come to rest; `undefined` where it has. */
export interface Standing {
  readonly placement: Placement | undefined
  readonly why: string | undefined
}

/** Looks whether a store has come to rest, with these hosts gone for good. */
export async function settled(
  store: SimKv,
  client: KvClient,
  destroyed: ReadonlySet<NodeId>,
): Promise<Standing> {
  let placement: Placement | undefined
  try {
    placement = await client.admin.placement({ timeoutMs: 2_000 })
    const status = await client.status({ timeoutMs: 2_000 })
    const why =
      unplaced(store, placement, destroyed) ??
      unlike(store, placement, destroyed) ??
      untrue(store, placement, status)
    return { placement, why }
  } catch (error) {
    if (!isQuorateError(error)) throw error
    return { placement, why: error.message }
  }
}

/** What is wrong with the map itself. */
function unplaced(
  { options, hosts }: SimKv,
  placement: Placement,
  destroyed: ReadonlySet<NodeId>,
): string | undefined {
  const load = new Map<NodeId, number>()
  if (placement.map?.move !== undefined) return 'the map itself is being moved'
  for (const [
    shard,
    { voters, move, handover, receiving, forgetting },
  ] of placement.shards.entries()) {
    if (move !== undefined) return `shard ${shard} is being moved: ${move.reason}`
    if (handover !== undefined) return `keys of shard ${shard} are being handed over`
    if (receiving !== undefined) return `shard ${shard} is being handed keys`
    if (forgetting !== undefined) return `shard ${shard} still has keys that it has given away`
    const able = voters.filter((id) => !destroyed.has(id))
    if (able.length !== voters.length) return `shard ${shard} has voters that are gone`
    if (voters.length < options.replicas) return `shard ${shard} has too few replicas`
    const drained = voters.find((id) => placement.hosts[id] === 'draining')
    if (drained !== undefined) return `shard ${shard} is still on ${drained}, which is drained`
    for (const id of voters) load.set(id, (load.get(id) ?? 0) + 1)
  }
  const gap = options.ranges && unordered(placement)
  if (gap !== undefined) return gap
  if (destroyed.size > 0 && destroyed.size * 3 > Object.keys(placement.hosts).length)
    return undefined
  const active = hosts.filter((id) => placement.hosts[id] === 'active' && !destroyed.has(id))
  const loads = active.map((id) => load.get(id) ?? 0)
  const uneven = Math.max(...loads) - Math.min(...loads) > 1 && !isStuck(placement, destroyed)
  return uneven ? `replicas are not spread evenly: ${active.join()} ${loads.join()}` : undefined
}

/** Where ranges leave keys out, or hold them twice. */
function unordered({ shards }: Placement): string | undefined {
  const ranges = shards.flatMap(({ range }) => range ?? [])
  ranges.sort((a, b) => (a.start < b.start ? -1 : 1))
  let next: string | undefined = ''
  for (const { start, end } of ranges) {
    if (start !== next) return `a range begins at ${start} and not at ${next ?? 'the end'}`
    next = end
  }
  return next === undefined ? undefined : `nobody has the keys from ${next} on`
}

/** While a host is missing nothing is balanced, which is not for today. */
function isStuck(placement: Placement, destroyed: ReadonlySet<NodeId>): boolean {
  return Object.keys(placement.hosts).some((id) => destroyed.has(id))
}

/** How hosts differ from the map. */
function unlike(
  { cluster, hosts, options, kv }: SimKv,
  placement: Placement,
  destroyed: ReadonlySet<NodeId>,
): string | undefined {
  for (const id of hosts) {
    if (destroyed.has(id)) continue
    const host = cluster.host(id)
    const store = kv(id)
    if (host === undefined || store === undefined) return `${id} is not up`
    const wanted = placement.shards.flatMap(({ voters }, shard) =>
      voters.includes(id) ? [groupOf(shard)] : [],
    )
    if ((placement.map?.hosts ?? options.mapHosts).includes(id)) wanted.push(MAP_GROUP)
    const running = host.replicas().map(({ group }) => group)
    if (running.join() !== wanted.toSorted().join()) return `${id} runs ${running.join()}`
    // Who once held the map keeps a mark of that alone, lest it should ever begin the map anew.
    const held = cluster.stored(id).filter((group) => !group.startsWith('kv-left-'))
    if (held.join() !== wanted.toSorted().join()) return `the disk of ${id} holds ${held.join()}`
    for (const [shard, { voters, epoch }] of placement.shards.entries()) {
      const status = store.replica(shard)?.consensus()
      if (status === undefined) continue
      const { membership, appliedIndex } = status
      const rest = [...membership.outgoing, ...membership.learners].length === 0
      const equal = membership.voters.toSorted().join() === voters.toSorted().join()
      if (!rest || !equal)
        return `${id} has members ${JSON.stringify(membership)} of shard ${shard}, unlike the map`
      const all = cluster.committed(groupOf(shard))
      if (appliedIndex < all) return `${id} has applied ${appliedIndex} of ${all} of shard ${shard}`
      if (epoch < 1) return `shard ${shard} has no epoch`
    }
  }
  return undefined
}

/** What the store tells of itself and is not so. */
function untrue(
  { cluster, options }: SimKv,
  placement: Placement,
  status: KvStatus,
): string | undefined {
  for (const { shard, leader, underReplicated, voters, owners, epoch } of status.shards) {
    const held = placement.shards[shard]
    const wanted = held?.voters.toSorted().join()
    if (leader === undefined) return `no leader of shard ${shard} is known`
    if (leader !== cluster.leaderOf(groupOf(shard))) return `${leader} does not lead shard ${shard}`
    if (underReplicated) return `shard ${shard} is said to have too few replicas`
    if (voters.toSorted().join() !== wanted) return `shard ${shard} is said to have other voters`
    if (owners.toSorted().join() !== wanted) return `shard ${shard} is said to have other owners`
    if (epoch !== held?.epoch) return `shard ${shard} is said to have epoch ${epoch}`
  }
  const wanted =
    options.ranges === undefined
      ? options.shards
      : placement.shards.filter(({ range }) => range !== undefined).length
  return wanted === status.shards.length ? undefined : 'shards are missing'
}
