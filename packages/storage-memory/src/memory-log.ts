// The log of one group over a disk in memory: what callers see runs ahead of what is durable,
// and the two meet when a sync ends.
import type {
  AbortOptions,
  DurableState,
  Entry,
  EntryRange,
  GroupAlgorithm,
  GroupId,
  LogStorage,
  SnapshotWriter,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, abortError, assert } from '@quorate/core'
import { LogImage } from './log-image.ts'
import type { DiskGroup, DiskState } from './memory-disk.ts'
import type { SnapshotTarget } from './memory-snapshot.ts'
import { MemorySnapshotWriter } from './memory-snapshot.ts'

/** What happened to a storage in memory; what a fault can be made of. */
export type MemoryOperation =
  | { readonly type: 'write'; readonly group: GroupId; readonly batch: WriteBatch }
  | { readonly type: 'read'; readonly group: GroupId }
  | { readonly type: 'snapshot-write'; readonly group: GroupId }
  | { readonly type: 'snapshot-read'; readonly group: GroupId }
  | { readonly type: 'sync' }

/** What a log needs of its storage. */
export interface LogHome {
  readonly disk: DiskState
  /** Throws `CLOSED`, or what the storage failed with. */
  readonly assertOpen: () => void
  /** Throws the fault injected into this operation, if any, and poisons the storage where it lasts. */
  readonly admit: (operation: MemoryOperation, bytes: number) => void
  readonly submit: (change: () => void) => Promise<void>
  /** Whether the storage still owns the disk. */
  readonly alive: () => boolean
  readonly release: (log: MemoryLog) => void
}

/** One group's log. */
export class MemoryLog implements LogStorage {
  readonly id: GroupId
  readonly #home: LogHome
  readonly #algorithm: GroupAlgorithm
  readonly #visible: LogImage
  #loaded = false
  #closed = false
  #writing = false
  #nextSeq = 1
  #refusedSeq: number | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(home: LogHome, id: GroupId, algorithm: GroupAlgorithm, visible: LogImage) {
    this.id = id
    this.#home = home
    this.#algorithm = algorithm
    this.#visible = visible
  }

  async load(
    options: AbortOptions & { readonly tailBytesMax?: number | undefined } = {},
  ): Promise<DurableState> {
    this.#assertOpen()
    if (options.signal?.aborted === true) throw abortError(options.signal, 'the load')
    assert(!this.#loaded && this.#nextSeq === 1, 'a log is loaded once, before any write')
    this.#loaded = true
    this.#home.admit({ type: 'read', group: this.id }, 0)
    return this.#visible.state(options.tailBytesMax ?? Number.MAX_SAFE_INTEGER)
  }

  async write(batch: WriteBatch): Promise<void> {
    this.#assertOpen()
    if (this.#refusedSeq !== undefined && batch.seq > this.#refusedSeq) {
      throw new QuorateError(
        'NO_SPACE',
        `batch ${this.#refusedSeq} was refused and must be written first`,
      )
    }
    assert(batch.seq === this.#nextSeq, () => `batch ${this.#nextSeq} comes next, not ${batch.seq}`)
    this.#visible.check(batch)
    const named = batch.snapshot
    assert(
      named === undefined || this.#home.disk.snapshotsOf(this.id).has(named.id),
      'a batch names a finished snapshot',
    )
    this.#admitWrite(batch)
    this.#nextSeq++
    this.#visible.apply(batch)
    const durable = this.#home.submit(() => this.#commit(batch))
    this.#last = durable.catch(() => undefined)
    return durable
  }

  #admitWrite(batch: WriteBatch): void {
    const bytes = batch.append.reduce((sum, entry) => sum + entry.payload.length, 0)
    this.#refusedSeq = undefined
    try {
      this.#home.admit({ type: 'write', group: this.id, batch }, bytes)
    } catch (error) {
      this.#refusedSeq = batch.seq
      throw error
    }
  }

  #commit(batch: WriteBatch): void {
    const group = this.#diskGroup()
    const previous = group.image.snapshot
    group.image.apply(batch)
    if (batch.snapshot === undefined || batch.snapshot.id === previous?.id) return
    // Two are kept: the one in force and the one that it replaced.
    const snapshots = this.#home.disk.snapshotsOf(this.id)
    for (const id of snapshots.keys()) {
      if (id !== batch.snapshot.id && id !== previous?.id) snapshots.delete(id)
    }
  }

  #diskGroup(): DiskGroup {
    const { groups } = this.#home.disk
    let group = groups.get(this.id)
    if (group === undefined)
      groups.set(this.id, (group = { algorithm: this.#algorithm, image: new LogImage() }))
    return group
  }

  async read(range: EntryRange, options: AbortOptions = {}): Promise<readonly Entry[]> {
    this.#assertOpen()
    if (options.signal?.aborted === true) throw abortError(options.signal, 'the read')
    this.#home.admit({ type: 'read', group: this.id }, 0)
    return this.#visible.read(range)
  }

  async snapshotWriter(target: SnapshotTarget): Promise<SnapshotWriter> {
    this.#assertOpen()
    assert(!this.#writing, 'one snapshot is written at a time')
    this.#writing = true
    return new MemorySnapshotWriter(
      {
        disk: this.#home.disk,
        group: this.id,
        submit: (change) => {
          this.#assertOpen()
          return this.#home.submit(change)
        },
        admit: (bytes) => {
          this.#assertOpen()
          this.#home.admit({ type: 'snapshot-write', group: this.id }, bytes)
        },
        alive: () => this.#home.alive(),
        release: () => void (this.#writing = false),
      },
      target,
    )
  }

  async *readSnapshot(
    id: string,
    options: AbortOptions & { readonly offset?: number | undefined } = {},
  ): AsyncIterable<Uint8Array> {
    this.#assertOpen()
    this.#home.admit({ type: 'snapshot-read', group: this.id }, 0)
    const stored = this.#home.disk.snapshotsOf(this.id).get(id)
    if (stored === undefined)
      throw new QuorateError('SNAPSHOT_UNAVAILABLE', `there is no snapshot "${id}"`)
    let skip = options.offset ?? 0
    for (const chunk of stored.chunks) {
      this.#assertOpen()
      if (options.signal?.aborted === true)
        throw abortError(options.signal, 'the read of a snapshot')
      if (skip < chunk.length) yield chunk.slice(skip)
      skip = Math.max(0, skip - chunk.length)
    }
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      await this.#last
      this.#home.release(this)
    }
    await this.#last
  }

  /** Resolves once the last write so far has been answered, unless the power was cut. */
  async settled(): Promise<void> {
    if (this.#home.alive()) await this.#last
  }

  #assertOpen(): void {
    if (this.#closed) throw new QuorateError('CLOSED', `the log of "${this.id}" is closed`)
    this.#home.assertOpen()
  }
}
