// Reads finished segments again, slowly: what a disk has lost is then noticed while other hosts
// still have it. The reading is done by the thread for slow work, so it delays no write.
import type { Clock, GroupId, IndexRange, Timer } from '@quorate/core'
import { readEntries } from './entry-reader.ts'
import { payloadIsSound, readFrameHeader, readRecords, segmentSeed } from './frame.ts'
import type { Fs, FsFile } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import type { Journal } from './journal.ts'
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { Segment } from './segment.ts'
import { positionAt } from './segment.ts'
import { decodeSegmentHeader } from './segment-header.ts'

const READ_BYTES = 262_144
/** So many entries are looked at in one turn, so that other work gets its turns. */
const ENTRIES_PER_TURN = 64

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
  readonly bytesPerSecond: number
  /** So many bytes were read. */
  readonly scrubbed: (bytes: number) => void
  /** Damage was found, and the entries that it hit are marked. Told once for each place. */
  readonly found: (finding: ScrubFinding) => void
}

interface Reading {
  readonly segment: Segment
  readonly seed: number
  readonly end: number
  /** Its own descriptor: the segment may be removed while it is read. */
  readonly file: FsFile
  offset: number
}

/** Goes through the log again and again. */
export class Scrubber {
  readonly #context: ScrubberContext
  readonly #told = new Set<number>()
  #buffer: Uint8Array = new Uint8Array(new SharedArrayBuffer(READ_BYTES))
  #reading: Reading | undefined
  /** The number of the segment that was read last. */
  #last = 0
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
    const reading = (this.#reading ??= this.#next())
    if (reading === undefined) return READ_BYTES
    const bytes = Math.min(this.#buffer.length, reading.end - reading.offset)
    const into = this.#buffer.subarray(0, bytes)
    const { file, offset } = reading
    try {
      await this.#context.pipe.background([{ op: 'read', file, into, position: offset }])
    } catch {
      // What cannot be read is damaged, wherever in the stretch that is.
      into.fill(0)
    }
    if (this.#closed) return bytes
    this.#context.scrubbed(bytes)
    await this.#check(reading, into)
    return bytes
  }

  /** The next finished segment, the oldest after the newest. */
  #next(): Reading | undefined {
    const finished = this.#context.journal.segments.filter(({ end }) => end !== undefined)
    const segment = finished.find(({ header }) => header.seq > this.#last) ?? finished[0]
    if (segment?.end === undefined) return undefined
    const { seq, store } = segment.header
    this.#last = seq
    this.#buffer = new Uint8Array(new SharedArrayBuffer(READ_BYTES))
    try {
      const file = this.#context.fs.open(segment.path, 'r')
      return { segment, seed: segmentSeed(store, seq), end: segment.end, file, offset: 0 }
    } catch {
      this.#report(segment, 0)
      return undefined
    }
  }

  async #check(reading: Reading, bytes: Uint8Array): Promise<void> {
    const good = this.#goodBytes(reading, bytes)
    reading.offset += good
    if (reading.offset >= reading.end) return this.#finish(reading)
    if (good > 0) return
    const frame = this.#frameBytes(reading, bytes)
    const left = reading.end - reading.offset
    if (frame !== undefined && frame > bytes.length && frame <= left) {
      this.#buffer = new Uint8Array(new SharedArrayBuffer(frame))
      return
    }
    const { segment, offset } = reading
    this.#finish(reading)
    for (const image of this.#context.journal.groups.byNumber.values())
      await this.#examine(image, segment, offset)
    this.#report(segment, offset)
  }

  #frameBytes({ seed, offset }: Reading, bytes: Uint8Array): number | undefined {
    const view = new DataView(bytes.buffer)
    return readFrameHeader(view, bytes, 0, bytes.length, seed, offset)?.bytes
  }

  /** How many bytes from the start on are whole frames without a fault. */
  #goodBytes({ seed, offset }: Reading, bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer)
    let at = 0
    if (offset === 0) {
      if (decodeSegmentHeader(bytes.slice(0, SEGMENT_HEADER_BYTES)) === undefined) return 0
      at = SEGMENT_HEADER_BYTES
    }
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      const header = readFrameHeader(view, bytes, at, bytes.length, seed, offset + at)
      const records =
        header && readRecords(view, bytes, at, bytes.length, seed, offset + at, header)
      if (header === undefined || records === undefined) break
      if (!records.every((record) => payloadIsSound(bytes, record))) break
      at += header.bytes
    }
    return at
  }

  /** Reads a group's entries from an offset of the segment on one by one; those that cannot be are marked. */
  async #examine(image: GroupImage, segment: Segment, offset: number): Promise<void> {
    const { table } = image
    const { clock, journal } = this.#context
    const start = positionAt(segment.header, Math.max(offset, SEGMENT_HEADER_BYTES))
    const stop = positionAt(segment.header, segment.end ?? 0)
    let looked = 0
    for (let index = table.first; index <= table.last && !this.#closed; index++) {
      const position = table.position(index)
      if (position < start || position >= stop) continue
      readEntries((at) => journal.locate(at), image, index, index, 0)
      if (++looked % ENTRIES_PER_TURN === 0)
        await new Promise<void>((resolve) => clock.defer(resolve))
      // Compaction may have gone on meanwhile.
      index = Math.max(index, table.first - 1)
    }
  }

  #report(segment: Segment, offset: number): void {
    const position = positionAt(segment.header, Math.max(offset, SEGMENT_HEADER_BYTES))
    // What has been moved elsewhere since is nobody's damage.
    if (!this.#context.journal.segments.includes(segment) || this.#told.has(position)) return
    this.#told.add(position)
    this.#context.found({ position, segment: segment.header.seq })
  }

  #finish({ file }: Reading): void {
    file.close()
    this.#reading = undefined
  }

  /** Ends, once the read under way has. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#work
    if (this.#reading !== undefined) this.#finish(this.#reading)
  }
}
