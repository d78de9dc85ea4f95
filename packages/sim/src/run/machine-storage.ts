// What a simulated machine asks of the storage of one start, whether that is the simulator's own or one
// that was handed in.
import type { GroupId, HostStorage, NodeId, Random } from '@quorate/core'
import type { CrashFs } from '../fs/crash-fs.ts'
import type { DiskImage } from './disk-image.ts'

/** The storage of one start. */
export interface MachineStorage extends HostStorage {
  /** A group's log with all writes under way. */
  writtenOf(id: GroupId): DiskImage | undefined
  /** The process dies, or the power fails. */
  crash(power: boolean): void
}

/** What takes time on a simulated disk. */
export type DiskStep = 'write' | 'read' | 'sync' | 'name'

/** What a storage is made of at one start of a simulated host. */
export interface StorageStart {
  /** The host. */
  readonly host: NodeId
  /** How often it was started before. */
  readonly start: number
  /**
   * Its files, which outlive its starts: what was not synced survives the loss of power or does not,
   * as the seed decides. The faults of a disk happen to them.
   */
  readonly fs: CrashFs
  /** Waits as long as a step takes: a sync as long as the disk is slow. It never resolves in a process that has ended. */
  readonly pace: (step: DiskStep) => Promise<void>
  /** Its randomness at this start. */
  readonly random: Random
}

/** Makes the storage of one start of a simulated host; it must use nothing but what it is given. */
export type StorageFactory = (start: StorageStart) => HostStorage
