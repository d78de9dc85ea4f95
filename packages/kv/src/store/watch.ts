// Watching: a long poll for each shard, from a revision on, so that a watch survives any change of
// leader or host and resumes where it was without repeating or leaving out a change.
import { ByteReader, ByteWriter, QuorateError, decodeUtf8, isQuorateError } from '@quorate/core'
import type { ShardId } from '@quorate/core'
import { boundBytes, rawKeyBytes } from '../key.ts'
import type { KvEvent, WatchOptions } from '../kv.ts'
import type { Change } from '../machine/history.ts'
import type { Router } from '../routing/router.ts'
import type { ValueFormat } from './entry.ts'

const POLL_MS = 20_000
const TOKEN_VERSION = 1

/** The changes of one shard that a poll gave. */
export interface WatchPage {
  /** Every change up to here is in this page or an earlier one. */
  readonly revision: number
  /** The changes, in order; those of one revision belong together. */
  readonly changes: readonly {
    readonly revision: number
    readonly key: Uint8Array
    readonly value: Uint8Array | undefined
  }[]
}

/** The bytes of a page. */
export function encodeWatchPage(revision: number, changes: readonly Change[]): Uint8Array {
  const writer = new ByteWriter(128)
  writer.varint(revision)
  writer.varint(changes.length)
  for (const change of changes) {
    writer.varint(change.revision)
    writer.bytes(rawKeyBytes(change.key))
    writer.uint8(change.value === undefined ? 0 : 1)
    if (change.value !== undefined) writer.bytes(change.value)
  }
  return writer.finish()
}

/**
 * Reads a page.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeWatchPage(bytes: Uint8Array): WatchPage {
  const reader = new ByteReader(bytes)
  const revision = reader.varint()
  const changes = Array.from({ length: reader.count(3) }, () => {
    const at = reader.varint()
    const key = reader.bytes()
    return { revision: at, key, value: reader.uint8() === 1 ? reader.bytes() : undefined }
  })
  reader.end()
  return { revision, changes }
}

/** The changes of all shards, as they come. */
export async function* watchShards<Out>(
  router: Router,
  shards: number,
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
        ? await startPositions(router, shards, prefix, signal)
        : decodeToken(options.after, shards)
    options.onStart?.(encodeToken(positions))
    yield* merged(router, positions, prefix, signal, format)
  } catch (error) {
    // Whoever ends a watch does not want to hear that it has ended.
    if (options.signal?.aborted === true) return
    throw error
  } finally {
    stop.abort()
  }
}

async function startPositions(
  router: Router,
  shards: number,
  prefix: Uint8Array,
  signal: AbortSignal,
): Promise<number[]> {
  return Promise.all(
    Array.from({ length: shards }, async (_, shard) => {
      const page = decodeWatchPage(await router.watch(shard, undefined, prefix, { signal }))
      return page.revision
    }),
  )
}

type Polled = { readonly shard: ShardId; readonly page: WatchPage }

async function* merged<Out>(
  router: Router,
  positions: number[],
  prefix: Uint8Array,
  signal: AbortSignal,
  format: ValueFormat<never, Out>,
): AsyncGenerator<KvEvent<Out>> {
  const poll = async (shard: ShardId): Promise<Polled> => {
    const after = positions[shard] as number
    for (;;) {
      try {
        const bytes = await router.watch(shard, after, prefix, { signal, timeoutMs: POLL_MS })
        return { shard, page: decodeWatchPage(bytes) }
      } catch (error) {
        // A watch outlasts any time without a replica; it ends when its owner ends it.
        if (!isQuorateError(error, 'TIMEOUT')) throw error
      }
    }
  }
  const ready: Polled[] = []
  let failure: { readonly error: unknown } | undefined
  let wake = (): void => {}
  const start = (shard: ShardId): void => {
    poll(shard).then(
      (polled) => {
        ready.push(polled)
        wake()
      },
      (error: unknown) => {
        failure ??= { error }
        wake()
      },
    )
  }
  for (const shard of positions.keys()) start(shard)
  for (;;) {
    const polled = ready.shift()
    if (polled === undefined) {
      if (failure !== undefined) throw failure.error
      await new Promise<void>((resolve) => (wake = resolve))
      continue
    }
    const { shard, page } = polled
    for (const [at, change] of page.changes.entries()) {
      // A token inside a transaction would have to name a part of it.
      const whole = page.changes[at + 1]?.revision !== change.revision
      if (whole) positions[shard] = change.revision
      yield eventOf(shard, change, whole ? encodeToken(positions) : undefined, format)
    }
    positions[shard] = Math.max(positions[shard] as number, page.revision)
    start(shard)
  }
}

function eventOf<Out>(
  shard: ShardId,
  change: WatchPage['changes'][number],
  token: string | undefined,
  format: ValueFormat<never, Out>,
): KvEvent<Out> {
  const { key, value, revision } = change
  return {
    type: value === undefined ? 'delete' : 'put',
    key,
    value: value === undefined ? undefined : format.fromBytes(value),
    version: revision,
    shard,
    token,
    keyText: () => decodeUtf8(key),
  }
}

/** A position in every shard, as text. */
export function encodeToken(positions: readonly number[]): string {
  const writer = new ByteWriter(positions.length * 3 + 4)
  writer.uint8(TOKEN_VERSION)
  for (const position of positions) writer.varint(position)
  return Array.from(writer.view(), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Reads a token.
 *
 * @throws QuorateError `INVALID_ARGUMENT` where it is none of a store with so many shards
 */
export function decodeToken(token: string, shards: number): number[] {
  try {
    if (!/^([0-9a-f]{2})+$/.test(token)) throw new QuorateError('MALFORMED', 'not hexadecimal')
    const reader = new ByteReader(
      Uint8Array.from({ length: token.length / 2 }, (_, at) =>
        Number.parseInt(token.slice(at * 2, at * 2 + 2), 16),
      ),
    )
    if (reader.uint8() !== TOKEN_VERSION) throw new QuorateError('MALFORMED', 'another version')
    const positions = Array.from({ length: shards }, () => reader.varint())
    reader.end()
    return positions
  } catch (cause) {
    const message = `the watch token does not belong to a store with ${shards} shards`
    throw new QuorateError('INVALID_ARGUMENT', message, { cause })
  }
}
