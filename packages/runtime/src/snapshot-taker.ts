// Takes snapshots of one replica's state machine by policy, beside the commands that go on, and
// tells the core how far the log may be dropped.
import type {
  AbortOptions,
  Clock,
  LogIndex,
  LogStorage,
  SnapshotMeta,
  SnapshotPosition,
  StateMachine,
} from '@quorate/core'
import { abortError, QuorateError } from '@quorate/core'
import type { SnapshotPolicy } from './host.ts'
import type { Meters } from './metrics.ts'

/** What a taker needs of its replica. */
export interface SnapshotTakerContext {
  /** The replica's log. */
  readonly log: LogStorage
  /** What is captured. */
  readonly stateMachine: StateMachine
  /** Runs a job when the state machine stands between two commands and the core knows where. */
  between(job: () => void): void
  /** Where the state stands; asked in such a job. */
  position(): SnapshotPosition
  /** Keeps two writers of one group's snapshots apart. */
  exclusive<T>(job: () => Promise<T>): Promise<T>
  /** The snapshot is in storage. */
  onSnapshotTaken(snapshot: SnapshotMeta, compactTo: LogIndex): void
  /** One that the policy asked for could not be written; the log stays as it is. */
  onSnapshotFailed(error: unknown): void
}

/** What takers share with the others of their host. */
export interface SnapshotTakerHost {
  /** Time. */
  readonly clock: Clock
  /** Where sizes and durations are recorded. */
  readonly meters: Pick<Meters, 'snapshotBytesTaken' | 'snapshotSecondsTaken'>
}

interface Taking {
  readonly abort: AbortController
  readonly done: Promise<LogIndex>
  /** How many wait for it; when the last one gives up, it is given up. */
  waiters: number
}

interface Captured {
  readonly position: SnapshotPosition
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** Takes the snapshots of one replica. */
export class SnapshotTaker {
  readonly #host: SnapshotTakerHost
  readonly #context: SnapshotTakerContext
  readonly #policy: SnapshotPolicy
  #entriesSince = 0
  #bytesSince = 0
  #lastIndex: LogIndex
  #taking: Taking | undefined
  #closed = false

  /** The taker of a replica whose newest snapshot stands at `newest`. */
  constructor(
    host: SnapshotTakerHost,
    context: SnapshotTakerContext,
    policy: SnapshotPolicy,
    newest: LogIndex,
  ) {
    this.#host = host
    this.#context = context
    this.#policy = policy
    this.#lastIndex = newest
  }

  /** Entries have been applied: takes a snapshot where the policy says so. */
  applied(entries: number, bytes: number): void {
    this.#entriesSince += entries
    this.#bytesSince += bytes
    if (this.#closed || this.#taking !== undefined) return
    const { everyBytes = 67_108_864, everyEntries = 100_000 } = this.#policy
    if (this.#entriesSince < everyEntries && this.#bytesSince < everyBytes) return
    this.take().catch((error: unknown) => this.#context.onSnapshotFailed(error))
  }

  /** Takes one now, or joins the one being taken; resolves with its index. */
  async take({ signal }: AbortOptions = {}): Promise<LogIndex> {
    if (signal?.aborted) throw abortError(signal, 'the snapshot')
    const taking = (this.#taking ??= this.#begin())
    taking.waiters++
    if (signal === undefined) return taking.done
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        taking.waiters--
        if (taking.waiters === 0) taking.abort.abort()
        reject(abortError(signal, 'the snapshot'))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      taking.done
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort))
        .catch(ignore)
    })
  }

  /** Starts no more, and ends the one being taken. */
  async close(): Promise<void> {
    this.stop()
    await this.#taking?.done.catch(ignore)
  }

  /** Starts no more, and tells the one being taken to end. */
  stop(): void {
    this.#closed = true
    this.#taking?.abort.abort()
  }

  #begin(): Taking {
    const abort = new AbortController()
    const done = this.#context
      .exclusive(() => this.#write(abort.signal))
      .finally(() => {
        if (this.#taking === taking) this.#taking = undefined
      })
    // Whoever waits is told; where nobody does any more, nobody has to be.
    done.catch(ignore)
    const taking: Taking = { abort, done, waiters: 0 }
    // One that is given up is joined by nobody who comes later.
    abort.signal.addEventListener('abort', () => {
      if (this.#taking === taking && !this.#closed) this.#taking = undefined
    })
    return taking
  }

  async #write(signal: AbortSignal): Promise<LogIndex> {
    this.#check(signal)
    const started = this.#host.clock.now()
    const captured = await this.#capture(signal)
    if (captured === undefined) return this.#lastIndex
    const writer = await this.#context.log.snapshotWriter(captured.position)
    try {
      for await (const chunk of captured.chunks) {
        this.#check(signal)
        await writer.write(chunk)
      }
      this.#check(signal)
      const snapshot = await writer.finish()
      this.#lastIndex = snapshot.index
      const { meters, clock } = this.#host
      meters.snapshotBytesTaken.add(snapshot.sizeBytes)
      meters.snapshotSecondsTaken.record((clock.now() - started) / 1_000)
      const { keepEntries = 1_000 } = this.#policy
      this.#context.onSnapshotTaken(snapshot, Math.max(0, snapshot.index - keepEntries))
      return snapshot.index
    } finally {
      await writer.close()
    }
  }

  #capture(signal: AbortSignal): Promise<Captured | undefined> {
    return new Promise((resolve, reject) => {
      // A lane that has stopped runs no more jobs.
      const onAbort = (): void => reject(abortError(signal, 'the snapshot'))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#context.between(() => {
        signal.removeEventListener('abort', onAbort)
        try {
          this.#check(signal)
          const position = this.#context.position()
          if (position.index <= this.#lastIndex) return resolve(undefined)
          const chunks = this.#context.stateMachine.snapshot()
          this.#entriesSince = 0
          this.#bytesSince = 0
          resolve({ position, chunks })
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #check(signal: AbortSignal): void {
    if (this.#closed) throw new QuorateError('CLOSED', 'the replica is closed')
    if (signal.aborted) throw abortError(signal, 'the snapshot')
  }
}

function ignore(): void {}
