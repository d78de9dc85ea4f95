// What outlives a crash of the process. It is an object of its own, apart from the storage
// that uses it, so that a test or a simulator can cut the power and start again on the same disk.
import type {
  ClusterId,
  GroupAlgorithm,
  GroupId,
  IndexRange,
  NodeId,
  Random,
  SnapshotMeta,
} from '@quorate/core'
import type { LogImage } from './log-image.ts'

/** A disk in memory: what a {@link MemoryStorage} has made durable. */
export interface MemoryDisk {
  /** Bytes of entries, hard states and snapshots that it holds, about. */
  readonly usedBytes: number
  /** Whether a storage that is neither closed nor crashed uses it. */
  readonly inUse: boolean
  /**
   * Cuts the power. What was not durable is lost, and the storage that used the disk is dead: none
   * of its calls under way ever settles. A new `memoryStorage({ disk })` starts from what is left.
   *
   * @param random - where given, some of the first writes under way survive, as many as it says;
   * by default none does
   */
  crash(random?: Random): void
  /** Makes stored entries unreadable, as rot on a disk does; to be called while nothing uses it. */
  damage(group: GroupId, range: IndexRange): void
}

/** The finished bytes of a snapshot. */
export interface StoredSnapshot {
  readonly meta: SnapshotMeta
  readonly chunks: readonly Uint8Array[]
}

/** What an interrupted transfer left. */
export interface PartialSnapshot {
  readonly id: string
  readonly chunks: Uint8Array[]
}

/** All that is durable of one group. */
export interface DiskGroup {
  readonly algorithm: GroupAlgorithm
  readonly image: LogImage
}

/** What a storage does to the disk at once, when a sync has ended. */
export type DiskChange = () => void

/** The disk, as the storage sees it. */
export class DiskState implements MemoryDisk {
  identity: { readonly cluster: ClusterId; readonly host: NodeId } | undefined
  readonly groups: Map<GroupId, DiskGroup> = new Map()
  readonly snapshots: Map<GroupId, Map<string, StoredSnapshot>> = new Map()
  readonly partials: Map<GroupId, PartialSnapshot> = new Map()
  /** Told of a crash: gives what was on its way to the disk, in order, and never answers again. */
  user: { unplug(): readonly DiskChange[] } | undefined

  get inUse(): boolean {
    return this.user !== undefined
  }

  get usedBytes(): number {
    let bytes = 0
    for (const group of this.groups.values()) bytes += group.image.bytes
    for (const snapshots of this.snapshots.values()) {
      for (const { meta } of snapshots.values()) bytes += meta.sizeBytes
    }
    return bytes
  }

  crash(random?: Random): void {
    const underWay = this.user?.unplug() ?? []
    this.user = undefined
    const surviving = random === undefined ? 0 : random.below(underWay.length + 1)
    for (const change of underWay.slice(0, surviving)) change()
    for (const { chunks } of this.partials.values()) {
      chunks.length = random === undefined ? 0 : random.below(chunks.length + 1)
    }
  }

  damage(group: GroupId, range: IndexRange): void {
    this.groups.get(group)?.image.damage(range.first, range.last)
  }

  snapshotsOf(group: GroupId): Map<string, StoredSnapshot> {
    let found = this.snapshots.get(group)
    if (found === undefined) this.snapshots.set(group, (found = new Map()))
    return found
  }
}

/** Makes an empty disk for {@link memoryStorage}. */
export function memoryDisk(): MemoryDisk {
  return new DiskState()
}
