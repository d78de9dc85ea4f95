// What an operator may want to know of a disk: how long syncs take, how much one sync carries,
// and how much room is left.
import type { Counter, Gauge, Histogram, LogFields, StorageContext, Timer } from '@quorate/core'
import type { Fs } from './fs.ts'

/** A sync that takes longer is worth a warning. */
const SLOW_SYNC_MS = 1000
const SPACE_INTERVAL_MS = 1000

/** Measures one storage. */
export class StorageMeters {
  readonly #fs: Fs
  readonly #directory: string
  readonly #context: StorageContext
  readonly #lowWaterBytes: number
  readonly #sync: Histogram
  readonly #batch: Histogram
  readonly #bytes: Counter
  readonly #free: Gauge
  readonly #ballast: Gauge
  readonly #scrubbed: Counter
  readonly #damage: Counter
  readonly #faulty: Gauge
  readonly #faultySnapshots: Gauge
  readonly #measured: (freeBytes: number) => void
  #timer: Timer | undefined
  #closed = false
  #low = false
  #room = true

  constructor(from: {
    readonly fs: Fs
    readonly directory: string
    readonly context: StorageContext
    readonly lowWaterBytes: number
    /** Told how much is free whenever that was measured. */
    readonly measured: (freeBytes: number) => void
  }) {
    this.#fs = from.fs
    this.#directory = from.directory
    this.#context = from.context
    this.#lowWaterBytes = from.lowWaterBytes
    this.#measured = from.measured
    const { metrics } = from.context
    this.#sync = metrics.histogram(
      'quorate_storage_sync_seconds',
      'Time of one write and sync of the log',
    )
    this.#batch = metrics.histogram(
      'quorate_storage_sync_writes',
      'Atomic writes that one sync made durable',
    )
    this.#bytes = metrics.counter('quorate_storage_written_bytes_total', 'Bytes written to the log')
    this.#free = metrics.gauge('quorate_storage_free_bytes', 'Free bytes of the file system')
    this.#ballast = metrics.gauge(
      'quorate_storage_ballast_bytes',
      'Bytes kept in reserve for a full disk',
    )
    this.#scrubbed = metrics.counter(
      'quorate_storage_scrubbed_bytes_total',
      'Bytes of finished segments and snapshots that were read again',
    )
    this.#damage = metrics.counter(
      'quorate_storage_damage_total',
      'Places at which the log or a snapshot was found damaged while it was in use',
    )
    this.#faulty = metrics.gauge(
      'quorate_storage_faulty_entries',
      'Entries that exist and cannot be read',
    )
    this.#faultySnapshots = metrics.gauge(
      'quorate_storage_faulty_snapshots',
      'Groups whose newest snapshot was found damaged while it was in use',
    )
  }

  /** Whether there is too little room to take on more. */
  get spaceLow(): boolean {
    return this.#low || !this.#room
  }

  /** A group of writes became durable. */
  synced(writes: number, bytes: number, syncMs: number): void {
    this.#sync.record(syncMs / 1000)
    this.#batch.record(writes)
    this.#bytes.add(bytes)
    if (syncMs > SLOW_SYNC_MS) this.#context.logger.warn({ syncMs }, 'a sync of the log took long')
    this.#measureSoon()
  }

  /** So much is kept in reserve. */
  setBallast(bytes: number): void {
    this.#ballast.set(bytes)
  }

  /** So much of the log was read again. */
  scrubbed(bytes: number): void {
    this.#scrubbed.add(bytes)
  }

  /** Damage was found. */
  damaged(fields: LogFields, message: string): void {
    this.#damage.add()
    this.#context.logger.error(fields, message)
  }

  /** So many entries exist and cannot be read. */
  setFaulty(entries: number): void {
    this.#faulty.set(entries)
  }

  /** So many groups could not start from their newest snapshot. */
  setFaultySnapshots(groups: number): void {
    this.#faultySnapshots.set(groups)
  }

  /** Whether the disk had room for another segment when one was wanted. */
  setRoom(enough: boolean): void {
    if (this.#room && !enough) this.#context.logger.error({}, 'the disk is full')
    this.#room = enough
    if (!enough) this.#measureSoon()
  }

  /** Looks at how much room there is. */
  measureSpace(): void {
    if (this.#closed) return
    try {
      const { freeBytes } = this.#fs.statfs(this.#directory)
      this.#free.set(freeBytes)
      this.#measured(freeBytes)
      const low = freeBytes < this.#lowWaterBytes
      if (low && !this.#low) this.#context.logger.warn({ freeBytes }, 'the disk is nearly full')
      this.#low = low
      // Whether a segment fits is seen when the next one is wanted: by then it may.
      if (!low) this.#room = true
    } catch (error) {
      this.#context.logger.warn({ error }, 'the free space cannot be measured')
    }
    // While writes are refused there is no sync that would make anybody look again.
    if (this.spaceLow) this.#measureSoon()
  }

  #measureSoon(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = this.#context.clock.setTimer(SPACE_INTERVAL_MS, () => {
      this.#timer = undefined
      this.measureSpace()
    })
  }

  /** Ends its timer. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}
