// How snapshots travel: whoever needs one pulls it, chunk by chunk, from any host that has it. So
// the receiver sets the pace, and a transfer goes on after a lost connection, a restart or a new
// leader from where it stood.
import type {
  Clock,
  GroupId,
  Limits,
  Logger,
  LogStorage,
  NodeId,
  Random,
  SnapshotFetch,
  SnapshotMeta,
  SnapshotWriter,
  Timer,
} from '@quorate/core'
import { ByteReader, ByteWriter, isQuorateError, QuorateError } from '@quorate/core'
import type { Calls } from './calls.ts'
import type { Meters } from './metrics.ts'
import { pause } from './waiting.ts'

/** The service on which hosts ask each other for chunks. */
export const SNAPSHOT_SERVICE = 'quorate-snapshots'

const CHUNK_TIMEOUT_MS = 5_000
const ROUNDS_MAX = 8
const READERS_MAX = 16
/** A reader that was not asked for one to two of these is closed: it holds a file, also of what was deleted. */
const SWEEP_MS = 15_000

interface ChunkRequest {
  readonly group: GroupId
  readonly id: string
  readonly offset: number
  readonly bytes: number
}

function encodeRequest(request: ChunkRequest): Uint8Array {
  const writer = new ByteWriter(64)
  writer.text(request.group)
  writer.text(request.id)
  writer.varint(request.offset)
  writer.varint(request.bytes)
  return writer.finish()
}

function decodeRequest(bytes: Uint8Array): ChunkRequest {
  const reader = new ByteReader(bytes)
  const request = {
    group: reader.text(),
    id: reader.text(),
    offset: reader.varint(),
    bytes: reader.varint(),
  }
  reader.end()
  return request
}

interface OpenReader {
  readonly iterator: AsyncIterator<Uint8Array>
  offset: number
  rest: Uint8Array
  idle: boolean
}

/** Gives chunks of stored snapshots to other hosts. */
export interface SnapshotServer {
  /** Answers one request. */
  answer(from: NodeId, request: Uint8Array): Promise<Uint8Array>
  /** Ends all readers. */
  close(): Promise<void>
}

/** Makes the server of a host; `logOf` finds the log of a group that it holds. */
export function createSnapshotServer(
  clock: Clock,
  limits: Limits,
  logOf: (group: GroupId) => LogStorage | undefined,
): SnapshotServer {
  // Chunks are asked for in order: an open reader per transfer spares a seek for each chunk.
  const readers = new Map<string, OpenReader>()
  let sweeper: Timer | undefined

  const forget = async (key: string): Promise<void> => {
    const reader = readers.get(key)
    readers.delete(key)
    await reader?.iterator.return?.()
  }
  const sweep = (): void => {
    sweeper = undefined
    for (const [key, reader] of readers) {
      if (reader.idle) forget(key).catch(ignore)
      reader.idle = true
    }
    if (readers.size > 0) sweeper = clock.setTimer(SWEEP_MS, sweep)
  }
  const fill = async (reader: OpenReader, bytes: number): Promise<Uint8Array> => {
    const parts: Uint8Array[] = []
    let missing = bytes
    while (missing > 0) {
      if (reader.rest.length === 0) {
        const next = await reader.iterator.next()
        if (next.done === true) break
        reader.rest = next.value
      }
      const part = reader.rest.subarray(0, missing)
      reader.rest = reader.rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    const chunk = new Uint8Array(bytes - missing)
    let at = 0
    for (const part of parts) {
      chunk.set(part, at)
      at += part.length
    }
    return chunk
  }

  return {
    async answer(from, request) {
      const { group, id, offset, bytes } = decodeRequest(request)
      if (bytes > limits.snapshotChunkBytes * 4) {
        throw new QuorateError('LIMIT_EXCEEDED', `a chunk of ${bytes} bytes was asked for`)
      }
      const log = logOf(group)
      if (log === undefined)
        throw new QuorateError('SNAPSHOT_UNAVAILABLE', `no replica of group "${group}" here`)
      const key = `${from}/${group}/${id}`
      let reader = readers.get(key)
      // Taken out while in use: two requests at once must not share an iterator.
      readers.delete(key)
      if (reader !== undefined && reader.offset !== offset) {
        await reader.iterator.return?.()
        reader = undefined
      }
      reader ??= {
        iterator: log.readSnapshot(id, { offset })[Symbol.asyncIterator](),
        offset,
        rest: new Uint8Array(0),
        idle: false,
      }
      const chunk = await fill(reader, bytes)
      reader.offset += chunk.length
      if (chunk.length < bytes) await reader.iterator.return?.()
      else {
        if (readers.size >= READERS_MAX) await forget(readers.keys().next().value as string)
        await forget(key)
        reader.idle = false
        readers.set(key, reader)
        sweeper ??= clock.setTimer(SWEEP_MS, sweep)
      }
      return chunk
    },
    async close() {
      sweeper?.cancel()
      await Promise.all([...readers.keys()].map(forget))
    },
  }
}

/** What a fetcher needs. */
export interface SnapshotFetcherContext {
  /** The group. */
  readonly group: GroupId
  /** Its log. */
  readonly log: LogStorage
  /** Calls to other hosts. */
  readonly calls: Pick<Calls, 'call'>
  /** Time. */
  readonly clock: Clock
  /** Jitter. */
  readonly random: Random
  /** Chunk size. */
  readonly limits: Limits
  /** Where failures go. */
  readonly logger: Logger
  /** Where sizes and durations are recorded. */
  readonly meters: Pick<Meters, 'snapshotBytesFetched' | 'snapshotSecondsFetched'>
  /** Keeps two writers of one group's snapshots apart. */
  exclusive<T>(job: () => Promise<T>): Promise<T>
  /** The snapshot is in storage. */
  onFetched(snapshot: SnapshotMeta): void
  /** It could not be had for now. */
  onFailed(snapshot: SnapshotMeta): void
}

/** Fetches what one replica's core wishes for. */
export interface SnapshotFetcher {
  /** Replaces the wish. */
  want(fetch: SnapshotFetch): void
  /** Stops; what has been fetched stays for later. */
  close(): Promise<void>
}

/** Makes the fetcher of one replica. */
export function createSnapshotFetcher(context: SnapshotFetcherContext): SnapshotFetcher {
  const { clock, limits, logger, random } = context
  let wish: SnapshotFetch | undefined
  let running:
    | { readonly abort: AbortController; readonly id: string; done: Promise<void> }
    | undefined

  const chunk = (
    donor: NodeId,
    meta: SnapshotMeta,
    offset: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> => {
    const bytes = Math.min(limits.snapshotChunkBytes, meta.sizeBytes - offset)
    const request = encodeRequest({ group: context.group, id: meta.id, offset, bytes })
    return context.calls
      .call(donor, SNAPSHOT_SERVICE, request, { timeoutMs: CHUNK_TIMEOUT_MS, signal })
      .then((body) => {
        if (body.length === bytes) return body
        throw new QuorateError(
          'SNAPSHOT_UNAVAILABLE',
          `${donor} gave ${body.length} of ${bytes} bytes`,
        )
      })
  }

  /** Pulls from one donor until all is there or it fails. */
  const pull = async (
    donor: NodeId,
    meta: SnapshotMeta,
    writer: SnapshotWriter,
    signal: AbortSignal,
  ): Promise<void> => {
    let next =
      writer.offset < meta.sizeBytes ? chunk(donor, meta, writer.offset, signal) : undefined
    while (next !== undefined) {
      const body = await next
      const after = writer.offset + body.length
      // The next chunk travels while this one is written.
      next = after < meta.sizeBytes ? chunk(donor, meta, after, signal) : undefined
      next?.catch(ignore)
      await writer.write(body)
      context.meters.snapshotBytesFetched.add(body.length)
    }
  }

  const fetch = async (meta: SnapshotMeta, signal: AbortSignal): Promise<boolean> => {
    const writer = await context.log.snapshotWriter(meta)
    let keep = true
    try {
      for (let round = 0; round < ROUNDS_MAX && !signal.aborted; round++) {
        const before = writer.offset
        const from = wish?.from ?? []
        let gone = false
        for (const donor of from) {
          try {
            await pull(donor, meta, writer, signal)
            keep = false
            await writer.finish()
            return true
          } catch (error) {
            if (signal.aborted || !keep) throw error
            if (donor === from[0]) gone = isQuorateError(error, 'SNAPSHOT_UNAVAILABLE')
            logger.info(
              { group: context.group, donor, error },
              'a snapshot transfer was interrupted',
            )
          }
        }
        if (writer.offset > before) round = 0
        // Others need never have had it, but who offered it has a newer one by now: as long as this
        // one is asked for, that one is not.
        else if (gone) return false
        await pause(clock, (100 + random.below(100)) * 2 ** Math.min(round, 5), signal)
      }
      return false
    } finally {
      await writer.close({ keep })
    }
  }

  const run = async (meta: SnapshotMeta, signal: AbortSignal): Promise<void> => {
    const started = clock.now()
    let fetched = false
    try {
      fetched = await context.exclusive(() =>
        signal.aborted ? Promise.resolve(false) : fetch(meta, signal),
      )
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ group: context.group, error }, 'a snapshot could not be fetched')
    }
    if (running?.abort.signal === signal) running = undefined
    if (signal.aborted) return
    if (fetched) {
      context.meters.snapshotSecondsFetched.record((clock.now() - started) / 1_000)
      context.onFetched(meta)
    } else context.onFailed(meta)
  }

  return {
    want(next) {
      wish = next
      if (running?.id === next.snapshot.id) return
      running?.abort.abort()
      const abort = new AbortController()
      running = { abort, id: next.snapshot.id, done: run(next.snapshot, abort.signal) }
    },
    async close() {
      running?.abort.abort()
      await running?.done
    },
  }
}

function ignore(): void {}
