// What the checks share: a disk with a storage on it, batches that are quick to write down, and
// ways to say what was expected.
import type {
  DurableState,
  Entry,
  EntryKind,
  ErrorCode,
  GroupId,
  HostStorage,
  LogStorage,
  Membership,
  SnapshotMeta,
  StorageContext,
  WriteBatch,
} from '@quorate/core'
import {
  AssertionError,
  isQuorateError,
  membershipOf,
  noMetrics,
  silentLogger,
  systemClock,
} from '@quorate/core'
import type { StorageDisk, StorageHarness } from './harness.ts'

/** The algorithm that the checks write as. */
export const ALGORITHM = { name: 'conformance', format: 2 } as const
/** Members for snapshots. */
export const MEMBERSHIP: Membership = membershipOf({ voters: ['a', 'b', 'c'] })

/** Throws unless `condition` holds. */
export function expectThat(
  condition: boolean,
  message: string | (() => string),
): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message())
}

/** Throws unless two values of plain data and bytes are equal. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual, plain), JSON.stringify(expected, plain)]
  expectThat(a === b, () => `${what}: expected ${String(b)}, got ${String(a)}`)
}

/** Bytes as text, and members of objects in one order, so that equal values give equal texts. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Array.from(value).join()}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Throws unless the promise rejects with a code; returns what it rejected with. */
export async function expectCode(
  promise: Promise<unknown>,
  code: ErrorCode,
  what: string,
): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  expectThat(outcome !== undefined, `${what}: expected ${code}, and it succeeded`)
  expectThat(
    isQuorateError(outcome.error, code),
    () => `${what}: expected ${code}, got ${String(outcome.error)}`,
  )
  return outcome.error
}

/** Calls a function so that what it throws becomes a rejection. */
export async function attempt<T>(call: () => T | Promise<T>): Promise<T> {
  return call()
}

/** An entry of one repeated byte; `bytes` of them. */
export function entry(index: number, epoch = 1, bytes = 3, kind: EntryKind = 'command'): Entry {
  return { index, epoch, kind, payload: new Uint8Array(bytes).fill((index * 7 + epoch) & 0xff) }
}

/** Entries from `first` to `last` of one epoch. */
export function entries(first: number, last: number, epoch = 1): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => entry(first + at, epoch))
}

/** A disk, and the storages that come and go on it. */
export class Lab {
  readonly disk: StorageDisk
  #storage: HostStorage | undefined
  readonly #seqs = new WeakMap<LogStorage, number>()

  constructor(disk: StorageDisk) {
    this.disk = disk
  }

  /** The storage that is open. */
  get storage(): HostStorage {
    expectThat(this.#storage !== undefined, 'a storage is open')
    return this.#storage
  }

  /** Opens a storage, as a host of a cluster. */
  async open(cluster = 'cluster', host = 'host'): Promise<HostStorage> {
    const storage = this.disk.storage()
    this.#storage = storage
    await storage.open(contextOf(cluster, host))
    return storage
  }

  /** Closes the storage and opens the next one. */
  async reopen(): Promise<HostStorage> {
    await this.storage.close()
    return this.open()
  }

  /** Cuts the power and opens the next storage. */
  async crash(): Promise<HostStorage> {
    await this.disk.crash()
    return this.open()
  }

  /** The log of a group. */
  group(id: GroupId): LogStorage {
    return this.storage.group(id, ALGORITHM)
  }

  /** Writes the next batch of a log. */
  write(log: LogStorage, batch: Partial<WriteBatch>): Promise<void> {
    const seq = (this.#seqs.get(log) ?? 0) + 1
    this.#seqs.set(log, seq)
    return log.write({ seq, append: [], ...batch })
  }

  /** The state of a group that is not in use. */
  async state(id: GroupId): Promise<DurableState> {
    const log = this.group(id)
    const state = await log.load()
    await log.close()
    return state
  }

  /** Writes a whole snapshot and finishes it. */
  async snapshot(log: LogStorage, index: number, content: Uint8Array): Promise<SnapshotMeta> {
    const writer = await log.snapshotWriter({ index, epoch: 1, membership: MEMBERSHIP })
    await writer.write(content)
    return writer.finish()
  }

  /** Ends whatever is open. */
  async close(): Promise<void> {
    if (this.#storage !== undefined && this.#storage.status !== 'closed')
      await this.#storage.close()
    await this.disk.close()
  }
}

/** What a storage is opened with. */
export function contextOf(cluster: string, host: string): StorageContext {
  return { cluster, host, clock: systemClock(), logger: silentLogger, metrics: noMetrics }
}

/** Runs a check on an empty disk with a storage open. */
export async function withLab(
  harness: StorageHarness,
  body: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = new Lab(await harness.create())
  try {
    await lab.open()
    await body(lab)
  } finally {
    await lab.close()
  }
}

/** All bytes of a snapshot from an offset on. */
export async function collect(log: LogStorage, id: string, offset = 0): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of log.readSnapshot(id, { offset })) chunks.push(chunk.slice())
  return joined(chunks)
}

/** Several stretches of bytes in one. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
