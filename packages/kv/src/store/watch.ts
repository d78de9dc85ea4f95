// Watching: a long poll for each shard, from a revision on, so that a watch survives any change of
// leader or host and resumes where it was without repeating or leaving out a change.
import { boundBytes } from '../key.ts'
import type { KvEvent, WatchOptions } from '../kv.ts'
import type { Router } from '../routing/router.ts'
import { Moved, OnTheWay } from '../routing/routed-call.ts'
import type { Route } from '../routing/routes.ts'
import type { ValueFormat } from './entry.ts'
import { following } from './following.ts'
import { decodeWatchPage } from './watch-page.ts'
import { positionsOf, tokenOf } from './watch-token.ts'
import type { Positions } from './watch-token.ts'
import { Watching } from './watching.ts'

/** The changes of all shards, as they come. */
export async function* watchShards<Out>(
  router: Router,
  options: WatchOptions,
  format: ValueFormat<never, Out>,
): AsyncGenerator<KvEvent<Out>> {
  const prefix = boundBytes(options.prefix ?? '', 'a prefix')
  const stop = new AbortController()
  const signal =
    options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  try {
    const positions =
      options.after === undefined
        ? await startPositions(router, prefix, signal)
        : positionsOf(router, options.after)
    options.onStart?.(tokenOf(router, positions))
    yield* new Watching(router, positions, prefix, signal).events(format)
  } catch (error) {
    // Whoever ends a watch does not want to hear that it has ended.
    if (options.signal?.aborted === true) return
    throw error
  } finally {
    stop.abort()
  }
}

/** Where each shard stands now. */
async function startPositions(
  router: Router,
  prefix: Uint8Array,
  signal: AbortSignal,
): Promise<Positions> {
  const { ranged, routes } = router
  return following(router, { signal }, 'beginning a watch', async (options) => {
    // Keys on their way are in no range that is known, and whoever gets them tells of them.
    if (ranged && !isWhole(routes.sorted)) throw new OnTheWay()
    const shards = (ranged ? routes.sorted : routes.all).map(({ shard, epoch }) => ({
      shard,
      epoch,
    }))
    const positions = await Promise.all(
      shards.map(async ({ shard }) => {
        const page = decodeWatchPage(await router.watch(shard, undefined, prefix, options))
        return [shard, page.revision] as const
      }),
    )
    // Together they show everything only where all of them were asked by one map.
    const { sorted } = routes
    const same = sorted.every(({ shard, epoch }, at) => {
      const asked = shards[at]
      return asked?.shard === shard && asked.epoch === epoch
    })
    if (ranged && (!same || sorted.length !== shards.length)) throw new Moved()
    return new Map(positions)
  })
}

/** Whether ranges in order leave no key out. */
function isWhole(sorted: readonly Route[]): boolean {
  let next: string | undefined = ''
  for (const { range } of sorted) {
    if (range === undefined || range.start !== next) return false
    next = range.end
  }
  return next === undefined
}
