// Reads one finished segment again, stretch by stretch, and marks what the disk has lost of it. Its
// own descriptor lets it end in peace where the segment is removed meanwhile.
import type { Clock } from '@quorate/core'
import { readEntries } from './entry-reader.ts'
import { payloadIsSound, readFrameHeader, readRecords, segmentSeed } from './frame.ts'
import type { FsFile } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import type { Journal } from './journal.ts'
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { Segment } from './segment.ts'
import { positionAt } from './segment.ts'
import { decodeSegmentHeader } from './segment-header.ts'

/** How much is read at a time. */
export const READ_BYTES = 262_144
/** So many entries are looked at in one turn, so that other work gets its turns. */
const ENTRIES_PER_TURN = 64

/** Something that is read again, stretch by stretch. */
export interface Scrub {
  /** Reads and checks the next stretch. */
  step(): Promise<{ readonly bytes: number; readonly done: boolean }>
  /** Gives up what is open; called once, at the end. */
  close(): void
}

/** What it needs. */
export interface SegmentScrubContext {
  readonly pipe: LogPipe
  readonly clock: Clock
  readonly journal: Journal
  /** Whether all of it is to end. */
  readonly stopped: () => boolean
  /** The log is damaged from this offset of the segment on, and the entries that it hit are marked. */
  readonly found: (segment: Segment, offset: number) => void
}

/** Reads one segment. */
export class SegmentScrub implements Scrub {
  readonly #context: SegmentScrubContext
  readonly #segment: Segment
  readonly #file: FsFile
  readonly #seed: number
  readonly #end: number
  #buffer: Uint8Array = new Uint8Array(new SharedArrayBuffer(READ_BYTES))
  #offset = 0

  constructor(context: SegmentScrubContext, segment: Segment, end: number, file: FsFile) {
    this.#context = context
    this.#segment = segment
    this.#file = file
    this.#seed = segmentSeed(segment.header.store, segment.header.seq)
    this.#end = end
  }

  async step(): Promise<{ readonly bytes: number; readonly done: boolean }> {
    const bytes = Math.min(this.#buffer.length, this.#end - this.#offset)
    const into = this.#buffer.subarray(0, bytes)
    const position = this.#offset
    try {
      await this.#context.pipe.background([{ op: 'read', file: this.#file, into, position }])
    } catch {
      // What cannot be read is damaged, wherever in the stretch that is.
      into.fill(0)
    }
    return { bytes, done: this.#context.stopped() || (await this.#check(into)) }
  }

  /** Returns whether that was all there is to see. */
  async #check(bytes: Uint8Array): Promise<boolean> {
    const good = this.#goodBytes(bytes)
    this.#offset += good
    if (this.#offset >= this.#end) return true
    if (good > 0) return false
    const frame = this.#frameBytes(bytes)
    if (frame !== undefined && frame > bytes.length && frame <= this.#end - this.#offset) {
      this.#buffer = new Uint8Array(new SharedArrayBuffer(frame))
      return false
    }
    for (const image of this.#context.journal.groups.byNumber.values()) await this.#examine(image)
    this.#context.found(this.#segment, this.#offset)
    return true
  }

  #frameBytes(bytes: Uint8Array): number | undefined {
    const view = new DataView(bytes.buffer)
    return readFrameHeader(view, bytes, 0, bytes.length, this.#seed, this.#offset)?.bytes
  }

  /** How many bytes from the start on are whole frames without a fault. */
  #goodBytes(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer)
    const [seed, offset] = [this.#seed, this.#offset]
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

  /** Reads a group's entries from here on one by one; those that cannot be are marked. */
  async #examine(image: GroupImage): Promise<void> {
    const { table } = image
    const { clock, journal, stopped } = this.#context
    const { header, end } = this.#segment
    const start = positionAt(header, Math.max(this.#offset, SEGMENT_HEADER_BYTES))
    const stop = positionAt(header, end ?? 0)
    let looked = 0
    for (let index = table.first; index <= table.last && !stopped(); index++) {
      const position = table.position(index)
      if (position < start || position >= stop) continue
      readEntries((at) => journal.locate(at), image, index, index, 0)
      if (++looked % ENTRIES_PER_TURN === 0)
        await new Promise<void>((resolve) => clock.defer(resolve))
      // Compaction may have gone on meanwhile.
      index = Math.max(index, table.first - 1)
    }
  }

  close(): void {
    this.#file.close()
  }
}
