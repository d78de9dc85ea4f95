// Reads finished segments and snapshots again, slowly: what a disk has lost is then noticed while
// other hosts still have it. The reading is done by the thread for slow work, so it delays no write.
import type { Clock, GroupId, IndexRange, SnapshotMeta, Timer } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import type { Fs } from './fs.ts'
import { systemCode } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import type { Journal } from './journal.ts'
import { SEGMENT_HEADER_BYTES } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { Scrub } from './scrub-segment.ts'
import { READ_BYTES, SegmentScrub } from './scrub-segment.ts'
import { SnapshotScrub } from './scrub-snapshot.ts'
import type { Segment } from './segment.ts'
import { positionAt } from './segment.ts'
import { openSnapshot, snapshotPath } from './snapshot-file.ts'

/** Entries that exist and cannot be read. */
export interface FaultyRange extends IndexRange {
  /** Whose they are. */
  readonly group: GroupId
}

/** Damage that was found. */
export interface ScrubFinding {
  /** Where in the log it begins. */
  readonly position: number
  /** The number of its segment. */
  readonly segment: number
}

/** What a scrubber needs. */
export interface ScrubberContext {
  readonly fs: Fs
  readonly pipe: LogPipe
  readonly clock: Clock
  readonly journal: Journal
  readonly directory: string
  readonly store: Uint8Array
  readonly bytesPerSecond: number
  /** So many bytes were read. */
  readonly scrubbed: (bytes: number) => void
  /** Damage was found, and the entries that it hit are marked. Told once for each place. */
  readonly found: (finding: ScrubFinding) => void
  /** A group's snapshot, in force or kept, is damaged. Told in each round, as long as it is there. */
  readonly snapshotFound: (image: GroupImage, meta: SnapshotMeta, reason: string) => void
}

/** A snapshot that a group can start from. */
interface KeptSnapshot {
  readonly image: GroupImage
  readonly meta: SnapshotMeta
}

/** Goes through the log and the snapshots again and again. */
export class Scrubber {
  readonly #context: ScrubberContext
  readonly #told = new Set<number>()
  /** What is being read. */
  #scrub: Scrub | undefined
  /** The number of the segment that was read last. */
  #lastSegment = 0
  /** The snapshots that are left in this round. */
  #snapshots: Iterator<KeptSnapshot, undefined> | undefined
  #timer: Timer | undefined
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(context: ScrubberContext) {
    this.#context = context
  }

  /** Begins. */
  start(): void {
    if (this.#context.bytesPerSecond > 0) this.#plan(READ_BYTES)
  }

  /** Pays for bytes with time. */
  #plan(bytes: number): void {
    if (this.#closed) return
    const delayMs = (bytes / this.#context.bytesPerSecond) * 1000
    this.#timer = this.#context.clock.setTimer(delayMs, () => {
      this.#work = this.#step().then((read) => this.#plan(Math.max(read, READ_BYTES / 4)))
    })
  }

  /** Reads and checks the next stretch. Returns its size. */
  async #step(): Promise<number> {
    const scrub = (this.#scrub ??= this.#next())
    if (scrub === undefined) return READ_BYTES
    const { bytes, done } = await scrub.step()
    if (this.#closed) return bytes
    this.#context.scrubbed(bytes)
    if (done) this.#finish(scrub)
    return bytes
  }

  /** The next finished segment; after the newest the snapshots, and then the oldest segment again. */
  #next(): Scrub | undefined {
    if (this.#snapshots === undefined) {
      const segment = this.#context.journal.segments.find(
        ({ header, end }) => end !== undefined && header.seq > this.#lastSegment,
      )
      if (segment !== undefined) return this.#openSegment(segment)
      this.#snapshots = this.#eachSnapshot()
    }
    const { value: next } = this.#snapshots.next()
    if (next !== undefined) return this.#openSnapshot(next)
    this.#snapshots = undefined
    this.#lastSegment = 0
    return undefined
  }

  #openSegment(segment: Segment): Scrub | undefined {
    this.#lastSegment = segment.header.seq
    const { fs, pipe, clock, journal } = this.#context
    try {
      const file = fs.open(segment.path, 'r')
      const found = (where: Segment, offset: number): void => this.#report(where, offset)
      const stopped = (): boolean => this.#closed
      const context = { pipe, clock, journal, stopped, found }
      return new SegmentScrub(context, segment, segment.end ?? 0, file)
    } catch (error) {
      if (isDamage(error)) this.#report(segment, 0)
      return undefined
    }
  }

  /** Of each group the one that is kept first: whether it can stand in for the other is known then. */
  *#eachSnapshot(): Generator<KeptSnapshot, undefined> {
    for (const image of this.#context.journal.groups.byNumber.values()) {
      if (image.previous !== undefined) yield { image, meta: image.previous }
      if (image.snapshot !== undefined && !image.snapshotLost) yield { image, meta: image.snapshot }
    }
  }

  #openSnapshot({ image, meta }: KeptSnapshot): Scrub | undefined {
    const { fs, pipe, directory, store } = this.#context
    const { number } = image
    const found = (reason: string): void => this.#reportSnapshot(image, meta, reason)
    if (!this.#isThere(image, meta)) return undefined
    try {
      const owner = { store, group: number }
      const open = openSnapshot(fs, snapshotPath(directory, number, meta.id), owner)
      return new SnapshotScrub({ pipe, owner, expected: meta, found }, open)
    } catch (error) {
      if (isDamage(error)) found(error instanceof Error ? error.message : String(error))
      return undefined
    }
  }

  /** Whether a group still has a snapshot: what was replaced since is nobody's damage. */
  #isThere(image: GroupImage, { id }: SnapshotMeta): boolean {
    const { groups } = this.#context.journal
    return (
      groups.byNumber.get(image.number) === image &&
      (image.snapshot?.id === id || image.previous?.id === id)
    )
  }

  #reportSnapshot(image: GroupImage, meta: SnapshotMeta, reason: string): void {
    if (this.#closed || !this.#isThere(image, meta)) return
    this.#context.snapshotFound(image, meta, reason)
  }

  #report(segment: Segment, offset: number): void {
    const position = positionAt(segment.header, Math.max(offset, SEGMENT_HEADER_BYTES))
    // What has been moved elsewhere since is nobody's damage.
    if (!this.#context.journal.segments.includes(segment) || this.#told.has(position)) return
    this.#told.add(position)
    this.#context.found({ position, segment: segment.header.seq })
  }

  #finish(scrub: Scrub): void {
    scrub.close()
    this.#scrub = undefined
  }

  /** Ends, once the read under way has. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#work
    if (this.#scrub !== undefined) this.#finish(this.#scrub)
  }
}

/** Whether it is the disk that has lost something, rather than the system that cannot look now. */
function isDamage(error: unknown): boolean {
  return isQuorateError(error, 'STORAGE_CORRUPT') || ['ENOENT', 'EIO'].includes(systemCode(error))
}
