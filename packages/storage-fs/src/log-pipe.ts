// The way from the thread that makes frames to whatever writes them. The journal knows only
// this, so that the same code runs over a worker in production and inline in a test.
import type { Fs, FsFile } from './fs.ts'
import { fillZero, isNoSpace, readFully, writeAll } from './fs.ts'

/** One step of a job on files. */
export type FsOp =
  | {
      readonly op: 'write'
      readonly file: FsFile
      readonly bytes: Uint8Array
      readonly position: number
    }
  | {
      readonly op: 'read'
      readonly file: FsFile
      /** Filled from the start, with zeros where the file has ended; shared memory, where another thread reads. */
      readonly into: Uint8Array
      readonly position: number
    }
  | { readonly op: 'zero'; readonly file: FsFile; readonly from: number; readonly to: number }
  | { readonly op: 'datasync' | 'sync' | 'close'; readonly file: FsFile }
  | { readonly op: 'rename'; readonly from: string; readonly to: string }
  | { readonly op: 'unlink' | 'syncDir'; readonly path: string }
  /** Where the bytes published from now on go. Only in `run`. */
  | { readonly op: 'target'; readonly file: FsFile; readonly position: number }

/** What a pipe tells its owner. */
export interface PipeEvents {
  /** This many of the published bytes, counted from the start, are durable; `syncMs` is what the sync took. */
  durable(count: number, bytes: number, syncMs: number): void
  /** There was no room to write all that was published. Nothing more is written before a `discard`. */
  full(error: unknown): void
  /** A write or a sync failed. Nothing published and not durable will be written. */
  failed(error: unknown): void
}

/** Takes bytes to the disk, in order, with one sync for all that came while the last one ran. */
export interface LogPipe {
  /** The buffer that frames are made in. */
  readonly ring: Uint8Array
  /** The same buffer. */
  readonly view: DataView
  /** How many published bytes are durable at this moment, counted from the start. */
  readonly durableCount: number
  /** Begins; before, nothing may be published. */
  start(events: PipeEvents): void
  /** Finds room for a frame in the ring, in one piece; `undefined` while there is none. */
  reserve(bytes: number): number | undefined
  /** Hands over what was reserved last, all of it. */
  publish(bytes: number): void
  /**
   * Forgets what was published and is not durable, after the disk was full: counts go on as if it
   * were durable. Nothing may be published until it resolves.
   */
  discard(): Promise<void>
  /** Runs steps on the writing thread, after everything published before. Stops at the first failure. */
  run(ops: readonly FsOp[]): Promise<void>
  /** Runs steps elsewhere, so that they delay no write. Stops at the first failure. */
  background(ops: readonly FsOp[]): Promise<void>
  /** Ends the threads, once all jobs are done. */
  close(): Promise<void>
}

/** An error with the step of the job that it ended. */
export function atStep(error: unknown, { op }: { readonly op: string }): Error {
  return Object.assign(error instanceof Error ? error : new Error(String(error)), { step: op })
}

/**
 * Whether a job ended for want of room, and before a sync failed: what the system says after a
 * failed sync cannot be relied on, whatever the reason was.
 */
export function isFullJob(error: unknown): boolean {
  const { step } = error as { readonly step?: string }
  return isNoSpace(error) && ['write', 'zero', 'rename'].includes(step ?? '')
}

/** Runs one step here and now. */
export function runOp(fs: Fs, op: Exclude<FsOp, { op: 'target' }>): void {
  switch (op.op) {
    case 'write':
      return writeAll(op.file, op.bytes, op.position)
    case 'read': {
      const got = readFully(op.file, op.into, op.position)
      op.into.fill(0, got)
      return
    }
    case 'zero':
      return fillZero(op.file, op.from, op.to)
    case 'datasync':
      return op.file.datasync()
    case 'sync':
      return op.file.sync()
    case 'close':
      return op.file.close()
    case 'rename':
      return fs.rename(op.from, op.to)
    case 'unlink':
      return fs.unlink(op.path)
    case 'syncDir':
      return fs.syncDir(op.path)
  }
}

/** Writes pieces one after the other, in one call unless it comes back short. */
export function writeGathered(file: FsFile, pieces: readonly Uint8Array[], position: number): void {
  let rest = pieces.filter((piece) => piece.length > 0)
  let at = position
  while (rest.length > 0) {
    let written = file.writev(rest, at)
    if (written === 0)
      throw Object.assign(new Error('EIO: a write made no progress'), { code: 'EIO' })
    at += written
    const next: Uint8Array[] = []
    for (const piece of rest) {
      if (written >= piece.length) written -= piece.length
      else {
        next.push(piece.subarray(written))
        written = 0
      }
    }
    rest = next
  }
}
