// One group's log of a storage that was handed in: what it is given and what it acknowledges is put down
// in the account of the disk, and what it reads back has to be what was written.
import type {
  AbortOptions,
  DurableState,
  Entry,
  EntryRange,
  GroupId,
  LogStorage,
  SnapshotMeta,
  SnapshotPosition,
  SnapshotWriter,
  WriteBatch,
} from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import { hold } from '../model/violation.ts'
import type { DiskGroup, SimDisk } from './disk.ts'
import { DiskImage } from './disk-image.ts'
import type { ShadowLog } from './shadow-log.ts'
import { isSameEntry, shadowOf } from './shadow-log.ts'
import type { Timeline } from './timeline.ts'

/** Payload bytes that are read at once to compare a log. */
const READ_BYTES = 65_536

/** The log of one group during one start. */
export class WatchedLog implements LogStorage {
  readonly id: GroupId
  /** What will be durable once everything handed over is. */
  written: DiskImage
  readonly #inner: LogStorage
  readonly #disk: SimDisk
  #group: DiskGroup
  readonly #timeline: Timeline
  /** Handed over and not acknowledged, in order. */
  #underWay: WriteBatch[] = []

  constructor(inner: LogStorage, disk: SimDisk, group: DiskGroup, timeline: Timeline) {
    this.id = inner.id
    this.#inner = inner
    this.#disk = disk
    this.#group = group
    this.#timeline = timeline
    this.written = group.image.clone()
  }

  get #shadow(): ShadowLog {
    return shadowOf(this.#group.image)
  }

  async load(options?: Parameters<LogStorage['load']>[0]): Promise<DurableState> {
    const state = await this.#inner.load(options)
    const image = await this.#imageOf(state)
    this.#guard(() => this.#compare(image))
    return state
  }

  async write(batch: WriteBatch): Promise<void> {
    // The same batch may come again after a full disk, and each time it is another attempt.
    const attempt = { ...batch }
    this.#guard(() => this.written.apply(attempt))
    this.#shadow.submitted(attempt)
    this.#underWay.push(attempt)
    try {
      await this.#inner.write(batch)
    } catch (error) {
      if (isQuorateError(error, 'NO_SPACE')) this.#refused(attempt)
      throw error
    }
    this.#acknowledged(attempt)
  }

  async read(range: EntryRange, options?: AbortOptions): Promise<readonly Entry[]> {
    const { id, written } = this
    const from = range.first - written.firstIndex
    const asked = from < 0 ? [] : written.entries.slice(from, range.last + 1 - written.firstIndex)
    const entries = await this.#inner.read(range, options)
    this.#guard(() => {
      for (const [at, entry] of entries.entries()) {
        const index = range.first + at
        const expected = this.written.entries[index - this.written.firstIndex]
        // What has been truncated or compacted since the call is nobody's any more.
        if (expected === undefined || expected !== asked[at]) continue
        hold(
          entry.index === index && isSameEntry(entry, expected),
          'storage-durable',
          () => `${this.#disk.host} reads another entry ${index} of ${id} than it wrote`,
        )
      }
    })
    return entries
  }

  snapshotWriter(target: SnapshotPosition & Partial<SnapshotMeta>): Promise<SnapshotWriter> {
    return this.#inner.snapshotWriter(target)
  }

  readSnapshot(
    id: string,
    options?: AbortOptions & { readonly offset?: number | undefined },
  ): AsyncIterable<Uint8Array> {
    return this.#inner.readSnapshot(id, options)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #acknowledged(batch: WriteBatch): void {
    const at = this.#underWay.indexOf(batch)
    const done = this.#underWay.splice(0, at + 1)
    this.#guard(() => {
      this.#shadow.acknowledged(batch)
      this.#timeline.trace(2, done.length)
      this.#disk.commit(done.map((each) => ({ group: this.id, batch: each })))
    })
  }

  /** Nothing of this batch, nor of those after it, has been written. */
  #refused(batch: WriteBatch): void {
    const at = this.#underWay.indexOf(batch)
    if (at < 0) return
    this.#underWay.length = at
    this.#shadow.refused(batch)
    this.written = this.#shadow.written()
  }

  /** What a storage says that it holds. */
  async #imageOf(state: DurableState): Promise<DiskImage> {
    const image = new DiskImage()
    const { firstIndex, lastIndex, epochs, tail, faulty } = state
    image.hardState = state.hardState
    image.snapshot = state.snapshot
    image.firstIndex = firstIndex
    image.baseEpoch = epochs[0]?.epoch ?? 0
    image.faulty = [...faulty]
    const epochAt = (index: number): number =>
      epochs.findLast(({ from }) => from <= index)?.epoch ?? image.baseEpoch
    const until = tail[0]?.index ?? lastIndex + 1
    while (image.lastIndex + 1 < until) {
      const first = image.lastIndex + 1
      if (image.isFaulty(first)) image.entries.push(this.#lostEntry(first, epochAt(first)))
      else {
        const range = { first, last: until - 1, bytesMax: READ_BYTES }
        image.entries.push(...(await this.#inner.read(range)))
      }
    }
    image.entries.push(...tail)
    return image
  }

  /** An entry that the storage knows of and cannot read, as it was handed over. */
  #lostEntry(index: number, epoch: number): Entry {
    const entry = this.#shadow.entryAt(index, epoch)
    return entry ?? { index, epoch, kind: 'noop', payload: new Uint8Array(0) }
  }

  #compare(image: DiskImage): void {
    const group = this.#group
    const { rotten, host } = this.#disk
    hold(
      rotten || image.faulty.length === 0,
      'storage-durable',
      () => `${host} cannot read ${JSON.stringify(image.faulty)} of ${this.id}`,
    )
    if (group.dropping === true && image.entries.length === 0 && image.hardState === undefined) {
      // Its removal had begun, and it is gone.
      this.#group = { ...group, image: new DiskImage(), dropping: false }
      this.#disk.groups.set(this.id, this.#group)
      this.written = new DiskImage()
      return
    }
    const kept = this.#shadow.recovered(host, image, rotten)
    this.#disk.commit(kept.map((batch) => ({ group: this.id, batch })))
    if (rotten) group.image.replace(image)
    this.written = group.image.clone()
  }

  #guard(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#timeline.fail(error)
      throw error
    }
  }
}
