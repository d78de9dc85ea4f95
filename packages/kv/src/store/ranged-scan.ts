// Scans of sorted ranges: one shard after the other, in the order of keys, and none that holds
// nothing of what is asked for. A range that is split or merged meanwhile is found again by its keys.
import type { CallOptions, ShardId } from '@quorate/core'
import { rawKey, rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { FoundEntry, RangeQuery } from '../machine/query.ts'
import { OnTheWay } from '../routing/routed-call.ts'
import type { Router } from '../routing/router.ts'
import type { Route } from '../routing/routes.ts'
import { following } from './following.ts'
import type { Page } from './scan.ts'

/** What a scan of sorted ranges needs. */
export interface RangedScanContext {
  /** Knows where ranges are. */
  readonly router: Router
  /** What to read. */
  readonly range: RangeQuery
  /** At most so many entries in all. */
  readonly limit: number
  /** The caller's options. */
  readonly options: CallOptions
  /** Reads one page of one shard. */
  page(shard: ShardId, range: RangeQuery): Promise<Page>
}

interface Step {
  readonly entries: readonly FoundEntry[]
  /** What is left; `undefined`: nothing. */
  readonly rest: RangeQuery | undefined
}

/** The entries of all ranges in order. */
export async function* rangedScan(context: RangedScanContext): AsyncGenerator<FoundEntry> {
  let left = context.limit
  let next: Promise<Step> | undefined = left < 1 ? undefined : read(context, context.range)
  while (next !== undefined) {
    const { entries, rest }: Step = await next
    const more = rest !== undefined && left > entries.length
    // The next page is on its way while this one is shown.
    next = more ? read(context, rest) : undefined
    // A scan that ends early leaves it behind; one that goes on sees the failure above.
    next?.catch(() => {})
    for (const entry of entries) {
      yield entry
      if (--left === 0) return
    }
  }
}

/** Reads the next page of what is left. */
function read(context: RangedScanContext, range: RangeQuery): Promise<Step> {
  const { router, options } = context
  return following(router, options, 'scan', async () => {
    const { route, part, last } = range.reverse ? lastOf(router, range) : firstOf(router, range)
    const { entries, more } = await context.page(route.shard, part)
    const shown = entries.at(-1)
    if (more && shown !== undefined) return { entries, rest: after(range, shown.key) }
    return { entries, rest: last ? undefined : beyond(range, part) }
  })
}

interface Part {
  readonly route: Route
  readonly part: RangeQuery
  /** Whether nothing of what is left is beyond it. */
  readonly last: boolean
}

/** The range that the scan is in when it ascends. */
function firstOf(router: Router, range: RangeQuery): Part {
  const route = router.routes.locate(keyOf(range.start))
  const end = route?.range?.end
  if (route === undefined) throw new OnTheWay()
  if (end === undefined || (range.end.length > 0 && keyOf(range.end) <= end)) {
    return { route, part: range, last: true }
  }
  return { route, part: { ...range, end: rawKeyBytes(end) }, last: false }
}

/** The range that the scan is in when it descends. */
function lastOf(router: Router, range: RangeQuery): Part {
  const end = range.end.length === 0 ? undefined : keyOf(range.end)
  const { sorted } = router.routes
  const route = sorted.findLast(({ range: one }) => end === undefined || (one?.start ?? '') < end)
  const found = route?.range
  if (route === undefined || found === undefined) {
    // Nothing is before the empty key.
    if (end === '') return { route: sorted[0] as Route, part: range, last: true }
    throw new OnTheWay()
  }
  // The end of the range must reach that of the scan, or keys between are on their way.
  if (found.end !== undefined && (end === undefined || found.end < end)) throw new OnTheWay()
  if (keyOf(range.start) >= found.start) return { route, part: range, last: true }
  return { route, part: { ...range, start: rawKeyBytes(found.start) }, last: false }
}

/** What is left once a page has ended with `key`. */
function after(range: RangeQuery, key: Uint8Array): RangeQuery {
  if (range.reverse) return { ...range, end: key }
  const start = new Uint8Array(key.length + 1)
  start.set(key)
  return { ...range, start }
}

/** What is left once a part has been read to its end. */
function beyond(range: RangeQuery, part: RangeQuery): RangeQuery {
  return range.reverse ? { ...range, end: part.start } : { ...range, start: part.end }
}

function keyOf(bytes: Uint8Array): RawKey {
  return rawKey(bytes.subarray(0, 4_097))
}
