// One life of a storage over a file system that may lose power at any moment: draws writes, and
// before every sync checks each crash state against the model. Also goes on from crash states.
import { isQuorateError, noMetrics, silentLogger } from '@quorate/core'
import type {
  Clock,
  GroupId,
  LogStorage,
  Random,
  SnapshotMeta,
  StorageContext,
  WriteBatch,
} from '@quorate/core'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { createFsStorage } from '../../src/fs-storage.ts'
import type { FsStorage } from '../../src/fs-storage.ts'
import { pacedPipe } from '../../src/paced-pipe.ts'
import type { FsStorageOptions } from '../../src/options.ts'
import { makeDirectories, recoverLog } from '../../src/recovery.ts'
import type { RecoveredLog } from '../../src/recovery.ts'
import { checkSnapshots } from '../../src/snapshot-sweep.ts'
import { forEachCrashState } from './crash-states.ts'
import { Model, Workload, recoveredText } from './model.ts'

/** Where storages of the tests keep their data. */
export const DIRECTORY = '/data'
const SEGMENT_BYTES = 16_384
const ALGORITHM = { name: 'test', format: 1 }
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

/** A clock whose timers run when the test says so. */
export class HandClock implements Clock {
  #timers: (() => void)[] = []
  now = (): number => 0
  defer = (callback: () => void): void => queueMicrotask(callback)
  wallNow = (): number => 0

  setTimer(_delayMs: number, callback: () => void): { cancel(): void } {
    this.#timers.push(callback)
    return {
      cancel: () => void (this.#timers = this.#timers.filter((timer) => timer !== callback)),
    }
  }

  /** Runs every timer that is set. */
  fire(): void {
    for (const callback of this.#timers.splice(0)) callback()
  }
}

/** A storage over a file system of the test, written within the calling thread. */
export function storageOver(
  fs: CrashFs,
  random: Random,
  options: FsStorageOptions = {},
): FsStorage {
  return createFsStorage(
    DIRECTORY,
    {
      segmentBytes: SEGMENT_BYTES,
      ringBytes: 65_536,
      lowWaterBytes: 0,
      ballastBytes: 0,
      scrubBytesPerSecond: 0,
      ...options,
    },
    {
      fs,
      pipe: (bytes) => pacedPipe(fs, bytes, () => Promise.resolve()),
      newStore: () => Uint8Array.from({ length: 16 }, () => random.below(256)),
    },
  )
}

/** What {@link storageOver} is opened with. */
export function contextWith(clock: Clock): StorageContext {
  return { cluster: 'c', host: 'a', clock, logger: silentLogger, metrics: noMetrics }
}

/** Recovers a log as {@link storageOver} does, and closes its files; `read` looks at it before. */
export function recovered<T>(
  fs: CrashFs,
  read: (log: RecoveredLog) => T,
  identity: { cluster: string; host: string } = { cluster: 'c', host: 'a' },
): T {
  makeDirectories(fs, DIRECTORY)
  const log = recoverLog({
    fs,
    directory: DIRECTORY,
    ...identity,
    segmentBytes: SEGMENT_BYTES,
    onDamage: 'halt',
    newStore: () => new Uint8Array(16),
  })
  try {
    const fallbacks = checkSnapshots(fs, DIRECTORY, log.store, log.groups.byNumber.values())
    if (fallbacks.length > 0) throw new Error(`a snapshot is damaged: ${JSON.stringify(fallbacks)}`)
    return read(log)
  } finally {
    log.metaFile.close()
    for (const { file } of log.segments) file.close()
  }
}

/** Options of one run. */
export interface CrashRunOptions {
  readonly random: Random
  /** All subsets of effects are tried up to this many of them. */
  readonly exhaustiveMax: number
  /** One crash state in so many is also crashed during its recovery. */
  readonly nestedEvery: number
  readonly steps: number
}

/** A run over several lives. */
export class CrashRun {
  /** States that were made. */
  states = 0
  /** Different ones among those, recovered and compared with the model, but for `nested`. */
  distinct = 0
  /** Different ones that crashes during recoveries left. */
  nested = 0
  /** Attempts that a full disk refused, and that were made again. */
  refused = 0
  readonly #options: CrashRunOptions
  readonly #random: Random
  /** For how many calls the disk is full. */
  #fullFor = 0
  #fs = crashFs()
  #clock = new HandClock()
  #storage: FsStorage | undefined
  #workload: Workload
  #logs = new Map<GroupId, LogStorage>()
  /** The model after each write that was handed in; the first is where this life began. */
  #history: Model[] = [new Model()]
  #texts = new Map<string, number>([['', 0]])
  /** What the states of this life recovered to. */
  #seen = new Map<string, number>()
  /** How many of the writes have been acknowledged. */
  #acked = 0
  /** A state to go on from, and what had been acknowledged then. */
  #kept: { readonly fs: CrashFs; readonly acked: number } | undefined

  constructor(options: CrashRunOptions) {
    this.#options = options
    this.#random = options.random
    this.#workload = new Workload(options.random)
  }

  /** Runs one life, then ends it in one of the ways in which lives end. */
  async life(): Promise<void> {
    await this.#open()
    for (let step = 0; step < this.#options.steps; step++) await this.#step()
    this.#fullFor = 0
    this.#fs.hook = undefined
    const end = this.#random.below(4)
    if (end === 0) await this.#closeWell()
    else if (end === 1) await this.#kill()
    else if (end === 2) await this.#failSync()
    else if (this.#kept !== undefined) {
      this.#fs = this.#kept.fs
      this.#acked = this.#kept.acked
    }
    this.#fs.endProcess()
    this.#kept = undefined
  }

  async #open(): Promise<void> {
    const storage = storageOver(this.#fs, this.#random)
    this.#fs.hook = (call) => {
      if (call.name === 'sync' || call.name === 'datasync' || call.name === 'syncDir')
        this.#enumerate()
      return call.name === 'writev' ? this.#room() : undefined
    }
    await storage.open(contextWith(this.#clock))
    this.#storage = storage
    const at = recovered(this.#fs.afterCrash(this.#fs.effects), (log) => this.#position(log))
    const model = this.#history[at] as Model
    this.#history = [model]
    this.#texts = new Map([[model.text(), 0]])
    this.#seen = new Map()
    this.#acked = 0
    this.#workload = new Workload(this.#random)
    this.#logs = new Map()
    for (const { id } of storage.groups()) {
      const log = storage.group(id, ALGORITHM)
      const { firstIndex: first, lastIndex: last, snapshot, epochs } = await log.load()
      const epoch = Math.max(...epochs.map((run) => run.epoch)) + 1
      this.#workload.group(id, { first, last, epoch, snapshot: snapshot?.index ?? 0 })
      this.#logs.set(id, log)
    }
  }

  /** Nothing, unless the disk is full for a while: then writes come back short or find no room. */
  #room(): number | undefined {
    if (this.#fullFor === 0) return undefined
    this.#fullFor--
    if (this.#random.below(3) === 0) return 1 + this.#random.below(900)
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  }

  /** Waits for something that may wait for room, which is looked for when a timer says so. */
  async #patiently<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const settle = (): void => void (settled = true)
    work.then(settle, settle)
    while (!settled) {
      for (let turn = 0; turn < 60; turn++) await Promise.resolve()
      if (!settled) this.#clock.fire()
    }
    return work
  }

  /** Does something that a full disk refuses, until it is taken. */
  async #untilTaken(attempt: () => Promise<unknown>): Promise<void> {
    for (;;) {
      const refused = await this.#patiently(attempt()).then(
        () => false,
        (error: unknown) => {
          if (!isQuorateError(error, 'NO_SPACE')) throw error
          return true
        },
      )
      if (!refused) return
      this.refused++
    }
  }

  async #step(): Promise<void> {
    if (this.#random.below(8) === 0) this.#fullFor = 1 + this.#random.below(5)
    const kind = this.#random.below(20)
    const id = `g${this.#random.below(3)}`
    if (kind === 0) await this.#drop(id)
    else if (kind <= 2) await this.#snapshot(id)
    else if (kind === 3) this.#clock.fire()
    else {
      const count = 1 + this.#random.below(3)
      await this.#writeAll(Array.from({ length: count }, () => `g${this.#random.below(3)}`))
    }
    await Promise.resolve()
  }

  #log(id: GroupId): LogStorage {
    let log = this.#logs.get(id)
    if (log === undefined)
      this.#logs.set(id, (log = (this.#storage as FsStorage).group(id, ALGORITHM)))
    return log
  }

  async #write(id: GroupId, snapshot?: SnapshotMeta): Promise<void> {
    const batch = this.#workload.batch(id, snapshot)
    const number = this.#submitted((model) => model.apply(id, batch))
    await this.#untilTaken(() => this.#log(id).write(batch))
    this.#acked = Math.max(this.#acked, number)
  }

  /** Writes at once; what is refused is written again, in order and with all that came after it. */
  async #writeAll(ids: readonly GroupId[]): Promise<void> {
    let left = ids.map((id) => {
      const batch = this.#workload.batch(id)
      return { id, batch, number: this.#submitted((model) => model.apply(id, batch)) }
    })
    await this.#untilTaken(async () => {
      const outcomes = await Promise.allSettled(
        left.map(async ({ id, batch, number }) => {
          await this.#log(id).write(batch)
          this.#acked = Math.max(this.#acked, number)
        }),
      )
      left = left.filter((_, at) => outcomes[at]?.status === 'rejected')
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    })
  }

  /** Notes a change in the model, before it is handed to the storage. */
  #submitted(change: (model: Model) => void): number {
    const next = new Model()
    for (const [id, group] of (this.#history.at(-1) as Model).groups)
      next.groups.set(id, structuredClone(group))
    change(next)
    this.#history.push(next)
    const number = this.#history.length - 1
    this.#texts.set(next.text(), number)
    return number
  }

  async #snapshot(id: GroupId): Promise<void> {
    const group = this.#workload.group(id)
    if (group.last <= group.snapshot) return
    const index = group.snapshot + 1 + this.#random.below(group.last - group.snapshot + 3)
    this.#fullFor = 0
    const writer = await this.#log(id).snapshotWriter({
      index,
      epoch: group.epoch,
      membership: MEMBERSHIP,
    })
    await writer.write(new Uint8Array(this.#random.below(900)).fill(index))
    await this.#write(id, await writer.finish())
  }

  async #drop(id: GroupId): Promise<void> {
    const log = this.#logs.get(id)
    if (log === undefined) return
    await log.close()
    this.#logs.delete(id)
    this.#workload.forget(id)
    const number = this.#submitted((model) => void model.groups.delete(id))
    await this.#untilTaken(() => (this.#storage as FsStorage).drop(id))
    this.#acked = Math.max(this.#acked, number)
  }

  /** Which model state the log is in; throws where it is in none that is allowed. */
  #position(log: RecoveredLog): number {
    const text = recoveredText(log)
    const at = this.#texts.get(text)
    if (at === undefined)
      throw new Error(
        `a state that never was:\n${text}\nthe last one:\n${this.#history.at(-1)?.text()}`,
      )
    return this.#allowed(at)
  }

  #allowed(at: number): number {
    if (at < this.#acked)
      throw new Error(`write ${this.#acked} was acknowledged, the log ends after ${at}`)
    return at
  }

  #enumerate(): void {
    this.states += forEachCrashState(
      this.#fs,
      this.#random,
      this.#options.exhaustiveMax,
      (state) => {
        if (this.#random.below(200) === 0)
          this.#kept = { fs: state.afterCrash([]), acked: this.#acked }
        if (this.#random.below(this.#options.nestedEvery) === 0) this.#recoverTwice(state)
        else if (this.#recoverOnce(state)) this.distinct++
      },
    )
  }

  /**
   * Recovers a state. One with the same names and bytes as one before would recover to the same, and
   * only what has been acknowledged since can make that wrong. Returns whether it is a new one.
   */
  #recoverOnce(state: CrashFs): boolean {
    const signature = state.signature()
    const known = this.#seen.get(signature)
    if (known !== undefined) {
      this.#allowed(known)
      return false
    }
    state.tracks = false
    const at = recovered(state, (log) => this.#position(log))
    this.#seen.set(signature, at)
    return true
  }

  /** Recovery may itself be interrupted anywhere, and gives the same the second time. */
  #recoverTwice(state: CrashFs): void {
    state.hook = ({ name }) => {
      if (name !== 'sync' && name !== 'datasync' && name !== 'syncDir') return
      this.states += forEachCrashState(state, this.#random, 4, (inner) => {
        if (this.#recoverOnce(inner)) this.nested++
      })
    }
    const first = recovered(state, (log) => this.#position(log))
    state.hook = undefined
    const second = recovered(state.afterCrash([]), (log) => this.#position(log))
    if (first !== second) throw new Error(`recovered to ${first}, then to ${second}`)
  }

  async #closeWell(): Promise<void> {
    await (this.#storage as FsStorage).close()
    if (this.#fs.openFiles !== 0)
      throw new Error(`${this.#fs.openFiles} files are open after the close`)
  }

  /** The process ends and the system goes on: everything written can be read, and nothing more is durable. */
  async #kill(): Promise<void> {
    let written = false
    this.#fs.hook = ({ name }) => {
      if (name === 'writev' && !written) written = true
      else throw Object.assign(new Error('the process has ended'), { code: 'EIO' })
    }
    // Whatever the ended process would still do in later turns comes to nothing, and is over.
    await this.#write('g0').catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    this.#fs.hook = undefined
  }

  /** A sync fails: the pages read well afterwards, and are not on the disk. */
  async #failSync(): Promise<void> {
    let fail = true
    this.#fs.hook = ({ name }) => {
      if (name === 'datasync' && fail) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    const outcome = await this.#write('g1').then(
      () => 'written',
      (error: { code: string }) => error.code,
    )
    if (outcome !== 'STORAGE_FAILED')
      throw new Error(`a write whose sync failed ended as ${outcome}`)
    fail = false
    const batch: WriteBatch = { seq: 1, append: [] }
    // A group that nobody has used yet is refused as a whole.
    const write = async (): Promise<void> => this.#log('g2').write(batch)
    const later = await write().then(
      () => 'written',
      (error: { code: string }) => error.code,
    )
    if (later !== 'STORAGE_FAILED') throw new Error(`a write after a failed sync ended as ${later}`)
    this.#fs.hook = undefined
  }
}
