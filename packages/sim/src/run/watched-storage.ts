// A storage that was handed in, on a simulated disk: keeps account of what it acknowledged, and holds
// every start against that account, so that the invariants see what is durable without asking it.
import type {
  AbortOptions,
  GroupAlgorithm,
  GroupId,
  HostStorage,
  Lifecycle,
  LogStorage,
  Random,
  StorageContext,
  StorageIdentity,
  StorageSupports,
  StoredGroup,
} from '@quorate/core'
import type { SimDisk } from './disk.ts'
import type { DiskImage } from './disk-image.ts'
import type { HostScope } from './host-clock.ts'
import type { DiskStep, MachineStorage, StorageFactory } from './machine-storage.ts'
import type { Timeline } from './timeline.ts'
import { WatchedLog } from './watched-log.ts'

/** What a page cache takes for a step, in milliseconds: only a sync waits for the device. */
const STEP_MS = 0.05

/** What a watched storage is made with. */
export interface WatchedStorageContext {
  /** Time. */
  readonly timeline: Timeline
  /** The process. */
  readonly scope: HostScope
  /** The disk. */
  readonly disk: SimDisk
  /** How often the host was started before. */
  readonly start: number
  /** The randomness of the storage at this start. */
  readonly random: Random
}

/** The storage of one start, made by a factory. */
export class WatchedStorage implements MachineStorage {
  readonly #context: WatchedStorageContext
  readonly #inner: HostStorage
  readonly #logs = new Map<GroupId, WatchedLog>()

  /** Makes the storage; {@link crash} ends it where {@link close} does not. */
  constructor(context: WatchedStorageContext, factory: StorageFactory) {
    this.#context = context
    const { disk, start, random } = context
    disk.usesFiles = true
    disk.fs.process = start
    disk.fs.hook = ({ name }) => {
      const isSync = name === 'sync' || name === 'datasync' || name === 'syncDir'
      if (!isSync || !disk.failing) return
      disk.failing = false
      throw Object.assign(new Error('EIO: a simulated sync failed'), { code: 'EIO' })
    }
    const pace = (step: DiskStep): Promise<void> => this.#pace(step)
    this.#inner = factory({ host: disk.host, start, fs: disk.fs, pace, random })
  }

  get supports(): StorageSupports {
    return this.#inner.supports
  }

  get status(): Lifecycle {
    return this.#inner.status
  }

  get spaceLow(): boolean {
    return this.#inner.spaceLow
  }

  async open(context: StorageContext): Promise<void> {
    await this.#inner.open(context)
    const { disk, scope, start } = this.#context
    if (scope.over) return
    disk.readSince = start
    // A removal that had begun may have been durable before the process ended.
    const there = new Set(this.#inner.groups().map(({ id }) => id))
    for (const [id, { dropping }] of disk.groups) {
      if (dropping === true && !there.has(id)) disk.groups.delete(id)
    }
  }

  identity(): StorageIdentity | undefined {
    return this.#inner.identity?.()
  }

  groups(): readonly StoredGroup[] {
    return this.#inner.groups()
  }

  group(id: GroupId, algorithm: GroupAlgorithm): LogStorage {
    const { disk, timeline } = this.#context
    const inner = this.#inner.group(id, algorithm)
    const log = new WatchedLog(inner, disk, disk.open(id, algorithm), timeline)
    this.#logs.set(id, log)
    return log
  }

  async drop(id: GroupId): Promise<void> {
    const { disk, scope } = this.#context
    const group = disk.groups.get(id)
    disk.watcher.dropping?.(disk.host, id, false)
    if (group !== undefined) group.dropping = true
    await this.#inner.drop(id)
    if (scope.over) return
    disk.groups.delete(id)
    disk.watcher.dropping?.(disk.host, id, true)
  }

  writtenOf(id: GroupId): DiskImage | undefined {
    return this.#logs.get(id)?.written
  }

  crash(power: boolean): void {
    const { disk } = this.#context
    disk.fs.hook = undefined
    disk.leaveFiles(power)
  }

  close(options?: AbortOptions): Promise<void> {
    return this.#inner.close(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #pace(step: DiskStep): Promise<void> {
    const { timeline, scope, disk } = this.#context
    const ms = step === 'sync' ? disk.writeMs() : STEP_MS
    return new Promise((resolve) => timeline.after(ms, () => scope.enter(resolve)))
  }
}
