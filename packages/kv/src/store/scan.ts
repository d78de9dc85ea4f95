// Scans over all shards: one stream of pages for each shard, merged in the order of bytes. A page
// is fetched before the one before it is used up.
import type { ShardId } from '@quorate/core'
import { rawKey } from '../key.ts'
import type { FoundEntry, RangeQuery } from '../machine/query.ts'

/** One page of one shard. */
export interface Page {
  /** Its entries, in the order of the scan. */
  readonly entries: readonly FoundEntry[]
  /** Whether the shard has more. */
  readonly more: boolean
}

/** What a merged scan needs. */
export interface MergeContext {
  /** The shards. */
  readonly shards: readonly ShardId[]
  /** What to read of each. */
  readonly range: RangeQuery
  /** At most so many entries in all. */
  readonly limit: number
  /** Reads one page. */
  page(shard: ShardId, range: RangeQuery): Promise<Page>
}

/** Most shards that are asked at a time for their first page. */
const FETCHES_MAX = 32

/** The entries of all shards in order. */
export async function* mergedScan(context: MergeContext): AsyncGenerator<FoundEntry> {
  if (context.limit < 1) return
  const cursors = context.shards.map((shard) => new Cursor(context, shard))
  for (let at = 0; at < cursors.length; at += FETCHES_MAX) {
    await Promise.all(cursors.slice(at, at + FETCHES_MAX).map((cursor) => cursor.fill()))
  }
  const before = context.range.reverse
    ? (a: Cursor, b: Cursor): boolean => a.key > b.key
    : (a: Cursor, b: Cursor): boolean => a.key < b.key
  const heap = cursors.filter((cursor) => cursor.current !== undefined)
  for (let at = heap.length >> 1; at >= 0; at--) sink(heap, at, before)
  let left = context.limit
  while (heap.length > 0) {
    const top = heap[0] as Cursor
    yield top.current as FoundEntry
    if (--left === 0) return
    if (!top.next()) await top.fill()
    if (top.current === undefined) {
      const last = heap.pop() as Cursor
      if (heap.length === 0) return
      heap[0] = last
    }
    sink(heap, 0, before)
  }
}

class Cursor {
  readonly #context: MergeContext
  readonly #shard: ShardId
  #range: RangeQuery | undefined
  #entries: readonly FoundEntry[] = []
  #at = 0
  #fetch: Promise<Page> | undefined
  current: FoundEntry | undefined
  key = ''

  constructor(context: MergeContext, shard: ShardId) {
    this.#context = context
    this.#shard = shard
    this.#range = context.range
  }

  /** Moves on within the page; `false` where the next page has to be waited for. */
  next(): boolean {
    this.#at++
    if (this.#at === this.#entries.length >> 1) this.#prefetch()
    this.#show()
    return this.current !== undefined || this.#range === undefined
  }

  /** Waits for the next page that has an entry. */
  async fill(): Promise<void> {
    while (this.current === undefined && this.#range !== undefined) {
      this.#prefetch()
      const { entries, more } = await (this.#fetch as Promise<Page>)
      this.#fetch = undefined
      this.#entries = entries
      this.#at = 0
      const last = entries.at(-1)
      this.#range = more && last !== undefined ? after(this.#range, last.key) : undefined
      this.#show()
    }
  }

  #show(): void {
    this.current = this.#entries[this.#at]
    if (this.current !== undefined) this.key = rawKey(this.current.key)
  }

  #prefetch(): void {
    if (this.#fetch !== undefined || this.#range === undefined) return
    this.#fetch = this.#context.page(this.#shard, this.#range)
    // A scan that ends early leaves it behind; one that goes on sees the failure in `fill`.
    this.#fetch.catch(() => {})
  }
}

/** What is left of a range once `key` was shown. */
function after(range: RangeQuery, key: Uint8Array): RangeQuery {
  if (range.reverse) return { ...range, end: key }
  const start = new Uint8Array(key.length + 1)
  start.set(key)
  return { ...range, start }
}

function sink(heap: Cursor[], from: number, before: (a: Cursor, b: Cursor) => boolean): void {
  let at = from
  for (;;) {
    let best = at
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && before(heap[child] as Cursor, heap[best] as Cursor)) best = child
    }
    if (best === at) return
    const moved = heap[at] as Cursor
    heap[at] = heap[best] as Cursor
    heap[best] = moved
    at = best
  }
}
