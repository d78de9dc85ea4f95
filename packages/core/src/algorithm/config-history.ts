// The memberships in a replica's log. Whatever cuts the log back takes those with it that were cut
// off, and brings back the one before: there is nothing to remember apart.
import { assert } from '../assert.ts'
import { decode, encode } from '../codec.ts'
import type { Entry } from '../entry.ts'
import type { LogIndex } from '../ids.ts'
import type { Membership } from '../membership.ts'
import { membershipCodec } from '../membership.ts'
import type { DurableState } from '../storage.ts'

/** A membership and the entry that brought it. */
export interface Config {
  /** The entry's index; the base's is where the log begins. */
  readonly index: LogIndex
  /** Who belongs to the group from there on. */
  readonly membership: Membership
}

// The membership of a replica that joins a group and has not been told who is in it.
const noMembers: Membership = {
  version: 0,
  voters: [],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

/** The memberships of one log, oldest first: at least the base, which is in force where the log begins. */
export class ConfigHistory {
  #configs: Config[]

  /** See {@link configHistory}. */
  constructor(base: Config) {
    this.#configs = [base]
  }

  /** From where on it is known who the members were. */
  get firstIndex(): LogIndex {
    return (this.#configs[0] as Config).index
  }

  /** The last membership, whether or not its entry is committed. */
  get last(): Membership {
    return this.#last.membership
  }

  /** The index of the entry that brought it. */
  get lastIndex(): LogIndex {
    return this.#last.index
  }

  /** An independent copy. */
  clone(): ConfigHistory {
    const copy = new ConfigHistory(this.#configs[0] as Config)
    copy.#configs = [...this.#configs]
    return copy
  }

  get #last(): Config {
    return this.#configs[this.#configs.length - 1] as Config
  }

  /** The last one that entries up to an index brought; the base where the log begins after it. */
  at(index: LogIndex): Config {
    let found = this.#configs[0] as Config
    for (const config of this.#configs) if (config.index <= index) found = config
    return found
  }

  /** Adds the membership that an entry brings. */
  append(entry: Entry): void {
    assert(entry.index > this.lastIndex, 'memberships follow each other')
    this.#configs.push({ index: entry.index, membership: decode(membershipCodec, entry.payload) })
  }

  /** Forgets those that entries from an index on brought; `true` where there was one. */
  truncateFrom(from: LogIndex): boolean {
    const before = this.#configs.length
    while (this.#configs.length > 1 && this.#last.index >= from) this.#configs.pop()
    return this.#configs.length < before
  }

  /** Makes the one at an index the base. */
  compactTo(index: LogIndex): void {
    const base: Config = { index, membership: this.at(index).membership }
    this.#configs = [base, ...this.#configs.filter((config) => config.index > index)]
  }

  /** Forgets all and starts anew from a membership that is in force at an index. */
  restore(index: LogIndex, membership: Membership): void {
    this.#configs = [{ index, membership }]
  }
}

/**
 * The memberships of a log as recovered. The base is the snapshot's.
 *
 * @param initial - the base where there is no snapshot; `undefined` where nobody is known to be a member
 * @param lastIndex - where the log ends
 */
export function configHistory(
  recovered: DurableState,
  initial: Membership | undefined,
  lastIndex: LogIndex,
): ConfigHistory {
  const { snapshot, membershipEntries } = recovered
  const index = snapshot?.index ?? 0
  const history = new ConfigHistory({
    index,
    membership: snapshot?.membership ?? initial ?? noMembers,
  })
  for (const entry of membershipEntries) {
    if (entry.index > index && entry.index <= lastIndex) history.append(entry)
  }
  return history
}

/** The payload of an entry that brings a membership. */
export function membershipPayload(membership: Membership): Uint8Array {
  return encode(membershipCodec, membership)
}
