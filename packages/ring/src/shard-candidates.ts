// Who would come next: the members beyond a shard's replicas, in the order in which they would
// stand in for one that is away.
import { mix32 } from './hash.ts'
import { ZoneCounts } from './zones.ts'
import type { ZoneMap } from './zones.ts'

/**
 * Extends the replicas of a shard to `n` members: always one that shares the fewest zones with
 * those before it, by rank among equals.
 */
export function extendRow(
  row: Uint16Array,
  n: number,
  shard: number,
  salts: readonly number[],
  zones: ZoneMap,
): readonly number[] {
  const list = [...row]
  const counts = new ZoneCounts(zones)
  for (const member of list) counts.add(member, 1)
  const spice = mix32(shard)
  const rest = salts
    .map((salt, member) => ({ member, rank: mix32(salt ^ spice) }))
    .filter(({ member }) => !list.includes(member))
    .sort((a, b) => a.rank - b.rank || a.member - b.member)
  while (list.length < n) {
    let best = -1
    let bestCost = Infinity
    rest.forEach(({ member }, i) => {
      const cost = counts.cost(member)
      if (cost >= bestCost) return
      best = i
      bestCost = cost
    })
    if (best < 0) break
    const { member } = rest.splice(best, 1)[0]!
    counts.add(member, 1)
    list.push(member)
  }
  return list
}
