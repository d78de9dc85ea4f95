// A pipe without threads, over any file system: what was published in one turn is written and
// synced at the end of the turn. Deterministic, for tests and simulations.
import type { Fs, FsFile } from './fs.ts'
import { isNoSpace } from './fs.ts'
import type { FsOp, LogPipe, PipeEvents } from './log-pipe.ts'
import { atStep, runOp, writeGathered } from './log-pipe.ts'
import { RingSpace } from './ring.ts'

/** Makes a pipe that writes within the calling thread. */
export function inlinePipe(fs: Fs, ringBytes: number): LogPipe {
  return new InlinePipe(fs, ringBytes)
}

class InlinePipe implements LogPipe {
  readonly ring: Uint8Array
  readonly view: DataView
  readonly #fs: Fs
  readonly #space: RingSpace
  #events: PipeEvents | undefined
  #pieces: Uint8Array[] = []
  #offset = 0
  #target: { readonly file: FsFile; readonly position: number; readonly count: number } | undefined
  #written = 0
  #durable = 0
  #scheduled = false
  #full = false
  #failed: { readonly error: unknown } | undefined

  constructor(fs: Fs, ringBytes: number) {
    this.#fs = fs
    this.ring = new Uint8Array(ringBytes)
    this.view = new DataView(this.ring.buffer)
    this.#space = new RingSpace(ringBytes)
  }

  get durableCount(): number {
    return this.#durable
  }

  start(events: PipeEvents): void {
    this.#events = events
  }

  reserve(bytes: number): number | undefined {
    const offset = this.#space.reserve(bytes)
    if (offset !== undefined) this.#offset = offset
    return offset
  }

  publish(bytes: number): void {
    this.#space.commit()
    this.#pieces.push(this.ring.subarray(this.#offset, this.#offset + bytes))
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#failed !== undefined || this.#full || this.#pieces.length === 0) return
    const pieces = this.#pieces
    this.#pieces = []
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const target = this.#target
    if (target === undefined) throw new Error('bytes are published before there is a target')
    let wrote = false
    try {
      writeGathered(target.file, pieces, target.position + this.#written - target.count)
      wrote = true
      target.file.datasync()
    } catch (error) {
      if (!wrote && isNoSpace(error)) {
        this.#full = true
        return this.#events?.full(error)
      }
      this.#failed = { error }
      return this.#events?.failed(error)
    }
    this.#written += bytes
    this.#durable += bytes
    this.#space.release(this.#durable)
    this.#events?.durable(this.#durable, bytes, 0)
  }

  async discard(): Promise<void> {
    await Promise.resolve()
    this.#pieces = []
    this.#durable = this.#space.count
    this.#written = this.#durable
    this.#space.release(this.#durable)
    this.#full = false
  }

  async run(ops: readonly FsOp[]): Promise<void> {
    await Promise.resolve()
    this.#flush()
    if (this.#failed !== undefined) throw this.#failed.error
    for (const op of ops) {
      if (op.op === 'target')
        this.#target = { file: op.file, position: op.position, count: this.#written }
      else this.#step(op)
    }
  }

  async background(ops: readonly FsOp[]): Promise<void> {
    await Promise.resolve()
    for (const op of ops) {
      if (op.op === 'target') throw new Error('a target is set on the writing thread')
      this.#step(op)
    }
  }

  #step(op: Exclude<FsOp, { op: 'target' }>): void {
    try {
      runOp(this.#fs, op)
    } catch (error) {
      throw atStep(error, op)
    }
  }

  async close(): Promise<void> {}
}
