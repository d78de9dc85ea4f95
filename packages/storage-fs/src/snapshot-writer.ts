// Writes one snapshot to a file, in bounded memory. The slow part, making it durable, runs in
// the background; the file gets its final name last.
import type { SnapshotMeta, SnapshotPosition, SnapshotWriter } from '@quorate/core'
import { QuorateError, assert, crc32c, isQuorateError, snapshotId } from '@quorate/core'
import type { Fs, FsFile } from './fs.ts'
import { isNoSpace, namesIn } from './fs.ts'
import { noSpace } from './journal-errors.ts'
import { SNAPSHOT_DIRECTORY } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { SnapshotFileOwner } from './snapshot-file.ts'
import {
  CHUNK_BYTES,
  partialPath,
  readPartial,
  snapshotPath,
  writeChunk,
  writeFooter,
  writeSnapshotHeader,
} from './snapshot-file.ts'

/** What a writer needs. */
export interface SnapshotHome {
  readonly fs: Fs
  readonly pipe: LogPipe
  readonly directory: string
  readonly owner: SnapshotFileOwner
  readonly assertOpen: () => void
  /** Gives up what is kept in reserve on a full disk; returns whether there was any. */
  readonly makeRoom: () => Promise<boolean>
  readonly release: () => void
  /** A snapshot is about to get its final name; a batch that names it may follow. */
  readonly finishing: (meta: SnapshotMeta) => void
}

/** One snapshot being written. */
export class FsSnapshotWriter implements SnapshotWriter {
  readonly #home: SnapshotHome
  readonly #target: SnapshotPosition & Partial<SnapshotMeta>
  readonly #path: string
  readonly #file: FsFile
  readonly #buffer: Uint8Array = new Uint8Array(CHUNK_BYTES)
  #buffered = 0
  #chunks = 0
  #crc = 0
  #open = true

  constructor(home: SnapshotHome, target: SnapshotPosition & Partial<SnapshotMeta>) {
    this.#home = home
    this.#target = target
    const { fs, directory, owner } = home
    this.#path = partialPath(directory, owner.group, target.id)
    const names = namesIn(fs, `${directory}/${SNAPSHOT_DIRECTORY}`) ?? []
    const mine = this.#path.slice(this.#path.lastIndexOf('/') + 1)
    const exists = names.includes(mine)
    // An unfinished snapshot without an id cannot be told from another one.
    if (exists && target.id === undefined) fs.unlink(this.#path)
    const resumes = exists && target.id !== undefined
    this.#file = fs.open(this.#path, resumes ? 'r+' : 'wx+')
    if (resumes) this.#resume()
    else writeSnapshotHeader(this.#file, owner)
  }

  #resume(): void {
    const { chunks, rest, crc } = readPartial(this.#file, this.#home.owner)
    if (chunks === 0 && rest.length === 0) {
      this.#file.truncate(0)
      writeSnapshotHeader(this.#file, this.#home.owner)
    }
    this.#chunks = chunks
    this.#crc = crc
    this.#buffer.set(rest)
    this.#buffered = rest.length
  }

  get offset(): number {
    return this.#chunks * CHUNK_BYTES + this.#buffered
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen()
    this.#crc = crc32c(chunk, this.#crc)
    let from = 0
    while (from < chunk.length) {
      const part = chunk.subarray(from, from + CHUNK_BYTES - this.#buffered)
      this.#buffer.set(part, this.#buffered)
      this.#buffered += part.length
      from += part.length
      if (this.#buffered === CHUNK_BYTES) await this.#flush()
    }
  }

  /** Writes the buffer as a chunk. A failure ends this snapshot and nothing else. */
  async #flush(): Promise<void> {
    const chunk = this.#buffer.subarray(0, this.#buffered)
    await this.#place(() => writeChunk(this.#file, this.#home.owner, this.#chunks, chunk))
    if (this.#buffered < CHUNK_BYTES) return
    this.#chunks++
    this.#buffered = 0
  }

  /** Writes something; once more without the reserve, where the disk is full. */
  async #place(write: () => void): Promise<void> {
    try {
      try {
        write()
      } catch (error) {
        if (!isNoSpace(error) || !(await this.#home.makeRoom())) throw error
        write()
      }
    } catch (error) {
      throw noSpace(error) ?? snapshotFailed(error)
    }
  }

  async finish(): Promise<SnapshotMeta> {
    this.#assertOpen()
    this.#open = false
    const { fs, pipe, directory, owner } = this.#home
    let meta: SnapshotMeta
    try {
      meta = this.#meta()
      if (this.#buffered > 0) await this.#flush()
      await this.#place(() => writeFooter(this.#file, meta))
      const path = snapshotPath(directory, owner.group, meta.id)
      this.#home.finishing(meta)
      await pipe.background([
        { op: 'sync', file: this.#file },
        { op: 'rename', from: this.#path, to: path },
        { op: 'syncDir', path: `${directory}/${SNAPSHOT_DIRECTORY}` },
      ])
      this.#file.close()
    } catch (error) {
      this.#discard(fs)
      throw error instanceof QuorateError ? error : (noSpace(error) ?? snapshotFailed(error))
    } finally {
      this.#home.release()
    }
    return meta
  }

  #meta(): SnapshotMeta {
    const { index, epoch, membership, id, sizeBytes, checksum } = this.#target
    const [size, crc] = [this.offset, this.#crc]
    if (sizeBytes !== undefined && sizeBytes !== size) {
      throw new QuorateError('STORAGE_CORRUPT', `the snapshot has ${size} bytes, not ${sizeBytes}`)
    }
    if (checksum !== undefined && checksum !== crc) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        'the checksum of the snapshot is not the announced one',
      )
    }
    return {
      index,
      epoch,
      membership,
      id: id ?? snapshotId(index, epoch, size, crc),
      sizeBytes: size,
      checksum: crc,
    }
  }

  async close(options: { readonly keep?: boolean | undefined } = {}): Promise<void> {
    if (!this.#open) return
    this.#open = false
    try {
      if (options.keep === true && this.#target.id !== undefined) {
        if (this.#buffered > 0) await this.#flush()
        this.#file.close()
      } else this.#discard(this.#home.fs)
    } finally {
      this.#home.release()
    }
  }

  /** Removes the unfinished file; where that fails, the next start does it. */
  #discard(fs: Fs): void {
    try {
      this.#file.close()
      fs.unlink(this.#path)
    } catch {
      // The reason to report is why it was discarded.
    }
  }

  #assertOpen(): void {
    assert(this.#open, 'a snapshot writer is used before it is finished or closed')
    this.#home.assertOpen()
  }
}

/** The error of a snapshot that could not be written, whatever the system said. */
export function snapshotFailed(cause: unknown): QuorateError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (isQuorateError(cause)) return cause
  return new QuorateError('STORAGE_FAILED', `a snapshot could not be written: ${reason}`, { cause })
}
