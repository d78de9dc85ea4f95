// What changes between two snapshots, and the proof that no less would do. A plan without a proof
// asks for trust; this one can be checked by whoever reads it.
import type { HashRing } from './hash-ring.ts'
import { diffRings } from './ring-diff.ts'
import type { RingDiff } from './ring-diff.ts'
import type { ShardTable } from './shard-table.ts'
import { planMoves } from './move-plan.ts'
import type { MovePlan } from './move-plan.ts'

/** Every replica that has to move between two tables, with the proof that it is the least. */
export function diff(before: ShardTable, after: ShardTable): MovePlan
/** Every arc that changes its owner between two rings. */
export function diff(before: HashRing, after: HashRing): RingDiff
/**
 * Compares two snapshots of one kind.
 *
 * @throws TypeError where the two are not of one kind
 * @throws QuorateError `INVALID_ARGUMENT` where they divide keys differently: other hashes, other
 * numbers of shards
 */
export function diff(
  before: ShardTable | HashRing,
  after: ShardTable | HashRing,
): MovePlan | RingDiff {
  if (before.kind === 'table' && after.kind === 'table') return planMoves(before, after)
  if (before.kind === 'ring' && after.kind === 'ring') return diffRings(before, after)
  throw new TypeError(`A ${before.kind} cannot be compared with a ${after.kind}`)
}
