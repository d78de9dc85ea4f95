// Loads records into a store with many writes under way at a time, each retried by the client
// until it is acknowledged or the deadline ends the load.
import type { KvOperations } from '@quorate/kv'
import type { SourceRecord } from './records.ts'

/** How far a load is. */
export interface LoadProgress {
  /** Records read. */
  readonly read: number
  /** Records acknowledged. */
  readonly acknowledged: number
  /** Bytes of keys and values acknowledged. */
  readonly bytes: number
}

/** Options of {@link loadRecords}. */
export interface LoadOptions {
  /** The key of a record. */
  keyOf(record: SourceRecord): string
  /** The value of a record. */
  valueOf(record: SourceRecord): string
  /** Most writes under way. */
  readonly inFlight: number
  /** How long one write is tried, in milliseconds. */
  readonly timeoutMs: number
  /** Told after each acknowledgement. */
  onProgress?(progress: LoadProgress): void
  /** Told of each acknowledged key. */
  onAcknowledged?(key: string): void
}

/** Loads all records. The first write that fails ends it, once those under way have ended. */
export async function loadRecords(
  store: Pick<KvOperations, 'put'>,
  records: AsyncIterable<SourceRecord>,
  options: LoadOptions,
): Promise<LoadProgress> {
  const progress = { read: 0, acknowledged: 0, bytes: 0 }
  let failure: { readonly error: unknown } | undefined
  let underWay = 0
  let wake: (() => void) | undefined

  const ended = (): void => {
    underWay--
    wake?.()
  }
  const write = (key: string, value: string): void => {
    underWay++
    store.put(key, value, { timeoutMs: options.timeoutMs }).then(
      () => {
        progress.acknowledged++
        progress.bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
        options.onAcknowledged?.(key)
        options.onProgress?.(progress)
        ended()
      },
      (error: unknown) => {
        failure ??= { error }
        ended()
      },
    )
  }
  const below = async (limit: number): Promise<void> => {
    while (underWay >= limit) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  try {
    for await (const record of records) {
      progress.read++
      write(options.keyOf(record), options.valueOf(record))
      await below(options.inFlight)
      if (failure !== undefined) break
    }
  } finally {
    await below(1)
  }
  if (failure !== undefined) throw failure.error
  return progress
}
