// What the logs of one simulated storage share: one queue of writes to one disk.
import type { QuorateError } from '@quorate/core'
import type { DiskWrite, SimDisk } from './disk.ts'

/** What the logs of one storage share. */
export interface StorageQueue {
  /** The disk. */
  readonly disk: SimDisk
  /** Makes a batch durable. */
  enqueue(write: DiskWrite): Promise<void>
  /** Waits as long as a read takes. */
  readPause(): Promise<void>
  /** Waits as long as a write takes. */
  writePause(): Promise<void>
  /** Ends the run: a promise was broken. */
  broken(error: unknown): void
  /** The error of every later write, once one has failed. */
  readonly poison: QuorateError | undefined
}
