// What changes between two rings: one sweep over both circles, exact to the last of the 2^32
// positions.
import { QuorateError } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import type { HashRing } from './hash-ring.ts'
import { ringPartsOf } from './hash-ring.ts'
import type { Points } from './points.ts'

const CIRCLE = 4_294_967_296

/** A part of the circle that changes its owner: all positions from `start` to `end`. */
export interface ArcMove {
  /** The first position. */
  readonly start: number
  /** The last position; never less than `start`: an arc over the top is given in two parts. */
  readonly end: number
  /** The owner before; `undefined` where there was none. */
  readonly from: NodeId | undefined
  /** The owner after; `undefined` where there is none. */
  readonly to: NodeId | undefined
  /** The part of all keys that this is. */
  readonly share: number
}

/** How much a change of a ring moves, as parts of all keys. */
export interface ShareCertificate {
  /** What changes its owner. */
  readonly moved: number
  /** What must: the sum of what each member has more than before. */
  readonly lowerBound: number
  /** What moves between two members that were there before and after with the same weight. */
  readonly needless: number
}

/** The difference of two rings. */
export interface RingDiff {
  /** The version before. */
  readonly from: number
  /** The version after. */
  readonly to: number
  /** The arcs that move, in order of position. */
  readonly moves: readonly ArcMove[]
  /** How much it is, and how much of it was not called for. */
  readonly certificate: ShareCertificate
}

/** Compares two rings position by position. */
export function diffRings(before: HashRing, after: HashRing): RingDiff {
  const a = ringPartsOf(before)
  const b = ringPartsOf(after)
  if (a.hash.name !== b.hash.name || a.hashTags !== b.hashTags) {
    throw new QuorateError(
      'INVALID_ARGUMENT',
      `Rings by ${a.hash.name} and ${b.hash.name} divide keys differently and do not compare`,
    )
  }
  const moves = sweep(a.points, b.points, idsOf(before), idsOf(after))
  const weights = new Map(before.members.map((member) => [member.id, member.weight]))
  const same = new Set(
    after.members.filter((member) => weights.get(member.id) === member.weight).map(({ id }) => id),
  )
  const gain = new Map<NodeId | undefined, number>()
  let moved = 0
  let needless = 0
  for (const { from, to, start, end } of moves) {
    const length = end - start + 1
    moved += length
    gain.set(from, (gain.get(from) ?? 0) - length)
    gain.set(to, (gain.get(to) ?? 0) + length)
    if (from !== undefined && to !== undefined && same.has(from) && same.has(to)) needless += length
  }
  let bound = 0
  for (const value of gain.values()) bound += Math.max(0, value)
  return {
    from: before.version,
    to: after.version,
    moves,
    certificate: {
      moved: moved / CIRCLE,
      lowerBound: bound / CIRCLE,
      needless: needless / CIRCLE,
    },
  }
}

function idsOf(ring: HashRing): readonly NodeId[] {
  return ring.members.map((member) => member.id)
}

function sweep(
  a: Points,
  b: Points,
  idsA: readonly NodeId[],
  idsB: readonly NodeId[],
): readonly ArcMove[] {
  const moves: ArcMove[] = []
  let start = 0
  let i = 0
  let j = 0
  while (start < CIRCLE) {
    while (i < a.count && a.position[i]! < start) i++
    while (j < b.count && b.position[j]! < start) j++
    const end = Math.min(
      i < a.count ? a.position[i]! : CIRCLE - 1,
      j < b.count ? b.position[j]! : CIRCLE - 1,
    )
    const from = a.count === 0 ? undefined : idsA[a.owner[i]!]
    const to = b.count === 0 ? undefined : idsB[b.owner[j]!]
    if (from !== to) note(moves, start, end, from, to)
    start = end + 1
  }
  return moves
}

function note(
  moves: ArcMove[],
  start: number,
  end: number,
  from: NodeId | undefined,
  to: NodeId | undefined,
): void {
  const last = moves.at(-1)
  const joins = last !== undefined && last.end + 1 === start && last.from === from && last.to === to
  const first = joins ? moves.pop()!.start : start
  moves.push({ start: first, end, from, to, share: (end - first + 1) / CIRCLE })
}
