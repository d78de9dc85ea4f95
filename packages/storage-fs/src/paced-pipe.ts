// A pipe that behaves as the one of production does, with no thread: each step takes as long as whoever
// paces it says, and what is published meanwhile goes with the next sync. For simulations and tests.
import type { Fs, FsFile } from './fs.ts'
import { isNoSpace } from './fs.ts'
import type { FsOp, LogPipe, PipeEvents } from './log-pipe.ts'
import { atStep, runOp, writeGathered } from './log-pipe.ts'
import { RingSpace } from './ring.ts'

/** What a step on the file system is, for whoever says how long it takes. */
export type PaceStep = 'write' | 'read' | 'sync' | 'name'

/**
 * Waits as long as a step takes; the step happens when this resolves, and never where it does not:
 * that is how a simulated process dies.
 */
export type Pace = (step: PaceStep) => Promise<void>

/** Makes a pipe whose steps take their time. */
export function pacedPipe(fs: Fs, ringBytes: number, pace: Pace): LogPipe {
  return new PacedPipe(fs, ringBytes, pace)
}

type Step = Exclude<FsOp, { op: 'target' }>

interface Job {
  /** How much had been published when it came: that is written first. */
  readonly after: number
  run(): Promise<void>
}

const paceOf: Readonly<Record<Step['op'], PaceStep>> = {
  write: 'write',
  zero: 'write',
  read: 'read',
  datasync: 'sync',
  sync: 'sync',
  syncDir: 'sync',
  close: 'name',
  rename: 'name',
  unlink: 'name',
}

class PacedPipe implements LogPipe {
  readonly ring: Uint8Array
  readonly view: DataView
  readonly #fs: Fs
  readonly #pace: Pace
  readonly #space: RingSpace
  readonly #jobs: Job[] = []
  #events: PipeEvents | undefined
  #pieces: { readonly bytes: Uint8Array; readonly end: number }[] = []
  #offset = 0
  #target: { readonly file: FsFile; position: number } | undefined
  #durable = 0
  #working = false
  #full = false
  #failed = false
  #background: Promise<unknown> = Promise.resolve()

  constructor(fs: Fs, ringBytes: number, pace: Pace) {
    this.#fs = fs
    this.#pace = pace
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
    const piece = this.ring.subarray(this.#offset, this.#offset + bytes)
    this.#pieces.push({ bytes: piece, end: this.#space.count })
    this.#wake()
  }

  discard(): Promise<void> {
    return this.#queue(() => {
      this.#pieces = []
      this.#durable = this.#space.count
      this.#space.release(this.#durable)
      this.#full = false
      return Promise.resolve()
    })
  }

  run(ops: readonly FsOp[]): Promise<void> {
    return this.#queue(async () => {
      for (const op of ops) {
        if (op.op === 'target') this.#target = { file: op.file, position: op.position }
        else await this.#step(op)
      }
    })
  }

  background(ops: readonly FsOp[]): Promise<void> {
    const done = this.#background.then(async () => {
      for (const op of ops) {
        if (op.op === 'target') throw new Error('a target is set on the writing thread')
        await this.#step(op)
      }
    })
    this.#background = done.catch(() => undefined)
    return done
  }

  #queue(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({
        after: this.#space.count,
        run: () => run().then(resolve, reject),
      })
      this.#wake()
    })
  }

  /** Starts the one who works, at the end of the turn: what arrives together is synced together. */
  #wake(): void {
    if (this.#working) return
    this.#working = true
    queueMicrotask(() => void this.#work())
  }

  async #work(): Promise<void> {
    for (;;) {
      const [job] = this.#jobs
      const before = this.#pieces.filter(({ end }) => job === undefined || end <= job.after)
      if (before.length > 0 && !this.#full && !this.#failed) await this.#flush(before)
      else if (job !== undefined) {
        this.#jobs.shift()
        await job.run()
      } else break
    }
    this.#working = false
  }

  async #flush(
    pieces: readonly { readonly bytes: Uint8Array; readonly end: number }[],
  ): Promise<void> {
    const target = this.#target
    if (target === undefined) throw new Error('bytes are published before there is a target')
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
    let wrote = false
    try {
      await this.#pace('write')
      writeGathered(
        target.file,
        pieces.map((piece) => piece.bytes),
        target.position,
      )
      wrote = true
      await this.#pace('sync')
      target.file.datasync()
    } catch (error) {
      if (!wrote && isNoSpace(error)) {
        this.#full = true
        return this.#events?.full(error)
      }
      this.#failed = true
      return this.#events?.failed(error)
    }
    target.position += bytes
    this.#pieces.splice(0, pieces.length)
    this.#durable = pieces.at(-1)?.end ?? this.#durable
    this.#space.release(this.#durable)
    this.#events?.durable(this.#durable, bytes, 0)
  }

  async #step(op: Step): Promise<void> {
    await this.#pace(paceOf[op.op])
    try {
      runOp(this.#fs, op)
    } catch (error) {
      throw atStep(error, op)
    }
  }

  async close(): Promise<void> {
    await this.#background
  }
}
