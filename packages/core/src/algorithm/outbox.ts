// Gathers what one step wants done and hands it out as one object that nobody modifies again.
import { assert } from '../assert.ts'
import type {
  Completion,
  Effects,
  EntriesRequest,
  Envelope,
  ReadReady,
  Rejection,
  SnapshotFetch,
} from '../consensus.ts'
import { noEffects } from '../consensus.ts'
import type { Entry } from '../entry.ts'
import type { ErrorCode } from '../errors.ts'
import type { LogIndex, NodeId } from '../ids.ts'
import type { SnapshotMeta } from '../snapshot.ts'
import type { WriteBatch } from '../storage.ts'

const NONE: readonly never[] = Object.freeze([])

/** The effects of the step under way. */
export class Outbox<M> {
  #send: Envelope<M>[] | undefined
  #afterPersist: Envelope<M>[] | undefined
  #apply: readonly Entry[] = NONE
  #reads: ReadReady[] | undefined
  #completed: Completion[] | undefined
  #rejected: Rejection[] | undefined
  #readEntries: EntriesRequest[] | undefined
  #append: readonly Entry[] = NONE
  #used = false
  /** Whether the hard state changed in a way that must be durable. */
  hardStateChanged = false
  /** Where the log was cut. */
  truncateFrom: LogIndex | undefined
  /** A snapshot to make the group's. */
  snapshot: SnapshotMeta | undefined
  /** What the log no longer holds. */
  compactTo: LogIndex | undefined
  /** A snapshot to restore the state machine from. */
  install: SnapshotMeta | undefined
  /** A snapshot to fetch. */
  fetchSnapshot: SnapshotFetch | undefined
  /** Whether a snapshot is to be taken. */
  takeSnapshot = false

  /** Sends at once. */
  send(to: NodeId, message: M): void {
    this.#used = true
    this.#send = added(this.#send, { to, message })
  }

  /** Sends once everything handed out so far and in this step is durable. */
  sendAfterPersist(to: NodeId, message: M): void {
    this.#used = true
    this.#afterPersist = added(this.#afterPersist, { to, message })
  }

  /** Adds to what is written; the array is not modified again by anybody. */
  append(entries: readonly Entry[]): void {
    this.#append = this.#append.length === 0 ? entries : [...this.#append, ...entries]
  }

  /** Whether entries have been handed out in this step. */
  get applies(): boolean {
    return this.#apply.length > 0
  }

  /** Hands out committed entries. */
  apply(entries: readonly Entry[]): void {
    assert(this.#apply.length === 0, 'entries are handed out once a step')
    this.#used = true
    this.#apply = entries
  }

  /** Releases a read barrier. */
  read(id: number, index: LogIndex): void {
    this.#used = true
    this.#reads = added(this.#reads, { id, index })
  }

  /** Completes a call. */
  complete(id: number): void {
    this.#used = true
    this.#completed = added(this.#completed, { id })
  }

  /** Rejects a call. */
  reject(id: number, code: ErrorCode, reason: string, leader: NodeId | undefined): void {
    this.#used = true
    this.#rejected = added(this.#rejected, { id, code, reason, leader })
  }

  /** Asks for entries that have left memory. */
  readEntries(request: EntriesRequest): void {
    this.#used = true
    this.#readEntries = added(this.#readEntries, request)
  }

  /** Whether anything must be written. */
  get mustPersist(): boolean {
    return (
      this.hardStateChanged ||
      this.#append.length > 0 ||
      this.truncateFrom !== undefined ||
      this.snapshot !== undefined ||
      this.compactTo !== undefined
    )
  }

  /** Whether entries are written. */
  get appends(): boolean {
    return this.#append.length > 0
  }

  /** The batch of this step. */
  batch(seq: number, hardState: Uint8Array | undefined): WriteBatch {
    const { truncateFrom, snapshot, compactTo } = this
    // One shape for the common batch, and no property of the others on it.
    if (truncateFrom === undefined && snapshot === undefined && compactTo === undefined) {
      return hardState === undefined
        ? { seq, append: this.#append }
        : { seq, hardState, append: this.#append }
    }
    return { seq, hardState, truncateFrom, snapshot, compactTo, append: this.#append }
  }

  /** Hands everything out and starts anew. */
  take(persist: WriteBatch | undefined, statusChanged: boolean): Effects<M> {
    if (
      persist === undefined &&
      !statusChanged &&
      !this.#used &&
      this.install === undefined &&
      this.fetchSnapshot === undefined &&
      !this.takeSnapshot
    ) {
      return noEffects
    }
    const effects: Effects<M> = {
      persist,
      send: this.#send ?? NONE,
      sendAfterPersist: this.#afterPersist ?? NONE,
      apply: this.#apply,
      reads: this.#reads ?? NONE,
      completed: this.#completed ?? NONE,
      rejected: this.#rejected ?? NONE,
      install: this.install,
      fetchSnapshot: this.fetchSnapshot,
      takeSnapshot: this.takeSnapshot,
      readEntries: this.#readEntries ?? NONE,
      statusChanged,
    }
    this.#reset()
    return effects
  }

  #reset(): void {
    this.#send = undefined
    this.#afterPersist = undefined
    this.#apply = NONE
    this.#reads = undefined
    this.#completed = undefined
    this.#rejected = undefined
    this.#readEntries = undefined
    this.#append = NONE
    this.#used = false
    this.hardStateChanged = false
    this.truncateFrom = undefined
    this.snapshot = undefined
    this.compactTo = undefined
    this.install = undefined
    this.fetchSnapshot = undefined
    this.takeSnapshot = false
  }
}

/** An outbox with nothing in it, for the messages `M`. */
export function outbox<M>(): Outbox<M> {
  return new Outbox<M>()
}

/** Most lists of most steps stay empty: they are made with their first item. */
function added<T>(list: T[] | undefined, item: T): T[] {
  if (list === undefined) return [item]
  list.push(item)
  return list
}
