// What is durable of one group: its small state, and where its entries are. Replaying the log
// and completing a write change it by the same methods, so that the two cannot differ.
import type { Epoch, GroupAlgorithm, GroupId, LogIndex, SnapshotMeta } from '@quorate/core'
import { entryKindByte } from '@quorate/core'
import { EntryTable } from './entry-table.ts'
import { EpochRuns } from './epoch-runs.ts'
import type { GroupState } from './group-state.ts'

const MEMBERSHIP = entryKindByte('membership')

/** A part of a group that was found damaged and has not been replaced since. */
export type DamagedPart = 'state' | 'hardState' | 'snapshot'

/** The durable state of one incarnation of a group. */
export class GroupImage {
  /** Names this incarnation in the log; never given again. */
  readonly number: number
  /** Undefined while only records have been seen whose group's state comes later in the log. */
  identity: { readonly id: GroupId; readonly algorithm: GroupAlgorithm } | undefined
  hardState: Uint8Array | undefined
  hardStateAt = -1
  snapshot: SnapshotMeta | undefined
  /** Whether that one is known to be damaged: it is then never kept in case the next proves bad. */
  snapshotLost = false
  previous: SnapshotMeta | undefined
  /** The first index that callers see. */
  first: LogIndex = 1
  /** The position of the newest state record: everything small that the group needs is from there on. */
  stateAt = -1
  /**
   * The position of the record that tells the epoch of the entry before the first one kept: of that
   * entry, though it is no longer kept, or of a state record. Infinite where nothing has to tell it.
   */
  baseAt: number = Number.POSITIVE_INFINITY
  /** Parts whose newest record is damaged, with that record's position. */
  readonly damaged: Map<DamagedPart, number> = new Map()
  readonly table: EntryTable = new EntryTable(1)
  readonly epochs: EpochRuns = new EpochRuns(0, 0)
  /** Payload bytes of the entries in the table. */
  entryBytes = 0
  #membership: LogIndex[] = []

  constructor(number: number) {
    this.number = number
  }

  /** The last index. */
  get last(): LogIndex {
    return this.table.last
  }

  /** The indexes of membership entries that callers see, in order. */
  get membershipIndexes(): readonly LogIndex[] {
    return this.#membership.filter((index) => index >= this.first)
  }

  /** All of it but the entries. */
  state(): GroupState {
    const { identity, hardState, snapshot, snapshotLost, previous, first, table } = this
    if (identity === undefined) throw new Error('a group without identity has no state')
    const baseEpoch = this.epochs.at(table.first - 1)
    return {
      ...identity,
      hardState,
      snapshot,
      snapshotLost,
      previous,
      first,
      retained: table.first,
      last: table.last,
      baseEpoch,
    }
  }

  /** A state record at `position`. Entries that it speaks of and nobody has seen become holes. */
  setState(state: GroupState, position: number): void {
    this.identity = { id: state.id, algorithm: state.algorithm }
    this.setHardState(state.hardState, position)
    this.snapshot = state.snapshot
    this.snapshotLost = state.snapshotLost
    this.previous = state.previous
    this.damaged.clear()
    this.stateAt = position
    const { table, epochs } = this
    if (table.last < table.first) {
      table.dropBefore(state.retained)
      table.truncate(state.retained)
      epochs.reset(state.retained - 1, state.baseEpoch)
    }
    this.truncate(state.last + 1)
    this.#dropBefore(state.retained)
    this.baseAt = position
    table.extendFront(state.retained)
    epochs.extendFront(state.retained - 1, state.baseEpoch)
    while (table.last < state.last) table.pushHole()
    this.first = state.first
  }

  /** An entry at the end; returns whether it fits there. */
  append(index: LogIndex, epoch: Epoch, kind: number, size: number, position: number): boolean {
    const { table } = this
    if (index !== table.last + 1) {
      // The records before it may be in segments that are gone; a state record follows then.
      if (this.identity !== undefined || table.last >= table.first) return false
      table.dropBefore(index)
      if (table.first !== index) return false
      this.epochs.reset(index - 1, 0)
      this.first = index
    }
    table.push(position, size, kind)
    this.epochs.push(index, epoch)
    this.entryBytes += size
    if (kind === MEMBERSHIP) this.#membership.push(index)
    return true
  }

  /** An entry moved to `position`; returns whether it did: not where the log has since changed there. */
  place(index: LogIndex, epoch: Epoch, kind: number, size: number, position: number): boolean {
    const { table, epochs } = this
    if (index < table.first || index > table.last) return false
    if (table.isMissing(index)) {
      epochs.put(index, epoch)
      this.entryBytes += size
      if (kind === MEMBERSHIP) this.#membership = [...this.#membership, index].sort((a, b) => a - b)
    } else if (epochs.at(index) !== epoch) return false
    table.place(index, position, size, kind)
    return true
  }

  /** Entries that exist and are lost; those after the last one are added. */
  lose(first: LogIndex, last: LogIndex, epoch: Epoch, position: number): void {
    const { table, epochs } = this
    for (let index = Math.max(first, table.first); index <= last; index++) {
      if (index > table.last) {
        table.push(position, 0, 0)
        epochs.push(index, epoch)
      } else if (table.isMissing(index)) {
        epochs.put(index, epoch)
        table.place(index, position, 0, 0)
      }
      table.markFaulty(index)
    }
  }

  /** Replaces the hard state. */
  setHardState(bytes: Uint8Array | undefined, position: number): void {
    this.hardState = bytes
    this.hardStateAt = position
    this.damaged.delete('hardState')
  }

  /** Replaces the snapshot; the one before is kept. */
  setSnapshot(meta: SnapshotMeta): void {
    if (meta.id !== this.snapshot?.id && !this.snapshotLost) this.previous = this.snapshot
    this.snapshot = meta
    this.snapshotLost = false
    this.damaged.delete('snapshot')
  }

  /** A snapshot is damaged: the one in force, or the one before. */
  loseSnapshot(id: string): void {
    if (id === this.snapshot?.id) this.snapshotLost = true
    else if (id === this.previous?.id) this.previous = undefined
  }

  /** Removes every entry from `from` on. */
  truncate(from: LogIndex): void {
    if (from > this.table.last) return
    this.#forget(Math.max(from, this.table.first), this.table.last)
    this.table.truncate(from)
    this.epochs.truncate(from)
    this.#membership = this.#membership.filter((index) => index < from)
  }

  /** Hides every entry up to `to`, and forgets those before `retained`. */
  compact(to: LogIndex, retained: LogIndex): void {
    if (to + 1 <= this.first) return
    if (to > this.table.last) {
      this.#forget(this.table.first, this.table.last)
      this.table.dropBefore(to + 1)
      this.epochs.reset(to, this.snapshot?.index === to ? this.snapshot.epoch : 0)
      this.baseAt = Number.POSITIVE_INFINITY
      this.#membership = []
      this.previous = undefined
    } else this.#dropBefore(retained)
    this.first = to + 1
  }

  /** Whether there is a snapshot before, whose following entries are still there. */
  get canFallBack(): boolean {
    const { previous, table } = this
    return (
      previous !== undefined && previous.index + 1 >= table.first && previous.index <= table.last
    )
  }

  /** Goes back to the snapshot before. */
  fallBack(): boolean {
    const { previous } = this
    if (previous === undefined || !this.canFallBack) return false
    this.snapshot = previous
    this.snapshotLost = false
    this.previous = undefined
    this.first = previous.index + 1
    return true
  }

  #dropBefore(retained: LogIndex): void {
    if (retained <= this.table.first) return
    this.#forget(this.table.first, Math.min(retained - 1, this.table.last))
    const past = retained - 1 > this.table.last
    if (!past) {
      if (!this.table.isMissing(retained - 1)) this.baseAt = this.table.position(retained - 1)
      this.epochs.dropBefore(retained - 1)
    }
    this.table.dropBefore(retained)
    if (past) this.epochs.reset(retained - 1, 0)
    this.#membership = this.#membership.filter((index) => index >= retained)
  }

  #forget(first: LogIndex, last: LogIndex): void {
    for (let index = first; index <= last; index++) this.entryBytes -= this.table.size(index)
  }
}
