// Storage in memory with the semantics of a disk: nothing is durable before its sync has ended,
// and what was not durable is gone after a crash.
import type {
  AbortOptions,
  GroupAlgorithm,
  GroupId,
  HostStorage,
  Lifecycle,
  StorageContext,
  StorageSupports,
  StoredGroup,
} from '@quorate/core'
import { QuorateError, abortError, assert, checkId, compareIds, defined } from '@quorate/core'
import { LogImage } from './log-image.ts'
import type { DiskChange, MemoryDisk } from './memory-disk.ts'
import { DiskState, memoryDisk } from './memory-disk.ts'
import type { LogHome, MemoryOperation } from './memory-log.ts'
import { MemoryLog } from './memory-log.ts'
import { SyncQueue } from './sync-queue.ts'

/** Options of {@link memoryStorage}. */
export interface MemoryStorageOptions {
  /** The disk to use, so that a later storage can start from what this one left. Default: a new one. */
  readonly disk?: MemoryDisk | undefined
  /** How long each sync takes, in milliseconds, asked anew each time. Default 0: within the same turn. */
  readonly syncMs?: (() => number) | undefined
  /** How many bytes the disk holds; a write beyond is refused with `NO_SPACE`. Default: no bound. */
  readonly capacityBytes?: number | undefined
  /** Free bytes below which `spaceLow` is set. Default: a sixteenth of `capacityBytes`. */
  readonly lowWaterBytes?: number | undefined
  /**
   * Asked before each operation whether it fails. `NO_SPACE` refuses a write or a snapshot's chunk;
   * `STORAGE_FAILED` of a write or a sync ends the storage for good, of a read only that read.
   */
  readonly fault?:
    | ((operation: MemoryOperation) => 'NO_SPACE' | 'STORAGE_FAILED' | undefined)
    | undefined
}

/** Storage in memory. */
export interface MemoryStorage extends HostStorage {
  /** What it keeps its data on. */
  readonly disk: MemoryDisk
}

/** Storage of one host, in memory: for tests, simulations and hosts that may forget. */
export function memoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  return new InMemoryStorage(options)
}

class InMemoryStorage implements MemoryStorage {
  readonly supports: StorageSupports = { durable: true, snapshotResume: true, faultyRanges: true }
  readonly #options: MemoryStorageOptions
  readonly #disk: DiskState
  readonly #logs = new Map<GroupId, MemoryLog>()
  #queue: SyncQueue | undefined
  #status: Lifecycle = 'opening'
  #opened = false
  #crashed = false
  #closing: Promise<void> | undefined

  constructor(options: MemoryStorageOptions) {
    const disk = options.disk ?? memoryDisk()
    if (!(disk instanceof DiskState)) throw new TypeError('disk must come from memoryDisk()')
    this.#options = options
    this.#disk = disk
  }

  get status(): Lifecycle {
    return this.#status
  }

  get disk(): MemoryDisk {
    return this.#disk
  }

  get spaceLow(): boolean {
    const { capacityBytes } = this.#options
    if (capacityBytes === undefined) return false
    return (
      capacityBytes - this.#disk.usedBytes < (this.#options.lowWaterBytes ?? capacityBytes / 16)
    )
  }

  async open(context: StorageContext): Promise<void> {
    if (this.#status !== 'opening') throw new QuorateError('CLOSED', 'the storage is closed')
    assert(!this.#opened, 'a storage is opened once')
    const { cluster, host, clock } = context
    const identity = this.#disk.identity
    if (identity !== undefined && (identity.cluster !== cluster || identity.host !== host)) {
      throw new QuorateError(
        'CLUSTER_MISMATCH',
        `the data belongs to host "${identity.host}" of cluster "${identity.cluster}", not to "${host}" of "${cluster}"`,
        { details: { expected: { cluster, host }, found: identity } },
      )
    }
    if (this.#disk.inUse) throw new QuorateError('STORAGE_LOCKED', 'another storage uses this disk')
    this.#opened = true
    this.#disk.identity = { cluster, host }
    const queue = new SyncQueue(clock, this.#options.syncMs ?? (() => 0), () =>
      this.#fault({ type: 'sync' }),
    )
    this.#queue = queue
    this.#disk.user = { unplug: () => this.#unplug(queue) }
    this.#status = 'open'
  }

  /** None: a host in memory may forget, and comes back empty without asking its peers. */
  identity(): undefined {}

  #unplug(queue: SyncQueue): readonly DiskChange[] {
    this.#crashed = true
    return queue.unplug()
  }

  groups(): readonly StoredGroup[] {
    this.#assertOpen()
    return [...this.#disk.groups]
      .map(([id, { algorithm }]) => ({ id, algorithm }))
      .sort((a, b) => compareIds(a.id, b.id))
  }

  group(id: GroupId, algorithm: GroupAlgorithm): MemoryLog {
    this.#assertOpen()
    checkId(id, 'a group id')
    if (this.#logs.has(id)) throw new QuorateError('INVALID_ARGUMENT', `group "${id}" is in use`)
    const stored = this.#disk.groups.get(id)
    if (stored !== undefined) assertAlgorithm(id, stored.algorithm, algorithm)
    this.#sweepSnapshots(id)
    // Nothing of this group is under way: its image on the disk and the visible one are the same.
    const log = new MemoryLog(this.#home(), id, algorithm, stored?.image.clone() ?? new LogImage())
    this.#logs.set(id, log)
    return log
  }

  /** Removes finished snapshots that no batch has named. */
  #sweepSnapshots(id: GroupId): void {
    const kept = this.#disk.groups.get(id)?.image.snapshot
    for (const [name, { meta }] of this.#disk.snapshots.get(id) ?? []) {
      const older = kept !== undefined && meta.index <= kept.index
      if (!older) this.#disk.snapshotsOf(id).delete(name)
    }
  }

  #home(): LogHome {
    const queue = defined(this.#queue, 'an open storage has a queue')
    return {
      disk: this.#disk,
      assertOpen: () => this.#assertOpen(),
      admit: (operation, bytes) => this.#admit(operation, bytes),
      submit: (change) => queue.submit(change),
      alive: () => this.#status !== 'closed' && !this.#crashed,
      release: (log) => {
        if (this.#logs.get(log.id) === log) this.#logs.delete(log.id)
      },
    }
  }

  #admit(operation: MemoryOperation, bytes: number): void {
    const fault = this.#fault(operation)
    if (fault !== undefined) {
      if (operation.type === 'write' && fault.code !== 'NO_SPACE') this.#queue?.poison(fault)
      throw fault
    }
    const { capacityBytes } = this.#options
    if (bytes > 0 && capacityBytes !== undefined && this.#disk.usedBytes + bytes > capacityBytes) {
      throw new QuorateError('NO_SPACE', `the disk of ${capacityBytes} bytes is full`)
    }
  }

  #fault(operation: MemoryOperation): QuorateError | undefined {
    const code = this.#options.fault?.(operation)
    return code === undefined
      ? undefined
      : new QuorateError(code, `an injected fault of a ${operation.type}`)
  }

  async drop(id: GroupId): Promise<void> {
    this.#assertOpen()
    if (this.#logs.has(id)) throw new QuorateError('INVALID_ARGUMENT', `group "${id}" is in use`)
    await defined(this.#queue, 'an open storage has a queue').submit(() => {
      this.#disk.groups.delete(id)
      this.#disk.snapshots.delete(id)
      this.#disk.partials.delete(id)
    })
  }

  close(options: AbortOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.signal)
    return this.#closing
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#status = 'closing'
    if (this.#queue !== undefined && !this.#crashed) {
      const abandon = (): void => {
        if (signal !== undefined) this.#queue?.poison(abortError(signal, 'the close'))
      }
      if (signal?.aborted === true) abandon()
      signal?.addEventListener('abort', abandon, { once: true })
      await this.#queue.idle()
      for (const log of this.#logs.values()) await log.settled()
      signal?.removeEventListener('abort', abandon)
      this.#disk.user = undefined
    }
    this.#logs.clear()
    this.#status = 'closed'
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#status !== 'open') throw new QuorateError('CLOSED', `the storage is ${this.#status}`)
    if (this.#crashed) throw new QuorateError('CLOSED', 'the power of this storage was cut')
    if (this.#queue?.failure !== undefined) throw this.#queue.failure
  }
}

function assertAlgorithm(id: GroupId, found: GroupAlgorithm, expected: GroupAlgorithm): void {
  if (found.name === expected.name && found.format <= expected.format) return
  throw new QuorateError(
    'STORAGE_ALGORITHM_MISMATCH',
    `group "${id}" was written by ${found.name} in format ${found.format}, not by ${expected.name} in format ${expected.format}`,
    { details: { group: id, expected, found } },
  )
}
