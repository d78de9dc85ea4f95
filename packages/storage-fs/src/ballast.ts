// Space that is kept in reserve: a file of zeros that is given up when the disk is full, so that
// the log can still be changed, compacted and read back into less.
import type { Fs, FsFile } from './fs.ts'
import { namesIn } from './fs.ts'
import { BALLAST_FILE } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'

/** What a ballast needs. */
export interface BallastContext {
  readonly fs: Fs
  readonly pipe: LogPipe
  readonly directory: string
  /** Its size; 0 for none. */
  readonly bytes: number
  /** Free bytes that must be left beside it. */
  readonly keepFreeBytes: number
  /** Told of its size whenever that changes. */
  readonly changed: (bytes: number) => void
}

/** The reserve of one directory. */
export class Ballast {
  readonly #context: BallastContext
  readonly #path: string
  #held: boolean
  #work: Promise<unknown> = Promise.resolve()
  #busy = false
  #closed = false

  constructor(context: BallastContext) {
    this.#context = context
    this.#path = `${context.directory}/${BALLAST_FILE}`
    this.#held = (namesIn(context.fs, context.directory) ?? []).includes(BALLAST_FILE)
    context.changed(this.#held ? context.bytes : 0)
  }

  /** Makes it, in the background, where it is missing and so much is free that there is room for it. */
  keep(freeBytes: number): void {
    const { bytes, keepFreeBytes } = this.#context
    if (this.#held || this.#busy || this.#closed || bytes === 0) return
    if (freeBytes < bytes + keepFreeBytes) return
    this.#busy = true
    this.#work = this.#build().finally(() => (this.#busy = false))
  }

  async #build(): Promise<void> {
    const { fs, pipe, directory, bytes } = this.#context
    const unfinished = `${this.#path}.tmp`
    let file: FsFile | undefined
    try {
      file = fs.open(unfinished, 'wx+')
      await pipe.background([
        { op: 'zero', file, from: 0, to: bytes },
        { op: 'sync', file },
        { op: 'rename', from: unfinished, to: this.#path },
        { op: 'syncDir', path: directory },
      ])
      this.#held = true
      this.#context.changed(bytes)
    } catch {
      // A reserve is worth nothing that fails a start: the next measurement tries again.
      await pipe.background([{ op: 'unlink', path: unfinished }]).catch(() => undefined)
    } finally {
      file?.close()
    }
  }

  /** Gives it up. Returns whether there was any, so that it is worth another try. */
  async release(): Promise<boolean> {
    const { pipe, directory } = this.#context
    await this.#work
    if (!this.#held) return false
    this.#held = false
    this.#context.changed(0)
    try {
      // The system gives blocks away again only once their release is durable.
      await pipe.background([
        { op: 'unlink', path: this.#path },
        { op: 'syncDir', path: directory },
      ])
    } catch {
      return false
    }
    return true
  }

  /** Ends what it does. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#work
  }
}
