// What a group has promised so far: the one sequence of entries that anybody applied, and who led
// in which epoch. Every replica is held against it; it never consults what the cores believe.
import type { Entry, Epoch, LogIndex, Membership, NodeId, SnapshotMeta } from '@quorate/core'
import {
  decode,
  encodeUtf8,
  entryKindByte,
  equalBytes,
  majority,
  membershipCodec,
} from '@quorate/core'
import type { Hash64 } from './hash.ts'
import { emptyHash, hashBytes, hashNumber, hashPair, hashSum } from './hash.ts'
import type { LogImage } from './log-image.ts'
import { entryAt, lastIndexOf } from './log-image.ts'
import { hold } from './violation.ts'

/** What an algorithm promises, where algorithms differ. */
export interface Promises {
  /** An epoch has at most one leader, so that index and epoch name one entry. Default true. */
  readonly leaderPerEpoch?: boolean | undefined
  /** A committed entry has the same epoch wherever it is applied. Default true. */
  readonly epochsAgree?: boolean | undefined
  /** Who has the role of leader already holds every entry committed in earlier epochs. Default true. */
  readonly leaderComplete?: boolean | undefined
  /** How many of so many voters must hold an entry before it commits. Default a majority. */
  readonly commitQuorum?: ((voters: number) => number) | undefined
}

/** {@link Promises} with every default filled in. */
export type FullPromises = { readonly [K in keyof Promises]-?: NonNullable<Promises[K]> }

/** The promises of an algorithm that names nothing else. */
export const defaultPromises: FullPromises = Object.freeze({
  leaderPerEpoch: true,
  epochsAgree: true,
  leaderComplete: true,
  commitQuorum: majority,
})

/** Where one membership begins to be in force in the committed log. */
interface MembershipAt {
  readonly index: LogIndex
  readonly membership: Membership
}

/** The committed past of a group, and the checks against it. */
export class History {
  readonly #promises: FullPromises
  readonly #ledger: Entry[]
  readonly #content: Hash64[]
  readonly #epochSeen: Epoch[]
  readonly #memberships: MembershipAt[]
  readonly #leaders: Map<Epoch, NodeId>

  /** A group without a past. */
  constructor(bootstrap: Membership | undefined, promises: FullPromises) {
    this.#promises = promises
    this.#ledger = []
    this.#content = []
    this.#epochSeen = []
    this.#memberships = bootstrap === undefined ? [] : [{ index: 0, membership: bootstrap }]
    this.#leaders = new Map()
  }

  /** The group's first members, where whoever waited for it was there before them. */
  found(bootstrap: Membership): void {
    const first = this.#memberships[0]
    if (first === undefined) this.#memberships.push({ index: 0, membership: bootstrap })
    else {
      hold(
        first.index > 0 || first.membership.voters.join() === bootstrap.voters.join(),
        'founded-once',
        () =>
          `it is founded by ${bootstrap.voters.join()} and by ${first.membership.voters.join()}`,
      )
    }
  }

  /** How many entries have been applied by anybody. */
  get length(): LogIndex {
    return this.#ledger.length
  }

  /** The applied entry at an index. */
  entry(index: LogIndex): Entry | undefined {
    return this.#ledger[index - 1]
  }

  /** The hash of the commands up to an index, which stands for the state there. */
  contentAt(index: LogIndex): Hash64 {
    return index === 0 ? emptyHash : (this.#content[index - 1] ?? emptyHash)
  }

  /** The committed membership in force at an index. */
  membershipAt(index: LogIndex): Membership | undefined {
    return this.#memberships.findLast((each) => each.index <= index)?.membership
  }

  /** The hash of everything that a later check may depend on. */
  fingerprint(): Hash64 {
    let hash = this.contentAt(this.length)
    for (const epoch of this.#epochSeen) hash = hashNumber(epoch, hash)
    let leaders = emptyHash
    for (const [epoch, id] of this.#leaders) {
      leaders = hashSum(leaders, hashNumber(epoch, hashBytes(encodeUtf8(id))))
    }
    return hashPair(hash, leaders)
  }

  /** An independent copy. */
  clone(): History {
    const copy = new History(undefined, this.#promises)
    copy.#ledger.push(...this.#ledger)
    copy.#content.push(...this.#content)
    copy.#epochSeen.push(...this.#epochSeen)
    copy.#memberships.push(...this.#memberships)
    for (const [epoch, id] of this.#leaders) copy.#leaders.set(epoch, id)
    return copy
  }

  /** Whether applying `entry` would add to the past. */
  isNew(entry: Entry): boolean {
    return entry.index > this.#ledger.length
  }

  /** Whether a leadership is known already. */
  knowsLeader(epoch: Epoch, id: NodeId): boolean {
    return this.#leaders.get(epoch) === id
  }

  /**
   * A replica has applied an entry.
   *
   * @param epoch - the replica's epoch then
   */
  applied(id: NodeId, entry: Entry, epoch: Epoch): void {
    const known = this.#ledger[entry.index - 1]
    if (known !== undefined) {
      hold(
        this.#same(known, entry),
        'state-machine-safety',
        () => `${id} applied ${textOf(entry)} where ${textOf(known)} was applied before`,
      )
      return
    }
    hold(
      entry.index === this.#ledger.length + 1,
      'apply-order',
      () => `${id} applied ${entry.index} when ${this.#ledger.length} entries are known`,
    )
    const content = hashNumber(entryKindByte(entry.kind), this.contentAt(entry.index - 1))
    this.#ledger.push(entry)
    this.#content.push(hashBytes(entry.payload, content))
    this.#epochSeen.push(epoch)
    if (entry.kind !== 'membership') return
    const membership = decode(membershipCodec, entry.payload)
    this.#memberships.push({ index: entry.index, membership })
  }

  /** A replica has replaced its state by a snapshot. */
  installed(id: NodeId, snapshot: SnapshotMeta): void {
    hold(
      snapshot.index <= this.length && snapshot.checksum === this.contentAt(snapshot.index).low,
      'snapshot-content',
      () =>
        `${id} installs a snapshot at ${snapshot.index} that is not what was applied up to there`,
    )
  }

  /**
   * An entry has been applied for the first time: a quorum must hold it durably by now.
   *
   * @param images - what each replica's disk holds
   * @param others - memberships that may have been in force at whoever committed it
   */
  checkDurable(
    entry: Entry,
    images: ReadonlyMap<NodeId, LogImage>,
    others: () => Iterable<Membership>,
  ): void {
    const holds = (id: NodeId): boolean => {
      const image = images.get(id)
      if (image === undefined) return false
      if ((image.snapshot?.index ?? 0) >= entry.index) return true
      const held = entryAt(image, entry.index)
      return held !== undefined && this.#same(held, entry)
    }
    const reached = (membership: Membership): boolean =>
      [membership.voters, membership.outgoing].every(
        (voters) =>
          voters.length === 0 ||
          voters.filter(holds).length >= this.#promises.commitQuorum(voters.length),
      )
    // A membership may be committed by the members that it brings, or by those that it replaces.
    for (const index of [entry.index, entry.index - 1]) {
      const committed = this.membershipAt(index)
      if (committed !== undefined && reached(committed)) return
    }
    for (const membership of others()) if (reached(membership)) return
    const holders = [...images.keys()].filter(holds)
    hold(
      false,
      'commit-durable',
      () => `${textOf(entry)} was applied with ${holders.length} durable (${holders.join(' ')})`,
    )
  }

  /** A replica is seen to lead: alone in its epoch, and with everything committed before. */
  led(id: NodeId, epoch: Epoch, written: LogImage): void {
    const other = this.#leaders.get(epoch)
    if (other === id) return
    if (this.#promises.leaderPerEpoch) {
      hold(other === undefined, 'election-safety', () => `${other} and ${id} lead epoch ${epoch}`)
    }
    this.#leaders.set(epoch, id)
    if (!this.#promises.leaderComplete) return
    for (const [at, entry] of this.#ledger.entries()) {
      if ((this.#epochSeen[at] as Epoch) >= epoch) continue
      if (entry.index <= (written.snapshot?.index ?? 0)) continue
      const held = entryAt(written, entry.index)
      hold(
        held !== undefined && this.#same(held, entry),
        'leader-completeness',
        () => `${id} leads epoch ${epoch} without ${textOf(entry)}`,
      )
    }
  }

  /**
   * A disk went from one image to another: what was committed must still be there. What a leader has
   * removed that led before the epoch in which an entry was committed, and whose message comes late,
   * was no part of the quorum that committed it.
   *
   * @param from - the first entry that was removed
   * @param epoch - the replica's epoch when it decided to
   */
  checkKept(id: NodeId, before: LogImage, after: LogImage, from: LogIndex, epoch: Epoch): void {
    const last = Math.min(this.length, before.firstIndex + before.entries.length - 1)
    for (let index = Math.max(from, before.firstIndex); index <= last; index++) {
      const committed = this.#ledger[index - 1] as Entry
      if (index <= (after.snapshot?.index ?? 0)) continue
      if (epoch < (this.#epochSeen[index - 1] as Epoch)) continue
      if (!this.#same(entryAt(before, index) as Entry, committed)) continue
      const held = entryAt(after, index)
      hold(
        held !== undefined && this.#same(held, committed),
        'commit-kept',
        () => `${id} removed the committed ${textOf(committed)} from its disk`,
      )
    }
  }

  /** Two logs that agree on index and epoch must agree on that entry and on all before it. */
  checkMatching(a: LogImage, b: LogImage, idA: NodeId, idB: NodeId): void {
    if (!this.#promises.leaderPerEpoch) return
    const first = Math.max(a.firstIndex, b.firstIndex)
    let matched = false
    for (let index = Math.min(lastIndexOf(a), lastIndexOf(b)); index >= first; index--) {
      const x = entryAt(a, index) as Entry
      const y = entryAt(b, index) as Entry
      matched ||= x.epoch === y.epoch
      if (!matched || x === y) continue
      hold(
        x.epoch === y.epoch && sameContent(x, y),
        'log-matching',
        () => `${idA} holds ${textOf(x)} and ${idB} ${textOf(y)}, though a later entry is the same`,
      )
    }
  }

  #same(a: Entry, b: Entry): boolean {
    return a === b || ((!this.#promises.epochsAgree || a.epoch === b.epoch) && sameContent(a, b))
  }
}

function sameContent(a: Entry, b: Entry): boolean {
  return a.kind === b.kind && equalBytes(a.payload, b.payload)
}

function textOf(entry: Entry): string {
  return `${entry.kind} ${entry.index}/${entry.epoch}`
}
