// The search for the table that moves least. Replacing one member by another at one shard is an
// edge between the two; a cycle of negative cost is a better table, and where no such cycle is
// left there is no better table. The distances then found are prices that prove it.
import { held, holds, NONE, replace } from './assignment.ts'
import type { Assignment } from './assignment.ts'

// Costs a place that is over or under quota more than any chain of moves can.
const PENALTY = 1 << 20

const IMPOSSIBLE = 127

interface Edges {
  /** By `gone * members + next`: places moved by the cheapest replacement, or IMPOSSIBLE. */
  readonly cost: Int8Array
  /** The shard at which that replacement is. */
  readonly shard: Int32Array
}

/** Visits every allowed replacement: `visit(shard, gone, next, cost)`. */
function eachExchange(
  a: Assignment,
  shard: number,
  visit: (shard: number, gone: number, next: number, cost: number) => void,
): void {
  for (let place = 0; place < a.width; place++) {
    const gone = a.owners[shard * a.width + place]!
    const saved = held(a, shard, gone) ? 0 : 1
    a.rule.open(a.owners, shard, gone)
    for (let next = 0; next < a.members; next++) {
      if (!a.rule.allows(next) || holds(a, shard, next)) continue
      visit(shard, gone, next, (held(a, shard, next) ? 0 : 1) - saved)
    }
  }
}

function findEdges(a: Assignment): Edges {
  const cost = new Int8Array(a.members * a.members).fill(IMPOSSIBLE)
  const at = new Int32Array(a.members * a.members)
  const note = (shard: number, gone: number, next: number, moved: number): void => {
    const edge = gone * a.members + next
    if (moved >= cost[edge]!) return
    cost[edge] = moved
    at[edge] = shard
  }
  for (let shard = 0; shard < a.shards; shard++) eachExchange(a, shard, note)
  return { cost, shard: at }
}

/**
 * Moves places that are over quota straight to members that are under it, as long as there are
 * any: nearly all of the work, at one pass over the table for each kind.
 */
export function level(a: Assignment): void {
  const { load, low, high } = a
  const kinds: readonly (readonly [Int32Array, Int32Array])[] = [
    [high, low],
    [high, high],
    [low, low],
  ]
  for (const [above, below] of kinds) {
    let spare = 0
    let wanted = 0
    for (let member = 0; member < a.members; member++) {
      spare += Math.max(0, load[member]! - above[member]!)
      wanted += Math.max(0, below[member]! - load[member]!)
    }
    if (spare === 0 || wanted === 0) continue
    for (let shard = 0; shard < a.shards; shard++) levelShard(a, shard, above, below)
  }
}

function levelShard(a: Assignment, shard: number, above: Int32Array, below: Int32Array): void {
  for (let place = 0; place < a.width; place++) {
    const gone = a.owners[shard * a.width + place]!
    if (a.load[gone]! <= above[gone]!) continue
    a.rule.open(a.owners, shard, gone)
    let best = -1
    let most = 0
    for (let next = 0; next < a.members; next++) {
      const missing = below[next]! - a.load[next]!
      if (missing <= most || !a.rule.allows(next) || holds(a, shard, next)) continue
      best = next
      most = missing
    }
    if (best >= 0) replace(a, shard, gone, best)
  }
}

/**
 * Cancels negative cycles until there is none, and returns a price for each member: the proof
 * that no table within the quotas moves less.
 */
export function settle(a: Assignment): Int32Array {
  const rounds = a.shards * a.width * 4 + 64
  let edges = findEdges(a)
  // Whether the edges are as findEdges left them, and not kept up cycle by cycle.
  let whole = true
  for (let round = 0; ; round++) {
    const found = shortestPaths(a, edges)
    // Prices that are not final still give a true, if lower, bound.
    if (round === rounds || (found.cycle.length === 0 && whole)) return found.price
    const steps = splitSteps(a, stepsOf(a, edges, found.cycle))
    const applied = found.cycle.length > 0 && applySteps(a, steps)
    if (!applied && whole) return found.price
    if (applied) for (const step of steps) renewEdge(a, edges, step)
    else edges = findEdges(a)
    whole = !applied
  }
}

// An edge that was used up gets the next shard that offers the same replacement. Edges that other
// steps have changed are only noticed when they are about to be taken.
function renewEdge(a: Assignment, edges: Edges, { gone, next, shard, cost }: Step): void {
  if (shard < 0) return
  const edge = gone * a.members + next
  for (let at = edges.shard[edge]! + 1; at < a.shards; at++) {
    if (stepAt(a, at, gone, next)?.cost !== cost) continue
    edges.shard[edge] = at
    return
  }
  edges.cost[edge] = IMPOSSIBLE
}

interface Paths {
  /** Members along a negative cycle, the pool being the number after the last; or empty. */
  readonly cycle: readonly number[]
  readonly price: Int32Array
}

// Bellman and Ford from everywhere at once. The pool, the last node, stands for the freedom to
// hold the share rounded down or up: through it a unit passes from any member to any other.
function shortestPaths(a: Assignment, edges: Edges): Paths {
  const pool = a.members
  const distance = new Int32Array(pool + 1)
  const previous = new Int32Array(pool + 1).fill(-1)
  for (;;) {
    let changed = false
    const relax = (from: number, to: number, cost: number): void => {
      if (distance[from]! + cost >= distance[to]!) return
      distance[to] = distance[from]! + cost
      previous[to] = from
      changed = true
    }
    for (let member = 0; member < pool; member++) {
      const load = a.load[member]!
      if (load > a.low[member]!) relax(pool, member, load > a.high[member]! ? -PENALTY : 0)
      if (load < a.high[member]!) relax(member, pool, load < a.low[member]! ? -PENALTY : 0)
    }
    for (let gone = 0; gone < pool; gone++) {
      for (let next = 0; next < pool; next++) {
        const cost = edges.cost[gone * pool + next]!
        if (cost !== IMPOSSIBLE) relax(gone, next, cost)
      }
    }
    if (!changed) {
      return { cycle: [], price: distance.slice(0, pool).map((d) => distance[pool]! - d) }
    }
    const cycle = findCycle(previous)
    if (cycle.length > 0) return { cycle, price: distance }
  }
}

function findCycle(previous: Int32Array): readonly number[] {
  const seen = new Int32Array(previous.length)
  for (let start = 0; start < previous.length; start++) {
    let at = start
    while (at >= 0 && seen[at] === 0) {
      seen[at] = start + 1
      at = previous[at]!
    }
    if (at < 0 || seen[at] !== start + 1) continue
    const cycle = [at]
    for (let i = previous[at]!; i !== at; i = previous[i]!) cycle.push(i)
    return cycle.reverse()
  }
  return []
}

interface Step {
  readonly gone: number
  readonly next: number
  readonly shard: number
  /** Places moved by this step; a step through the pool has shard -1. */
  readonly cost: number
}

function stepsOf(a: Assignment, edges: Edges, cycle: readonly number[]): readonly Step[] {
  const pool = a.members
  return cycle.map((gone, i) => {
    const next = cycle[(i + 1) % cycle.length]!
    if (gone === pool) {
      return { gone, next, shard: -1, cost: a.load[next]! > a.high[next]! ? -PENALTY : 0 }
    }
    if (next === pool) {
      return { gone, next, shard: -1, cost: a.load[gone]! < a.low[gone]! ? -PENALTY : 0 }
    }
    const edge = gone * pool + next
    return { gone, next, shard: edges.shard[edge]!, cost: edges.cost[edge]! }
  })
}

// Two steps at one shard can be in each other's way. Crossing them over then gives two cycles of
// the same cost together, each shorter, and one of them is negative.
function splitSteps(a: Assignment, steps: readonly Step[]): readonly Step[] {
  for (let i = 0; i < steps.length; i++) {
    for (let j = i + 1; j < steps.length; j++) {
      const first = steps[i]!
      const second = steps[j]!
      if (first.shard < 0 || first.shard !== second.shard) continue
      const left = stepAt(a, first.shard, first.gone, second.next)
      const right = stepAt(a, first.shard, second.gone, first.next)
      if (left === undefined || right === undefined) continue
      const outer = [...steps.slice(0, i), left, ...steps.slice(j + 1)]
      const inner = [...steps.slice(i + 1, j), right]
      return splitSteps(a, sum(outer) < 0 ? outer : inner)
    }
  }
  return steps
}

function sum(steps: readonly Step[]): number {
  return steps.reduce((total, step) => total + step.cost, 0)
}

function stepAt(a: Assignment, shard: number, gone: number, next: number): Step | undefined {
  if (!holds(a, shard, gone) || holds(a, shard, next)) return undefined
  a.rule.open(a.owners, shard, gone)
  if (!a.rule.allows(next)) return undefined
  return {
    gone,
    next,
    shard,
    cost: (held(a, shard, next) ? 0 : 1) - (held(a, shard, gone) ? 0 : 1),
  }
}

function applySteps(a: Assignment, steps: readonly Step[]): boolean {
  for (let i = 0; i < steps.length; i++) {
    const { shard, gone, next, cost } = steps[i]!
    if (shard < 0) continue
    if (stepAt(a, shard, gone, next)?.cost !== cost) {
      for (const done of steps.slice(0, i).reverse()) {
        if (done.shard >= 0) replace(a, done.shard, done.next, done.gone)
      }
      return false
    }
    replace(a, shard, gone, next)
  }
  return true
}

/**
 * What any table within the quotas must move at least, by the prices of {@link settle}: prices
 * are added to the cost of each place and taken back at the quotas, so that whatever the prices,
 * the cheapest choice for each shard by itself cannot cost more than the best table.
 */
export function lowerBound(a: Assignment, price: Int32Array): number {
  const best = { ...a, owners: a.owners.slice(), load: a.load.slice() }
  let bound = 0
  for (let shard = 0; shard < a.shards; shard++) {
    while (improve(best, shard, price)) continue
    for (let place = 0; place < a.width; place++) {
      const member = best.owners[shard * a.width + place]!
      if (member !== NONE) bound += price[member]! + (held(a, shard, member) ? 0 : 1)
    }
  }
  for (let member = 0; member < a.members; member++) {
    bound -= Math.max(price[member]! * a.low[member]!, price[member]! * a.high[member]!)
  }
  return bound
}

function improve(a: Assignment, shard: number, price: Int32Array): boolean {
  let out = -1
  let into = -1
  eachExchange(a, shard, (_, gone, next, cost) => {
    if (out >= 0 || cost + price[next]! - price[gone]! >= 0) return
    out = gone
    into = next
  })
  if (out < 0) return false
  replace(a, shard, out, into)
  return true
}
