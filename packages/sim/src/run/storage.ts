// The storage of one start of a simulated host, over the disk that outlives it. All groups share one
// queue: what waits when a write ends is made durable together by the next.
import type { GroupAlgorithm, GroupId, Lifecycle, LogStorage, StoredGroup } from '@quorate/core'
import { QuorateError, compareIds } from '@quorate/core'
import type { DiskWrite, SimDisk } from './disk.ts'
import type { DiskImage } from './disk-image.ts'
import type { HostScope } from './host-clock.ts'
import { SimLog } from './sim-log.ts'
import type { MachineStorage } from './machine-storage.ts'
import type { StorageQueue } from './storage-queue.ts'
import type { Timeline } from './timeline.ts'

interface QueuedWrite extends DiskWrite {
  resolve(): void
  reject(error: QuorateError): void
}

/** The storage of one start. */
export class SimStorage implements MachineStorage, StorageQueue {
  readonly supports = { durable: true, snapshotResume: true, faultyRanges: true }
  readonly disk: SimDisk
  readonly #timeline: Timeline
  readonly #scope: HostScope
  readonly #logs = new Map<GroupId, SimLog>()
  #status: Lifecycle = 'opening'
  #queue: QueuedWrite[] = []
  #flushing: QueuedWrite[] = []
  #poison: QuorateError | undefined

  /** Makes the storage; {@link crash} ends it where {@link close} does not. */
  constructor(timeline: Timeline, scope: HostScope, disk: SimDisk) {
    this.#timeline = timeline
    this.#scope = scope
    this.disk = disk
  }

  get status(): Lifecycle {
    return this.#status
  }

  get spaceLow(): boolean {
    return this.disk.full
  }

  get poison(): QuorateError | undefined {
    return this.#poison
  }

  async open(): Promise<void> {
    await this.readPause()
    this.#status = 'open'
  }

  groups(): readonly StoredGroup[] {
    return [...this.disk.groups]
      .filter(([, { image }]) => image.hardState !== undefined || image.entries.length > 0)
      .map(([id, { algorithm }]) => ({ id, algorithm }))
      .sort((a, b) => compareIds(a.id, b.id))
  }

  group(id: GroupId, algorithm: GroupAlgorithm): LogStorage {
    const group = this.disk.open(id, algorithm)
    if (group.algorithm.name !== algorithm.name) {
      throw new QuorateError(
        'STORAGE_ALGORITHM_MISMATCH',
        `group "${id}" belongs to ${group.algorithm.name}, not to ${algorithm.name}`,
      )
    }
    const log = new SimLog(id, group, this)
    this.#logs.set(id, log)
    return log
  }

  async drop(id: GroupId): Promise<void> {
    await this.writePause()
    const { watcher, host, groups } = this.disk
    watcher.dropping?.(host, id, false)
    if (this.#scope.over) return forever()
    groups.delete(id)
    watcher.dropping?.(host, id, true)
    if (this.#scope.over) return forever()
  }

  enqueue(write: DiskWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...write, resolve, reject })
      if (this.#flushing.length === 0) this.#flush()
    })
  }

  /** A group's log with all writes under way. */
  writtenOf(id: GroupId): DiskImage | undefined {
    return this.#logs.get(id)?.written
  }

  broken(error: unknown): void {
    this.#timeline.fail(error)
  }

  readPause(): Promise<void> {
    return new Promise((resolve) => this.#later(0.1, resolve))
  }

  writePause(): Promise<void> {
    return new Promise((resolve) => this.#later(this.disk.writeMs(), resolve))
  }

  /** The process dies: a prefix of what was under way becomes durable, nothing resolves any more. */
  crash(power: boolean): void {
    this.#status = 'closed'
    if (this.#poison === undefined) this.disk.commitSome(this.#flushing)
    if (power) this.disk.losePower()
    this.#flushing = []
    this.#queue = []
  }

  async close(): Promise<void> {
    this.#status = 'closing'
    await Promise.all([...this.#logs.values()].map((log) => log.close()))
    this.#status = 'closed'
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #later(ms: number, run: () => void): void {
    this.#timeline.after(ms, () => this.#scope.enter(run))
  }

  #flush(): void {
    this.#flushing = this.#queue
    this.#queue = []
    if (this.#flushing.length === 0) return
    // The write goes on in the device while the process is paused, and dies with it.
    this.#timeline.after(this.disk.writeMs(), () => {
      if (this.#scope.over || this.#flushing.length === 0) return
      if (this.disk.failing) return this.#failAll()
      const done = this.#flushing
      const { watcher, host } = this.disk
      // Whoever stops the host now decides whether this write is there, not the disk.
      this.#flushing = []
      watcher.reaching?.(host, done)
      if (this.#scope.over) return
      this.#timeline.trace(2, done.length)
      this.disk.commit(done)
      watcher.reached?.(host, done)
      if (this.#scope.over) return
      this.#flush()
      this.#scope.enter(() => {
        for (const { resolve } of done) resolve()
      })
    })
  }

  #failAll(): void {
    this.disk.failing = false
    this.#poison = new QuorateError('STORAGE_FAILED', 'a sync failed; nothing is written any more')
    this.disk.commitSome(this.#flushing)
    const failed = [...this.#flushing, ...this.#queue]
    this.#flushing = []
    this.#queue = []
    const error = this.#poison
    this.#scope.enter(() => {
      for (const { reject } of failed) reject(error)
    })
  }
}

/** What a process that is over waits for. */
function forever(): Promise<never> {
  return new Promise(() => {})
}
