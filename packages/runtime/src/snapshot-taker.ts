// Takes snapshots of one replica's state machine by policy, beside the commands that go on, and
// tells the core how far the log may be dropped.
import type {
  LogIndex,
  LogStorage,
  SnapshotMeta,
  SnapshotPosition,
  StateMachine,
} from '@quorate/core'
import { QuorateError } from '@quorate/core'
import type { SnapshotPolicy } from './host.ts'

/** What a taker needs. */
export interface SnapshotTakerContext {
  /** The replica's log. */
  readonly log: LogStorage
  /** What is captured. */
  readonly stateMachine: StateMachine
  /** When. */
  readonly policy: SnapshotPolicy
  /** Runs a job when the state machine stands between two commands and the core knows where. */
  between(job: () => void): void
  /** Where the state stands; asked in such a job. */
  position(): SnapshotPosition
  /** Keeps two writers of one group's snapshots apart. */
  exclusive<T>(job: () => Promise<T>): Promise<T>
  /** The snapshot is in storage. */
  onTaken(snapshot: SnapshotMeta, compactTo: LogIndex): void
  /** It could not be written; the log stays as it is. */
  onFailed(error: unknown): void
}

/** Takes the snapshots of one replica. */
export interface SnapshotTaker {
  /** Entries have been applied: takes a snapshot where the policy says so. */
  applied(entries: number, bytes: number): void
  /** Takes one now, or joins the one being taken; resolves with its index. */
  take(): Promise<LogIndex>
  /** Starts no more, and ends the one being taken. */
  close(): Promise<void>
}

/** Makes the taker of one replica, whose newest snapshot stands at `newest`. */
export function createSnapshotTaker(
  context: SnapshotTakerContext,
  newest: LogIndex,
): SnapshotTaker {
  const { everyBytes = 67_108_864, everyEntries = 100_000, keepEntries = 1_000 } = context.policy
  let entriesSince = 0
  let bytesSince = 0
  let lastIndex = newest
  let taking: Promise<LogIndex> | undefined
  let closed = false

  const capture = (): Promise<
    | { position: SnapshotPosition; chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }
    | undefined
  > =>
    new Promise((resolve, reject) => {
      context.between(() => {
        const position = context.position()
        if (closed) return reject(new QuorateError('CLOSED', 'the replica is closed'))
        if (position.index <= lastIndex) return resolve(undefined)
        entriesSince = 0
        bytesSince = 0
        resolve({ position, chunks: context.stateMachine.snapshot() })
      })
    })

  const write = async (): Promise<LogIndex> => {
    const captured = await capture()
    if (captured === undefined) return lastIndex
    const writer = await context.log.snapshotWriter(captured.position)
    try {
      for await (const chunk of captured.chunks) {
        if (closed) throw new QuorateError('CLOSED', 'the replica is closed')
        await writer.write(chunk)
      }
      const snapshot = await writer.finish()
      lastIndex = snapshot.index
      context.onTaken(snapshot, Math.max(0, snapshot.index - keepEntries))
      return snapshot.index
    } finally {
      await writer.close()
    }
  }

  const take = (): Promise<LogIndex> => {
    taking ??= context.exclusive(write).finally(() => {
      taking = undefined
    })
    return taking
  }

  return {
    applied(entries, bytes) {
      entriesSince += entries
      bytesSince += bytes
      if (closed || taking !== undefined) return
      if (entriesSince >= everyEntries || bytesSince >= everyBytes) take().catch(context.onFailed)
    },
    take,
    async close() {
      closed = true
      await taking?.catch(() => undefined)
    },
  }
}
