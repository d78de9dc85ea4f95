// What the author of a storage hands to the suite, and the runner that the suite is handed to:
// neither knows the other, so any test framework and any storage fit together.
import type { GroupId, HostStorage, IndexRange, StorageSupports } from '@quorate/core'

/**
 * A fault that the suite asks for. `sync`: the next attempt to make something durable fails, as a
 * failed fsync does. `no-space`: the disk is full until healed. `short-write`: writes come back
 * short, once, and the rest can be written.
 */
export type StorageFault = 'sync' | 'no-space' | 'short-write'

/** A disk that storages are opened on, one after the other. */
export interface StorageDisk {
  /** A storage over this disk, not opened. */
  storage(): HostStorage
  /**
   * Cuts the power: the storage in use is dead, and what was not durable may be gone. Needed where
   * the storage declares `supports.durable`.
   */
  crash(): Promise<void>
  /** Which faults {@link StorageDisk.inject} can make. */
  readonly faults: readonly StorageFault[]
  /** Makes a fault; the returned function heals it. */
  inject(fault: StorageFault): () => void
  /**
   * Makes stored entries unreadable while no storage is open. Needed where the storage declares
   * `supports.faultyRanges`.
   */
  damage?(group: GroupId, range: IndexRange): Promise<void>
  /** Releases what the suite does not know of: temporary files, timers. */
  close(): Promise<void>
}

/** Makes disks. */
export interface StorageHarness {
  /** Makes an empty disk for one check. */
  create(): Promise<StorageDisk>
}

/** One thing that every storage must do. */
export interface StorageCheck {
  /** What must hold, as a sentence. */
  readonly name: string
  /** The capability without which the check does not apply. */
  readonly needs?: keyof StorageSupports | undefined
  /** The fault without which the check cannot run. */
  readonly fault?: StorageFault | undefined
  /** Resolves where it holds, rejects with an explanation where it does not. */
  run(harness: StorageHarness): Promise<void>
}
