// Works out who holds which shard: keep what may be kept, fill what is empty, then move the
// least that brings every member to its share. Pure numbers in, pure numbers out.
import { assert } from '@quorate/core'
import { held, holds, NONE } from './assignment.ts'
import type { Assignment, ExchangeRule } from './assignment.ts'
import { level, settle } from './exchange.ts'
import { mix32 } from './hash.ts'
import { leaderQuotas, replicaQuotas } from './quotas.ts'
import { ZoneCounts } from './zones.ts'
import type { ZoneMap } from './zones.ts'

/** Rows of members, `width` to a shard, the leader first. */
export interface Rows {
  /** How many places each shard has. */
  readonly width: number
  /** The members, {@link NONE} where a place is empty. */
  readonly owners: Uint16Array
}

/** What a table is worked out from. */
export interface TableProblem {
  /** How many shards there are. */
  readonly shards: number
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** The members' weights, in the order of their numbers. */
  readonly weights: readonly number[]
  /** The members' zones. */
  readonly zones: ZoneMap
  /** A number for each member that does not depend on the others; breaks ties. */
  readonly salts: readonly number[]
  /** The rows before, in numbers of the members now, {@link NONE} for those who left. */
  readonly before: Rows
}

/** A member may take the place of another where it shares no more zones with the rest. */
function zoneRule(zones: ZoneMap, width: number): ExchangeRule {
  if (zones.levels === 0) return { open: () => undefined, allows: () => true }
  const counts = new ZoneCounts(zones)
  const rest: number[] = []
  let cost = 0
  return {
    open(owners, shard, gone) {
      for (const member of rest) counts.add(member, -1)
      rest.length = 0
      for (let i = shard * width, end = i + width; i < end; i++) {
        if (owners[i] !== gone && owners[i] !== NONE) rest.push(owners[i]!)
      }
      for (const member of rest) counts.add(member, 1)
      cost = counts.cost(gone)
    },
    allows: (next) => counts.cost(next) === cost,
  }
}

/** The replicas of every shard as an assignment, before anything has been decided. */
export function replicaAssignment(problem: TableProblem, owners?: Uint16Array): Assignment {
  const { shards, zones, before, weights } = problem
  const members = weights.length
  const width = Math.min(problem.replicas, zones.root.costs.length)
  const rows = owners ?? new Uint16Array(shards * width).fill(NONE)
  const load = new Int32Array(members)
  for (const member of rows) if (member !== NONE) load[member]!++
  const { low, high } = replicaQuotas(zones.root, members, shards, width)
  return {
    shards,
    members,
    width,
    owners: rows,
    widthBefore: before.width,
    before: before.owners,
    load,
    low,
    high,
    rule: zoneRule(zones, width),
  }
}

/** Works out the table that moves least from `problem.before`. */
export function solveTable(problem: TableProblem): Rows {
  const a = replicaAssignment(problem)
  if (a.width > 0) {
    const costs = problem.zones.root.costs
    const share = replicaQuotas(problem.zones.root, a.members, a.shards, a.width).share
    for (let shard = 0; shard < a.shards; shard++) keepRow(a, problem, costs, shard)
    for (let shard = 0; shard < a.shards; shard++) fillRow(a, problem, costs, share, shard)
    level(a)
    settle(a)
    placeLeaders(a, problem)
  }
  return { width: a.width, owners: a.owners }
}

// Takes over old members as long as they are among the best choices for the place; each keeps
// the place it had where it can, so that an order of replicas survives a move of one of them.
function keepRow(
  a: Assignment,
  problem: TableProblem,
  costs: readonly number[],
  shard: number,
): void {
  const counts = new ZoneCounts(problem.zones)
  const { before } = problem
  let taken = 0
  for (let found = true; found && taken < a.width;) {
    found = false
    for (let place = 0; place < before.width && taken < a.width; place++) {
      const member = before.owners[shard * before.width + place]!
      if (member === NONE || holds(a, shard, member)) continue
      if (counts.cost(member) !== costs[taken]) continue
      seat(a, shard, member, place)
      counts.add(member, 1)
      taken++
      found = true
    }
  }
}

function seat(a: Assignment, shard: number, member: number, place: number): void {
  const first = shard * a.width
  let at = first + place
  if (place >= a.width || a.owners[at] !== NONE) at = a.owners.indexOf(NONE, first)
  a.owners[at] = member
  a.load[member]!++
}

function fillRow(
  a: Assignment,
  problem: TableProblem,
  costs: readonly number[],
  share: Float64Array,
  shard: number,
): void {
  const counts = new ZoneCounts(problem.zones)
  let taken = 0
  for (let place = 0; place < a.width; place++) {
    const member = a.owners[shard * a.width + place]!
    if (member === NONE) continue
    counts.add(member, 1)
    taken++
  }
  // What was kept always extends: the best sets of members are the bases of a matroid, and every
  // kept part is the start of one of its greedy orders.
  for (; taken < a.width; taken++) {
    const best = emptiest(
      a,
      problem,
      share,
      shard,
      (member) => counts.cost(member) === costs[taken],
    )
    seat(a, shard, best, a.width)
    counts.add(best, 1)
  }
}

function emptiest(
  a: Assignment,
  problem: TableProblem,
  share: Float64Array,
  shard: number,
  fits: (member: number) => boolean,
): number {
  let best = -1
  let bestFill = Infinity
  let bestRank = 0
  const spice = mix32(shard)
  for (let member = 0; member < a.members; member++) {
    const fill = (a.load[member]! + 0.5) / share[member]!
    if (fill > bestFill || holds(a, shard, member) || !fits(member)) continue
    const rank = mix32(problem.salts[member]! ^ spice)
    if (best >= 0 && fill === bestFill && rank >= bestRank) continue
    best = member
    bestFill = fill
    bestRank = rank
  }
  assert(best >= 0, 'a shard has a place that no member fits')
  return best
}

/** The leaders of every shard as an assignment with one place per shard. */
function leaderAssignment(a: Assignment, problem: TableProblem): Assignment {
  const leaders = new Uint16Array(a.shards)
  const load = new Int32Array(a.members)
  for (let shard = 0; shard < a.shards; shard++) {
    leaders[shard] = firstLeader(a, shard)
    load[leaders[shard]!]!++
  }
  const { low, high } = leaderQuotas(problem.weights, a.load, a.shards)
  const { owners, width } = a
  let at = 0
  return {
    shards: a.shards,
    members: a.members,
    width: 1,
    owners: leaders,
    widthBefore: 1,
    before: leaders.slice(),
    load,
    low,
    high,
    rule: {
      open: (_, shard) => void (at = shard * width),
      allows: (next) => {
        for (let i = at; i < at + width; i++) if (owners[i] === next) return true
        return false
      },
    },
  }
}

// Whoever already has the data leads first; a member that is still to be filled does not.
function firstLeader(a: Assignment, shard: number): number {
  for (let i = shard * a.width, end = i + a.width; i < end; i++) {
    if (held(a, shard, a.owners[i]!)) return a.owners[i]!
  }
  return a.owners[shard * a.width]!
}

function placeLeaders(a: Assignment, problem: TableProblem): void {
  const leaders = leaderAssignment(a, problem)
  level(leaders)
  settle(leaders)
  for (let shard = 0; shard < a.shards; shard++) {
    const first = shard * a.width
    const place = a.owners.indexOf(leaders.owners[shard]!, first)
    a.owners[place] = a.owners[first]!
    a.owners[first] = leaders.owners[shard]!
  }
}
