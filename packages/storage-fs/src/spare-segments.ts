// Keeps one segment ready, filled with zeros and durable, so that a change of segments costs
// a rename, and so that a full disk shows before a write depends on it.
import { QuorateError } from '@quorate/core'
import type { Fs, FsFile } from './fs.ts'
import type { Ballast } from './ballast.ts'
import { isNoSpace } from './fs.ts'
import { LOG_DIRECTORY } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'

/** A file of zeros that waits to become a segment. */
export interface Spare {
  readonly file: FsFile
  readonly path: string
  readonly bytes: number
}

/** Builds spare segments in the background. */
export class SpareSegments {
  readonly #fs: Fs
  readonly #pipe: LogPipe
  readonly #directory: string
  readonly #bytes: number
  readonly #ballast: Ballast
  #count = 0
  #building: Promise<Spare | QuorateError> | undefined

  constructor(context: {
    readonly fs: Fs
    readonly pipe: LogPipe
    readonly directory: string
    readonly segmentBytes: number
    readonly ballast: Ballast
  }) {
    this.#fs = context.fs
    this.#pipe = context.pipe
    this.#directory = `${context.directory}/${LOG_DIRECTORY}`
    this.#bytes = context.segmentBytes
    this.#ballast = context.ballast
  }

  /** Begins to build the next one, unless one is there. */
  prepare(): void {
    this.#building ??= this.#build(this.#bytes)
  }

  /** The next segment's file, of at least so many bytes, or why there is none. */
  async take(bytesMin: number): Promise<Spare | QuorateError> {
    if (bytesMin > this.#bytes) return this.#reclaim(bytesMin)
    this.prepare()
    const spare = await this.#building
    this.#building = undefined
    // What failed a while ago may be possible now, and the reserve is for this.
    return spare instanceof Error ? this.#reclaim(this.#bytes) : (spare as Spare)
  }

  async #reclaim(bytes: number): Promise<Spare | QuorateError> {
    const spare = await this.#build(bytes)
    if (!(spare instanceof QuorateError) || spare.code !== 'NO_SPACE') return spare
    return (await this.#ballast.release()) ? this.#build(bytes) : spare
  }

  async #build(bytes: number): Promise<Spare | QuorateError> {
    const path = `${this.#directory}/spare-${++this.#count}.tmp`
    let file: FsFile | undefined
    try {
      file = this.#fs.open(path, 'wx+')
      await this.#pipe.background([
        { op: 'zero', file, from: 0, to: bytes },
        { op: 'sync', file },
      ])
      return { file, path, bytes }
    } catch (cause) {
      this.#remove(path, file)
      const code = isNoSpace(cause) ? 'NO_SPACE' : 'STORAGE_FAILED'
      const reason = cause instanceof Error ? cause.message : String(cause)
      return new QuorateError(code, `no room for another segment of ${bytes} bytes: ${reason}`, {
        cause,
      })
    }
  }

  #remove(path: string, file: FsFile | undefined): void {
    try {
      file?.close()
      if (file !== undefined) this.#fs.unlink(path)
    } catch {
      // What stays behind is removed at the next start; the reason to report is the first failure.
    }
  }

  /** Removes what is not used, once it has been built. */
  async close(): Promise<void> {
    const spare = await this.#building
    this.#building = undefined
    if (spare !== undefined && !(spare instanceof QuorateError)) this.discard(spare)
  }

  /** Removes a segment that was taken and not used. */
  discard({ path, file }: Spare): void {
    this.#remove(path, file)
  }
}
