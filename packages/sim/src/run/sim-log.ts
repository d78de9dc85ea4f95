// One group's log on a simulated disk, as one start of a host sees it.
import type {
  AbortOptions,
  DurableState,
  Entry,
  EntryRange,
  GroupId,
  LogStorage,
  SnapshotMeta,
  SnapshotPosition,
  SnapshotWriter,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, crc32c, snapshotId } from '@quorate/core'
import { hold } from '../model/violation.ts'
import type { DiskGroup } from './disk.ts'
import type { DiskImage } from './disk-image.ts'
import { shadowOf } from './shadow-log.ts'
import type { StorageQueue } from './storage-queue.ts'

const CHUNK_BYTES = 4_096

/** The log of one group during one start. */
export class SimLog implements LogStorage {
  readonly id: GroupId
  readonly #group: DiskGroup
  readonly #queue: StorageQueue
  /** What the disk will hold once everything handed over is durable. */
  readonly written: DiskImage
  readonly #underWay = new Set<Promise<void>>()
  /** The batch that found the disk full, which has to come first when there is room again. */
  #refusedSeq: number | undefined
  #closed = false
  #loaded = false

  constructor(id: GroupId, group: DiskGroup, queue: StorageQueue) {
    this.id = id
    this.#group = group
    this.#queue = queue
    this.written = group.image.clone()
  }

  async load(options: { readonly tailBytesMax?: number | undefined } = {}): Promise<DurableState> {
    await this.#queue.readPause()
    if (!this.#loaded) this.#compare()
    this.#loaded = true
    return this.#group.image.recover(options.tailBytesMax ?? Number.POSITIVE_INFINITY)
  }

  async write(batch: WriteBatch): Promise<void> {
    const { poison, disk } = this.#queue
    if (this.#closed) throw new QuorateError('CLOSED', 'the log is closed')
    if (poison !== undefined) throw poison
    const first = this.#refusedSeq ?? batch.seq
    if (disk.full || batch.seq !== first) {
      this.#refusedSeq = first
      throw new QuorateError('NO_SPACE', 'the disk is full')
    }
    this.#refusedSeq = undefined
    try {
      this.#check(batch)
      this.written.apply(batch)
    } catch (error) {
      this.#queue.broken(error)
      throw error
    }
    const shadow = shadowOf(this.#group.image)
    shadow.submitted(batch)
    const done = this.#queue.enqueue({ group: this.id, batch })
    this.#underWay.add(done)
    try {
      await done
      shadow.acknowledged(batch)
    } finally {
      this.#underWay.delete(done)
    }
  }

  async read(range: EntryRange): Promise<readonly Entry[]> {
    await this.#queue.readPause()
    const { written } = this
    checkRange(range, written.firstIndex, written.lastIndex)
    const image = this.#group.image
    if (image.isFaulty(range.first)) {
      throw new QuorateError('STORAGE_CORRUPT', `entry ${range.first} cannot be read`)
    }
    const entries: Entry[] = []
    let bytes = 0
    for (let index = range.first; index <= range.last && !image.isFaulty(index); index++) {
      const entry = written.entries[index - written.firstIndex] as Entry
      bytes += entry.payload.length
      if (entries.length > 0 && bytes > range.bytesMax) break
      entries.push(entry)
    }
    return entries
  }

  snapshotWriter(target: SnapshotPosition & Partial<SnapshotMeta>): Promise<SnapshotWriter> {
    return Promise.resolve(new SimSnapshotWriter(this.#group, this.#queue, target))
  }

  async *readSnapshot(
    id: string,
    options: AbortOptions & { readonly offset?: number | undefined } = {},
  ): AsyncIterable<Uint8Array> {
    const stored = this.#group.snapshots.get(id)
    if (stored === undefined) throw new QuorateError('SNAPSHOT_UNAVAILABLE', `no snapshot ${id}`)
    for (let at = options.offset ?? 0; at < stored.bytes.length; at += CHUNK_BYTES) {
      await this.#queue.readPause()
      yield stored.bytes.slice(at, at + CHUNK_BYTES)
    }
  }

  /** What a host starts from is what it was told is durable, and perhaps more that it had written. */
  #compare(): void {
    const { image } = this.#group
    try {
      shadowOf(image).recovered(this.#queue.disk.host, image)
    } catch (error) {
      this.#queue.broken(error)
      throw error
    }
  }

  #check({ seq, snapshot }: WriteBatch): void {
    hold(
      snapshot === undefined || this.#group.snapshots.has(snapshot.id),
      'ordering-law',
      () => `batch ${seq} names a snapshot that was never finished`,
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#underWay)
  }
}

class SimSnapshotWriter implements SnapshotWriter {
  readonly #group: DiskGroup
  readonly #queue: StorageQueue
  readonly #target: SnapshotPosition & Partial<SnapshotMeta>
  #chunks: Uint8Array[]
  #offset: number
  #finished = false

  constructor(
    group: DiskGroup,
    queue: StorageQueue,
    target: SnapshotPosition & Partial<SnapshotMeta>,
  ) {
    this.#group = group
    this.#queue = queue
    this.#target = target
    this.#chunks = [...(target.id === undefined ? [] : (group.unfinished.get(target.id) ?? []))]
    this.#offset = this.#chunks.reduce((sum, { length }) => sum + length, 0)
  }

  get offset(): number {
    return this.#offset
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk.slice())
    this.#offset += chunk.length
    await this.#queue.readPause()
  }

  async finish(): Promise<SnapshotMeta> {
    const bytes = new Uint8Array(this.#offset)
    let at = 0
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    const checksum = crc32c(bytes)
    const { index, epoch, membership, id, sizeBytes = bytes.length } = this.#target
    if (sizeBytes !== bytes.length || (this.#target.checksum ?? checksum) !== checksum) {
      this.#chunks = []
      throw new QuorateError('STORAGE_CORRUPT', 'a snapshot is not what was announced')
    }
    await this.#queue.writePause()
    const name = id ?? snapshotId(index, epoch, bytes.length, checksum)
    const meta: SnapshotMeta = { id: name, index, epoch, membership, sizeBytes, checksum }
    this.#group.snapshots.set(name, { meta, bytes })
    this.#group.unfinished.delete(name)
    this.#finished = true
    return meta
  }

  close(options: { readonly keep?: boolean | undefined } = {}): Promise<void> {
    const { id } = this.#target
    if (id !== undefined && !this.#finished) {
      if (options.keep === true) this.#group.unfinished.set(id, this.#chunks)
      else this.#group.unfinished.delete(id)
    }
    return Promise.resolve()
  }
}

/** Checks the range of a read against what a log holds. */
function checkRange(range: EntryRange, firstIndex: number, lastIndex: number): void {
  if (range.first < firstIndex) {
    throw new QuorateError('COMPACTED', `${range.first} is no longer in the log, ${firstIndex} is`)
  }
  if (range.last > lastIndex || range.last < range.first) {
    throw new QuorateError('INVALID_ARGUMENT', `${range.first} to ${range.last} of ${lastIndex}`)
  }
}
