// The one lane in which a replica's state machine is touched: entries, restores and snapshots one
// after the other, at once where the state machine answers at once.
import type {
  Command,
  Entry,
  LogIndex,
  MaybePromise,
  SnapshotMeta,
  StateMachine,
} from '@quorate/core'
import { assert, QuorateError } from '@quorate/core'
import type { Origin } from './envelope.ts'
import { unwrapCommand } from './envelope.ts'

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

/** One replica's lane. */
export interface ApplyLane {
  /** The last index that the state machine contains. */
  readonly appliedIndex: LogIndex
  /** Adds committed entries. */
  apply(entries: readonly Entry[]): void
  /** Adds a restore, which waits until {@link ApplyLane.durable} has reached `seq`. */
  install(snapshot: SnapshotMeta, seq: number, bytes: () => AsyncIterable<Uint8Array>): void
  /** The batch `seq` is durable. */
  durable(seq: number): void
  /** Runs a job between two entries; for the capture of a snapshot. */
  run(job: () => void): void
  /** Stops after what is under way and drops the rest; resolves when the state machine is idle. */
  close(): Promise<void>
}

type Item =
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | {
      readonly type: 'install'
      readonly snapshot: SnapshotMeta
      readonly seq: number
      bytes(): AsyncIterable<Uint8Array>
    }
  | { readonly type: 'job'; job(): void }

/** Makes the lane of a replica whose state machine contains everything up to `appliedIndex`. */
export function createApplyLane(
  stateMachine: StateMachine,
  origin: Origin,
  appliedIndex: LogIndex,
  handlers: ApplyLaneHandlers,
): ApplyLane {
  const queue: Item[] = []
  let applied = appliedIndex
  let durableSeq = 0
  let busy: Promise<void> | undefined
  let stopped = false
  let pumping = false

  const fail = (error: unknown): void => {
    if (stopped) return
    stopped = true
    queue.length = 0
    handlers.onFailed(
      error instanceof QuorateError
        ? error
        : new QuorateError(
            'STATE_MACHINE_FAILED',
            'the state machine threw; its state is unknown',
            { cause: error },
          ),
    )
  }

  /** Works off the queue until it is empty or something has to be waited for. */
  const pump = (): void => {
    // What a handler causes is added to the queue and worked off by the loop that called it.
    if (pumping) return
    pumping = true
    try {
      while (busy === undefined && !stopped) {
        const item = queue[0]
        if (item === undefined || (item.type === 'install' && item.seq > durableSeq)) break
        queue.shift()
        const pending = perform(item)
        if (pending === undefined) continue
        busy = pending.then(undefined, fail).then(() => {
          busy = undefined
          pump()
        })
      }
    } catch (error) {
      fail(error)
    } finally {
      pumping = false
    }
  }

  const perform = (item: Item): Promise<void> | undefined => {
    if (item.type === 'job') {
      item.job()
      return undefined
    }
    if (item.type === 'entries') return performEntries(item.entries)
    return stateMachine.restore(item.bytes()).then(
      () => {
        if (stopped) return
        applied = item.snapshot.index
        handlers.onInstalled(item.snapshot)
      },
      (error: unknown) => {
        if (!skipToNextInstall()) throw error
      },
    )
  }

  /** A snapshot that a newer one replaced may be gone from storage: the newer one is restored instead. */
  const skipToNextInstall = (): boolean => {
    const next = queue.findIndex((item) => item.type === 'install')
    if (next < 0) return false
    const skipped = queue.splice(0, next)
    // Entries in between are part of the newer snapshot; jobs still want to run.
    queue.splice(1, 0, ...skipped.filter((item) => item.type === 'job'))
    return true
  }

  const performEntries = (entries: readonly Entry[]): Promise<void> | undefined => {
    const commands: Command[] = []
    const sequences: number[] = []
    let bytes = 0
    entries.forEach((entry, at) => {
      assert(entry.index === applied + at + 1, 'entries apply in order, without gaps')
      bytes += entry.payload.length
      if (entry.kind !== 'command') return
      const { sequence, command } = unwrapCommand(origin, entry.payload)
      commands.push({ index: entry.index, payload: command })
      sequences.push(sequence)
    })
    const finish = (results: readonly Uint8Array[]): void => {
      if (stopped) return
      if (results.length !== commands.length) {
        throw new QuorateError(
          'STATE_MACHINE_FAILED',
          `${commands.length} commands gave ${results.length} results`,
        )
      }
      applied = (entries.at(-1) as Entry).index
      sequences.forEach((sequence, at) => {
        if (sequence >= 0) handlers.onResult(sequence, results[at] as Uint8Array)
      })
      handlers.onApplied(applied, entries.length, bytes)
    }
    const results: MaybePromise<readonly Uint8Array[]> =
      commands.length === 0 ? [] : stateMachine.apply(commands)
    if (results instanceof Promise) return results.then(finish)
    finish(results)
    return undefined
  }

  return {
    get appliedIndex() {
      return applied
    },
    apply(entries) {
      if (entries.length === 0 || stopped) return
      queue.push({ type: 'entries', entries })
      pump()
    },
    install(snapshot, seq, bytes) {
      if (stopped) return
      queue.push({ type: 'install', snapshot, seq, bytes })
      pump()
    },
    durable(seq) {
      durableSeq = Math.max(durableSeq, seq)
      pump()
    },
    run(job) {
      if (stopped) return
      queue.push({ type: 'job', job })
      pump()
    },
    async close() {
      stopped = true
      queue.length = 0
      await busy
    },
  }
}
