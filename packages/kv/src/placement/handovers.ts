// Splits and merges in the map: keys are planned to go from one shard to another, and from one
// entry on they are there. A shard's number is never used for another.
import type { ShardId } from '@quorate/core'
import { isRangeJson, joined, rangeFromJson, rangeJson, without } from '../machine/key-range.ts'
import type { KeyRange, RangeJson } from '../machine/key-range.ts'
import type { Placement, ShardPlacement } from './state.ts'

/** Most numbers of shards that a store of ranges can use up in its life. */
const SHARD_NUMBERS_MAX = 65_536

/** A change of which keys are in which shard. */
export type HandoverChange =
  /** Plans that the keys from `at` on go to a new shard on the same hosts. */
  | { readonly type: 'split'; readonly shard: ShardId; readonly epoch: number; readonly at: string }
  /** Plans that all keys of a shard go to the one before it. */
  | { readonly type: 'merge'; readonly shard: ShardId; readonly epoch: number }
  /** The keys are there now. */
  | { readonly type: 'handed'; readonly shard: ShardId; readonly handover: number }
  /** The shard that gave them has forgotten them. */
  | { readonly type: 'forgotten'; readonly shard: ShardId; readonly handover: number }
  /** A shard without keys is needed no more, not even for its sessions. */
  | { readonly type: 'retire'; readonly shard: ShardId; readonly epoch: number }

const TYPES: readonly string[] = ['split', 'merge', 'handed', 'forgotten', 'retire']

/** Whether a change is one of these. */
export function isHandoverChange(change: { readonly type: string }): change is HandoverChange {
  return TYPES.includes(change.type)
}

/** Whether a change that was read has all that it must have. */
export function isWholeChange(change: HandoverChange): boolean {
  const whole = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
  if (!whole(change.shard)) return false
  if (change.type === 'handed' || change.type === 'forgotten') return whole(change.handover)
  if (!whole(change.epoch)) return false
  return change.type !== 'split' || (isRangeJson({ start: change.at }) && change.at.length > 0)
}

/** Whether something about a shard is being changed, so that nothing else may be. */
export function isBusy(held: ShardPlacement): boolean {
  const { move, handover, receiving, forgetting } = held
  return [move, handover, receiving, forgetting].some((one) => one !== undefined)
}

/** The placement after a change, or in words why it does not apply. */
export function handedOver(
  placement: Placement,
  change: HandoverChange,
  index: number,
): Placement | string {
  const { shard } = change
  const held = placement.shards[shard]
  if (held === undefined) return `there is no shard ${shard}`
  if (change.type === 'handed' || change.type === 'forgotten') {
    return ended(placement, change, held)
  }
  if (isBusy(held)) return `shard ${shard} is being changed already`
  if (held.epoch !== change.epoch) return `shard ${shard} has epoch ${held.epoch}`
  if (change.type === 'retire') {
    if (held.range !== undefined) return `shard ${shard} has keys`
    return withShards(placement, [[shard, { epoch: held.epoch, voters: [] }]])
  }
  if (held.range === undefined) return `shard ${shard} has no range of keys`
  return change.type === 'split'
    ? split(placement, change, held, held.range, index)
    : merged(placement, shard, held, held.range, index)
}

function split(
  placement: Placement,
  { shard, at }: HandoverChange & { readonly type: 'split' },
  held: ShardPlacement,
  range: RangeJson,
  index: number,
): Placement | string {
  if (at <= range.start || (range.end !== undefined && at >= range.end)) {
    return `shard ${shard} cannot be split at a key that is not inside of it`
  }
  const to = placement.shards.length
  if (to >= SHARD_NUMBERS_MAX) return `there have been ${SHARD_NUMBERS_MAX} shards already`
  const { voters } = held
  const handover = { id: index, to, ...rangeJson({ ...rangeFromJson(range), start: rawOf(at) }) }
  return withShards(placement, [
    [shard, { ...held, handover }],
    [to, { epoch: 1, voters, founders: voters, receiving: index }],
  ])
}

function merged(
  placement: Placement,
  shard: ShardId,
  held: ShardPlacement,
  range: RangeJson,
  index: number,
): Placement | string {
  const to = placement.shards.findIndex((one) => one.range?.end === range.start)
  const before = placement.shards[to]
  if (before === undefined || range.start === '') return `no shard is before shard ${shard}`
  if (isBusy(before)) return `shard ${to} is being changed already`
  return withShards(placement, [
    [shard, { ...held, handover: { id: index, to, ...range } }],
    [to, { ...before, receiving: index }],
  ])
}

function ended(
  placement: Placement,
  change: HandoverChange & { readonly type: 'handed' | 'forgotten' },
  held: ShardPlacement,
): Placement | string {
  const { shard } = change
  const id = change.handover
  if (change.type === 'forgotten') {
    if (held.forgetting !== id) return `shard ${shard} has nothing to forget`
    const { forgetting: _, ...rest } = held
    return withShards(placement, [[shard, rest]])
  }
  const { handover, range: before, ...rest } = held
  if (handover?.id !== id || before === undefined) return `handover ${id} is not under way`
  const given = rangeFromJson(handover)
  const left = without(rangeFromJson(before), given)
  const receiver = placement.shards[handover.to]
  if (left === 'none' || receiver?.receiving !== id) return `handover ${id} is not under way`
  const { receiving: _, ...taker } = receiver
  const own = taker.range && rangeFromJson(taker.range)
  const all = joined(own, given)
  if (all === undefined) return `handover ${id} is not of ranges side by side`
  const epoch = held.epoch + 1
  const giver = { ...rest, epoch, forgetting: id, ...ranged(left) }
  return withShards(placement, [
    [shard, giver],
    [handover.to, { ...taker, epoch: taker.epoch + 1, ...ranged(all) }],
  ])
}

function ranged(range: KeyRange | undefined): { readonly range?: RangeJson } {
  return range === undefined ? {} : { range: rangeJson(range) }
}

function rawOf(digits: string): string {
  return rangeFromJson({ start: digits }).start
}

function withShards(
  placement: Placement,
  entries: readonly (readonly [ShardId, ShardPlacement])[],
): Placement {
  const shards = [...placement.shards]
  for (const [shard, held] of entries) shards[shard] = held
  return { ...placement, version: placement.version + 1, shards }
}
