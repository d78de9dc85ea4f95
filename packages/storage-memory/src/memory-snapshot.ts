// Writes a snapshot into memory, chunk by chunk: invisible until finished, resumable when the
// writer was closed with `keep`.
import type { GroupId, SnapshotMeta, SnapshotPosition, SnapshotWriter } from '@quorate/core'
import { QuorateError, assert, crc32c, snapshotId } from '@quorate/core'
import type { DiskState } from './memory-disk.ts'

/** Where a snapshot will stand, and its content where that is known. */
export type SnapshotTarget = SnapshotPosition & Partial<SnapshotMeta>

/** What a writer needs of its storage. */
export interface SnapshotSink {
  readonly disk: DiskState
  readonly group: GroupId
  /** Makes a change durable. */
  readonly submit: (change: () => void) => Promise<void>
  /** Throws where these bytes cannot be stored. */
  readonly admit: (bytes: number) => void
  /** Whether the storage still owns the disk. */
  readonly alive: () => boolean
  /** Lets the next writer of the group begin. */
  readonly release: () => void
}

/** One snapshot being written. */
export class MemorySnapshotWriter implements SnapshotWriter {
  readonly #sink: SnapshotSink
  readonly #target: SnapshotTarget
  readonly #chunks: Uint8Array[]
  #offset = 0
  #crc = 0
  #open = true

  constructor(sink: SnapshotSink, target: SnapshotTarget) {
    this.#sink = sink
    this.#target = target
    const partial = sink.disk.partials.get(sink.group)
    const resumes = partial !== undefined && target.id !== undefined && partial.id === target.id
    this.#chunks = resumes ? partial.chunks : []
    sink.disk.partials.delete(sink.group)
    for (const chunk of this.#chunks) this.#count(chunk)
  }

  get offset(): number {
    return this.#offset
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen()
    this.#sink.admit(chunk.length)
    const copy = chunk.slice()
    this.#chunks.push(copy)
    this.#count(copy)
  }

  async finish(): Promise<SnapshotMeta> {
    this.#assertOpen()
    this.#open = false
    try {
      const meta = this.#meta()
      const { disk, group } = this.#sink
      const chunks = this.#chunks
      await this.#sink.submit(() => disk.snapshotsOf(group).set(meta.id, { meta, chunks }))
      return meta
    } finally {
      this.#sink.release()
    }
  }

  async close(options: { readonly keep?: boolean | undefined } = {}): Promise<void> {
    if (!this.#open) return
    this.#open = false
    const { id } = this.#target
    if (options.keep === true && id !== undefined && this.#sink.alive()) {
      this.#sink.disk.partials.set(this.#sink.group, { id, chunks: this.#chunks })
    }
    this.#sink.release()
  }

  #count(chunk: Uint8Array): void {
    this.#offset += chunk.length
    this.#crc = crc32c(chunk, this.#crc)
  }

  #meta(): SnapshotMeta {
    const { index, epoch, membership, id, sizeBytes, checksum } = this.#target
    if (sizeBytes !== undefined && sizeBytes !== this.#offset) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        `the snapshot has ${this.#offset} bytes, not ${sizeBytes}`,
      )
    }
    if (checksum !== undefined && checksum !== this.#crc) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        'the checksum of the snapshot is not the announced one',
      )
    }
    const own = snapshotId(index, epoch, this.#offset, this.#crc)
    return { index, epoch, membership, id: id ?? own, sizeBytes: this.#offset, checksum: this.#crc }
  }

  #assertOpen(): void {
    assert(this.#open, 'a snapshot writer is used before it is finished or closed')
  }
}
