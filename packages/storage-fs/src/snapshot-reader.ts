// Reads a finished snapshot, chunk by chunk, each checked before it is handed out. The file is
// open while it is read, so a reader that has begun can finish after the file was replaced.
import type { AbortOptions } from '@quorate/core'
import { QuorateError, abortError } from '@quorate/core'
import type { Fs } from './fs.ts'
import { namesIn, systemCode } from './fs.ts'
import { SNAPSHOT_DIRECTORY } from './layout.ts'
import type { OpenSnapshot, SnapshotFileOwner } from './snapshot-file.ts'
import { CHUNK_BYTES, openSnapshot, snapshotPath } from './snapshot-file.ts'

/** What reading needs. */
export interface SnapshotSource {
  readonly fs: Fs
  readonly directory: string
  /** Undefined where the group holds nothing. */
  readonly owner: SnapshotFileOwner | undefined
  readonly assertOpen: () => void
}

/** Whether a finished snapshot of that id is there. */
export function snapshotExists(fs: Fs, directory: string, group: number, id: string): boolean {
  const names = namesIn(fs, `${directory}/${SNAPSHOT_DIRECTORY}`) ?? []
  return names.includes(`${group}.${id}.snap`)
}

/** The bytes of a snapshot from an offset on. */
export async function* readSnapshotChunks(
  source: SnapshotSource,
  id: string,
  options: AbortOptions & { readonly offset?: number | undefined },
): AsyncGenerator<Uint8Array> {
  source.assertOpen()
  const open = openById(source, id)
  try {
    const offset = options.offset ?? 0
    const { sizeBytes } = open.meta
    for (let at = Math.floor(offset / CHUNK_BYTES); at * CHUNK_BYTES < sizeBytes; at++) {
      source.assertOpen()
      if (options.signal?.aborted === true)
        throw abortError(options.signal, 'the read of a snapshot')
      const chunk = open.chunk(at)
      const skip = Math.max(0, offset - at * CHUNK_BYTES)
      if (skip < chunk.length) yield chunk.subarray(skip)
    }
  } finally {
    open.close()
  }
}

function openById({ fs, directory, owner }: SnapshotSource, id: string): OpenSnapshot {
  if (owner === undefined) throw unavailable(id)
  try {
    return openSnapshot(fs, snapshotPath(directory, owner.group, id), owner)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw unavailable(id)
    throw error
  }
}

function unavailable(id: string): QuorateError {
  return new QuorateError('SNAPSHOT_UNAVAILABLE', `there is no snapshot "${id}"`)
}
