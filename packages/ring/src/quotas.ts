// How many replicas each member should hold: its share by weight, bent only as far as the zones
// force it. The fractional shares are exact, so a table with every member at its share rounded
// down or up always exists.
import type { ZoneNode } from './zones.ts'

const ROUNDING = 1e-9

/** The least and the most that each member should hold. */
export interface Quotas {
  /** Fractional share by member. */
  readonly share: Float64Array
  /** The share rounded down. */
  readonly low: Int32Array
  /** The share rounded up. */
  readonly high: Int32Array
}

/** Divides `shards` times `replicas` replicas among the members below `root`. */
export function replicaQuotas(
  root: ZoneNode,
  members: number,
  shards: number,
  replicas: number,
): Quotas {
  const share = new Float64Array(members)
  divide(root, shards * replicas, shards, share)
  return rounded(share)
}

/** Divides `shards` first places by weight; nobody leads more shards than it holds. */
export function leaderQuotas(weights: readonly number[], load: Int32Array, shards: number): Quotas {
  const low = weights.map(() => 0)
  return rounded(Float64Array.from(shareOut(shards, weights, low, [...load])))
}

function rounded(share: Float64Array): Quotas {
  return {
    share,
    low: Int32Array.from(share, (value) => Math.floor(value + ROUNDING)),
    high: Int32Array.from(share, (value) => Math.ceil(value - ROUNDING)),
  }
}

function divide(node: ZoneNode, total: number, shards: number, share: Float64Array): void {
  if (node.member >= 0) {
    share[node.member] = total
    return
  }
  const each = Math.floor(total / shards + ROUNDING)
  const more = Math.max(0, total / shards - each)
  const [lowA, highA] = bounds(node.children, each)
  const [lowB, highB] = more > ROUNDING ? bounds(node.children, each + 1) : [lowA, highA]
  const parts = shareOut(
    total,
    node.children.map((child) => child.weight),
    lowA.map((low, i) => shards * (low * (1 - more) + lowB[i]! * more)),
    highA.map((high, i) => shards * (high * (1 - more) + highB[i]! * more)),
  )
  node.children.forEach((child, i) => divide(child, parts[i]!, shards, share))
}

// The best way to put `count` replicas of one shard below the children takes the cheapest places
// first; only among those that cost as much as the last one is there a choice.
function bounds(children: readonly ZoneNode[], count: number): readonly [number[], number[]] {
  const costs = children.flatMap((child) => child.costs).sort((a, b) => a - b)
  const last = costs[count - 1] ?? (count === 0 ? -1 : Infinity)
  return [
    children.map((child) => child.costs.filter((cost) => cost < last).length),
    children.map((child) => child.costs.filter((cost) => cost <= last).length),
  ]
}

// Proportional to the weights, each part within its bounds: freeze the parts that break a bound
// on the side that breaks more, share out the rest again.
function shareOut(
  total: number,
  weights: readonly number[],
  low: readonly number[],
  high: readonly number[],
): number[] {
  const parts = weights.map(() => Number.NaN)
  for (;;) {
    let rest = total
    let weight = 0
    parts.forEach((part, i) => {
      if (Number.isNaN(part)) weight += weights[i]!
      else rest -= part
    })
    const open = weights.map((own, i) =>
      Number.isNaN(parts[i]!) ? (rest * own) / weight : Number.NaN,
    )
    let excess = 0
    open.forEach((part, i) => {
      if (!Number.isNaN(part)) excess += Math.min(Math.max(part, low[i]!), high[i]!) - part
    })
    let froze = false
    open.forEach((part, i) => {
      if (Number.isNaN(part)) return
      if (excess >= 0 && part < low[i]!) parts[i] = low[i]!
      else if (excess <= 0 && part > high[i]!) parts[i] = high[i]!
      else return
      froze = true
    })
    if (froze) continue
    return parts.map((part, i) => (Number.isNaN(part) ? open[i]! : part))
  }
}
