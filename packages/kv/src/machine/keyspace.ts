// The keys of one shard with their values, and which of them are due to expire. All changes of one
// command go in together, or none of them does.
import { compareBytes } from '@quorate/core'
import { rawKey } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { Comparison, Op, Relation, TransactionBody } from './command.ts'
import type { Change } from './history.ts'
import { ALL_KEYS, holds } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import { orderedMap } from './ordered-map.ts'
import type { OrderedMap, OrderedView } from './ordered-map.ts'
import type { OpResult } from './result.ts'
import type { Stored } from './snapshot.ts'

/** What a transaction gave. */
export type TransactionOutcome =
  | { readonly ok: true; readonly succeeded: boolean; readonly results: readonly OpResult[] }
  | { readonly ok: false; readonly message: string }

/** The keys of a shard. */
export interface Keyspace {
  /** How many keys there are. */
  readonly size: number
  /** Bytes of keys and values. */
  readonly bytes: number
  /** When the next key is due to expire, in milliseconds of log time; infinity where none is. */
  readonly nextExpiryMs: number
  /** What a key holds. */
  get(key: RawKey): Stored | undefined
  /** All entries, to read. */
  readonly entries: OrderedView<Stored>
  /** Runs a transaction at a revision and a log time; what it changed goes to `changes`. */
  run(
    body: TransactionBody,
    revision: number,
    timeMs: number,
    changes: Change[],
  ): TransactionOutcome
  /** Removes at most `max` keys that are due, the ones due first before others. */
  expire(timeMs: number, revision: number, max: number, changes: Change[]): void
  /**
   * Says which keys are served from now on: only those of them that are due expire.
   *
   * @param range - `undefined`: none
   */
  serve(range: KeyRange | undefined): void
  /** Sets or removes an entry that is not served; nobody is told of it. */
  place(key: RawKey, stored: Stored | undefined): void
  /** The entries as they stand; later changes do not show. */
  capture(): OrderedView<Stored>
}

/** Makes a keyspace that serves a range, with entries in strictly ascending order. */
export function keyspace(
  entries: readonly (readonly [RawKey, Stored])[] = [],
  range: KeyRange | undefined = ALL_KEYS,
): Keyspace {
  return new Space(entries, range)
}

class Space implements Keyspace {
  readonly entries: OrderedMap<Stored>
  /** Keys by when they are due; the key of this map begins with the time, the most significant byte first. */
  #due: OrderedMap<RawKey> = orderedMap()
  #bytes = 0
  /** How many entries have a time at which they go, served or not. */
  #mortal = 0
  #range: KeyRange | undefined

  constructor(entries: readonly (readonly [RawKey, Stored])[], range: KeyRange | undefined) {
    this.entries = orderedMap(entries)
    for (const [key, stored] of entries) {
      this.#bytes += key.length + stored.value.length
      if (stored.expiresMs > 0) this.#mortal++
    }
    this.serve(range)
  }

  serve(range: KeyRange | undefined): void {
    this.#range = range
    this.#due = orderedMap()
    if (this.#mortal === 0 || range === undefined) return
    this.entries.scan(range.start, range.end, (key, { expiresMs }) => {
      if (expiresMs > 0) this.#due.set(dueKey(expiresMs, key), key)
      return true
    })
  }

  place(key: RawKey, stored: Stored | undefined): void {
    this.#set(key, stored && { ...stored, value: own(stored.value) })
  }

  get size(): number {
    return this.entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get nextExpiryMs(): number {
    let next = Number.POSITIVE_INFINITY
    this.#due.scan('', undefined, (due) => {
      next = dueTime(due)
      return false
    })
    return next
  }

  get(key: RawKey): Stored | undefined {
    return this.entries.get(key)
  }

  capture(): OrderedView<Stored> {
    return this.entries.capture()
  }

  run(
    body: TransactionBody,
    revision: number,
    timeMs: number,
    changes: Change[],
  ): TransactionOutcome {
    const succeeded = body.comparisons.every((comparison) => this.#holds(comparison))
    const ops = succeeded ? body.success : body.failure
    const staged = new Map<RawKey, Stored | undefined>()
    const results: OpResult[] = []
    for (const op of ops) {
      const result = this.#stage(op, revision, timeMs, staged)
      if (typeof result === 'string') return { ok: false, message: result }
      results.push(result)
    }
    for (const [key, stored] of staged) this.#commit(key, stored, revision, changes)
    return { ok: true, succeeded, results }
  }

  expire(timeMs: number, revision: number, max: number, changes: Change[]): void {
    const due: RawKey[] = []
    this.#due.scan('', dueKey(timeMs + 1, ''), (_, key) => due.push(key) < max)
    for (const key of due) this.#commit(key, undefined, revision, changes)
  }

  #holds(comparison: Comparison): boolean {
    const stored = this.entries.get(rawKey(comparison.key))
    if (comparison.on === 'version') {
      return relates((stored?.version ?? 0) - comparison.version, comparison.relation)
    }
    if (stored === undefined) return false
    return relates(compareBytes(stored.value, comparison.value), comparison.relation)
  }

  /** Does one operation on top of `staged`; returns its result, or in words why it cannot be done. */
  #stage(
    op: Op,
    revision: number,
    timeMs: number,
    staged: Map<RawKey, Stored | undefined>,
  ): OpResult | string {
    const key = rawKey(op.key)
    if (op.type === 'put') {
      const expiresMs = op.ttlMs === 0 ? 0 : Math.min(timeMs + op.ttlMs, Number.MAX_SAFE_INTEGER)
      staged.set(key, { value: own(op.value), version: revision, expiresMs })
      return { type: 'put' }
    }
    const stored = staged.has(key) ? staged.get(key) : this.entries.get(key)
    if (op.type === 'get') return { type: 'get', found: stored }
    if (op.type === 'delete') {
      if (stored !== undefined) staged.set(key, undefined)
      return { type: 'delete', existed: stored !== undefined }
    }
    const before = stored === undefined ? 0 : integerOf(stored.value)
    if (before === undefined) return 'the value to increment is not a decimal integer'
    const value = before + op.by
    if (!Number.isSafeInteger(value)) return 'the incremented value would exceed 2^53 - 1'
    const expiresMs = stored?.expiresMs ?? 0
    staged.set(key, { value: digits(value), version: revision, expiresMs })
    return { type: 'increment', value }
  }

  #commit(key: RawKey, stored: Stored | undefined, revision: number, changes: Change[]): void {
    const before = this.#set(key, stored)
    // A key that a transaction made and removed again was never there for anybody else.
    if (before === undefined && stored === undefined) return
    changes.push({ revision, key, value: stored?.value })
  }

  #set(key: RawKey, stored: Stored | undefined): Stored | undefined {
    const before = stored === undefined ? this.entries.delete(key) : this.entries.set(key, stored)
    if (before !== undefined) {
      this.#bytes -= key.length + before.value.length
      if (before.expiresMs > 0) {
        this.#mortal--
        this.#due.delete(dueKey(before.expiresMs, key))
      }
    }
    if (stored !== undefined) {
      this.#bytes += key.length + stored.value.length
      if (stored.expiresMs > 0) {
        this.#mortal++
        if (holds(this.#range, key)) this.#due.set(dueKey(stored.expiresMs, key), key)
      }
    }
    return before
  }
}

function relates(difference: number, relation: Relation): boolean {
  switch (relation) {
    case '=':
      return difference === 0
    case '!=':
      return difference !== 0
    case '<':
      return difference < 0
    case '>':
      return difference > 0
  }
}

/**
 * The value in memory of its own size: a view would keep a whole frame from being freed. Not by
 * `slice`, which in Node's own kind of bytes is a view too.
 */
function own(value: Uint8Array): Uint8Array {
  return new Uint8Array(value)
}

/** The safe integer that the bytes write in decimal, in the one way that {@link digits} has. */
function integerOf(value: Uint8Array): number | undefined {
  if (value.length === 0 || value.length > 17) return undefined
  const text = String.fromCharCode(...value)
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return undefined
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : undefined
}

function digits(value: number): Uint8Array {
  const text = value.toString()
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

function dueKey(timeMs: number, key: RawKey): string {
  let head = ''
  let rest = timeMs
  for (let at = 0; at < 7; at++) {
    head = String.fromCharCode(rest % 256) + head
    rest = Math.floor(rest / 256)
  }
  return head + key
}

function dueTime(due: string): number {
  let time = 0
  for (let at = 0; at < 7; at++) time = time * 256 + due.charCodeAt(at)
  return time
}
