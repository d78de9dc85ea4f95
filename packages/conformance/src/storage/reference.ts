// A storage as simple as the contract allows, in memory, with one way to be wrong at a time. It
// exists to prove that each check of the suite can fail; nobody should use it for data.
import type {
  AbortOptions,
  ClusterId,
  DurableState,
  Entry,
  EntryRange,
  GroupAlgorithm,
  GroupId,
  HostStorage,
  IndexRange,
  Lifecycle,
  LogStorage,
  NodeId,
  SnapshotMeta,
  SnapshotPosition,
  SnapshotWriter,
  StorageContext,
  StorageIdentity,
  StorageSupports,
  StoredGroup,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, abortError, checkId, compareIds, crc32c, snapshotId } from '@quorate/core'
import type { StorageDisk, StorageFault } from './harness.ts'

/** Every way in which the reference storage can be wrong. */
export type Defect =
  | 'status-stuck'
  | 'close-once'
  | 'usable-after-close'
  | 'log-usable-after-close'
  | 'close-does-not-wait'
  | 'any-cluster'
  | 'any-algorithm'
  | 'no-lock'
  | 'groups-unsorted'
  | 'space-always-low'
  | 'kind-lost'
  | 'hard-state-cleared'
  | 'truncation-ignored'
  | 'compaction-keeps-end'
  | 'epochs-only-grow'
  | 'tail-unbounded'
  | 'membership-from-tail'
  | 'read-unbounded'
  | 'read-past-end'
  | 'read-durable-only'
  | 'out-of-order'
  | 'early-hard-state'
  | 'torn-batch'
  | 'undead-entries'
  | 'undead-group'
  | 'inherited-state'
  | 'snapshot-not-durable'
  | 'retries-sync'
  | 'gap-after-full'
  | 'faulty-absent'
  | 'wrong-offset'
  | 'snapshot-at-once'
  | 'checksum-unchecked'
  | 'unfinished-readable'
  | 'leftover-part'
  | 'resume-from-start'
  | 'signal-ignored'
  | 'large-cut'
  | 'groups-mixed'
  | 'early-truncation'
  | 'epoch-stuck'
  | 'short-write-taken'
  | 'empty-snapshot-lost'
  | 'reader-mixed'

interface Image {
  first: number
  entries: Entry[]
  base: number
  hardState: Uint8Array | undefined
  snapshot: SnapshotMeta | undefined
}

interface Stored {
  algorithm: GroupAlgorithm
  image: Image
}

const emptyImage = (): Image => ({
  first: 1,
  entries: [],
  base: 0,
  hardState: undefined,
  snapshot: undefined,
})

let made = 0

/** A disk for {@link ReferenceStorage}. */
export class ReferenceDisk implements StorageDisk {
  readonly name: string = `disk-${++made}`
  readonly defect: Defect | undefined
  readonly faults: readonly StorageFault[] = ['sync', 'no-space', 'short-write']
  identity: string | undefined
  user: ReferenceStorage | undefined
  fault: StorageFault | undefined
  groups: Map<GroupId, Stored> = new Map()
  snapshots: Map<string, { meta: SnapshotMeta; bytes: Uint8Array }> = new Map()
  parts: Map<string, Uint8Array> = new Map()
  faulty: Map<GroupId, IndexRange> = new Map()
  graveyard: Map<GroupId, Stored> = new Map()
  ghosts: Entry[] = []
  opened = 0

  constructor(defect?: Defect) {
    this.defect = defect
  }

  has(defect: Defect): boolean {
    return this.defect === defect
  }

  storage(): HostStorage {
    return new ReferenceStorage(this)
  }

  async crash(): Promise<void> {
    const underWay = [...(this.user?.logs.values() ?? [])].flatMap((log) => log.underWay)
    this.user?.die()
    this.user = undefined
    if (this.has('undead-group')) this.groups = new Map([...this.graveyard, ...this.groups])
    if (this.has('snapshot-not-durable')) this.snapshots.clear()
    for (const ghost of this.has('undead-entries') ? this.ghosts : []) {
      const image = this.groups.get('g')?.image
      if (image !== undefined && ghost.index === image.first + image.entries.length)
        image.entries.push(ghost)
    }
    this.ghosts = underWay
  }

  inject(fault: StorageFault): () => void {
    this.fault = fault
    return () => void (this.fault = undefined)
  }

  async damage(group: GroupId, range: IndexRange): Promise<void> {
    this.faulty.set(group, range)
  }

  async close(): Promise<void> {}
}

interface Waiting {
  readonly commit: () => void
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The storage. */
export class ReferenceStorage implements HostStorage {
  readonly supports: StorageSupports = { durable: true, snapshotResume: true, faultyRanges: true }
  readonly disk: ReferenceDisk
  readonly logs: Map<GroupId, ReferenceLog> = new Map()
  status: Lifecycle = 'opening'
  queue: Waiting[] = []
  failure: QuorateError | undefined
  #closes = 0
  #busy = false
  #dead = false

  constructor(disk: ReferenceDisk) {
    this.disk = disk
  }

  get spaceLow(): boolean {
    return this.disk.has('space-always-low')
  }

  async open({ cluster, host }: StorageContext): Promise<void> {
    if (this.status !== 'opening') throw new QuorateError('CLOSED', 'closed')
    const identity = identityOf(cluster, host)
    const { disk } = this
    if (disk.identity !== undefined && disk.identity !== identity && !disk.has('any-cluster')) {
      throw new QuorateError('CLUSTER_MISMATCH', disk.identity)
    }
    if (disk.user !== undefined && !disk.has('no-lock'))
      throw new QuorateError('STORAGE_LOCKED', 'in use')
    disk.identity = identity
    disk.opened++
    disk.user = this
    this.status = 'open'
  }

  assertOpen(): void {
    if (
      this.status !== 'open' &&
      !(this.status === 'closed' && this.disk.has('usable-after-close'))
    ) {
      throw new QuorateError('CLOSED', this.status)
    }
    if (this.failure !== undefined) throw this.failure
  }

  identity(): StorageIdentity {
    return { store: this.disk.name, epoch: this.disk.has('epoch-stuck') ? 1 : this.disk.opened }
  }

  groups(): readonly StoredGroup[] {
    this.assertOpen()
    const groups = [...this.disk.groups].map(([id, { algorithm }]) => ({ id, algorithm }))
    return this.disk.has('groups-unsorted') ? groups : groups.sort((a, b) => compareIds(a.id, b.id))
  }

  group(id: GroupId, algorithm: GroupAlgorithm): LogStorage {
    this.assertOpen()
    if (this.logs.has(checkId(id, 'a group'))) throw new QuorateError('INVALID_ARGUMENT', 'in use')
    const stored = this.disk.groups.get(id)
    const fits =
      stored === undefined ||
      (stored.algorithm.name === algorithm.name && stored.algorithm.format <= algorithm.format)
    if (!fits && !this.disk.has('any-algorithm')) {
      throw new QuorateError('STORAGE_ALGORITHM_MISMATCH', stored.algorithm.name)
    }
    const log = new ReferenceLog(this, id, algorithm)
    this.logs.set(id, log)
    return log
  }

  async drop(id: GroupId): Promise<void> {
    this.assertOpen()
    if (this.logs.has(id)) throw new QuorateError('INVALID_ARGUMENT', 'in use')
    const { disk } = this
    await this.submit(() => {
      const stored = disk.groups.get(id)
      if (stored !== undefined) disk.graveyard.set(id, stored)
      disk.groups.delete(id)
    })
  }

  submit(commit: () => void): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      this.queue.push({ commit, resolve, reject })
      if (this.#busy) return
      this.#busy = true
      queueMicrotask(() => this.#sync())
    })
  }

  #sync(): void {
    this.#busy = false
    if (this.#dead) return
    const batch = this.queue
    this.queue = []
    if (this.disk.fault === 'sync') {
      const failure = new QuorateError('STORAGE_FAILED', 'a sync failed')
      if (!this.disk.has('retries-sync')) this.failure = failure
      for (const { reject } of batch) reject(failure)
      return
    }
    const order = this.disk.has('out-of-order') && batch.length > 500 ? batch.toReversed() : batch
    const isShort = this.disk.fault === 'short-write' && this.disk.has('short-write-taken')
    if (!isShort) for (const { commit } of batch) commit()
    for (const { resolve } of order) resolve()
  }

  die(): void {
    this.#dead = true
    if (this.disk.has('torn-batch')) this.#tear()
  }

  /** Half of the first batch under way reaches the disk. */
  #tear(): void {
    for (const log of this.logs.values()) {
      const image = this.disk.groups.get(log.id)?.image
      if (image !== undefined && log.lastHardState !== undefined)
        image.hardState = log.lastHardState
    }
  }

  async close(): Promise<void> {
    if (this.#closes++ > 0 && this.disk.has('close-once')) throw new Error('closed twice')
    if (this.status === 'closed') return
    if (this.disk.has('close-does-not-wait')) this.#dead = true
    else if (!this.#dead) for (const log of this.logs.values()) await log.settled()
    if (this.disk.user === this) this.disk.user = undefined
    this.status = this.disk.has('status-stuck') ? 'closing' : 'closed'
    this.logs.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** One group's log. */
export class ReferenceLog implements LogStorage {
  readonly id: GroupId
  readonly #home: ReferenceStorage
  readonly #algorithm: GroupAlgorithm
  readonly #visible: Image
  underWay: Entry[] = []
  lastHardState: Uint8Array | undefined
  #closed = false
  #refused: number | undefined
  #writes: Promise<unknown> = Promise.resolve()

  constructor(home: ReferenceStorage, id: GroupId, algorithm: GroupAlgorithm) {
    this.#home = home
    this.id = id
    this.#algorithm = algorithm
    const stored = home.disk.groups.get(id)
    const buried = home.disk.has('inherited-state') ? home.disk.graveyard.get(id) : undefined
    this.#visible = copyOf(stored?.image) ?? emptyImage()
    if (stored === undefined && buried !== undefined)
      this.#visible.hardState = buried.image.hardState
  }

  #has(defect: Defect): boolean {
    return this.#home.disk.has(defect)
  }

  #assertOpen(): void {
    if (this.#closed && !this.#has('log-usable-after-close'))
      throw new QuorateError('CLOSED', this.id)
    this.#home.assertOpen()
  }

  async load(
    options: AbortOptions & { tailBytesMax?: number | undefined } = {},
  ): Promise<DurableState> {
    this.#assertOpen()
    this.#assertWanted(options)
    const { first, entries, base, hardState, snapshot } = this.#visible
    const fault = this.#home.disk.faulty.get(this.id)
    const tail = this.#tail(options.tailBytesMax ?? Infinity, fault)
    const absent = this.#has('faulty-absent')
    return {
      hardState,
      snapshot,
      firstIndex: first,
      lastIndex: first + entries.length - 1,
      epochs: runsOf(first, base, entries, this.#has('epochs-only-grow')),
      tail,
      membershipEntries: (this.#has('membership-from-tail') ? tail : entries).filter(
        ({ kind }) => kind === 'membership',
      ),
      faulty: fault === undefined || absent ? [] : [fault],
    }
  }

  #assertWanted({ signal }: AbortOptions): void {
    if (signal?.aborted === true && !this.#has('signal-ignored')) throw abortError(signal, 'it')
  }

  #tail(bytesMax: number, fault: IndexRange | undefined): Entry[] {
    const tail: Entry[] = []
    let bytes = 0
    for (const entry of this.#visible.entries.toReversed()) {
      bytes += entry.payload.length
      if (entry.index === fault?.last) break
      if (tail.length > 0 && bytes > bytesMax && !this.#has('tail-unbounded')) break
      tail.unshift(entry)
    }
    return tail
  }

  write(batch: WriteBatch): Promise<void> {
    const write = this.#write(batch)
    this.#writes = Promise.all([this.#writes, write.catch(() => undefined)])
    return write
  }

  /** Resolves once every write so far is answered. */
  async settled(): Promise<void> {
    if (!this.#has('close-does-not-wait')) await this.#writes
  }

  async #write(batch: WriteBatch): Promise<void> {
    this.#assertOpen()
    const { disk } = this.#home
    if (this.#refused !== undefined && batch.seq > this.#refused && !this.#has('gap-after-full')) {
      throw new QuorateError('NO_SPACE', 'a batch before was refused')
    }
    if (disk.fault === 'no-space') {
      this.#refused ??= batch.seq
      throw new QuorateError('NO_SPACE', 'full')
    }
    this.#refused = undefined
    this.lastHardState = batch.hardState
    this.underWay.push(...batch.append)
    applyTo(this.#visible, batch, disk)
    const early = { 'early-hard-state': batch.hardState, 'early-truncation': batch.truncateFrom }
    const isEarly = Object.entries(early).some(
      ([defect, part]) => this.#has(defect as Defect) && part !== undefined,
    )
    if (isEarly && batch.append.length === 0) {
      const late = this.#submit(batch, false)
      this.#writes = Promise.all([this.#writes, late.catch(() => undefined)])
      return
    }
    await this.#submit(batch, true)
  }

  async #submit(batch: WriteBatch, answered: boolean): Promise<void> {
    const { disk } = this.#home
    // A write that was answered too early is written so late that a crash comes before it.
    if (!answered) for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    await this.#home.submit(() => {
      let stored = disk.groups.get(this.id)
      if (stored === undefined) {
        stored = { algorithm: this.#algorithm, image: emptyImage() }
        if (this.#has('inherited-state')) stored.image.hardState = this.#visible.hardState
        disk.groups.set(this.id, stored)
      }
      applyTo(stored.image, batch, disk)
      const other = disk.groups.get(this.id.toLowerCase())
      if (this.#has('groups-mixed') && other !== undefined)
        other.image.hardState = stored.image.hardState
      this.underWay = this.underWay.filter((entry) => !batch.append.includes(entry))
    })
  }

  async read(range: EntryRange, options: AbortOptions = {}): Promise<readonly Entry[]> {
    this.#assertOpen()
    this.#assertWanted(options)
    const { disk } = this.#home
    const image = this.#has('read-durable-only')
      ? (disk.groups.get(this.id)?.image ?? emptyImage())
      : this.#visible
    const last = image.first + image.entries.length - 1
    if (range.first < image.first) throw new QuorateError('COMPACTED', 'gone')
    if (range.last > last && !(this.#has('read-past-end') && range.first <= last))
      throw new QuorateError('INVALID_ARGUMENT', 'past the end')
    const fault = disk.faulty.get(this.id)
    const isFaulty = (index: number) =>
      fault !== undefined && fault.first <= index && index <= fault.last
    if (isFaulty(range.first)) throw new QuorateError('STORAGE_CORRUPT', 'faulty')
    const run: Entry[] = []
    let bytes = 0
    for (const entry of image.entries.slice(
      range.first - image.first,
      range.last - image.first + 1,
    )) {
      bytes += entry.payload.length
      if (isFaulty(entry.index)) break
      if (run.length > 0 && bytes > range.bytesMax && !this.#has('read-unbounded')) break
      run.push(entry)
    }
    return run
  }

  async snapshotWriter(target: SnapshotPosition & Partial<SnapshotMeta>): Promise<SnapshotWriter> {
    this.#assertOpen()
    return referenceWriter(this.#home.disk, this.id, target, (meta) => {
      if (this.#has('snapshot-at-once')) this.#atOnce(meta)
    })
  }

  #atOnce(meta: SnapshotMeta): void {
    this.#visible.snapshot = meta
    const stored = this.#home.disk.groups.get(this.id)
    if (stored !== undefined) stored.image.snapshot = meta
  }

  async *readSnapshot(
    id: string,
    options: { offset?: number | undefined } = {},
  ): AsyncGenerator<Uint8Array> {
    this.#assertOpen()
    const { disk } = this.#home
    const part = this.#has('unfinished-readable') ? disk.parts.get(`${this.id}/${id}`) : undefined
    const bytes = disk.snapshots.get(`${this.id}/${id}`)?.bytes ?? part
    if (bytes === undefined || (bytes.length === 0 && this.#has('empty-snapshot-lost')))
      throw new QuorateError('SNAPSHOT_UNAVAILABLE', id)
    const offset = options.offset ?? 0
    const from = this.#has('wrong-offset') && offset > 0 ? offset - 1 : offset
    const { snapshot } = this.#visible
    for (let at = from; at < bytes.length; at += 65_536) {
      const isMixed = this.#has('reader-mixed') && this.#visible.snapshot !== snapshot
      yield bytes.slice(at, at + 65_536).fill(0, isMixed ? 0 : 65_536)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.settled()
    if (this.#home.logs.get(this.id) === this) this.#home.logs.delete(this.id)
  }
}

function referenceWriter(
  disk: ReferenceDisk,
  group: GroupId,
  target: SnapshotPosition & Partial<SnapshotMeta>,
  finished: (meta: SnapshotMeta) => void,
): SnapshotWriter {
  const key = `${group}/${target.id ?? ''}`
  let bytes: Uint8Array = disk.parts.get(key) ?? new Uint8Array(0)
  disk.parts.delete(key)
  let start = disk.has('resume-from-start') ? bytes.length : 0
  return {
    get offset() {
      return bytes.length - start
    },
    async write(chunk) {
      bytes = joined(bytes, chunk)
      if (disk.has('unfinished-readable')) disk.parts.set(key, bytes)
    },
    async finish() {
      if (disk.has('unfinished-readable')) disk.parts.delete(key)
      const { index, epoch, membership, id } = target
      const checksum = crc32c(bytes)
      const wrong =
        (target.sizeBytes ?? bytes.length) !== bytes.length ||
        (target.checksum ?? checksum) !== checksum
      if (wrong && !disk.has('checksum-unchecked') && start === 0)
        throw new QuorateError('STORAGE_CORRUPT', 'another content')
      start = 0
      const sizeBytes = bytes.length
      const meta = {
        index,
        epoch,
        membership,
        id: id ?? snapshotId(index, epoch, sizeBytes, checksum),
        sizeBytes,
        checksum,
      }
      disk.snapshots.set(`${group}/${meta.id}`, { meta, bytes })
      finished(meta)
      return meta
    },
    async close(options = {}) {
      disk.parts.delete(key)
      if (options.keep === true || (disk.has('leftover-part') && bytes.length > 100))
        disk.parts.set(key, bytes)
    },
  }
}

function applyTo(image: Image, batch: WriteBatch, disk: ReferenceDisk): void {
  const { truncateFrom, snapshot, compactTo, append, hardState } = batch
  const isLast = truncateFrom === image.first + image.entries.length - 1 && append.length === 0
  const cuts = truncateFrom !== undefined && !(disk.has('truncation-ignored') && isLast)
  if (cuts)
    image.entries.length = Math.max(0, Math.min(image.entries.length, truncateFrom - image.first))
  if (snapshot !== undefined) image.snapshot = snapshot
  if (compactTo !== undefined && compactTo >= image.first) {
    const kept = image.entries[compactTo - image.first]
    const past = compactTo > image.first + image.entries.length - 1
    image.base = kept?.epoch ?? image.snapshot?.epoch ?? 0
    image.entries.splice(0, compactTo - image.first + 1)
    image.first = past && disk.has('compaction-keeps-end') ? compactTo : compactTo + 1
  }
  const kept = disk.has('large-cut') ? append.slice(0, 4096) : append
  for (const entry of kept) {
    image.entries.push(
      disk.has('kind-lost') && entry.kind === 'noop' ? { ...entry, kind: 'command' } : entry,
    )
  }
  if (hardState !== undefined || (disk.has('hard-state-cleared') && append.length === 1))
    image.hardState = hardState
}

function runsOf(first: number, base: number, entries: readonly Entry[], onlyGrow: boolean) {
  const runs = [{ from: first - 1, epoch: base }]
  for (const { index, epoch } of entries) {
    const before = runs.at(-1)?.epoch ?? 0
    if (onlyGrow ? epoch > before : epoch !== before) runs.push({ from: index, epoch })
  }
  return runs
}

function copyOf(image: Image | undefined): Image | undefined {
  return image === undefined ? undefined : { ...image, entries: [...image.entries] }
}

/** Two stretches of bytes in one. */
function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function identityOf(cluster: ClusterId, host: NodeId): string {
  return `${cluster}/${host}`
}
