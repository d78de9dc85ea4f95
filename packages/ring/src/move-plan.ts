// From one table of shards to the next as single moves, in batches that hosts can bear, with a
// certificate that the moves are the fewest possible.
import { QuorateError } from '@quorate/core'
import type { NodeId, ShardId } from '@quorate/core'
import { countMoved, NONE } from './assignment.ts'
import { level, lowerBound, settle } from './exchange.ts'
import type { Member } from './members.ts'
import { checkInteger } from './placement.ts'
import { replicaAssignment, solveTable } from './replica-table.ts'
import type { TableProblem } from './replica-table.ts'
import { partsOf, renumber, saltsOf } from './shard-table.ts'
import type { ShardTable, TableParts } from './shard-table.ts'
import type { ZoneViolation } from './shard-report.ts'
import { ZoneCounts, zoneMap } from './zones.ts'
import type { ZoneMap } from './zones.ts'

/** One replica that moves. */
export interface Move {
  /** The shard. */
  readonly shard: ShardId
  /** The member that gives it up; `undefined` where a replica is only added. */
  readonly from: NodeId | undefined
  /** The member that takes it; `undefined` where a replica is only dropped. */
  readonly to: NodeId | undefined
}

/** One shard whose leader should be another. */
export interface LeaderMove {
  /** The shard. */
  readonly shard: ShardId
  /** The leader before; `undefined` where there was none. */
  readonly from: NodeId | undefined
  /** The leader after; `undefined` where there is none. */
  readonly to: NodeId | undefined
}

/**
 * The proof that a plan is minimal. With any numbers as prices, adding to each place the price
 * of its member, choosing the cheapest legal members for each shard alone, and taking back the
 * prices at the quotas, gives a number that no table can go below: `lowerBound`. A plan that
 * moves just that many is therefore the best there is.
 */
export interface MoveCertificate {
  /** How many replicas have to be copied to a member that did not have them. */
  readonly moved: number
  /** The fewest that any table with the same members and rules could have moved. */
  readonly lowerBound: number
  /** The difference: 0 for every table that `with` made of the one before. */
  readonly needless: number
  /** The price of each member that proves the bound. */
  readonly prices: ReadonlyMap<NodeId, number>
}

/** How many moves may be under way at once. */
export interface BatchLimit {
  /** The most moves that any member takes part in, giving and taking counted each for itself. */
  readonly perMember: number
  /** The most moves in a batch. Default: no limit. */
  readonly total?: number | undefined
}

/** What it takes to get from one table to the next. */
export interface MovePlan {
  /** The version before. */
  readonly from: number
  /** The version after. */
  readonly to: number
  /** The moves, by shard. */
  readonly moves: readonly Move[]
  /** The shards whose leader changes; these copy nothing. */
  readonly leaders: readonly LeaderMove[]
  /** The proof. */
  readonly certificate: MoveCertificate
  /** Where the table after falls short of its rules. */
  readonly violations: readonly ZoneViolation[]
  /**
   * The moves in batches, at most one of a shard in each. After every move of every batch each
   * shard has distinct replicas, and never fewer than it had before or has after the plan.
   *
   * @throws QuorateError `INVALID_ARGUMENT` where a limit is not a positive integer
   */
  batches(limit: BatchLimit): readonly (readonly Move[])[]
}

/** Plans the moves from one table to another. */
export function planMoves(before: ShardTable, after: ShardTable): MovePlan {
  const a = partsOf(before)
  const b = partsOf(after)
  if (a.shards !== b.shards || a.rule.name !== b.rule.name) {
    throw new QuorateError(
      'INVALID_ARGUMENT',
      `Tables of ${a.shards} shards by ${a.rule.name} and ${b.shards} by ${b.rule.name} do not compare`,
    )
  }
  const zones = zoneMap(b.members, b.zones)
  const moves: Move[] = []
  const leaders: LeaderMove[] = []
  const zonesOfId = new Map(b.members.map((member, index) => [member.id, index]))
  for (let shard = 0; shard < a.shards; shard++) {
    const old = rowOf(a, shard)
    const next = rowOf(b, shard)
    moves.push(...movesOf(shard, old, next, zones, zonesOfId))
    if (old[0] !== next[0]) leaders.push({ shard, from: old[0], to: next[0] })
  }
  return {
    from: a.version,
    to: b.version,
    moves,
    leaders,
    certificate: certify(a, b, zones),
    violations: after.violations,
    batches: (limit) => inBatches(moves, limit),
  }
}

function rowOf(parts: TableParts, shard: number): readonly NodeId[] {
  const { rows, members } = parts
  const row = rows.owners.subarray(shard * rows.width, (shard + 1) * rows.width)
  return Array.from(row, (owner) => members[owner]!.id)
}

// Where several replicas of a shard move, each arrival is paired with the departure that leaves
// it the fewest zones to share, so that no state between is worse than it has to be.
function movesOf(
  shard: ShardId,
  old: readonly NodeId[],
  next: readonly NodeId[],
  zones: ZoneMap,
  index: ReadonlyMap<NodeId, number>,
): readonly Move[] {
  const gone = old.filter((id) => !next.includes(id))
  const come = next.filter((id) => !old.includes(id))
  if (gone.length <= 1 && come.length <= 1) {
    return gone.length + come.length === 0 ? [] : [{ shard, from: gone[0], to: come[0] }]
  }
  const moves: Move[] = []
  const counts = new ZoneCounts(zones)
  const count = (id: NodeId, by: 1 | -1): void => {
    const member = index.get(id)
    if (member !== undefined) counts.add(member, by)
  }
  for (const id of old) count(id, 1)
  while (come.length > 0 || gone.length > 0) {
    const [from, to] = bestPair(gone, come, (out, into) => {
      if (out !== undefined) count(out, -1)
      const cost = into === undefined ? 0 : counts.cost(index.get(into)!)
      if (out !== undefined) count(out, 1)
      return cost
    })
    if (from !== undefined) count(gone.splice(gone.indexOf(from), 1)[0]!, -1)
    if (to !== undefined) count(come.splice(come.indexOf(to), 1)[0]!, 1)
    moves.push({ shard, from, to })
  }
  return moves
}

function bestPair(
  gone: readonly NodeId[],
  come: readonly NodeId[],
  cost: (out: NodeId | undefined, into: NodeId | undefined) => number,
): readonly [NodeId | undefined, NodeId | undefined] {
  let best: readonly [NodeId | undefined, NodeId | undefined] = [gone[0], come[0]]
  let least = Infinity
  for (const out of gone.length > 0 ? gone : [undefined]) {
    for (const into of come.length > 0 ? come : [undefined]) {
      const value = cost(out, into)
      if (value >= least) continue
      least = value
      best = [out, into]
    }
  }
  return best
}

function certify(a: TableParts, b: TableParts, zones: ZoneMap): MoveCertificate {
  const problem: TableProblem = {
    shards: b.shards,
    replicas: b.replicas,
    weights: b.members.map((member) => member.weight),
    salts: saltsOf(b.members),
    zones,
    before: renumber(a.rows, a.members, b.members),
  }
  const moved = countMoved(replicaAssignment({ ...problem, replicas: b.rows.width }, b.rows.owners))
  const start = isBest(b, zones) ? b.rows.owners.slice() : solveTable(problem).owners
  const best = replicaAssignment(problem, start)
  level(best)
  const price = settle(best)
  const bound = best.width === 0 ? 0 : lowerBound(best, price)
  return { moved, lowerBound: bound, needless: moved - bound, prices: byId(b.members, price) }
}

function byId(members: readonly Member[], price: Int32Array): ReadonlyMap<NodeId, number> {
  return new Map(members.map((member, index) => [member.id, price[index]!]))
}

// Whether every shard is spread over zones as well as it can be.
function isBest(parts: TableParts, zones: ZoneMap): boolean {
  const { rows, shards, replicas } = parts
  const costs = zones.root.costs.slice(0, replicas)
  if (rows.width !== costs.length) return false
  const least = costs.reduce((sum, cost) => sum + cost, 0)
  for (let shard = 0; shard < shards; shard++) {
    const counts = new ZoneCounts(zones)
    let cost = 0
    for (const owner of rows.owners.subarray(shard * rows.width, (shard + 1) * rows.width)) {
      cost += counts.cost(owner)
      counts.add(owner, 1)
    }
    if (cost !== least) return false
  }
  return !rows.owners.includes(NONE)
}

function inBatches(moves: readonly Move[], limit: BatchLimit): readonly (readonly Move[])[] {
  const most = Number.MAX_SAFE_INTEGER
  const perMember = checkInteger(limit.perMember, 'perMember', 1, most, 'INVALID_ARGUMENT')
  const total = checkInteger(limit.total ?? most, 'total', 1, most, 'INVALID_ARGUMENT')
  const batches: Move[][] = []
  let rest = moves
  while (rest.length > 0) {
    const batch: Move[] = []
    const busy = new Map<string, number>()
    const shards = new Set<ShardId>()
    rest = rest.filter((move) => {
      const sides = [`<${move.from ?? ''}`, `>${move.to ?? ''}`].filter((side) => side.length > 1)
      const full = sides.some((side) => (busy.get(side) ?? 0) >= perMember)
      // A later move of a shard must wait for the earlier, even if that one waits itself.
      const waits = shards.has(move.shard) || full || batch.length >= total
      shards.add(move.shard)
      if (waits) return true
      for (const side of sides) busy.set(side, (busy.get(side) ?? 0) + 1)
      batch.push(move)
      return false
    })
    batches.push(batch)
  }
  return batches
}
