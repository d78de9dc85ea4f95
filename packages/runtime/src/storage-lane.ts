// The writes of one replica: in order, reported as one input for all that became durable at once,
// held and written again when the disk was full, and ended for good by any other failure.
import type { Clock, LogStorage, Timer, WriteBatch } from '@quorate/core'
import { assert, isQuorateError, QuorateError } from '@quorate/core'

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

/** One replica's writes. */
export interface StorageLane {
  /** The highest durable `seq`. */
  readonly durableSeq: number
  /** The highest `seq` handed over. */
  readonly lastSeq: number
  /** Adds a batch. */
  write(batch: WriteBatch): void
  /** Stops reporting. */
  close(): void
}

/** Makes the lane of one replica. */
export function createStorageLane(
  log: Pick<LogStorage, 'write'>,
  clock: Clock,
  handlers: StorageLaneHandlers,
): StorageLane {
  /** Handed over and not known to be durable, in order of `seq`. */
  let unfinished: WriteBatch[] = []
  let durableSeq = 0
  let lastSeq = 0
  let reported = 0
  let closed = false
  /** Counts the interruptions by a full disk: a late rejection of an earlier attempt says nothing new. */
  let attempt = 0
  let full = false
  /** The first batch that the full disk refused. */
  let refusedSeq = 0
  let retry: Timer | undefined

  const report = (): void => {
    if (closed || reported === durableSeq) return
    reported = durableSeq
    handlers.onDurable(durableSeq)
  }
  const onWritten = (seq: number): void => {
    if (closed || seq <= durableSeq) return
    durableSeq = seq
    unfinished = unfinished.filter((batch) => batch.seq > seq)
    if (full && seq >= refusedSeq) {
      full = false
      handlers.onFull(false)
    }
    // Writes that shared an fsync resolve one right after the other: they make one input.
    queueMicrotask(report)
  }
  const onError = (error: unknown, seq: number, ofAttempt: number): void => {
    if (closed || ofAttempt !== attempt) return
    if (!isQuorateError(error, 'NO_SPACE')) {
      closed = true
      return handlers.onFailed(
        isQuorateError(error)
          ? error
          : new QuorateError('STORAGE_FAILED', 'the storage failed', { cause: error }),
      )
    }
    attempt++
    if (!full) handlers.onFull(true)
    full = true
    refusedSeq = seq
    retry = clock.setTimer(FULL_RETRY_MS, () => {
      retry = undefined
      // Earlier batches may still be under way on a slow disk: they were not refused.
      for (const batch of unfinished) if (batch.seq >= refusedSeq) submit(batch)
    })
  }
  const submit = (batch: WriteBatch): void => {
    const ofAttempt = attempt
    log.write(batch).then(
      () => onWritten(batch.seq),
      (error: unknown) => onError(error, batch.seq, ofAttempt),
    )
  }

  return {
    get durableSeq() {
      return reported
    },
    get lastSeq() {
      return lastSeq
    },
    write(batch) {
      assert(batch.seq === lastSeq + 1, 'batches are numbered without gaps')
      lastSeq = batch.seq
      unfinished.push(batch)
      // While the disk is full, batches wait for the next attempt so that their order stays.
      if (retry === undefined && !closed) submit(batch)
    },
    close() {
      closed = true
      retry?.cancel()
    },
  }
}
