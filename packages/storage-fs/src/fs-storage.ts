// All durable state of one host in one directory: opens it in the order that makes every crash
// harmless, and gives each group its log over the one journal.
import type {
  AbortOptions,
  GroupAlgorithm,
  GroupId,
  HostStorage,
  Lifecycle,
  Logger,
  StorageContext,
  StorageIdentity,
  StorageSupports,
  StoredGroup,
} from '@quorate/core'
import {
  QuorateError,
  abortError,
  assert,
  checkId,
  compareIds,
  defined,
  isQuorateError,
  silentLogger,
} from '@quorate/core'
import { Ballast } from './ballast.ts'
import type { FsLogHome } from './fs-log.ts'
import { FsLog } from './fs-log.ts'
import type { Fs, Unlock } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { encodeGroupState } from './group-state.ts'
import type { JournalWrite } from './journal.ts'
import { Journal } from './journal.ts'
import { noSpace } from './journal-errors.ts'
import { LOCK_FILE, TYPE_DROP, TYPE_STATE } from './layout.ts'
import type { LogPipe } from './log-pipe.ts'
import type { FsStorageOptions, ResolvedOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import type { RecoveredLog, RecoveryReport } from './recovery.ts'
import { makeDirectories, recoverLog } from './recovery.ts'
import type { FaultyRange, ScrubFinding } from './scrubber.ts'
import { Scrubber } from './scrubber.ts'
import { LostSnapshots } from './lost-snapshots.ts'
import type { DamagedSnapshot, SnapshotFallback } from './snapshot-sweep.ts'
import { checkSnapshots, pruneSnapshots, setAside, sweepSnapshots } from './snapshot-sweep.ts'
import { StorageMeters } from './storage-meters.ts'

/** So many ranges of damaged entries stand in one line of the log. */
const FAULTS_TOLD = 16

/** Storage of one host in a directory. */
export interface FsStorage extends HostStorage {
  /** The directory. */
  readonly directory: string
  /** A store's random name, and how often it has been opened. */
  identity(): StorageIdentity
  /** How the log ended when it was opened; `undefined` before. */
  readonly recovery: RecoveryReport | undefined
  /** Groups that started from an older snapshot, because their newest is damaged. */
  readonly fallbacks: readonly SnapshotFallback[]
  /** Entries that exist and cannot be read, as far as is known by now. */
  readonly faults: readonly FaultyRange[]
  /** Groups whose newest snapshot was found damaged since the start, and has not been replaced. */
  readonly damagedSnapshots: readonly DamagedSnapshot[]
}

/** What a storage stands on: the system, unless a test puts something else there. */
export interface FsPlatform {
  readonly fs: Fs
  /** Makes the way to the disk. */
  readonly pipe: (ringBytes: number) => LogPipe
  /** 16 random bytes. */
  readonly newStore: () => Uint8Array
}

/** Makes a storage over a platform. */
export function createFsStorage(
  directory: string,
  options: FsStorageOptions,
  platform: FsPlatform,
): FsStorage {
  return new DirectoryStorage(directory, resolveOptions(options), platform)
}

class DirectoryStorage implements FsStorage {
  readonly directory: string
  readonly supports: StorageSupports
  readonly #options: ResolvedOptions
  readonly #platform: FsPlatform
  readonly #logs = new Map<GroupId, FsLog>()
  readonly #images = new Map<GroupId, GroupImage>()
  readonly #dropping = new Set<GroupId>()
  #status: Lifecycle = 'opening'
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #unlock: Unlock | undefined
  #journal: Journal | undefined
  #pipe: LogPipe | undefined
  #store: Uint8Array = new Uint8Array(16)
  #meters: StorageMeters | undefined
  #ballast: Ballast | undefined
  #scrubber: Scrubber | undefined
  #lostSnapshots: LostSnapshots | undefined
  #logger: Logger = silentLogger
  #recovery: RecoveryReport | undefined
  #fallbacks: readonly SnapshotFallback[] = []

  constructor(directory: string, options: ResolvedOptions, platform: FsPlatform) {
    this.directory = directory
    this.#options = options
    this.#platform = platform
    this.supports = {
      durable: true,
      snapshotResume: true,
      faultyRanges: options.onDamage === 'repair',
    }
  }

  get status(): Lifecycle {
    return this.#status
  }

  get recovery(): RecoveryReport | undefined {
    return this.#recovery
  }

  get fallbacks(): readonly SnapshotFallback[] {
    return this.#fallbacks
  }

  get faults(): readonly FaultyRange[] {
    return [...this.#images].flatMap(([group, { table, first, last }]) =>
      table.faults(first, last).map((range) => ({ group, ...range })),
    )
  }

  get damagedSnapshots(): readonly DamagedSnapshot[] {
    return this.#lostSnapshots?.damaged ?? []
  }

  get spaceLow(): boolean {
    return this.#meters?.spaceLow ?? false
  }

  async open(context: StorageContext): Promise<void> {
    if (this.#status !== 'opening')
      throw new QuorateError('CLOSED', `the storage is ${this.#status}`)
    assert(this.#opening === undefined, 'a storage is opened once')
    this.#opening = this.#open(context)
    return this.#opening
  }

  async #open(context: StorageContext): Promise<void> {
    checkId(context.cluster, 'a cluster id')
    checkId(context.host, 'a host id')
    const { fs } = this.#platform
    this.#logger = context.logger
    try {
      makeDirectories(fs, this.directory)
      this.#unlock = await fs.lock(`${this.directory}/${LOCK_FILE}`)
      if (this.#unlock === undefined) {
        throw new QuorateError(
          'STORAGE_LOCKED',
          `another process uses ${this.directory}; stop it, or use another directory`,
        )
      }
      await this.#start(context, this.#recover(context))
      if (this.#status === 'opening') this.#status = 'open'
    } catch (error) {
      await this.#release().catch(() => undefined)
      if (this.#status === 'opening') this.#status = 'closed'
      throw asStorageError(error, this.directory)
    }
  }

  #recover({ cluster, host, logger }: StorageContext): RecoveredLog {
    const { fs, newStore } = this.#platform
    const { segmentBytes, onDamage, strictTail } = this.#options
    const log = recoverLog({
      fs,
      directory: this.directory,
      cluster,
      host,
      segmentBytes,
      onDamage,
      strictTail,
      newStore,
    })
    try {
      this.#store = log.store
      this.#recovery = log.report
      this.#fallbacks = checkSnapshots(fs, this.directory, log.store, log.groups.byNumber.values())
    } catch (error) {
      log.metaFile.close()
      for (const { file } of log.segments) file.close()
      throw error
    }
    const { tail, cutBytes } = log.report
    if (tail === 'torn')
      logger.warn({ cutBytes }, 'an unfinished write at the end of the log was cut off')
    for (const fallback of this.#fallbacks)
      logger.error({ ...fallback }, 'a snapshot is damaged, the one before it is used')
    return log
  }

  async #start(context: StorageContext, log: RecoveredLog): Promise<void> {
    const { fs } = this.#platform
    const pipe = this.#platform.pipe(this.#options.ringBytes)
    this.#pipe = pipe
    const meters = new StorageMeters({
      fs,
      directory: this.directory,
      context,
      lowWaterBytes: this.#options.lowWaterBytes,
      measured: (freeBytes) => {
        this.#ballast?.keep(freeBytes)
        this.#meters?.setFaulty(this.#faultyCount())
      },
    })
    this.#meters = meters
    const ballast = new Ballast({
      fs,
      pipe,
      directory: this.directory,
      bytes: this.#options.ballastBytes,
      keepFreeBytes: this.#options.lowWaterBytes + this.#options.segmentBytes,
      changed: (bytes) => meters.setBallast(bytes),
    })
    this.#ballast = ballast
    const journal = new Journal(
      {
        fs,
        pipe,
        directory: this.directory,
        clock: context.clock,
        segmentBytes: this.#options.segmentBytes,
        markerIdleMs: this.#options.markerIdleMs,
        ballast,
        events: {
          synced: (writes, bytes, syncMs) => meters.synced(writes, bytes, syncMs),
          rotated: () => meters.measureSpace(),
          space: (enough) => meters.setRoom(enough),
          failed: (error) =>
            context.logger.error({ error }, 'the storage has failed and writes no more'),
        },
      },
      log,
    )
    this.#journal = journal
    for (const image of log.groups.byNumber.values()) {
      if (image.identity !== undefined) this.#images.set(image.identity.id, image)
    }
    await journal.start()
    meters.measureSpace()
    await this.#recordFallbacks(journal)
    sweepSnapshots(fs, this.directory, journal.groups.byNumber)
    const lostSnapshots = new LostSnapshots({
      fs,
      directory: this.directory,
      logger: context.logger,
      meters,
      submit: (records, apply) => this.#submit(journal, records, apply),
      logOf: (group) => this.#logs.get(group),
    })
    this.#lostSnapshots = lostSnapshots
    this.#scrubber = new Scrubber({
      fs,
      pipe,
      clock: context.clock,
      journal,
      directory: this.directory,
      store: this.#store,
      bytesPerSecond: this.#options.scrubBytesPerSecond,
      scrubbed: (bytes) => meters.scrubbed(bytes),
      found: (finding) => this.#onDamage(meters, finding),
      snapshotFound: (image, meta, reason) => lostSnapshots.found(image, meta, reason),
    })
    this.#tellFaults(context.logger, meters)
    this.#scrubber.start()
  }

  /** What cannot be read is told at once, by whoever opens the storage so that peers repair it. */
  #tellFaults(logger: Logger, meters: StorageMeters): void {
    const entries = this.#faultyCount()
    meters.setFaulty(entries)
    if (entries === 0) return
    const fields = { entries, faults: this.faults.slice(0, FAULTS_TOLD) }
    logger.error(
      fields,
      'entries are damaged: their groups get them from other hosts, and elect nobody by what is left',
    )
  }

  #onDamage(meters: StorageMeters, finding: ScrubFinding): void {
    const entries = this.#faultyCount()
    meters.setFaulty(entries)
    const faults = this.faults.slice(0, FAULTS_TOLD)
    meters.damaged({ ...finding, entries, faults }, 'the log is damaged')
  }

  #onMended({ identity }: GroupImage): void {
    this.#meters?.setFaulty(this.#faultyCount())
    this.#logger.warn({ group: identity?.id }, 'entries that were damaged have been replaced')
  }

  #faultyCount(): number {
    return [...this.#images.values()].reduce((sum, { table }) => sum + table.faultyCount, 0)
  }

  /** Says in the log which snapshots are in force now, and only then sets the damaged ones aside. */
  async #recordFallbacks(journal: Journal): Promise<void> {
    const set: { number: number; id: string }[] = []
    for (const { group, damaged } of this.#fallbacks) {
      const image = defined(this.#images.get(group), 'a group that fell back is known')
      const payload = encodeGroupState(image.state())
      const record = {
        type: TYPE_STATE,
        kind: 0,
        flags: 0,
        group: image.number,
        index: 0,
        epoch: 0,
        payload,
      }
      await this.#submit(journal, [record], (position) => void (image.stateAt = position))
      set.push({ number: image.number, id: damaged })
    }
    setAside(this.#platform.fs, this.directory, set)
  }

  #submit(
    journal: Journal,
    records: ReturnType<JournalWrite['records']>,
    apply: (position: number) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      journal.submit({ records: () => records, apply, hardState: false, resolve, reject })
    })
  }

  identity(): StorageIdentity {
    this.#assertOpen()
    const { starts } = defined(this.#journal, 'an open storage has a journal')
    return { store: Buffer.from(this.#store).toString('hex'), epoch: starts }
  }

  groups(): readonly StoredGroup[] {
    this.#assertOpen()
    return [...this.#images.values()]
      .flatMap(({ identity }) => (identity === undefined ? [] : [identity]))
      .sort((a, b) => compareIds(a.id, b.id))
  }

  group(id: GroupId, algorithm: GroupAlgorithm): FsLog {
    this.#assertOpen()
    checkId(id, 'a group id')
    this.#assertUnused(id)
    const image = this.#images.get(id)
    if (image?.identity !== undefined) assertAlgorithm(id, image.identity.algorithm, algorithm)
    const log = new FsLog(this.#home(), id, algorithm, image)
    this.#logs.set(id, log)
    return log
  }

  #assertUnused(id: GroupId): void {
    if (this.#logs.has(id) || this.#dropping.has(id)) {
      throw new QuorateError('INVALID_ARGUMENT', `group "${id}" is in use`)
    }
  }

  #home(): FsLogHome {
    const { fs } = this.#platform
    return {
      fs,
      pipe: defined(this.#pipe, 'an open storage has a pipe'),
      journal: defined(this.#journal, 'an open storage has a journal'),
      directory: this.directory,
      store: this.#store,
      assertOpen: () => this.#assertOpen(),
      makeRoom: async () => (await this.#ballast?.release()) ?? false,
      known: (image) => {
        if (image.identity !== undefined) this.#images.set(image.identity.id, image)
      },
      mended: (image) => this.#onMended(image),
      release: (log) => {
        if (this.#logs.get(log.id) === log) this.#logs.delete(log.id)
      },
      snapshotReplaced: (image, finished) => {
        const { number, snapshot, previous } = image
        pruneSnapshots(fs, this.directory, number, [snapshot?.id, previous?.id, ...finished])
        this.#lostSnapshots?.replaced(image)
      },
    }
  }

  async drop(id: GroupId): Promise<void> {
    this.#assertOpen()
    this.#assertUnused(id)
    const image = this.#images.get(id)
    if (image === undefined) return
    const journal = defined(this.#journal, 'an open storage has a journal')
    this.#dropping.add(id)
    try {
      const payload = new Uint8Array(0)
      const record = {
        type: TYPE_DROP,
        kind: 0,
        flags: 0,
        group: image.number,
        index: 0,
        epoch: 0,
        payload,
      }
      await this.#submit(journal, [record], () => {
        journal.groups.byNumber.delete(image.number)
        journal.forgetHardState(image.number)
        this.#images.delete(id)
        this.#lostSnapshots?.replaced(image)
        journal.expectGarbage()
      })
      pruneSnapshots(this.#platform.fs, this.directory, image.number, [])
    } finally {
      this.#dropping.delete(id)
    }
  }

  close(options: AbortOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.signal)
    return this.#closing
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    if (this.#status !== 'closed') this.#status = 'closing'
    await this.#opening?.catch(() => undefined)
    const journal = this.#journal
    const abandon = (): void => {
      if (signal !== undefined) journal?.abandon(abortError(signal, 'the close'))
    }
    if (signal?.aborted === true) abandon()
    signal?.addEventListener('abort', abandon, { once: true })
    try {
      await this.#release()
    } finally {
      signal?.removeEventListener('abort', abandon)
      this.#logs.clear()
      this.#status = 'closed'
    }
  }

  async #release(): Promise<void> {
    const journal = this.#journal
    this.#journal = undefined
    try {
      await this.#scrubber?.close()
      await this.#ballast?.close()
      await journal?.close()
      await this.#lostSnapshots?.close()
    } finally {
      this.#meters?.close()
      this.#unlock?.()
      this.#unlock = undefined
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#status !== 'open') throw new QuorateError('CLOSED', `the storage is ${this.#status}`)
    const failure = this.#journal?.failure
    if (failure !== undefined) throw failure
  }
}

function assertAlgorithm(id: GroupId, found: GroupAlgorithm, expected: GroupAlgorithm): void {
  if (found.name === expected.name && found.format <= expected.format) return
  throw new QuorateError(
    'STORAGE_ALGORITHM_MISMATCH',
    `group "${id}" was written by ${found.name} in format ${found.format}, not by ${expected.name} in format ${expected.format}; use the algorithm that made it, or another directory`,
    { details: { group: id, expected, found } },
  )
}

function asStorageError(error: unknown, directory: string): unknown {
  if (isQuorateError(error)) return error
  const full = noSpace(error)
  if (full !== undefined) return full
  if (!(error instanceof Error) || !('code' in error)) return error
  return new QuorateError('STORAGE_FAILED', `${directory} cannot be opened: ${error.message}`, {
    cause: error,
  })
}
