// The memberships in a replica's log. Each is a stop-sign: it seals the epoch before it, and is in
// force once it is decided. Whatever cuts the log back takes an undecided one with it.
import type { Entry, LogIndex, Membership } from '@quorate/core'
import { assert, decode, encode, membershipCodec } from '@quorate/core'

/** A membership and the entry that brought it. */
export interface Config {
  /** The entry's index; the base's is where the log begins. */
  readonly index: LogIndex
  /** Who belongs to the group from there on. */
  readonly membership: Membership
}

/** The membership of a replica that joins a group and has not been told who is in it. */
export const noMembers: Membership = {
  version: 0,
  voters: [],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

/** The memberships of one log, oldest first. */
export class ConfigHistory {
  #configs: Config[]

  /** A history of `base`, in force where the log begins, and the stop-signs in the log. */
  constructor(base: Config, entries: readonly Entry[]) {
    this.#configs = [base]
    for (const entry of entries) this.append(entry)
  }

  /** From where on it is known who the members were. */
  get firstIndex(): LogIndex {
    return (this.#configs[0] as Config).index
  }

  /** The index of the last stop-sign, decided or not. */
  get lastIndex(): LogIndex {
    return this.#latest.index
  }

  /** An independent copy. */
  clone(): ConfigHistory {
    const copy = new ConfigHistory(this.#configs[0] as Config, [])
    copy.#configs = [...this.#configs]
    return copy
  }

  get #latest(): Config {
    return this.#configs[this.#configs.length - 1] as Config
  }

  /** What is in force once everything up to an index is decided. */
  at(index: LogIndex): Config {
    let found = this.#configs[0] as Config
    for (const config of this.#configs) if (config.index <= index) found = config
    return found
  }

  /** Adds the membership that an entry brings. */
  append(entry: Entry): void {
    assert(entry.index > this.lastIndex, 'stop-signs follow each other')
    this.#configs.push({ index: entry.index, membership: decode(membershipCodec, entry.payload) })
  }

  /** Forgets those that entries from an index on brought. */
  truncateFrom(from: LogIndex): void {
    while (this.#configs.length > 1 && this.#latest.index >= from) this.#configs.pop()
  }

  /** Makes the one in force at an index the base. */
  compactTo(index: LogIndex): void {
    const base: Config = { index, membership: this.at(index).membership }
    this.#configs = [base, ...this.#configs.filter((config) => config.index > index)]
  }

  /** Forgets all and starts from a snapshot's, or from what a donor says of the log's beginning. */
  restore(index: LogIndex, membership: Membership): void {
    this.#configs = [{ index, membership }]
  }
}

/** The payload of an entry that brings a membership. */
export function membershipPayload(membership: Membership): Uint8Array {
  return encode(membershipCodec, membership)
}
