// The log of one group: what callers see runs ahead of what is durable, by the writes that are
// still on their way. Those are kept as they came; everything else is read from the segments.
import type {
  AbortOptions,
  DurableState,
  Entry,
  EntryRange,
  GroupAlgorithm,
  GroupId,
  LogIndex,
  LogStorage,
  SnapshotMeta,
  SnapshotPosition,
  SnapshotWriter,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, abortError, assert, defined } from '@quorate/core'
import { readEntries } from './entry-reader.ts'
import type { RecordDraft } from './frame.ts'
import type { Fs } from './fs.ts'
import { GroupImage } from './group-image.ts'
import { encodeGroupState } from './group-state.ts'
import type { Journal, JournalWrite } from './journal.ts'
import { checkFrameSize, noSpace } from './journal-errors.ts'
import {
  FRAME_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  TYPE_COMPACT,
  TYPE_ENTRY,
  TYPE_HARD_STATE,
  TYPE_SNAPSHOT,
  TYPE_STATE,
  TYPE_TRUNCATE,
  aligned,
} from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { LogView } from './pending.ts'
import { EMPTY_VIEW, recordsOf, viewAfter, viewOf, viewWithout } from './pending.ts'
import { readSnapshotChunks, snapshotExists } from './snapshot-reader.ts'
import { FsSnapshotWriter, snapshotFailed } from './snapshot-writer.ts'

/** What a log needs of its storage. */
export interface FsLogHome {
  readonly fs: Fs
  readonly pipe: LogPipe
  readonly journal: Journal
  readonly directory: string
  readonly store: Uint8Array
  readonly assertOpen: () => void
  /** Gives up what is kept in reserve on a full disk; returns whether there was any. */
  readonly makeRoom: () => Promise<boolean>
  /** A group has become durable for the first time. */
  readonly known: (image: GroupImage) => void
  readonly release: (log: FsLog) => void
  /** The last entry of a group that could not be read has been replaced, or is needed no more. */
  readonly mended: (image: GroupImage) => void
  /** A batch made another snapshot the group's. */
  readonly snapshotReplaced: (image: GroupImage, finished: readonly string[]) => void
}

/** What a write under way asks of its log; one for all writes, because there are many. */
interface PendingHome {
  records(pending: Pending): RecordDraft[]
  apply(pending: Pending, position: number, records: readonly RecordDraft[]): void
  refuse(pending: Pending, error: QuorateError): void
}

/** A write under way. */
class Pending implements JournalWrite {
  readonly batch: WriteBatch
  readonly retained: LogIndex
  readonly hardState: boolean
  readonly resolve: () => void
  readonly #home: PendingHome
  readonly #reject: (error: QuorateError) => void

  constructor(
    home: PendingHome,
    batch: WriteBatch,
    retained: LogIndex,
    resolve: () => void,
    reject: (error: QuorateError) => void,
  ) {
    this.#home = home
    this.batch = batch
    this.retained = retained
    this.hardState = batch.hardState !== undefined
    this.resolve = resolve
    this.#reject = reject
  }

  records(): RecordDraft[] {
    return this.#home.records(this)
  }

  apply(position: number, records: readonly RecordDraft[]): void {
    this.#home.apply(this, position, records)
  }

  reject(error: QuorateError): void {
    this.#home.refuse(this, error)
    this.#reject(error)
  }
}

/** One group's log. */
export class FsLog implements LogStorage {
  readonly id: GroupId
  readonly #home: FsLogHome
  readonly #algorithm: GroupAlgorithm
  #image: GroupImage | undefined
  #view: LogView
  /** Writes that are not durable yet, oldest first. */
  #pending: Pending[] = []
  #loaded = false
  readonly #pendingHome: PendingHome = {
    records: ({ batch, retained }) => this.#records(batch, retained),
    apply: (pending, position, records) => this.#apply(pending, position, records),
    refuse: (pending, error) => this.#refuse(pending, error),
  }
  #closed = false
  #writesSnapshot = false
  /** Snapshots that have their files, and whose batch is still under way or to come. */
  #finished: readonly SnapshotMeta[] = []
  #nextSeq = 1
  /** The batch that was refused for want of space; it must come again before any other. */
  #refusedSeq: number | undefined
  /** Whether a state record of this group is in the log or on its way. */
  #announced: boolean
  readonly #whenSettled: (() => void)[] = []

  constructor(
    home: FsLogHome,
    id: GroupId,
    algorithm: GroupAlgorithm,
    image: GroupImage | undefined,
  ) {
    this.id = id
    this.#home = home
    this.#algorithm = algorithm
    this.#image = image
    this.#announced = image !== undefined
    this.#view = image === undefined ? EMPTY_VIEW : viewOf(image)
  }

  async load(
    options: AbortOptions & { readonly tailBytesMax?: number | undefined } = {},
  ): Promise<DurableState> {
    this.#assertOpen()
    if (options.signal?.aborted === true) throw abortError(options.signal, 'the load')
    assert(!this.#loaded && this.#nextSeq === 1, 'a log is loaded once, before any write')
    this.#loaded = true
    const image = this.#image ?? new GroupImage(0)
    const { first, last, table, epochs } = image
    const tail = this.#tail(image, options.tailBytesMax ?? Number.MAX_SAFE_INTEGER)
    const membershipEntries = image.membershipIndexes.flatMap((index) =>
      readEntries(this.#locate, image, index, index, 0),
    )
    return {
      hardState: image.hardState,
      snapshot: image.snapshot,
      firstIndex: first,
      lastIndex: last,
      epochs: epochs.from(first - 1),
      tail,
      membershipEntries,
      faulty: table.faults(first, last),
    }
  }

  #tail(image: GroupImage, bytesMax: number): readonly Entry[] {
    const { table, first, last } = image
    let from = last + 1
    let bytes = 0
    while (from > first && !table.isFaulty(from - 1)) {
      bytes += table.size(from - 1)
      if (from <= last && bytes > bytesMax) break
      from--
    }
    for (;;) {
      const entries =
        from > last ? [] : readEntries(this.#locate, image, from, last, Number.MAX_SAFE_INTEGER)
      if (from + entries.length > last) return entries
      // One was found to be unreadable only now: the tail begins after it.
      from += entries.length + 1
    }
  }

  readonly #locate = (position: number): ReturnType<Journal['locate']> =>
    this.#home.journal.locate(position)

  write(batch: WriteBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertOpen()
      if (this.#refusedSeq !== undefined && batch.seq > this.#refusedSeq) {
        throw new QuorateError(
          'NO_SPACE',
          `batch ${this.#refusedSeq} was refused and must be written first`,
        )
      }
      if (batch.seq !== this.#nextSeq)
        assert(false, () => `batch ${this.#nextSeq} comes next, not ${batch.seq}`)
      const view = viewAfter(this.#view, batch)
      checkFrameSize(batchBytes(batch))
      this.#assertSnapshot(batch.snapshot)
      this.#refusedSeq = undefined
      this.#nextSeq++
      this.#view = view
      const pending = new Pending(this.#pendingHome, batch, view.retained, resolve, reject)
      this.#pending.push(pending)
      this.#home.journal.submit(pending)
    })
  }

  #assertSnapshot(meta: SnapshotMeta | undefined): void {
    if (meta === undefined) return
    const { fs, directory } = this.#home
    const number = defined(this.#image, 'a group that wrote a snapshot has a number').number
    assert(snapshotExists(fs, directory, number, meta.id), 'a batch names a finished snapshot')
  }

  /** The group's number in the log, given with its first use. */
  #numbered(): GroupImage {
    if (this.#image === undefined) {
      const { groups } = this.#home.journal
      this.#image = groups.at(groups.nextNumber)
    }
    return this.#image
  }

  #records(batch: WriteBatch, retained: LogIndex): RecordDraft[] {
    const image = this.#numbered()
    const records = recordsOf(batch, retained, image.number)
    if (!this.#announced) {
      this.#announced = true
      const { id, algorithm } = { id: this.id, algorithm: this.#algorithm }
      const state = {
        id,
        algorithm,
        hardState: undefined,
        snapshot: undefined,
        snapshotLost: false,
        previous: undefined,
        first: 1,
        retained: 1,
        last: 0,
        baseEpoch: 0,
      }
      records.unshift({
        type: TYPE_STATE,
        kind: 0,
        flags: 0,
        group: image.number,
        index: 0,
        epoch: 0,
        payload: encodeGroupState(state),
      })
    }
    return records
  }

  #apply(pending: Pending, position: number, records: readonly RecordDraft[]): void {
    assert(this.#pending.shift() === pending, 'writes become durable in order')
    const image = this.#numbered()
    const wasFaulty = image.table.faultyCount > 0
    let at = position + FRAME_HEADER_BYTES
    for (const record of records) {
      this.#applyRecord(image, pending.batch, record, at)
      at += RECORD_HEADER_BYTES + aligned(record.payload.length)
    }
    if (pending.batch.snapshot !== undefined) this.#replaced(image, pending.batch.snapshot)
    if (pending.batch.compactTo !== undefined) this.#home.journal.expectGarbage()
    if (wasFaulty && image.table.faultyCount === 0) this.#home.mended(image)
    this.#settle()
  }

  /** Another snapshot is in force: files of older ones may go, but not of one that is yet to be. */
  #replaced(image: GroupImage, { id, index }: SnapshotMeta): void {
    this.#finished = this.#finished.filter((each) => each.id !== id && each.index > index)
    this.#home.snapshotReplaced(
      image,
      this.#finished.map((each) => each.id),
    )
  }

  #applyRecord(image: GroupImage, batch: WriteBatch, record: RecordDraft, at: number): void {
    const { type, index, epoch, kind, payload } = record
    if (type === TYPE_ENTRY) {
      assert(image.append(index, epoch, kind, payload.length, at), 'an entry follows the last one')
    } else if (type === TYPE_TRUNCATE) image.truncate(index)
    else if (type === TYPE_SNAPSHOT)
      image.setSnapshot(defined(batch.snapshot, 'the record comes from it'))
    else if (type === TYPE_COMPACT) image.compact(index, epoch)
    else if (type === TYPE_HARD_STATE) {
      // The caller's bytes may be a view of something large.
      const bytes = payload.slice()
      image.setHardState(bytes, at)
      this.#home.journal.noteHardState(image.number, at, bytes)
    } else {
      image.identity = { id: this.id, algorithm: this.#algorithm }
      image.stateAt = at
      this.#home.known(image)
    }
  }

  /** A write was refused or lost: what is visible goes back to what is durable and still under way. */
  #refuse(pending: Pending, error: QuorateError): void {
    const at = this.#pending.indexOf(pending)
    if (at >= 0) this.#pending.splice(at, 1)
    if (error.code === 'NO_SPACE') {
      this.#refusedSeq = Math.min(this.#refusedSeq ?? pending.batch.seq, pending.batch.seq)
      this.#nextSeq = this.#refusedSeq
      const image = this.#image
      this.#view = this.#viewAfter(this.#pending.slice(0, Math.max(0, at)))
      if (image?.identity === undefined && this.#pending.length === 0) this.#announced = false
    }
    this.#settle()
  }

  #viewAfter(pending: readonly Pending[]): LogView {
    const image = this.#image
    const durable = image?.identity === undefined ? EMPTY_VIEW : viewOf(image)
    return pending.reduce((view, { batch }) => viewAfter(view, batch), durable)
  }

  /** A snapshot was found damaged; a record that says so follows everything handed in so far. */
  noteLostSnapshot(id: string): void {
    this.#view = viewWithout(this.#view, id)
  }

  /** That record was refused. */
  forgetLostSnapshot(): void {
    this.#view = this.#viewAfter(this.#pending)
  }

  #settle(): void {
    if (this.#pending.length > 0) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }

  async read(range: EntryRange, options: AbortOptions = {}): Promise<readonly Entry[]> {
    this.#assertOpen()
    if (options.signal?.aborted === true) throw abortError(options.signal, 'the read')
    this.#checkRange(range)
    const entries: Entry[] = []
    let bytes = 0
    let next = range.first
    while (next <= range.last) {
      const run = this.#run(next, range.last, range.bytesMax - bytes)
      for (const entry of run) {
        bytes += entry.payload.length
        if (entries.length > 0 && bytes > range.bytesMax) return entries
        entries.push(entry)
      }
      next += run.length
      if (run.length === 0 || bytes >= range.bytesMax) break
    }
    if (entries.length === 0) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        `entry ${range.first} of group "${this.id}" cannot be read`,
      )
    }
    return entries
  }

  #checkRange(range: EntryRange): void {
    const { first, last } = this.#view
    if (range.first < first) {
      throw new QuorateError(
        'COMPACTED',
        `the log starts at ${first}, entry ${range.first} is gone`,
      )
    }
    if (range.last > last || range.last < range.first) {
      throw new QuorateError(
        'INVALID_ARGUMENT',
        `entries ${range.first} to ${range.last} were asked for, the log ends at ${last}`,
      )
    }
  }

  /** Entries from one place: those of one write under way, or a run from the segments. */
  #run(first: LogIndex, last: LogIndex, bytesMax: number): readonly Entry[] {
    let durableLast = last
    for (const { batch } of this.#pending.toReversed()) {
      const { append, truncateFrom } = batch
      const start = append[0]?.index
      if (start !== undefined && start <= first && first < start + append.length) {
        return append.slice(first - start, last - start + 1)
      }
      const from = Math.min(
        start ?? Number.POSITIVE_INFINITY,
        truncateFrom ?? Number.POSITIVE_INFINITY,
      )
      if (from > first) durableLast = Math.min(durableLast, from - 1)
    }
    const image = defined(this.#image, 'an entry that is not under way is durable')
    return readEntries(this.#locate, image, first, Math.min(durableLast, image.last), bytesMax)
  }

  async snapshotWriter(target: SnapshotPosition & Partial<SnapshotMeta>): Promise<SnapshotWriter> {
    this.#assertOpen()
    assert(!this.#writesSnapshot, 'one snapshot is written at a time')
    const { fs, pipe, directory, store } = this.#home
    const home = {
      fs,
      pipe,
      directory,
      owner: { store, group: this.#numbered().number },
      assertOpen: () => this.#assertOpen(),
      makeRoom: () => this.#home.makeRoom(),
      release: () => void (this.#writesSnapshot = false),
      finishing: (meta: SnapshotMeta) => void (this.#finished = [...this.#finished, meta]),
    }
    let writer: FsSnapshotWriter
    try {
      writer = new FsSnapshotWriter(home, target)
    } catch (error) {
      throw noSpace(error) ?? snapshotFailed(error)
    }
    this.#writesSnapshot = true
    return writer
  }

  readSnapshot(
    id: string,
    options: AbortOptions & { readonly offset?: number | undefined } = {},
  ): AsyncIterable<Uint8Array> {
    const { fs, directory, store } = this.#home
    const image = this.#image
    const owner = image === undefined ? undefined : { store, group: image.number }
    return readSnapshotChunks(
      { fs, directory, owner, assertOpen: () => this.#assertOpen() },
      id,
      options,
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#pending.length > 0) {
      let unwatch = (): void => {}
      await new Promise<void>((resolve) => {
        this.#whenSettled.push(resolve)
        // A full disk may stay full: what waits for room is not acknowledged, and given back later.
        unwatch = this.#home.journal.room.watch(resolve)
      })
      unwatch()
    }
    this.#home.release(this)
  }

  #assertOpen(): void {
    if (this.#closed) throw new QuorateError('CLOSED', `the log of "${this.id}" is closed`)
    this.#home.assertOpen()
  }
}

/** About what a batch takes in the log. */
function batchBytes(batch: WriteBatch): number {
  let bytes = FRAME_HEADER_BYTES + 4 * RECORD_HEADER_BYTES + (batch.hardState?.length ?? 0)
  for (const { payload } of batch.append) bytes += RECORD_HEADER_BYTES + aligned(payload.length)
  return bytes
}
