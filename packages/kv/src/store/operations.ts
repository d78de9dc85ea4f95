// The operations of a store, on top of a router: what a caller passes is checked and becomes
// transactions and queries of single shards.
import { QuorateError } from '@quorate/core'
import type { CallOptions, Codec, Key, ShardId } from '@quorate/core'
import { boundBytes, keyBytes, prefixEnd, rawKey, shownKey } from '../key.ts'
import type {
  BatchOp,
  BatchOptions,
  CompareAndSetResult,
  Condition,
  Expected,
  KvEntry,
  KvEvent,
  KvOperations,
  KvStatus,
  PutOptions,
  ReadOptions,
  ScanOptions,
  Transaction,
  TransactionOp,
  TransactionOpResult,
  TransactionResult,
  WatchOptions,
  WriteResult,
} from '../kv.ts'
import { kvLimits } from '../limits.ts'
import type { Comparison, Op, TransactionBody } from '../machine/command.ts'
import type { OpResult } from '../machine/result.ts'
import type { DoneResult, Router } from '../routing/router.ts'
import {
  BATCH,
  CALL,
  checkCallOptions,
  checkList,
  checkObject,
  PUT,
  READ,
  SCAN,
  WATCH,
} from './call-options.ts'
import { codecValues, entryOf } from './entry.ts'
import type { ValueFormat } from './entry.ts'
import type { RangeQuery } from '../machine/query.ts'
import { checkOptionNames } from '../options.ts'
import type { OptionNames } from '../options.ts'
import { Moved } from '../routing/routed-call.ts'
import { byShard, following, shardOf, unlessMoved } from './following.ts'
import { rangedScan } from './ranged-scan.ts'
import { mergedScan } from './scan.ts'
import type { Page } from './scan.ts'
import { watchShards } from './watch.ts'

/** What operations work with. */
export interface OperationsContext {
  /** Takes requests to shards. */
  readonly router: Router
  /** Asks how the store stands. */
  status(options: CallOptions): Promise<KvStatus>
  /** Most bytes of one command. */
  readonly commandBytesMax: number
}

const TRANSACTION: OptionNames<Transaction> = { if: true, do: true, else: true }

/** The operations of a store. */
export class Operations<In, Out> implements KvOperations<In, Out> {
  readonly #context: OperationsContext
  readonly #format: ValueFormat<In, Out>

  constructor(context: OperationsContext, format: ValueFormat<In, Out>) {
    this.#context = context
    this.#format = format
  }

  async put(key: Key, value: In, options: PutOptions = {}): Promise<WriteResult> {
    checkCallOptions('put', options, PUT)
    const op = this.#op({ type: 'put', key, value, ttlMs: options.ttlMs })
    const { revision } = await this.#write(op.key, plain([op]), options, 'put')
    return { version: revision }
  }

  async get(key: Key, options: ReadOptions = {}): Promise<KvEntry<Out> | undefined> {
    checkCallOptions('get', options, READ)
    const bytes = keyBytes(key)
    const { router } = this.#context
    const query = { type: 'get', keys: [bytes] } as const
    const { found } = await following(router, options, 'get', (left) =>
      router.query(shardOf(router, bytes), query, left, 'get'),
    )
    return found[0] && entryOf(this.#format, bytes, found[0])
  }

  async getMany(
    keys: readonly Key[],
    options: ReadOptions = {},
  ): Promise<readonly (KvEntry<Out> | undefined)[]> {
    checkList('what getMany asks for', keys)
    checkCallOptions('getMany', options, READ)
    const bytes = keys.map(keyBytes)
    const found: (KvEntry<Out> | undefined)[] = Array.from({ length: keys.length })
    const { router } = this.#context
    let left: readonly number[] = [...bytes.keys()]
    await following(router, options, 'getMany', async (within) => {
      const groups = [...byShard(router, left, bytes)]
      const moved = await Promise.all(
        groups.map(([shard, part]) =>
          unlessMoved(this.#getOfShard(shard, part, bytes, found, within), part),
        ),
      )
      left = moved.flat()
      if (left.length > 0) throw new Moved()
    })
    return found
  }

  async #getOfShard(
    shard: ShardId,
    members: readonly number[],
    keys: readonly Uint8Array[],
    found: (KvEntry<Out> | undefined)[],
    options: ReadOptions,
  ): Promise<void> {
    let at = 0
    while (at < members.length) {
      const asked = members.slice(at, at + kvLimits.opsMax)
      const query = {
        type: 'get',
        keys: asked.map((member) => keys[member] as Uint8Array),
      } as const
      const answer = await this.#context.router.query(shard, query, options, 'get')
      if (answer.found.length === 0) throw new QuorateError('MALFORMED', 'an answer without values')
      for (const [offset, value] of answer.found.entries()) {
        const member = asked[offset]
        if (member === undefined || value === undefined) continue
        found[member] = entryOf(this.#format, keys[member] as Uint8Array, value)
      }
      at += answer.found.length
    }
  }

  async delete(key: Key, options: CallOptions = {}): Promise<boolean> {
    checkCallOptions('delete', options, CALL)
    const op = this.#op({ type: 'delete', key })
    const result = await this.#write(op.key, plain([op]), options, 'delete')
    return resultOf(result, 'delete').existed
  }

  async compareAndSet(
    key: Key,
    expected: Expected<In>,
    value: In | undefined,
    options: PutOptions = {},
  ): Promise<CompareAndSetResult<Out>> {
    checkObject('what compareAndSet expects', expected)
    checkCallOptions('compareAndSet', options, PUT)
    const op =
      value === undefined
        ? this.#op({ type: 'delete', key })
        : this.#op({ type: 'put', key, value, ttlMs: options.ttlMs })
    const comparisons = [this.#comparison({ key, ...conditionOf(expected) })]
    const body = { comparisons, success: [op], failure: [{ type: 'get', key: op.key }] } as const
    const result = await this.#write(op.key, body, options, 'compareAndSet')
    if (result.succeeded) return { swapped: true, version: result.revision }
    const { found } = resultOf(result, 'get')
    const current = found === undefined ? undefined : entryOf(this.#format, op.key, found)
    return { swapped: false, current }
  }

  async batch(
    ops: readonly BatchOp<In>[],
    options: BatchOptions = {},
  ): Promise<readonly WriteResult[]> {
    checkList('a batch', ops)
    checkCallOptions('batch', options, BATCH)
    const steps = ops.map((op) => this.#op(op))
    const results: (WriteResult | QuorateError)[] = Array.from({ length: ops.length })
    const { router } = this.#context
    const keys = steps.map(({ key }) => key)
    let left: readonly number[] = [...steps.keys()]
    const write = async (within: CallOptions): Promise<void> => {
      const groups = byShard(router, left, keys)
      if (options.atomic === true && groups.size > 1) throw crossShard('a batch', groups.size)
      const bodies = [...groups].map(([shard, part]) => {
        const body = plain(part.map((member) => steps[member] as Op))
        this.#checkSize(body)
        return { shard, part, body }
      })
      const moved = await Promise.all(
        bodies.map(({ shard, part, body }) =>
          unlessMoved(this.#writePart(shard, part, body, results, within), part),
        ),
      )
      left = moved.flat()
      if (left.length > 0) throw new Moved()
    }
    await following(router, options, 'batch', write).catch((error: unknown) => {
      // Of what was done before, each item says so itself.
      if (!(error instanceof QuorateError) || left.length === ops.length) throw error
      for (const member of left) results[member] = error
    })
    const failure = results.find((result) => result instanceof QuorateError)
    if (failure === undefined) return results as WriteResult[]
    const { code, message, retryable } = failure
    throw new QuorateError(code, message, { cause: failure, retryable, details: { results } })
  }

  /** Writes what goes into one shard; whatever comes of it stands in `results`, unless it has moved. */
  async #writePart(
    shard: ShardId,
    part: readonly number[],
    body: TransactionBody,
    results: (WriteResult | QuorateError)[],
    options: CallOptions,
  ): Promise<void> {
    let outcome: WriteResult | QuorateError
    try {
      const { revision } = await this.#context.router.transact(shard, body, options, 'batch')
      outcome = { version: revision }
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      outcome = error
    }
    for (const member of part) results[member] = outcome
  }

  async transact(
    transaction: Transaction<In>,
    options: CallOptions = {},
  ): Promise<TransactionResult<Out>> {
    checkObject('a transaction', transaction)
    checkOptionNames('a transaction', transaction, TRANSACTION)
    checkCallOptions('transact', options, CALL)
    const body: TransactionBody = {
      comparisons: (transaction.if ?? []).map((condition) => this.#comparison(condition)),
      success: (transaction.do ?? []).map((op) => this.#op(op)),
      failure: (transaction.else ?? []).map((op) => this.#op(op)),
    }
    const keys = [...body.comparisons, ...body.success, ...body.failure].map(({ key }) => key)
    const [first] = keys
    if (first === undefined) throw new QuorateError('INVALID_ARGUMENT', 'an empty transaction')
    const { router } = this.#context
    this.#checkSize(body)
    const done = await following(router, options, 'transaction', (left) => {
      const shards = new Set(keys.map((key) => shardOf(router, key)))
      if (shards.size > 1) throw crossShard('a transaction', shards.size)
      const what = `transaction of ${shownKey(first)}`
      return router.transact(shardOf(router, first), body, left, what)
    })
    const { revision, succeeded, results } = done
    const ran = succeeded ? body.success : body.failure
    const shown = results.map((result, at) => this.#shown((ran[at] as Op).key, result))
    return { succeeded, version: revision, results: shown }
  }

  async increment(key: Key, by = 1, options: CallOptions = {}): Promise<number> {
    checkCallOptions('increment', options, CALL)
    const op = this.#op({ type: 'increment', key, by })
    const result = await this.#write(op.key, plain([op]), options, 'increment')
    return resultOf(result, 'increment').value
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<KvEntry<Out>> {
    checkCallOptions('scan', options, SCAN)
    const { router } = this.#context
    const range = rangeOf(options)
    const keysOnly = options.keysOnly ?? false
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const page = (shard: ShardId, part: RangeQuery): Promise<Page> =>
      router.query(shard, { type: 'range', ...part }, options, 'scan')
    const entries = router.ranged
      ? rangedScan({ router, range, limit, options, page })
      : mergedScan({ shards: router.routes.all.map(({ shard }) => shard), range, limit, page })
    for await (const found of entries) {
      yield keysOnly ? keyEntry(found.key, found.version) : entryOf(this.#format, found.key, found)
    }
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<KvEvent<Out>> {
    checkCallOptions('watch', options, WATCH)
    yield* watchShards(this.#context.router, options, this.#format)
  }

  status(options: CallOptions = {}): Promise<KvStatus> {
    return this.#context.status(options)
  }

  withCodec<T>(codec: Codec<T>): KvOperations<T, T> {
    return new Operations(this.#context, codecValues(codec))
  }

  #write(
    key: Uint8Array,
    body: TransactionBody,
    options: CallOptions,
    what: string,
  ): Promise<DoneResult> {
    this.#checkSize(body)
    const { router } = this.#context
    const shown = `${what} of ${shownKey(key)}`
    return following(router, options, what, (left) =>
      router.transact(shardOf(router, key), body, left, shown),
    )
  }

  #op(op: TransactionOp<In>): Op {
    const key = keyBytes(op.key)
    switch (op.type) {
      case 'put':
        return {
          type: 'put',
          key,
          value: this.#format.toBytes(op.value),
          ttlMs: checkTtl(op.ttlMs),
        }
      case 'increment': {
        const by = op.by ?? 1
        if (Number.isSafeInteger(by)) return { type: 'increment', key, by }
        throw new QuorateError('INVALID_ARGUMENT', `increment by a safe integer, not ${by}`)
      }
      case 'delete':
      case 'get':
        return { type: op.type, key }
      default:
        throw new TypeError(`unknown operation: ${String((op as { type: unknown }).type)}`)
    }
  }

  #comparison(condition: Condition<In>): Comparison {
    const key = keyBytes(condition.key)
    const relation = condition.relation ?? '='
    if (!['=', '!=', '<', '>'].includes(relation))
      throw new TypeError(`unknown relation: ${relation}`)
    if ('value' in condition) {
      return { on: 'value', key, relation, value: this.#format.toBytes(condition.value) }
    }
    const { version } = condition
    if (Number.isSafeInteger(version) && version >= 0)
      return { on: 'version', key, relation, version }
    throw new QuorateError('INVALID_ARGUMENT', `a version is a whole number, not ${version}`)
  }

  #shown(key: Uint8Array, result: OpResult): TransactionOpResult<Out> {
    if (result.type !== 'get') return result
    const { found } = result
    return { type: 'get', entry: found && entryOf(this.#format, key, found) }
  }

  #checkSize(body: TransactionBody): void {
    let bytes = 128
    for (const list of [body.comparisons, body.success, body.failure]) {
      if (list.length > kvLimits.opsMax) throw tooMuch('operations', kvLimits.opsMax, list.length)
      for (const item of list)
        bytes += item.key.length + ('value' in item ? item.value.length : 0) + 24
    }
    const max = this.#context.commandBytesMax
    if (bytes > max) throw tooMuch('bytes', max, bytes)
  }
}

function plain(success: readonly Op[]): TransactionBody {
  return { comparisons: [], success, failure: [] }
}

function conditionOf<In>(
  expected: Expected<In>,
): { readonly version: number } | { readonly value: In } {
  if ('absent' in expected) return { version: 0 }
  return 'value' in expected ? { value: expected.value } : { version: expected.version }
}

function resultOf<Type extends OpResult['type']>(
  result: DoneResult,
  type: Type,
): OpResult & { readonly type: Type } {
  const [first] = result.results
  if (first?.type === type) return first as OpResult & { readonly type: Type }
  throw new QuorateError('MALFORMED', `the answer to a ${type} is something else`)
}

function rangeOf(options: ScanOptions): Parameters<typeof mergedScan>[0]['range'] {
  const {
    prefix,
    start,
    end,
    reverse = false,
    keysOnly = false,
    limit,
    pageEntries = 256,
  } = options
  if (prefix !== undefined && (start !== undefined || end !== undefined)) {
    throw new QuorateError('INVALID_ARGUMENT', 'a scan has a prefix, or a start and an end')
  }
  checkCount(limit ?? 0, 'limit', 0)
  checkCount(pageEntries, 'pageEntries', 1)
  const first = boundBytes(prefix ?? start ?? '', 'a bound')
  return {
    start: first,
    end: prefix === undefined ? boundBytes(end ?? '', 'a bound') : prefixEnd(first),
    reverse,
    keysOnly,
    limit: Math.min(limit ?? pageEntries, pageEntries, kvLimits.pageEntriesMax),
    bytesMax: 262_144,
  }
}

function checkCount(value: number, what: string, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return
  throw new QuorateError('INVALID_ARGUMENT', `${what} is a whole number from ${min}, not ${value}`)
}

function checkTtl(ttlMs: number | undefined): number {
  if (ttlMs === undefined) return 0
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1) return ttlMs
  throw new QuorateError('INVALID_ARGUMENT', `ttlMs is a whole number from 1, not ${ttlMs}`)
}

function tooMuch(unit: string, limit: number, size: number): QuorateError {
  const message = `a batch or transaction of one shard has at most ${limit} ${unit}, got ${size}`
  return new QuorateError('LIMIT_EXCEEDED', message, { details: { limit, size } })
}

function crossShard(what: string, shards: number): QuorateError {
  return new QuorateError(
    'CROSS_SHARD',
    `the keys of ${what} are in ${shards} shards; give them one hash tag, as in "{user:1}:name"`,
    { details: { shards } },
  )
}

/** The shard of a key as a caller is told it: while the key is on its way, the one before it. */
export function shownShard(router: Router, key: Key): ShardId {
  const bytes = keyBytes(key)
  const shard = router.shardOf(bytes)
  if (shard !== undefined) return shard
  const raw = rawKey(bytes)
  const before = router.routes.sorted.filter(
    ({ range }) => range !== undefined && range.start <= raw,
  )
  return (before.at(-1) ?? router.routes.route(0)).shard
}

const NO_BYTES = new Uint8Array(0)

function keyEntry<Out>(key: Uint8Array, version: number): KvEntry<Out> {
  const plainEntry = entryOf({ toBytes: () => NO_BYTES, fromBytes: () => NO_BYTES }, key, {
    version,
    value: NO_BYTES,
  })
  return plainEntry as KvEntry<never>
}
