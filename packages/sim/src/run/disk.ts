// The disk of one simulated host, which outlives its starts. Fault model: a write takes its time and
// sometimes far longer, fails for good or finds no room; a crash keeps any prefix of what was under
// way; entries rot. A batch is there as a whole or not at all.
import type {
  GroupAlgorithm,
  GroupId,
  NodeId,
  Random,
  SnapshotMeta,
  WriteBatch,
} from '@quorate/core'
import type { CrashFs } from '../fs/crash-fs.ts'
import { crashFs } from '../fs/crash-fs.ts'
import type { RotMode } from '../fs/rot.ts'
import { DiskImage } from './disk-image.ts'
import { exponential } from './network.ts'

/** A device that has not answered for so long is reset, and then it answers. */
const WRITE_MS_MAX = 5_000
/** Files have as much room as they want on a disk that is not full. */
const ROOM_BYTES = 1e12

/** How bad a disk is. Probabilities are from 0 to 1. */
export interface DiskFaults {
  /** The smallest time of a write in milliseconds. */
  readonly writeMinMs: number
  /** The mean of what is added to it, in milliseconds. */
  readonly writeMeanMs: number
  /** The probability of a write that takes a hundred times as long. */
  readonly stall: number
}

/** A snapshot's bytes on a disk. */
export interface StoredSnapshot {
  /** What it is. */
  readonly meta: SnapshotMeta
  /** Its content. */
  readonly bytes: Uint8Array
}

/** One group on a disk. */
export interface DiskGroup {
  /** Whose data it is. */
  readonly algorithm: GroupAlgorithm
  /** What is durable. */
  readonly image: DiskImage
  /** Whether its removal was begun: nobody knows then whether it is still there. */
  dropping?: boolean
  /** Finished snapshots by id. */
  readonly snapshots: Map<string, StoredSnapshot>
  /** Unfinished ones that their writers kept, by id. */
  readonly unfinished: Map<string, readonly Uint8Array[]>
}

/** Whom a disk tells of what became durable. */
export interface DiskWatcher {
  /** Writes are about to become durable together; the host may be stopped now, and then they do not. */
  reaching?(host: NodeId, writes: readonly DiskWrite[]): void
  /** Writes have become durable, and nobody knows it yet; the host may be stopped now. */
  reached?(host: NodeId, writes: readonly DiskWrite[]): void
  /** A group's data is about to be removed (`false`), or has been (`true`); the host may be stopped now. */
  dropping?(host: NodeId, group: GroupId, done: boolean): void
  /** A batch is about to become part of the image. */
  persisting(host: NodeId, group: GroupId, image: DiskImage, batch: WriteBatch): void
  /** It has. */
  persisted(host: NodeId, group: GroupId, image: DiskImage, batch: WriteBatch): void
}

/** A write under way. */
export interface DiskWrite {
  /** The group. */
  readonly group: GroupId
  /** What is written. */
  readonly batch: WriteBatch
}

/** The disk of one host. */
export class SimDisk {
  /** The host. */
  readonly host: NodeId
  /** The groups that it holds. */
  readonly groups: Map<GroupId, DiskGroup> = new Map()
  /** How bad it is. */
  faults: DiskFaults
  /** By how much writes take longer for now. */
  slowness = 1
  /** The files on it, where a storage of files is used. */
  readonly fs: CrashFs = crashFs()
  #full = false
  /** Whether a storage of files is on it: then it is files that rot. */
  usesFiles = false
  /** What processes before this one have written, a storage has read again and relied on since. */
  readSince = 0
  /** Whether files on it have rotted. */
  rotten = false
  /** Whether the next write fails, and with it all after. */
  failing = false
  /** Who watches it. */
  readonly watcher: DiskWatcher
  readonly #random: Random
  readonly #files: Random

  /** An empty disk with its own randomness. */
  constructor(host: NodeId, random: Random, faults: DiskFaults, watcher: DiskWatcher) {
    this.host = host
    this.#random = random
    this.#files = random.fork('files')
    this.faults = faults
    this.watcher = watcher
  }

  /** Whether it is full. */
  get full(): boolean {
    return this.#full
  }

  set full(full: boolean) {
    this.#full = full
    this.fs.freeBytes = full ? 0 : ROOM_BYTES
  }

  /** Takes everything away. */
  wipe(): void {
    this.groups.clear()
    this.fs.wipe()
    this.rotten = false
  }

  /** How long the next write takes, in milliseconds. */
  writeMs(): number {
    const { writeMinMs, writeMeanMs, stall } = this.faults
    const stretch = this.#random.fraction() < stall ? 100 : 1
    const drawn = exponential(this.#random, writeMeanMs) * stretch * this.slowness
    return writeMinMs + Math.min(drawn, WRITE_MS_MAX)
  }

  /** Makes writes durable, in order. */
  commit(writes: readonly DiskWrite[]): void {
    for (const { group, batch } of writes) {
      const { image, snapshots } = this.groups.get(group) as DiskGroup
      this.watcher.persisting(this.host, group, image, batch)
      image.apply(batch)
      const { snapshot } = batch
      if (snapshot !== undefined) {
        for (const [id, { meta }] of snapshots)
          if (meta.index < snapshot.index) snapshots.delete(id)
      }
      this.watcher.persisted(this.host, group, image, batch)
    }
  }

  /** A crash, or a failed sync: some prefix of what was under way has become durable. */
  commitSome(writes: readonly DiskWrite[]): void {
    if (writes.length === 0) return
    this.commit(writes.slice(0, this.#random.below(writes.length + 1)))
  }

  /** The loss of power also takes what was not synced by a finished writer. */
  losePower(): void {
    for (const { unfinished } of this.groups.values()) unfinished.clear()
  }

  /** The process that used the files has ended, or they have lost what chance does not spare. */
  leaveFiles(power: boolean): void {
    if (power) this.fs.losePower(this.#files)
    else this.fs.endProcess()
  }

  /** A sector of some file rots, as `label` decides; returns whether one did. */
  rotFile(how: RotMode, label: string): boolean {
    const path = this.fs.rot(how, this.readSince, this.#files.fork(label))
    if (path !== undefined) this.rotten = true
    return path !== undefined
  }

  /** Some entries of a group become unreadable, the last ones where `atEnd`; returns how many. */
  rot(group: GroupId, count: number, atEnd = false): number {
    const image = this.groups.get(group)?.image
    if (image === undefined || image.entries.length === 0 || this.usesFiles) return 0
    const { length } = image.entries
    const at = atEnd ? Math.max(0, length - count) : this.#random.below(length)
    const first = image.firstIndex + at
    const last = Math.min(image.lastIndex, first + count - 1)
    if (image.isFaulty(first) || image.isFaulty(last)) return 0
    image.faulty = [...image.faulty, { first, last }].sort((a, b) => a.first - b.first)
    return last - first + 1
  }

  /** The group's data, made where there is none yet. */
  open(id: GroupId, algorithm: GroupAlgorithm): DiskGroup {
    let group = this.groups.get(id)
    if (group === undefined) {
      group = { algorithm, image: new DiskImage(), snapshots: new Map(), unfinished: new Map() }
      this.groups.set(id, group)
    }
    return group
  }
}
