// How replicas spread over zones. A set of members is judged level by level, outermost first, by
// the number of pairs that share a zone: the best sets are those with the fewest such pairs.
// Adding members one by one, always one that shares with the fewest, reaches such a set.
import { QuorateError } from '@quorate/core'
import type { Member } from './members.ts'

/** Whether replicas may share a zone when they cannot all have their own. */
export type ZoneRule = 'hard' | 'soft'

/** The most replicas that zone arithmetic is made for: four levels of counts share 28 bits. */
export const REPLICAS_MAX = 64

const COUNT_BITS = 7
const COUNT_MAX = (1 << COUNT_BITS) - 1

/** One zone, or the whole; a leaf is a single member. */
export interface ZoneNode {
  /** The sum of the weights below. */
  readonly weight: number
  /**
   * What each further replica of one shard below costs, for the cheapest choice of members: how
   * many share its zone at each level, the outermost in the highest bits. As long as there is
   * room, and never falling.
   */
  readonly costs: readonly number[]
  /** The index of the member, or -1 where this is a zone. */
  readonly member: number
  /** The zones or members directly below. */
  readonly children: readonly ZoneNode[]
}

/** Members arranged by zone, as numbers. */
export interface ZoneMap {
  /** How many levels a path has. */
  readonly levels: number
  /** By level, whether two replicas of one shard may never share a zone of it. */
  readonly hard: readonly boolean[]
  /** By level, then by member: the number of the zone, unique within its level. */
  readonly zoneOf: readonly Uint16Array[]
  /** The tree of zones over the members. */
  readonly root: ZoneNode
  /** The names of the zones by level and number, joined with "/". */
  readonly names: readonly (readonly string[])[]
}

/** Reads one rule per level from the option; one rule alone applies to every level. */
export function readRules(
  rules: ZoneRule | readonly ZoneRule[] | undefined,
): readonly ZoneRule[] | ZoneRule {
  const list = rules === undefined ? ['soft'] : typeof rules === 'string' ? [rules] : rules
  for (const rule of list) {
    if (rule !== 'hard' && rule !== 'soft') {
      throw new QuorateError(
        'INVALID_OPTIONS',
        `A zone rule is 'hard' or 'soft', got ${String(rule)}`,
      )
    }
  }
  return rules ?? 'soft'
}

/** Arranges `members` by zone. Levels without a rule of their own are soft. */
export function zoneMap(
  members: readonly Member[],
  rules: readonly ZoneRule[] | ZoneRule,
): ZoneMap {
  const levels = members[0]?.zone.length ?? 0
  const hard = Array.from({ length: levels }, (_, level) =>
    typeof rules === 'string' ? rules === 'hard' : rules[level] === 'hard',
  )
  const zoneOf: Uint16Array[] = []
  const names: string[][] = []
  for (let level = 0; level < levels; level++) {
    const numbers = new Map<string, number>()
    const of = new Uint16Array(members.length)
    members.forEach((member, index) => {
      const path = JSON.stringify(member.zone.slice(0, level + 1))
      let number = numbers.get(path)
      if (number === undefined) {
        number = numbers.size
        numbers.set(path, number)
      }
      of[index] = number
    })
    zoneOf.push(of)
    names.push([...numbers.keys()].map((path) => (JSON.parse(path) as string[]).join('/')))
  }
  const all = members.map((_, index) => index)
  return { levels, hard, zoneOf, names, root: zoneNode(members, all, 0, levels, zoneOf, hard) }
}

function zoneNode(
  members: readonly Member[],
  within: readonly number[],
  level: number,
  levels: number,
  zoneOf: readonly Uint16Array[],
  hard: readonly boolean[],
): ZoneNode {
  let children: ZoneNode[]
  if (level === levels) {
    children = within.map((member) => ({
      weight: members[member]!.weight,
      costs: [0],
      member,
      children: [],
    }))
  } else {
    const groups = new Map<number, number[]>()
    for (const member of within) {
      const zone = zoneOf[level]![member]!
      const group = groups.get(zone)
      if (group === undefined) groups.set(zone, [member])
      else group.push(member)
    }
    children = [...groups.values()].map((group) =>
      zoneNode(members, group, level + 1, levels, zoneOf, hard),
    )
  }
  return {
    weight: children.reduce((total, child) => total + child.weight, 0),
    costs: costsOf(children, level, levels, hard[level - 1] === true),
    member: -1,
    children,
  }
}

function costsOf(
  children: readonly ZoneNode[],
  level: number,
  levels: number,
  alone: boolean,
): readonly number[] {
  const costs = children.flatMap((child) => child.costs).sort((a, b) => a - b)
  // The root is no zone: replicas that only share the whole share nothing.
  if (level === 0) return costs
  const shift = COUNT_BITS * (levels - level)
  const own = costs.map((cost, i) => cost | (Math.min(i, COUNT_MAX) << shift))
  return alone ? own.slice(0, 1) : own
}

/** Counts the members of one set by zone, to tell what another member would share. */
export class ZoneCounts {
  readonly #zones: ZoneMap
  readonly #counts: readonly Int32Array[]

  /** Starts with an empty set. */
  constructor(zones: ZoneMap) {
    this.#zones = zones
    this.#counts = zones.names.map((names) => new Int32Array(names.length))
  }

  /** Puts `member` into the set (`by` 1) or takes it out (`by` -1). */
  add(member: number, by: 1 | -1): void {
    const { zoneOf, levels } = this.#zones
    for (let level = 0; level < levels; level++) {
      this.#counts[level]![zoneOf[level]![member]!]! += by
    }
  }

  /**
   * How much `member` would share with the set: the counts of its zones, the outermost in the
   * highest bits. Infinity where a hard level forbids it.
   */
  cost(member: number): number {
    const { zoneOf, levels, hard } = this.#zones
    let cost = 0
    for (let level = 0; level < levels; level++) {
      const count = this.#counts[level]![zoneOf[level]![member]!]!
      if (count > 0 && hard[level] === true) return Infinity
      cost = (cost << COUNT_BITS) | Math.min(count, COUNT_MAX)
    }
    return cost
  }
}
