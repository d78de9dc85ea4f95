// The one writer of the log: makes a frame of each write as it arrives, hands it to the pipe,
// and answers once the disk has it. All groups share it, and so one sync serves all of them.
import type { Clock, Timer } from '@quorate/core'
import { QuorateError, defined } from '@quorate/core'
import type { Ballast } from './ballast.ts'
import { applyMove, moveRecords, planCollection } from './collection.ts'
import type { RecordDraft } from './frame.ts'
import { frameBytes, segmentSeed, writeFrame } from './frame.ts'
import type { Fs, FsFile } from './fs.ts'
import { exceptFull, noRoom, noSpace, storageFailed } from './journal-errors.ts'
import {
  FLAG_CLEAN,
  FORMAT_VERSION,
  segmentName,
  FLAG_SEAL,
  FRAME_HEADER_BYTES,
  LOG_DIRECTORY,
  SEGMENT_HEADER_BYTES,
} from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import { isFullJob } from './log-pipe.ts'
import { MetaWriter } from './meta-writer.ts'
import type { RecoveredLog } from './recovery.ts'
import type { Groups } from './replay.ts'
import type { Segment } from './segment.ts'
import { offsetAt, positionAt } from './segment.ts'
import { RoomTimer } from './room-timer.ts'
import { SpareSegments } from './spare-segments.ts'
import { closeFiles } from './segment-files.ts'
import { encodeSegmentHeader } from './segment-header.ts'

/** One atomic write, from its arrival until it is answered. */
export interface JournalWrite {
  /** Makes its records; called once, when there is room for them. */
  records(): readonly RecordDraft[]
  /** Applies it to the groups. `position` is where its frame stands. */
  apply(position: number, records: readonly RecordDraft[]): void
  /** Whether it holds a hard state, which goes to a second place before the answer. */
  readonly hardState: boolean
  resolve(): void
  /** It was not written, and nothing of it ever will be, where the code is `NO_SPACE`. */
  reject(error: QuorateError): void
}

interface Encoded {
  readonly write: JournalWrite
  readonly records: readonly RecordDraft[]
  readonly position: number
  /** The pipe's count after it. */
  readonly count: number
  /** What its header repeats of the frame before, and its number. */
  readonly previousCrc: number
  readonly lsn: number
}

/** What the journal needs. */
export interface JournalContext {
  readonly fs: Fs
  readonly directory: string
  readonly clock: Clock
  readonly pipe: LogPipe
  readonly segmentBytes: number
  readonly markerIdleMs: number
  readonly ballast: Ballast
  readonly events: JournalEvents
}

/** What the journal tells its owner. */
export interface JournalEvents {
  /** A group of writes became durable with one sync. */
  synced(writes: number, bytes: number, syncMs: number): void
  /** Another segment is being written; nothing is under way at this moment. */
  rotated(): void
  /** The disk has, or has not, room for another segment. */
  space(enough: boolean): void
  /** Nothing will be written any more. */
  failed(error: QuorateError): void
}

/** Writes the log. */
export class Journal {
  readonly groups: Groups
  readonly segments: Segment[]
  readonly #context: JournalContext
  readonly #pipe: LogPipe
  readonly #meta: MetaWriter
  readonly #spares: SpareSegments
  readonly #metaFile: FsFile
  #seed: number
  #segmentSize: number
  #offset: number
  #lsn: number
  #crc: number
  /** The position in the log at which the pipe's count was zero. */
  #origin: number
  #queue: JournalWrite[] = []
  #drafts: readonly RecordDraft[] | undefined
  #inFlight: Encoded[] = []
  #unanswered: JournalWrite[] = []
  #failure: QuorateError | undefined
  /** Set while the writer must not go on: a segment is being changed. */
  #paused = false
  /** What is durable, while counts of the pipe say nothing of it. */
  #frozen: number | undefined
  /** Where those wait who found the disk full. */
  readonly room: RoomTimer
  #idleTimer: Timer | undefined
  #collectWhenIdle = false
  readonly #whenIdle: (() => void)[] = []

  constructor(context: JournalContext, log: RecoveredLog) {
    this.#context = context
    this.#pipe = context.pipe
    this.groups = log.groups
    this.segments = log.segments
    this.#metaFile = log.metaFile
    this.#offset = log.offset
    this.#lsn = log.lsn
    this.#crc = log.crc
    const { header, file } = this.#current
    this.#seed = segmentSeed(header.store, header.seq)
    this.#segmentSize = file.size()
    this.#origin = positionAt(header, log.offset)
    this.#meta = new MetaWriter(log, context.pipe)
    this.#spares = new SpareSegments(context)
    this.room = new RoomTimer(context.clock)
  }

  /** Starts writing. */
  async start(): Promise<void> {
    this.#pipe.start({
      durable: (count, bytes, syncMs) => this.#onDurable(count, bytes, syncMs),
      full: () => this.#onFull(),
      failed: (error) => this.#fail(error, 'a write to the log failed'),
    })
    const { file } = this.#current
    await this.#pipe.run([{ op: 'target', file, position: this.#offset }])
    try {
      // Counts this start, before anything that it decides can leave the host.
      await this.#meta.write(this.#meta.durable)
    } catch (error) {
      this.#fail(error, 'the start could not be counted')
      throw error
    }
    this.#spares.prepare()
  }

  get #current(): Segment {
    return defined(this.segments.at(-1), 'a log has a segment')
  }

  /** Why nothing is written any more; `undefined` while all is well. */
  get failure(): QuorateError | undefined {
    return this.#failure
  }

  /** The position in the log before which everything is durable. */
  get durable(): number {
    return this.#frozen ?? this.#origin + this.#pipe.durableCount
  }

  /** How often the store has been opened, this time included. */
  get starts(): number {
    return this.#meta.starts
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return (
      this.#queue.length === 0 &&
      this.#inFlight.length === 0 &&
      this.#unanswered.length === 0 &&
      !this.#paused
    )
  }

  /** Queues a write. It is answered through its own functions, in the order of the calls. */
  submit(write: JournalWrite): void {
    if (this.#failure !== undefined) return write.reject(this.#failure)
    this.#queue.push(write)
    this.#pump()
  }

  /** Takes back writes that have not been turned into frames yet. */
  withdraw(belongs: (write: JournalWrite) => boolean): JournalWrite[] {
    const taken = this.#queue.filter(belongs)
    if (taken.includes(this.#queue[0] as JournalWrite)) this.#drafts = undefined
    this.#queue = this.#queue.filter((write) => !belongs(write))
    return taken
  }

  #pump(): void {
    let next = 0
    while (next < this.#queue.length && !this.#paused && this.#failure === undefined) {
      const write = this.#queue[next] as JournalWrite
      this.#drafts ??= write.records()
      if (!this.#encode(write, this.#drafts)) break
      this.#drafts = undefined
      next++
    }
    if (next > 0) this.#queue.splice(0, next)
    if (this.#queue.length > 0 && this.#inFlight.length === 0 && !this.#paused) this.#makeRoom()
  }

  /** Makes a frame in the ring; returns false where there is no room for it now. */
  #encode(write: JournalWrite, records: readonly RecordDraft[]): boolean {
    const bytes = frameBytes(records)
    // Two small frames, which seal or close the segment, must always fit behind it.
    if (this.#offset + bytes + 2 * FRAME_HEADER_BYTES > this.#segmentSize) return false
    const at = this.#pipe.reserve(bytes)
    if (at === undefined) return false
    const [previousCrc, lsn] = [this.#crc, this.#lsn]
    this.#frame(this.#pipe.view, this.#pipe.ring, at, 0, records)
    this.#pipe.publish(bytes)
    const position = positionAt(this.#current.header, this.#offset)
    this.#offset += bytes
    const count = position + bytes - this.#origin
    this.#inFlight.push({ write, records, position, count, previousCrc, lsn })
    return true
  }

  #frame(
    view: DataView,
    bytes: Uint8Array,
    at: number,
    flags: number,
    records: readonly RecordDraft[],
  ): void {
    const fields = { lsn: this.#lsn++, durable: this.durable, previousCrc: this.#crc, flags }
    this.#crc = writeFrame(view, bytes, at, this.#seed, this.#offset, fields, records)
  }

  /** The frame in turn does not fit, and nothing is under way: change the segment, or write it apart. */
  #makeRoom(): void {
    const records = defined(this.#drafts, 'the first write in turn has its records')
    const bytes = frameBytes(records)
    const fits = this.#offset + bytes + 2 * FRAME_HEADER_BYTES <= this.#segmentSize
    this.#exclusively(() => (fits ? this.#writeApart(records) : this.#rotate(bytes)))
  }

  /** Changes the segments, while nothing is under way and nothing new begins. */
  #exclusively(change: () => Promise<void>): void {
    this.#paused = true
    change().then(
      () => {
        this.#paused = false
        this.#pump()
        this.#settleIdle()
      },
      (error: unknown) => {
        this.#paused = false
        this.#fail(error, 'changing the segment failed')
      },
    )
  }

  /** A frame larger than the ring goes to the disk by itself. */
  async #writeApart(records: readonly RecordDraft[]): Promise<void> {
    const write = defined(this.#queue[0], 'a write is in turn')
    const positions = await this.#writeDirectly([records])
    if (positions === undefined) return this.#giveBack()
    this.#queue.shift()
    this.#drafts = undefined
    write.apply(defined(positions[0], 'a frame has a position'), records)
    this.#answer([write])
  }

  /**
   * Writes frames around the ring, while nothing is under way. Returns where they stand, `undefined`
   * where the disk was full and the log goes on without them.
   */
  async #writeDirectly(
    frames: readonly (readonly RecordDraft[])[],
  ): Promise<readonly number[] | undefined> {
    const bytes = frames.reduce((sum, records) => sum + frameBytes(records), 0)
    const buffer = new Uint8Array(bytes)
    const view = new DataView(buffer.buffer)
    const { file, header } = this.#current
    const [start, lsn, crc] = [this.#offset, this.#lsn, this.#crc]
    const begun = this.#context.clock.now()
    const positions: number[] = []
    for (const records of frames) {
      positions.push(positionAt(header, this.#offset))
      this.#frame(view, buffer, this.#offset - start, 0, records)
      this.#offset += frameBytes(records)
    }
    try {
      await this.#pipe.run([
        { op: 'write', file, bytes: buffer, position: start },
        { op: 'datasync', file },
        { op: 'target', file, position: this.#offset },
      ])
    } catch (error) {
      if (!isFullJob(error)) throw error
      ;[this.#offset, this.#lsn, this.#crc] = [start, lsn, crc]
      await this.#cut()
      return undefined
    }
    // The count of the pipe does not move: what it calls durable starts after these from now on.
    this.#origin += bytes
    this.#context.events.synced(frames.length, bytes, this.#context.clock.now() - begun)
    return positions
  }

  /** Rewrites what is still needed of the oldest segments, and removes them, while it pays. */
  async #collect(): Promise<void> {
    for (let rounds = 0; rounds < 8; rounds++) {
      const plan = planCollection(
        this.groups,
        this.segments,
        positionAt(this.#current.header, this.#offset),
      )
      if (plan === undefined) return
      const drafts: RecordDraft[][] = []
      for (const move of plan.moves) {
        const frames = moveRecords(move, (position) => this.locate(position))
        // An entry that cannot be read stays where it is, and so does its segment.
        if (frames === undefined) return
        drafts.push(...frames)
      }
      const bytes = drafts.reduce((sum, records) => sum + frameBytes(records), 0)
      // What is moved must leave most of the segment to what is new, or moving would never end.
      if (bytes > (this.#segmentSize - this.#offset) / 2) return
      // Often nothing of a segment is needed any more.
      const positions = drafts.length === 0 ? [] : await this.#writeDirectly(drafts)
      if (positions === undefined) return
      drafts.forEach((records, at) => applyMove(this.groups, records, positions[at] as number))
      await this.#removeOldest()
    }
  }

  async #removeOldest(): Promise<void> {
    const oldest = defined(this.segments.shift(), 'a segment is there to be removed')
    oldest.file.close()
    await this.#pipe.background([
      { op: 'unlink', path: oldest.path },
      { op: 'syncDir', path: `${this.#context.directory}/${LOG_DIRECTORY}` },
    ])
  }

  async #rotate(frame: number): Promise<void> {
    const refused = await this.#advance(frame + 2 * FRAME_HEADER_BYTES, true)
    if (refused !== undefined) return this.#giveBack(refused)
    this.#context.events.rotated()
    await this.#collect()
  }

  /**
   * Goes on in another segment, from where the log ends now. What stands behind that in the segment
   * before is void from then on. Returns why not, where the disk is full.
   */
  async #advance(bytes: number, seal: boolean): Promise<QuorateError | undefined> {
    const old = this.#current
    const spare = await this.#spares.take(SEGMENT_HEADER_BYTES + bytes)
    if (spare instanceof QuorateError) {
      if (spare.code !== 'NO_SPACE') throw spare
      return spare
    }
    const folder = `${this.#context.directory}/${LOG_DIRECTORY}`
    const header = {
      ...old.header,
      version: FORMAT_VERSION,
      seq: old.header.seq + 1,
      start: positionAt(old.header, this.#offset),
      previousEnd: this.#offset,
      previousCrc: this.#crc,
      lsn: this.#lsn,
      nextGroup: this.groups.nextNumber,
    }
    const path = `${folder}/${segmentName(header.seq)}`
    try {
      await this.#pipe.run([
        { op: 'write', file: spare.file, bytes: encodeSegmentHeader(header), position: 0 },
        { op: 'datasync', file: spare.file },
        { op: 'rename', from: spare.path, to: path },
        { op: 'syncDir', path: folder },
      ])
    } catch (error) {
      if (!isFullJob(error)) throw error
      this.#spares.discard(spare)
      return noSpace(error)
    }
    // Only now, so that a sealed segment without a successor means that one was lost.
    if (seal) await this.#close(FLAG_SEAL).catch(exceptFull)
    await this.#pipe.run([{ op: 'target', file: spare.file, position: SEGMENT_HEADER_BYTES }])
    old.end = header.previousEnd
    this.segments.push({ header, path, file: spare.file, end: undefined })
    this.#offset = SEGMENT_HEADER_BYTES
    this.#segmentSize = spare.bytes
    this.#crc = header.previousCrc
    this.#lsn = header.lsn
    this.#seed = segmentSeed(header.store, header.seq)
    this.#spares.prepare()
    this.#context.events.space(true)
    return undefined
  }

  /** Writes a frame without records at the end of what is written. */
  #close(flags: number): Promise<void> {
    const { file } = this.#current
    const bytes = new Uint8Array(FRAME_HEADER_BYTES)
    this.#frame(new DataView(bytes.buffer), bytes, 0, flags, [])
    return this.#pipe.run([
      { op: 'write', file, bytes, position: this.#offset },
      { op: 'datasync', file },
    ])
  }

  /** The disk had no room for a part of what was published: none of it is stored. */
  #onFull(): void {
    if (this.#failure !== undefined) return
    const durable = this.durable
    const first = defined(this.#inFlight[0], 'what was not written is under way')
    this.#frozen = durable
    this.#offset = offsetAt(this.#current.header, durable)
    this.#lsn = first.lsn
    this.#crc = first.previousCrc
    this.#exclusively(async () => {
      await this.#cut()
      await this.#pipe.discard()
      this.#origin = durable - this.#pipe.durableCount
      this.#frozen = undefined
      await this.#pipe.run([
        { op: 'target', file: this.#current.file, position: SEGMENT_HEADER_BYTES },
      ])
      this.#giveBack()
    })
  }

  /**
   * Ends the log where it is durable, in another segment, as soon as the disk has room for one:
   * parts of a frame may stand behind that, and only then can it be said that they are nothing.
   */
  async #cut(): Promise<void> {
    while ((await this.#advance(2 * FRAME_HEADER_BYTES, false)) !== undefined) {
      this.#context.events.space(false)
      await this.room.wait()
    }
    this.#context.events.space(false)
  }

  /** There was no room: what waits and what was under way is not written, and is given back. */
  #giveBack(error: QuorateError = noRoom()): void {
    this.#context.events.space(false)
    const refused = [...this.#inFlight.map(({ write }) => write), ...this.#queue]
    this.#inFlight = []
    this.#queue = []
    this.#drafts = undefined
    for (const write of refused) write.reject(error)
  }

  #onDurable(count: number, bytes: number, syncMs: number): void {
    let done = 0
    while (done < this.#inFlight.length && (this.#inFlight[done] as Encoded).count <= count) done++
    const completed = this.#inFlight.splice(0, done)
    for (const { write, position, records } of completed) write.apply(position, records)
    this.#context.events.synced(done, bytes, syncMs)
    this.#answer(completed.map(({ write }) => write))
    this.#pump()
  }

  /** Answers writes in order; those with a hard state only once it is in its second place as well. */
  #answer(writes: readonly JournalWrite[]): void {
    const waits = this.#unanswered.length > 0 || writes.some(({ hardState }) => hardState)
    if (!waits) {
      for (const write of writes) write.resolve()
      return this.#settleIdle()
    }
    this.#unanswered.push(...writes)
    if (!this.#meta.busy) this.#writeMeta()
  }

  async #collectOnce(): Promise<void> {
    this.#collectWhenIdle = false
    await this.#collect()
  }

  /** Something was removed from the log: see, once it is quiet, whether segments can go. */
  expectGarbage(): void {
    this.#collectWhenIdle = true
  }

  /** Writes the second place of hard states, and then answers what waited for it. */
  #writeMeta(): void {
    const count = this.#unanswered.length
    this.#meta.write(this.durable).then(
      () => {
        if (this.#failure !== undefined) return
        for (const write of this.#unanswered.splice(0, count)) write.resolve()
        if (this.#unanswered.some(({ hardState }) => hardState)) return this.#writeMeta()
        for (const write of this.#unanswered.splice(0)) write.resolve()
        this.#settleIdle()
        if (this.idle && this.#collectWhenIdle) this.#exclusively(() => this.#collectOnce())
      },
      (error: unknown) => {
        if (!isFullJob(error)) return this.#fail(error, 'a write of the hard states failed')
        this.#context.events.space(false)
        this.room.wait().then(
          () => this.#writeMeta(),
          (closed: unknown) => this.#fail(closed, 'a write of the hard states found no room'),
        )
      },
    )
  }

  /** Notes a hard state for its second place. */
  noteHardState(group: number, position: number, bytes: Uint8Array): void {
    this.#meta.note(group, position, bytes)
  }

  /** Forgets the hard states of a group that is gone. */
  forgetHardState(group: number): void {
    this.#meta.forget(group)
  }

  #settleIdle(): void {
    if (!this.idle) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
    this.#idleTimer?.cancel()
    if (this.#meta.durable >= this.durable) return
    // The last write before silence has no later frame that could prove it.
    this.#idleTimer = this.#context.clock.setTimer(this.#context.markerIdleMs, () => {
      if (this.idle && !this.#meta.busy && this.#failure === undefined) this.#writeMeta()
    })
  }

  /** Resolves once nothing is under way, whatever became of it. */
  whenIdle(): Promise<void> {
    if (this.idle || this.#failure !== undefined) return Promise.resolve()
    return new Promise((resolve) => void this.#whenIdle.push(resolve))
  }

  /** Ends in good order, so that the next start need not write anything anew. */
  async close(): Promise<void> {
    this.room.close()
    await this.whenIdle()
    this.#paused = true
    this.#idleTimer?.cancel()
    try {
      await this.#spares.close()
      if (this.#failure === undefined) await this.#closeLog()
    } catch (error) {
      throw storageFailed('closing the log failed', error)
    } finally {
      this.#failure ??= new QuorateError('CLOSED', 'the storage is closed')
      await this.#pipe.close()
      closeFiles([...this.segments.map(({ file }) => file), this.#metaFile])
    }
  }

  async #closeLog(): Promise<void> {
    const durable = this.durable
    await this.#meta.settled()
    await this.#close(FLAG_CLEAN)
    await this.#meta.write(durable)
  }

  /** Gives up: whatever the system now says about these files cannot be relied on. */
  #fail(cause: unknown, what: string): void {
    if (this.#failure !== undefined) return
    const failure = storageFailed(what, cause)
    this.#failure = failure
    this.#idleTimer?.cancel()
    this.room.close()
    const lost = [...this.#unanswered, ...this.#inFlight.map(({ write }) => write), ...this.#queue]
    this.#unanswered = []
    this.#inFlight = []
    this.#queue = []
    for (const write of lost) write.reject(failure)
    for (const resolve of this.#whenIdle.splice(0)) resolve()
    this.#context.events.failed(failure)
  }

  /** Stops waiting for the disk: what is under way may or may not become durable. */
  abandon(reason: QuorateError): void {
    if (!this.idle) this.#fail(reason, 'the storage was closed before its writes were done')
  }

  /** Where a position is: its segment and the offset in it. */
  locate(position: number): { readonly segment: Segment; readonly offset: number } {
    let low = 0
    let high = this.segments.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.segments[middle] as Segment).header.start <= position) low = middle
      else high = middle - 1
    }
    const segment = defined(this.segments[low], 'a position lies in a segment')
    return { segment, offset: offsetAt(segment.header, position) }
  }
}
