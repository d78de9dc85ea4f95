// The memberships in a replica's log. The last one is in force from the moment it is appended,
// and whatever cuts the log back brings back the one before: there is nothing to remember apart.
import type { Entry, LogIndex, Membership } from '@quorate/core'
import { assert, decode, encode, encodeUtf8, membershipCodec } from '@quorate/core'

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

  /** A history of `base`, in force where the log begins, and the memberships in the log. */
  constructor(base: Config, entries: readonly Entry[]) {
    this.#configs = [base]
    for (const entry of entries) this.append(entry)
  }

  /** The membership in force. */
  get active(): Membership {
    return this.#latest.membership
  }

  /** The index of the entry that brought it. */
  get activeIndex(): LogIndex {
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

  /** The membership in force at an index, at or after the base. */
  at(index: LogIndex): Membership {
    let found = this.#configs[0] as Config
    for (const config of this.#configs) if (config.index <= index) found = config
    return found.membership
  }

  /** Adds the membership that an entry brings. */
  append(entry: Entry): void {
    assert(entry.index > this.activeIndex, 'memberships follow each other')
    this.#configs.push({ index: entry.index, membership: decode(membershipCodec, entry.payload) })
  }

  /** Forgets those that entries from an index on brought; `true` where the active one was among them. */
  truncateFrom(from: LogIndex): boolean {
    const before = this.#configs.length
    while (this.#configs.length > 1 && this.#latest.index >= from) this.#configs.pop()
    return this.#configs.length < before
  }

  /** Makes the one in force at an index the base. */
  compactTo(index: LogIndex): void {
    const base: Config = { index, membership: this.at(index) }
    this.#configs = [base, ...this.#configs.filter((config) => config.index > index)]
  }

  /** Forgets all and starts from a snapshot's. */
  restore(index: LogIndex, membership: Membership): void {
    this.#configs = [{ index, membership }]
  }
}

/** The payload of an entry that brings a membership. */
export function membershipPayload(membership: Membership): Uint8Array {
  return encode(membershipCodec, membership)
}

/** The payload of an entry without content. */
export const NO_PAYLOAD: Uint8Array = encodeUtf8('')
