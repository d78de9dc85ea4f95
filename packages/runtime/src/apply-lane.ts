// The one lane in which a replica's state machine is touched: entries, restores and snapshots one
// after the other, at once where the state machine answers at once, and never so many in one turn
// that other groups would have to wait.
import type {
  Clock,
  Command,
  Entry,
  LogIndex,
  MaybePromise,
  SnapshotMeta,
  StateMachine,
} from '@quorate/core'
import { assert, entryBytes, QuorateError } from '@quorate/core'
import type { Origin } from './envelope.ts'
import { unwrapCommand } from './envelope.ts'
import type { Meters } from './metrics.ts'

/** The most entries that one lane applies before it lets others have a turn. */
const TURN_ENTRIES = 1_024
/** The most bytes of entries, above which the turn ends. */
const TURN_BYTES = 1_048_576

/** Whom the lane tells. */
export interface ApplyLaneHandlers {
  /** One of this replica's own commands has been applied. */
  onResult(sequence: number, result: Uint8Array): void
  /** Everything up to an index has been applied. */
  onApplied(index: LogIndex, entries: number, bytes: number): void
  /** The state machine was restored from a snapshot. */
  onInstalled(snapshot: SnapshotMeta): void
  /** The lane has stopped for good. */
  onFailed(error: QuorateError): void
}

/** What a lane shares with the others of its host. */
export interface ApplyLaneContext {
  /** Time and turns. */
  readonly clock: Pick<Clock, 'now' | 'defer'>
  /** Where lags and sizes are recorded. */
  readonly meters: Pick<Meters, 'applySeconds' | 'applyEntries'>
}

type Item =
  | { readonly type: 'entries'; readonly entries: readonly Entry[]; readonly since: number }
  | {
      readonly type: 'install'
      readonly snapshot: SnapshotMeta
      readonly seq: number
      bytes(): AsyncIterable<Uint8Array>
    }
  | { readonly type: 'job'; job(): void }

/** One replica's lane. */
export class ApplyLane {
  /** The last index that the state machine contains. */
  appliedIndex: LogIndex
  /** Which entries are this replica's own; `undefined` while it has proposed none. */
  origin: Origin | undefined
  readonly #context: ApplyLaneContext
  readonly #stateMachine: StateMachine
  readonly #handlers: ApplyLaneHandlers
  #queue: Item[] = []
  #durableSeq = 0
  #busy: Promise<void> | undefined
  #stopped = false
  #pumping = false
  /** Whether the rest waits for the next turn. */
  #resting = false
  #turnEntries = 0
  #turnBytes = 0

  /** The lane of a replica whose state machine contains everything up to `appliedIndex`. */
  constructor(
    context: ApplyLaneContext,
    stateMachine: StateMachine,
    appliedIndex: LogIndex,
    handlers: ApplyLaneHandlers,
  ) {
    this.#context = context
    this.#stateMachine = stateMachine
    this.appliedIndex = appliedIndex
    this.#handlers = handlers
  }

  /** Adds committed entries. */
  apply(entries: readonly Entry[]): void {
    if (entries.length === 0 || this.#stopped) return
    this.#queue.push({ type: 'entries', entries, since: this.#context.clock.now() })
    this.#pump()
  }

  /** Adds a restore, which waits until {@link ApplyLane.durable} has reached `seq`. */
  install(snapshot: SnapshotMeta, seq: number, bytes: () => AsyncIterable<Uint8Array>): void {
    if (this.#stopped) return
    // A job that waits is for after it: the core already says that the snapshot is where it stands.
    const jobs = this.#queue.filter((item) => item.type === 'job')
    if (jobs.length > 0) this.#queue = this.#queue.filter((item) => item.type !== 'job')
    this.#queue.push({ type: 'install', snapshot, seq, bytes }, ...jobs)
    this.#pump()
  }

  /** The batch `seq` is durable. */
  durable(seq: number): void {
    this.#durableSeq = Math.max(this.#durableSeq, seq)
    this.#pump()
  }

  /** Runs a job between two entries; for the capture of a snapshot. */
  run(job: () => void): void {
    if (this.#stopped) return
    this.#queue.push({ type: 'job', job })
    this.#pump()
  }

  /** Stops after what is under way and drops the rest; resolves when the state machine is idle. */
  async close(): Promise<void> {
    this.#stopped = true
    this.#queue.length = 0
    await this.#busy
  }

  /** Works off the queue until it is empty, the turn is over or something has to be waited for. */
  #pump(): void {
    // What a handler causes is added to the queue and worked off by the loop that called it.
    if (this.#pumping || this.#resting || this.#queue.length === 0) return
    this.#pumping = true
    this.#turnEntries = 0
    this.#turnBytes = 0
    try {
      while (this.#busy === undefined && !this.#stopped) {
        const item = this.#queue[0]
        if (item === undefined) break
        if (item.type === 'install' && item.seq > this.#durableSeq) break
        if (this.#turnEntries >= TURN_ENTRIES || this.#turnBytes >= TURN_BYTES) {
          this.#rest()
          break
        }
        this.#queue.shift()
        const pending = this.#perform(item)
        if (pending === undefined) continue
        this.#busy = pending
          .then(undefined, (error: unknown) => this.#fail(error))
          .then(() => {
            this.#busy = undefined
            this.#pump()
          })
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#pumping = false
      // Gives back the memory that the queue had: most lanes are idle most of the time.
      if (this.#queue.length === 0) this.#queue.length = 0
    }
  }

  #rest(): void {
    this.#resting = true
    this.#context.clock.defer(() => {
      this.#resting = false
      this.#pump()
    })
  }

  #perform(item: Item): Promise<void> | undefined {
    if (item.type === 'job') {
      item.job()
      return undefined
    }
    if (item.type === 'install') return this.#restore(item.snapshot, item.bytes())
    return this.#performEntries(this.#fitting(item.entries, item.since), item.since)
  }

  /** As many entries as the turn has room for, at least one; the others stay first in the queue. */
  #fitting(entries: readonly Entry[], since: number): readonly Entry[] {
    let count = 0
    while (count < entries.length) {
      if (this.#turnEntries >= TURN_ENTRIES || this.#turnBytes >= TURN_BYTES) break
      this.#turnEntries++
      this.#turnBytes += entryBytes(entries[count] as Entry)
      count++
    }
    if (count === entries.length) return entries
    this.#queue.unshift({ type: 'entries', entries: entries.slice(count), since })
    return entries.slice(0, count)
  }

  #performEntries(entries: readonly Entry[], since: number): Promise<void> | undefined {
    const commands: Command[] = []
    const sequences: number[] = []
    let bytes = 0
    let next = this.appliedIndex
    for (const entry of entries) {
      assert(entry.index === ++next, 'entries apply in order, without gaps')
      bytes += entry.payload.length
      if (entry.kind !== 'command') continue
      const { sequence, command } = unwrapCommand(this.origin, entry.payload)
      commands.push({ index: entry.index, payload: command })
      sequences.push(sequence)
    }
    const finish = (results: readonly Uint8Array[]): void => {
      if (this.#stopped) return
      if (results.length !== commands.length) {
        throw new QuorateError(
          'STATE_MACHINE_FAILED',
          `${commands.length} commands gave ${results.length} results`,
        )
      }
      const { clock, meters } = this.#context
      this.appliedIndex = next
      meters.applySeconds.record((clock.now() - since) / 1_000)
      meters.applyEntries.record(entries.length)
      for (let at = 0; at < sequences.length; at++) {
        const sequence = sequences[at] as number
        if (sequence >= 0) this.#handlers.onResult(sequence, results[at] as Uint8Array)
      }
      this.#handlers.onApplied(next, entries.length, bytes)
    }
    const results: MaybePromise<readonly Uint8Array[]> =
      commands.length === 0 ? [] : this.#stateMachine.apply(commands)
    if (results instanceof Promise) return results.then(finish)
    finish(results)
    return undefined
  }

  #restore(snapshot: SnapshotMeta, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#stateMachine.restore(bytes).then(
      () => {
        if (this.#stopped) return
        this.appliedIndex = snapshot.index
        this.#handlers.onInstalled(snapshot)
      },
      (error: unknown) => {
        if (!this.#skipToNextInstall()) throw error
      },
    )
  }

  /** A snapshot that a newer one replaced may be gone from storage: the newer one is restored instead. */
  #skipToNextInstall(): boolean {
    const next = this.#queue.findIndex((item) => item.type === 'install')
    if (next < 0) return false
    const skipped = this.#queue.splice(0, next)
    // Entries in between are part of the newer snapshot; jobs still want to run.
    this.#queue.splice(1, 0, ...skipped.filter((item) => item.type === 'job'))
    return true
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#queue.length = 0
    this.#handlers.onFailed(
      error instanceof QuorateError
        ? error
        : new QuorateError(
            'STATE_MACHINE_FAILED',
            'the state machine threw; its state is unknown',
            { cause: error },
          ),
    )
  }
}
