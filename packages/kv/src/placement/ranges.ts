// Looks after the ranges of a store: measures them, splits those that are too large or too busy,
// merges those that are nearly empty, and drops what is left of merged ones.
import { decodeUtf8 } from '@quorate/core'
import type { CallOptions, ShardId } from '@quorate/core'
import { rawKey } from '../key.ts'
import type { KvStatus } from '../kv.ts'
import { kvLimits } from '../limits.ts'
import { hexOf } from '../machine/key-range.ts'
import type { Store } from '../store/store.ts'
import { encodeAdmin } from './admin.ts'
import { isBusy } from './handovers.ts'
import { partingKey, planRanges } from './range-planner.ts'
import type { PlannedRange, RangeOptions, RangeStats } from './range-planner.ts'
import type { Placement, PlacementCommand } from './state.ts'

const CALL: CallOptions = { timeoutMs: 5_000 }
/** How much the last look counts: after three others it is half forgotten. */
const WEIGHT = 0.2

interface Seen {
  readonly requests: number
  readonly atMs: number
  readonly rate: number
  /** What the range was, and since when. */
  readonly epoch: number
  readonly sinceMs: number
}

/** What ranges are looked after with. */
export interface RangesContext {
  /** The store. */
  readonly store: Store
  /** When they are split and merged. */
  readonly options: RangeOptions
  /** Changes the map. */
  change(command: PlacementCommand): Promise<void>
}

/** Looks after ranges. */
export class Ranges {
  readonly #context: RangesContext
  readonly #seen = new Map<ShardId, Seen>()
  /** When a shard without keys was first seen. */
  readonly #empty = new Map<ShardId, number>()

  constructor(context: RangesContext) {
    this.#context = context
  }

  /** Forgets what was measured, since somebody else has looked after them meanwhile. */
  reset(): void {
    this.#seen.clear()
    this.#empty.clear()
  }

  /** Plans what should be done now. */
  async look(placement: Placement): Promise<void> {
    const { store, options } = this.#context
    if (!store.routes.ranged) return
    const stats = this.#measure(placement, await store.status(CALL))
    for (const planned of planRanges(placement, stats, options)) await this.#plan(planned)
    await this.#retire(placement)
  }

  #measure({ shards }: Placement, status: KvStatus): ReadonlyMap<ShardId, RangeStats> {
    const now = this.#context.store.host.clock.now()
    const stats = new Map<ShardId, RangeStats>()
    for (const { shard, leader, bytes, requests } of status.shards) {
      const epoch = shards[shard]?.epoch ?? 0
      if (leader === undefined) continue
      const before = this.#seen.get(shard)
      const unchanged = before?.epoch === epoch
      const elapsedMs = Math.max(1, now - (before?.atMs ?? now))
      // A host that starts again counts from 0.
      const asked = Math.max(0, requests - (before?.requests ?? requests))
      const rate =
        before === undefined || !unchanged
          ? 0
          : before.rate + WEIGHT * ((asked * 1_000) / elapsedMs - before.rate)
      const sinceMs = unchanged ? before.sinceMs : now
      this.#seen.set(shard, { requests, atMs: now, rate, epoch, sinceMs })
      stats.set(shard, { bytes, requestsPerSecond: rate, unchangedMs: now - sinceMs })
    }
    return stats
  }

  async #plan({ type, shard, epoch, by }: PlannedRange): Promise<void> {
    const { change } = this.#context
    if (type === 'merge') return change({ type, shard, epoch })
    const at = by === 'bytes' ? await this.#middle(shard) : await this.#busiest(shard)
    if (at !== undefined) await change({ type, shard, epoch, at })
  }

  async #middle(shard: ShardId): Promise<string | undefined> {
    const { router } = this.#context.store
    const { key } = await router.query(shard, { type: 'middle' }, CALL, 'the middle of a range')
    return key && hexOf(rawKey(key))
  }

  /** The key that parts those that are asked for. */
  async #busiest(shard: ShardId): Promise<string | undefined> {
    const { router, routes } = this.#context.store
    const payload = encodeAdmin({ op: 'asked', shard })
    const bytes = await router.admin(routes.route(shard), payload, CALL, 'keys that are asked for')
    return partingKey(JSON.parse(decodeUtf8(bytes)) as readonly (string | null)[])
  }

  /** Drops shards without keys once nobody can ask them what became of a command. */
  async #retire({ shards }: Placement): Promise<void> {
    const { store, change } = this.#context
    const now = store.host.clock.now()
    for (const [shard, held] of shards.entries()) {
      const { range, voters, epoch } = held
      if (range !== undefined || voters.length === 0 || isBusy(held)) continue
      const since = this.#empty.get(shard) ?? now
      this.#empty.set(shard, since)
      if (now - since < kvLimits.sessionTtlMs) continue
      await change({ type: 'retire', shard, epoch })
      this.#empty.delete(shard)
    }
  }
}
