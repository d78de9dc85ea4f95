// What should move, and why: a pure function of the placement and of which hosts are dead. Repair
// comes before draining, and draining before balance; what is balanced stays where it is.
import { compareIds } from '@quorate/core'
import type { NodeId, ShardId } from '@quorate/core'
import { isBusy } from './handovers.ts'
import type { Placement, ShardPlacement } from './state.ts'

/** A move that should be made. */
export interface PlannedMove {
  /** The shard. */
  readonly shard: ShardId
  /** Its epoch now. */
  readonly epoch: number
  /** The voters that it should have. */
  readonly to: readonly NodeId[]
  /** Why, in words. */
  readonly reason: string
  /** Which of three comes first: a dead host, one that is drained, balance. */
  readonly class: 'repair' | 'drain' | 'balance'
  /** The host that has failed, where that is the reason. */
  readonly dead?: NodeId | undefined
}

/** What a plan goes by, besides the placement. */
export interface PlanOptions {
  /** Hosts that are given up. */
  readonly dead: ReadonlySet<NodeId>
  /** Hosts that cannot be reached at the moment: nothing is moved to them. Default none. */
  readonly suspects?: ReadonlySet<NodeId> | undefined
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** Most moves that bring a replica to one host, or take one from it, at a time. */
  readonly movesPerHostMax: number
}

/** The next moves, the most urgent first; moves under way count as done. */
export function planMoves(placement: Placement, options: PlanOptions): readonly PlannedMove[] {
  const plan = new Plan(placement, options)
  if (isTrusted(placement, options)) plan.replace((id) => options.dead.has(id), 'repair')
  if (plan.moves.length === 0) {
    plan.replace(
      (id) => placement.hosts[id] !== 'active' && placement.hosts[id] !== 'cordoned',
      'drain',
    )
  }
  if (plan.moves.length === 0 && options.dead.size === 0) plan.balance()
  return plan.moves
}

/**
 * Whether those that cannot be reached may be replaced. More than a third of the hosts do not fail by
 * chance: whoever sees that may be cut off itself.
 */
export function isTrusted(
  { hosts }: Placement,
  { dead, suspects }: Pick<PlanOptions, 'dead' | 'suspects'>,
): boolean {
  const away = new Set([...dead, ...(suspects ?? [])])
  const ids = Object.keys(hosts)
  return ids.filter((id) => away.has(id)).length * 3 <= ids.length
}

/**
 * How many replicas a shard grows to where so many are possible: as many as asked for, and before
 * that an odd number, since one more than that takes one more to agree and bears no further failure.
 */
function grownTo(asked: number, possible: number): number {
  if (possible >= asked) return asked
  return possible % 2 === 0 ? possible - 1 : possible
}

class Plan {
  readonly moves: PlannedMove[] = []
  readonly #placement: Placement
  readonly #options: PlanOptions
  /** The voters of each shard once everything under way is done. */
  readonly #voters: (readonly NodeId[])[]
  readonly #load = new Map<NodeId, number>()
  readonly #busy = new Map<NodeId, number>()

  constructor(placement: Placement, options: PlanOptions) {
    this.#placement = placement
    this.#options = options
    this.#voters = placement.shards.map(({ voters, move }) => move?.to ?? voters)
    for (const id of Object.keys(placement.hosts)) this.#load.set(id, 0)
    for (const voters of this.#voters) for (const id of voters) this.#count(this.#load, id, 1)
    for (const { voters, move } of placement.shards) {
      if (move !== undefined) this.#occupy(voters, move.to)
    }
  }

  /** Replaces the hosts that `leaves` names, the shards with the fewest others first. */
  replace(leaves: (id: NodeId) => boolean, what: 'repair' | 'drain'): void {
    const affected = [...this.#placement.shards.entries()]
      .filter(([shard]) => this.#voters[shard]?.some(leaves))
      .map(([shard, held]) => ({
        shard,
        held,
        left: held.voters.filter((id) => !leaves(id)).length,
      }))
      .toSorted((a, b) => a.left - b.left || a.shard - b.shard)
    for (const { shard, held } of affected) {
      if (isBusy(held) || held.voters.length === 0) continue
      const from = held.voters.find(leaves)
      if (from === undefined) continue
      const target = this.#leastLoaded(held.voters)
      const others = held.voters.filter((id) => id !== from)
      if (target === undefined && others.length < this.#options.replicas) continue
      const to = target === undefined ? others : [...others, target]
      const why = what === 'repair' ? `host ${from} has failed` : `host ${from} is drained`
      this.#add(shard, held, to, why, what, what === 'repair' ? from : undefined)
    }
  }

  /** Brings the most and the least loaded host within one replica of each other. */
  balance(): void {
    for (const [shard, held] of this.#placement.shards.entries()) {
      if (isBusy(held) || held.voters.length === 0) continue
      const others = this.#candidates(held.voters)
      const size = grownTo(this.#options.replicas, held.voters.length + others.length)
      if (held.voters.length >= size) continue
      const to = [...held.voters, ...others.slice(0, size - held.voters.length)]
      this.#add(shard, held, to, 'it has too few replicas', 'balance')
    }
    for (;;) {
      const active = this.#active().toSorted(
        (a, b) => this.#loadOf(a) - this.#loadOf(b) || compareIds(a, b),
      )
      const step = this.#step(active)
      if (step === undefined) return
      const { shard, held, from, target } = step
      const to = [...held.voters.filter((id) => id !== from), target]
      const why = `${from} has ${this.#loadOf(from)} replicas, ${target} has ${this.#loadOf(target)}`
      this.#add(shard, held, to, why, 'balance')
    }
  }

  #step(
    active: readonly NodeId[],
  ): { shard: ShardId; held: ShardPlacement; from: NodeId; target: NodeId } | undefined {
    for (const target of active) {
      if (!this.#isFree(target)) continue
      for (const from of active.toReversed()) {
        if (this.#loadOf(from) - this.#loadOf(target) < 2) break
        if (!this.#isFree(from)) continue
        for (const [shard, held] of this.#placement.shards.entries()) {
          const planned = this.moves.some((move) => move.shard === shard)
          if (planned || isBusy(held)) continue
          if (held.voters.includes(from) && !held.voters.includes(target)) {
            return { shard, held, from, target }
          }
        }
      }
    }
    return undefined
  }

  #add(
    shard: ShardId,
    held: ShardPlacement,
    to: readonly NodeId[],
    reason: string,
    kind: PlannedMove['class'],
    dead?: NodeId,
  ): void {
    const busy = [...to, ...held.voters].some(
      (id) => to.includes(id) !== held.voters.includes(id) && !this.#isFree(id),
    )
    if (busy) return
    const move = {
      shard,
      epoch: held.epoch,
      to: to.toSorted(compareIds),
      reason,
      class: kind,
      dead,
    }
    this.moves.push(move)
    for (const id of held.voters) if (!to.includes(id)) this.#count(this.#load, id, -1)
    for (const id of to) if (!held.voters.includes(id)) this.#count(this.#load, id, 1)
    this.#occupy(held.voters, to)
  }

  #leastLoaded(besides: readonly NodeId[]): NodeId | undefined {
    return this.#candidates(besides)[0]
  }

  /** The hosts that could get a replica, the least loaded first. */
  #candidates(besides: readonly NodeId[]): readonly NodeId[] {
    return this.#active()
      .filter((id) => !besides.includes(id))
      .toSorted((a, b) => this.#loadOf(a) - this.#loadOf(b) || compareIds(a, b))
  }

  #active(): readonly NodeId[] {
    const { dead, suspects } = this.#options
    return Object.keys(this.#placement.hosts).filter(
      (id) => this.#placement.hosts[id] === 'active' && !dead.has(id) && suspects?.has(id) !== true,
    )
  }

  #occupy(before: readonly NodeId[], after: readonly NodeId[]): void {
    for (const id of before) if (!after.includes(id)) this.#count(this.#busy, id, 1)
    for (const id of after) if (!before.includes(id)) this.#count(this.#busy, id, 1)
  }

  #isFree(id: NodeId): boolean {
    // A dead host takes no part in moves away from it.
    return this.#options.dead.has(id) || (this.#busy.get(id) ?? 0) < this.#options.movesPerHostMax
  }

  #loadOf(id: NodeId): number {
    return this.#load.get(id) ?? 0
  }

  #count(counts: Map<NodeId, number>, id: NodeId, by: number): void {
    counts.set(id, (counts.get(id) ?? 0) + by)
  }
}

/** A transfer of leadership that brings hosts nearer to equal numbers of leaders. */
export interface LeaderTransfer {
  /** The shard. */
  readonly shard: ShardId
  /** Who leads it. */
  readonly from: NodeId
  /** Who should. */
  readonly to: NodeId
}

/**
 * The next transfer of leadership, or `undefined` where the most and the least loaded host that
 * could take over differ by one at most.
 *
 * @param leaders - the leader of each shard, where it is known
 */
export function planLeaders(
  placement: Placement,
  leaders: readonly (NodeId | undefined)[],
  alive: (id: NodeId) => boolean,
): LeaderTransfer | undefined {
  const leads = new Map<NodeId, number>()
  for (const id of leaders) if (id !== undefined) leads.set(id, (leads.get(id) ?? 0) + 1)
  const of = (id: NodeId): number => leads.get(id) ?? 0
  let best: LeaderTransfer | undefined
  let gain = 1
  for (const [shard, held] of placement.shards.entries()) {
    const { voters } = held
    const from = leaders[shard]
    if (from === undefined || isBusy(held)) continue
    for (const to of voters) {
      const wanted = placement.hosts[to] === 'active' && alive(to)
      // A host that is being emptied should lead nothing, whatever the numbers say.
      const leaving = placement.hosts[from] === 'draining' ? placement.shards.length : 0
      const difference = of(from) + leaving - of(to)
      if (to === from || !wanted || difference <= gain) continue
      best = { shard, from, to }
      gain = difference
    }
  }
  return best
}
