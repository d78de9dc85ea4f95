// Reads one finished snapshot again, chunk by chunk: the only copy of what the log no longer holds
// rots as quietly as the log does, and a start is a bad moment to learn of it.
import type { SnapshotMeta } from '@quorate/core'
import { crc32c } from '@quorate/core'
import type { LogPipe } from './log-pipe.ts'
import type { Scrub } from './scrub-segment.ts'
import type { OpenSnapshot, SnapshotFileOwner } from './snapshot-file.ts'
import { chunkExtent, chunkIn } from './snapshot-file.ts'

/** What it needs. */
export interface SnapshotScrubContext {
  readonly pipe: LogPipe
  readonly owner: SnapshotFileOwner
  /** What the log says that it is. */
  readonly expected: SnapshotMeta
  /** It is damaged. */
  readonly found: (reason: string) => void
}

/** Reads one snapshot. */
export class SnapshotScrub implements Scrub {
  readonly #context: SnapshotScrubContext
  readonly #open: OpenSnapshot
  readonly #buffer: Uint8Array
  #chunk = 0
  #crc = 0

  constructor(context: SnapshotScrubContext, open: OpenSnapshot) {
    this.#context = context
    this.#open = open
    this.#buffer = new Uint8Array(new SharedArrayBuffer(chunkExtent(open.meta, 0).bytes))
  }

  async step(): Promise<{ readonly bytes: number; readonly done: boolean }> {
    const { meta, file } = this.#open
    const { pipe, owner, expected, found } = this.#context
    const { position, bytes } = chunkExtent(meta, this.#chunk)
    const into = this.#buffer.subarray(0, bytes)
    const unread =
      bytes === 0
        ? undefined
        : await pipe
            .background([{ op: 'read', file, into, position }])
            .catch((error: Error) => error)
    let wrong: string | undefined
    if (unread !== undefined) wrong = `chunk ${this.#chunk} cannot be read: ${unread.message}`
    else if (bytes > 0) {
      const chunk = chunkIn(into, owner, this.#chunk)
      if (chunk === undefined) wrong = `chunk ${this.#chunk} is damaged`
      else this.#crc = crc32c(chunk, this.#crc)
    }
    this.#chunk++
    const done = wrong !== undefined || chunkExtent(meta, this.#chunk).bytes === 0
    if (
      done &&
      wrong === undefined &&
      !(this.#crc === expected.checksum && meta.id === expected.id)
    )
      wrong = 'it is not the one that the log names'
    if (wrong !== undefined) found(wrong)
    return { bytes, done }
  }

  close(): void {
    this.#open.close()
  }
}
