// The writes of one replica: in order, reported as one input for all that became durable at once,
// held and written again when the disk was full, and ended for good by any other failure.
import type { AbortOptions, Clock, LogStorage, Timer, WriteBatch } from '@quorate/core'
import { abortError, assert, isQuorateError, offAbort, onAbort, QuorateError } from '@quorate/core'

const FULL_RETRY_MS = 1_000

/** Whom the lane tells. */
export interface StorageLaneHandlers {
  /** Every batch up to `seq` is durable. */
  onDurable(seq: number): void
  /** The disk is full, or has room again. */
  onFull(full: boolean): void
  /** A write failed; nothing more will be durable. */
  onFailed(error: QuorateError): void
}

/** Somebody who waits for what had been handed over. */
interface Waiter {
  readonly seq: number
  settle(error?: QuorateError): void
}

/** One replica's writes. */
export class StorageLane {
  /** The highest `seq` handed over. */
  lastSeq = 0
  /** The highest durable `seq` that was reported. */
  durableSeq = 0
  readonly #log: Pick<LogStorage, 'write'>
  readonly #clock: Clock
  readonly #handlers: StorageLaneHandlers
  /** Handed over and not known to be durable, in order of `seq`. */
  #unfinished: WriteBatch[] = []
  #writtenSeq = 0
  #closed = false
  /** Counts the interruptions by a full disk: a late rejection of an earlier attempt says nothing new. */
  #attempt = 0
  #full = false
  /** The first batch that the full disk refused. */
  #refusedSeq = 0
  #retry: Timer | undefined
  readonly #waiters = new Set<Waiter>()

  /** A lane on which nothing has been written. */
  constructor(log: Pick<LogStorage, 'write'>, clock: Clock, handlers: StorageLaneHandlers) {
    this.#log = log
    this.#clock = clock
    this.#handlers = handlers
  }

  /** Adds a batch. */
  write(batch: WriteBatch): void {
    assert(batch.seq === this.lastSeq + 1, 'batches are numbered without gaps')
    this.lastSeq = batch.seq
    this.#unfinished.push(batch)
    // While the disk is full, batches wait for the next attempt so that their order stays.
    if (this.#retry === undefined && !this.#closed) this.#submit(batch)
  }

  /** Resolves once everything handed over so far is durable, and rejects where it may never be. */
  durable({ signal }: AbortOptions = {}): Promise<void> {
    const seq = this.lastSeq
    if (this.durableSeq >= seq) return Promise.resolve()
    if (this.#closed) return Promise.reject(new QuorateError('CLOSED', 'the replica is closed'))
    if (signal?.aborted === true) return Promise.reject(abortError(signal, 'the write'))
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        seq,
        settle: (error) => {
          this.#waiters.delete(waiter)
          if (signal !== undefined) offAbort(signal, aborted)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      const aborted = (): void => waiter.settle(abortError(signal as AbortSignal, 'the write'))
      if (signal !== undefined) onAbort(signal, aborted)
      this.#waiters.add(waiter)
    })
  }

  /** Stops reporting; those that wait end with `cause`. */
  close(cause: QuorateError = new QuorateError('CLOSED', 'the replica is closed')): void {
    this.#closed = true
    this.#retry?.cancel()
    for (const waiter of this.#waiters) waiter.settle(cause)
  }

  #submit(batch: WriteBatch): void {
    const attempt = this.#attempt
    this.#log.write(batch).then(
      () => this.#onWritten(batch.seq),
      (error: unknown) => this.#onError(error, batch.seq, attempt),
    )
  }

  #onWritten(seq: number): void {
    if (this.#closed || seq <= this.#writtenSeq) return
    this.#writtenSeq = seq
    const first = this.#unfinished.findIndex((batch) => batch.seq > seq)
    this.#unfinished = first < 0 ? [] : this.#unfinished.slice(first)
    if (this.#full && seq >= this.#refusedSeq) {
      this.#full = false
      this.#handlers.onFull(false)
    }
    // Writes that shared an fsync resolve one right after the other: they make one input.
    queueMicrotask(() => this.#report())
  }

  #report(): void {
    if (this.#closed || this.durableSeq === this.#writtenSeq) return
    this.durableSeq = this.#writtenSeq
    this.#handlers.onDurable(this.durableSeq)
    for (const waiter of this.#waiters) if (waiter.seq <= this.durableSeq) waiter.settle()
  }

  #onError(error: unknown, seq: number, attempt: number): void {
    if (this.#closed || attempt !== this.#attempt) return
    if (!isQuorateError(error, 'NO_SPACE')) {
      this.#closed = true
      return this.#handlers.onFailed(
        isQuorateError(error)
          ? error
          : new QuorateError('STORAGE_FAILED', 'the storage failed', { cause: error }),
      )
    }
    this.#attempt++
    if (!this.#full) this.#handlers.onFull(true)
    this.#full = true
    this.#refusedSeq = seq
    this.#retry = this.#clock.setTimer(FULL_RETRY_MS, () => {
      this.#retry = undefined
      // Earlier batches may still be under way on a slow disk: they were not refused.
      for (const batch of this.#unfinished) if (batch.seq >= this.#refusedSeq) this.#submit(batch)
    })
  }
}
