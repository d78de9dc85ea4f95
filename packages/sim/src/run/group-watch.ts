// The invariants of one group in a running simulation: every step of every core, every write that
// becomes durable and every command that is applied is held against the group's past.
import type {
  ConsensusCore,
  ConsensusInit,
  ConsensusStatus,
  Effects,
  Entry,
  Epoch,
  GroupId,
  Input,
  LogIndex,
  Membership,
  NodeId,
  WriteBatch,
} from '@quorate/core'
import { decode, equalBytes, membershipCodec } from '@quorate/core'
import type { FullPromises } from '../model/history.ts'
import { History } from '../model/history.ts'
import type { LogImage } from '../model/log-image.ts'
import { lastIndexOf } from '../model/log-image.ts'
import { hold } from '../model/violation.ts'
import type { SimDisk } from './disk.ts'
import type { DiskImage } from './disk-image.ts'
import type { CoreWatcher } from './watched-core.ts'

/** Where a watch looks and whom it tells. */
export interface GroupWatchContext {
  /** The group. */
  readonly group: GroupId
  /** What the algorithm promises. */
  readonly promises: FullPromises
  /** The members at the start; absent where they are told later. */
  readonly bootstrap?: Membership | undefined
  /** The disks of all hosts. */
  readonly disks: ReadonlyMap<NodeId, SimDisk>
  /** How a host's log stands with all writes under way, while it is up. */
  writtenOf(id: NodeId): DiskImage | undefined
  /** Ends the run. */
  fail(error: unknown): void
  /** A replica's role, leader or epoch changed. */
  changed(id: NodeId, role: string, epoch: number): void
}

/** What is known of the core of one start. */
interface Seen {
  handedIndex: LogIndex
  commitIndex: LogIndex
  epoch: number
  batchSeq: number
  /** Batches that may not have reached the storage yet: a full disk has them wait. */
  waiting: WriteBatch[]
  role: string
}

interface Matched {
  readonly entry: Entry
  readonly previousEpoch: number
}

/** Watches one group. */
export class GroupWatch {
  /** What the group has committed so far. */
  readonly history: History
  readonly #context: GroupWatchContext
  readonly #cores = new Map<NodeId, ConsensusCore>()
  readonly #results = new Map<LogIndex, Uint8Array>()
  /** The first entry seen for each index and epoch, to which all others must be equal. */
  readonly #matched = new Map<string, Matched>()
  readonly #lost = new Map<NodeId, LogImage>()
  /** The epoch in which a core handed out each batch that removes entries, since its host's last start. */
  readonly #truncating = new Map<NodeId, Map<number, Epoch>>()

  /** A group without a past. */
  constructor(context: GroupWatchContext) {
    this.#context = context
    this.history = new History(context.bootstrap, context.promises)
  }

  /** The watcher of a core about to be made. */
  watcherOf(init: ConsensusInit): CoreWatcher {
    this.#truncating.set(init.id, new Map())
    const seen: Seen = {
      handedIndex: init.appliedIndex,
      commitIndex: 0,
      epoch: 0,
      batchSeq: 0,
      waiting: [],
      role: '',
    }
    return {
      created: (core) => void this.#cores.set(init.id, core),
      stepping: () => {},
      stepped: (core, input, effects) => this.#stepped(core, input, effects, seen),
      threw: (_core, error) => this.#context.fail(error),
    }
  }

  /** A host is down: its core counts no more. */
  down(id: NodeId): void {
    this.#cores.delete(id)
  }

  /**
   * A host's disk is replaced. What it had acknowledged counts until it is known to be lost, so that
   * an entry may be committed a moment later which only that disk held besides.
   */
  wiped(id: NodeId, image: LogImage): void {
    this.#lost.set(id, image)
  }

  /** The cores that are up. */
  cores(): ReadonlyMap<NodeId, ConsensusCore> {
    return this.#cores
  }

  /** A batch is about to become part of a disk's image. */
  persisting(id: NodeId, image: DiskImage, batch: WriteBatch): void {
    const { truncateFrom } = batch
    if (truncateFrom === undefined) return
    if (image.faulty.length > 0) {
      // What has rotted may be thrown away with all after it: the others still have it. And what was
      // acknowledged before counts, as with a disk that is replaced.
      this.#lost.set(id, image.clone())
      return
    }
    if (truncateFrom > this.history.length) return
    const before = image.clone()
    const after = image.clone()
    after.apply(batch)
    const epoch = this.#truncating.get(id)?.get(batch.seq) ?? Number.POSITIVE_INFINITY
    this.history.checkKept(id, before, after, truncateFrom, epoch)
  }

  /** A batch has become part of a disk's image. */
  persisted(id: NodeId, image: DiskImage, batch: WriteBatch): void {
    if (!this.#context.promises.leaderPerEpoch) return
    for (const entry of batch.append) this.#match(id, image, entry)
  }

  /** A state machine has applied a command. */
  applied(id: NodeId, index: LogIndex, result: Uint8Array): void {
    const first = this.#results.get(index)
    if (first === undefined) {
      this.#results.set(index, result)
      return
    }
    hold(
      equalBytes(first, result),
      'state-machine-safety',
      () => `${id} has another result at ${index} than the first to apply it`,
    )
  }

  /** The result of the command at an index, once anybody has applied it. */
  resultAt(index: LogIndex): Uint8Array | undefined {
    return this.#results.get(index)
  }

  #stepped(core: ConsensusCore, input: Input, effects: Effects, seen: Seen): void {
    const { id } = core
    if (effects.persist !== undefined) {
      const { seq, truncateFrom } = effects.persist
      if (truncateFrom !== undefined) this.#truncating.get(id)?.set(seq, core.status().epoch)
      const expected = seen.batchSeq + 1
      hold(seq === expected, 'ordering-law', () => `${id}: batch ${seq} where ${expected} follows`)
      seen.batchSeq = seq
      const taken = this.#context.writtenOf(id)?.lastSeq ?? 0
      // A larger number is one of the core before this one.
      if (taken < seq) seen.waiting = seen.waiting.filter((batch) => batch.seq > taken)
      seen.waiting.push(effects.persist)
    }
    if (effects.install !== undefined) this.#installing(id, effects, seen)
    const { apply } = effects
    if (apply.length === 0 && !effects.statusChanged && input.type !== 'tick') return
    const status = core.status()
    hold(
      status.commitIndex >= seen.commitIndex,
      'commit-monotone',
      () => `the commit index of ${id} fell from ${seen.commitIndex} to ${status.commitIndex}`,
    )
    hold(
      status.epoch >= seen.epoch,
      'epoch-monotone',
      () => `the epoch of ${id} fell from ${seen.epoch} to ${status.epoch}`,
    )
    seen.commitIndex = status.commitIndex
    for (const entry of apply) this.#handedOut(id, entry, status, seen)
    if (status.role !== seen.role || status.epoch !== seen.epoch) {
      seen.role = status.role
      seen.epoch = status.epoch
      this.#context.changed(id, status.role, status.epoch)
      if (status.role === 'leader') this.#led(id, status.epoch, seen)
    }
  }

  #installing(id: NodeId, effects: Effects, seen: Seen): void {
    const { install, persist } = effects
    if (install === undefined) return
    hold(
      install.index > seen.handedIndex && install.index <= this.history.length,
      'apply-order',
      () => `${id} installs ${install.index} after ${seen.handedIndex} of ${this.history.length}`,
    )
    hold(
      persist?.snapshot?.id === install.id,
      'ordering-law',
      () => `${id} installs a snapshot that its batch does not name`,
    )
    seen.handedIndex = install.index
  }

  #handedOut(id: NodeId, entry: Entry, status: ConsensusStatus, seen: Seen): void {
    const { epoch, commitIndex } = status
    const expected = seen.handedIndex + 1
    hold(
      entry.index === expected,
      'apply-order',
      () => `${id} hands out ${entry.index} where ${expected} follows`,
    )
    hold(
      commitIndex >= entry.index,
      'commit-monotone',
      () => `${id} hands out ${entry.index} with ${commitIndex} committed`,
    )
    seen.handedIndex = expected
    const fresh = this.history.isNew(entry)
    this.history.applied(id, entry, epoch)
    if (fresh)
      this.history.checkDurable(entry, this.#images(entry.index), () => this.#memberships())
  }

  #led(id: NodeId, epoch: number, seen: Seen): void {
    if (this.history.knowsLeader(epoch, id)) return
    const durable = this.#context.disks.get(id)?.groups.get(this.#context.group)?.image
    const written = this.#context.writtenOf(id)
    const log = written ?? durable
    if (log === undefined) return
    const taken = written?.lastSeq ?? 0
    const view = log.clone()
    // What this very step hands out has not reached the storage yet, nor what a full disk has refused.
    for (const batch of seen.waiting) {
      if (batch.seq > taken || taken > seen.batchSeq) view.apply(batch)
    }
    this.history.led(id, epoch, view)
  }

  #match(id: NodeId, image: DiskImage, entry: Entry): void {
    const before = image.entries[entry.index - 1 - image.firstIndex]
    const previousEpoch = before?.epoch ?? (entry.index === image.firstIndex ? image.baseEpoch : 0)
    const key = `${entry.index}/${entry.epoch}`
    const first = this.#matched.get(key)
    if (first === undefined) {
      this.#matched.set(key, { entry, previousEpoch })
      return
    }
    hold(
      first.previousEpoch === previousEpoch &&
        first.entry.kind === entry.kind &&
        equalBytes(first.entry.payload, entry.payload),
      'log-matching',
      () => `${id} holds another entry at ${key} than the first to have it`,
    )
  }

  /** What each disk holds or, where it does not reach an index, what the one before it held. */
  #images(index: LogIndex): ReadonlyMap<NodeId, LogImage> {
    const images = new Map<NodeId, LogImage>()
    for (const [id, disk] of this.#context.disks) {
      const image: LogImage | undefined = disk.groups.get(this.#context.group)?.image
      const lost = this.#lost.get(id)
      const reaches = image !== undefined && lastIndexOf(image) >= index
      const either = reaches ? image : (lost ?? image)
      if (either !== undefined) images.set(id, either)
    }
    return images
  }

  *#memberships(): Iterable<Membership> {
    for (const core of this.#cores.values()) yield core.status().membership
    for (const id of this.#context.disks.keys()) {
      for (const entry of this.#context.writtenOf(id)?.entries ?? []) {
        if (entry.kind === 'membership') yield decode(membershipCodec, entry.payload)
      }
    }
  }
}
