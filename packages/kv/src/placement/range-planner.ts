// Which ranges should be split or merged: a pure function of how large and how busy they are. What
// was changed a moment ago is left alone, so that nothing is split and merged in turn.
import type { ShardId } from '@quorate/core'
import { isBusy } from './handovers.ts'
import type { Placement } from './state.ts'

/** When ranges of keys are split and merged by themselves. */
export interface RangeOptions {
  /** A range of more bytes of keys and values is split. Default 67,108,864 (64 MiB). */
  readonly splitBytes?: number | undefined
  /**
   * A range that is asked more often, for a while, is split between the keys that are asked for.
   * Default 2,500.
   */
  readonly splitRequestsPerSecond?: number | undefined
  /**
   * Two ranges side by side that have fewer bytes together become one. Default a quarter of
   * `splitBytes`, and never more.
   */
  readonly mergeBytes?: number | undefined
  /** Nothing is merged so many milliseconds after it was changed. Default 3,600,000 (1 h). */
  readonly mergeAfterMs?: number | undefined
}

/** How one range is. */
export interface RangeStats {
  /** Bytes of keys and values. */
  readonly bytes: number
  /** How often its replicas are asked, smoothed over a few looks. */
  readonly requestsPerSecond: number
  /** How long it has been as it is. */
  readonly unchangedMs: number
}

/** A change of ranges that should be made. */
export interface PlannedRange {
  /** What should be done; a merge is of the shard with the one before it. */
  readonly type: 'split' | 'merge'
  /** The shard. */
  readonly shard: ShardId
  /** Its epoch now. */
  readonly epoch: number
  /** Whether it is split for its size or for its load. */
  readonly by: 'bytes' | 'requests'
  /** Why, in words. */
  readonly reason: string
}

/** The next changes of ranges, by shard; each range is part of one at most. */
export function planRanges(
  placement: Placement,
  stats: ReadonlyMap<ShardId, RangeStats>,
  options: RangeOptions,
): readonly PlannedRange[] {
  const { splitBytes = 67_108_864, splitRequestsPerSecond = 2_500 } = options
  const mergeBytes = Math.min(options.mergeBytes ?? splitBytes / 4, splitBytes / 4)
  const mergeAfterMs = options.mergeAfterMs ?? 3_600_000
  const planned: PlannedRange[] = []
  const quiet: { shard: ShardId; bytes: number; requests: number; start: string; end?: string }[] =
    []
  for (const [shard, held] of placement.shards.entries()) {
    const { range, epoch } = held
    const found = stats.get(shard)
    if (range === undefined || found === undefined || isBusy(held)) continue
    const { bytes, requestsPerSecond: requests, unchangedMs } = found
    const split = { type: 'split', shard, epoch } as const
    if (bytes > splitBytes) {
      planned.push({ ...split, by: 'bytes', reason: `it has ${bytes} bytes` })
    } else if (requests > splitRequestsPerSecond) {
      const reason = `it is asked ${Math.round(requests)} times a second`
      planned.push({ ...split, by: 'requests', reason })
    } else if (unchangedMs >= mergeAfterMs) {
      const { start, end } = range
      quiet.push({ shard, bytes, requests, start, ...(end === undefined ? {} : { end }) })
    }
  }
  quiet.sort((a, b) => (a.start < b.start ? -1 : 1))
  for (let at = 1; at < quiet.length; at++) {
    const [before, one] = [quiet[at - 1], quiet[at]]
    if (before === undefined || one === undefined || before.end !== one.start) continue
    const bytes = before.bytes + one.bytes
    // Together they must be far from where they would be split again.
    if (bytes > mergeBytes || before.requests + one.requests > splitRequestsPerSecond / 4) continue
    const { epoch } = placement.shards[one.shard] as { epoch: number }
    const reason = `it and shard ${before.shard} before it have ${bytes} bytes`
    planned.push({ type: 'merge', shard: one.shard, epoch, by: 'bytes', reason })
    at++
  }
  return planned
}

/** Fewer keys than this say too little. */
const SAMPLES_MIN = 16
/** What must be asked of either side at least, of all that is asked, so that a split is worth it. */
const SHARE_MIN = 1 / 8

/**
 * Where to split a busy range, given keys that were asked for, each request's as likely: about half
 * of them are on either side. None where too few are known, and where nearly all are one key's, since
 * no split takes anything off it.
 */
export function partingKey(asked: readonly (string | null)[]): string | undefined {
  const sorted = asked.filter((key) => key !== null).toSorted()
  if (sorted.length < SAMPLES_MIN) return undefined
  const middle = sorted[sorted.length >> 1] as string
  const at = middle === sorted[0] ? sorted.find((key) => key > middle) : middle
  if (at === undefined) return undefined
  const before = sorted.findIndex((key) => key >= at)
  const smaller = Math.min(before, sorted.length - before)
  return smaller < sorted.length * SHARE_MIN ? undefined : at
}
