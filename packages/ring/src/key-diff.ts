// What changes for given keys: the comparison for algorithms that have no finite table to compare.
import type { Key, NodeId } from '@quorate/core'
import type { Placement } from './placement.ts'

/** How much a change moves of the keys that were looked at. */
export interface KeyDiff {
  /** How many keys were looked at. */
  readonly keys: number
  /** How many change their owner. */
  readonly moved: number
  /** How many of those move between two members that are in both with the same weight. */
  readonly needless: number
  /** By pair `from`, `to`: how many keys. */
  readonly flows: readonly KeyFlow[]
}

/** The keys that move from one member to another. */
export interface KeyFlow {
  /** The owner before. */
  readonly from: NodeId | undefined
  /** The owner after. */
  readonly to: NodeId | undefined
  /** How many keys. */
  readonly keys: number
}

/** Compares where two placements, of whatever algorithms, put `keys`. */
export function diffKeys(before: Placement, after: Placement, keys: Iterable<Key>): KeyDiff {
  const weights = new Map(before.members.map((member) => [member.id, member.weight]))
  const same = new Set<NodeId | undefined>(
    after.members.filter((member) => weights.get(member.id) === member.weight).map(({ id }) => id),
  )
  const flows = new Map<
    string,
    { from: NodeId | undefined; to: NodeId | undefined; keys: number }
  >()
  let count = 0
  let moved = 0
  let needless = 0
  for (const key of keys) {
    count++
    const from = before.locate(key)
    const to = after.locate(key)
    if (from === to) continue
    moved++
    if (same.has(from) && same.has(to)) needless++
    const name = JSON.stringify([from, to])
    const flow = flows.get(name) ?? { from, to, keys: 0 }
    flow.keys++
    flows.set(name, flow)
  }
  return { keys: count, moved, needless, flows: [...flows.values()] }
}
