// The calls made on simulated cores and how each ended. A call ends once; a read that passes must
// not be older than what anybody had applied when it began.
import type { CallId, Effects, Entry, ErrorCode, LogIndex, NodeId, ReadMode } from '@quorate/core'
import { equalBytes } from '@quorate/core'
import { hold } from './violation.ts'

/** One call and how it stands. */
export interface CallRecord {
  /** The call. */
  readonly id: CallId
  /** Where it was made. */
  readonly at: NodeId
  /** What it asked for. */
  readonly kind: 'propose' | 'read' | 'order'
  /** How it stands. `lost`: nobody will ever say. */
  state: 'open' | 'done' | 'rejected' | 'lost'
  /** The code that it was rejected with. */
  rejected: ErrorCode | undefined
  /** A proposal's entries in the log of its leader; a read's index once it has passed. */
  index: LogIndex | undefined
}

interface Proposal {
  readonly record: CallRecord
  readonly commands: readonly Uint8Array[]
  epoch: number
}

interface Read {
  readonly record: CallRecord
  readonly floor: LogIndex
}

/** The calls of one group. */
export class Calls {
  readonly #records = new Map<CallId, CallRecord>()
  readonly #proposals = new Map<CallId, Proposal>()
  readonly #reads = new Map<CallId, Read>()
  readonly #answered: (call: CallRecord) => void

  /** No calls yet; `answered` is told of each that ends. */
  constructor(answered: (call: CallRecord) => void) {
    this.#answered = answered
  }

  /** The next call's id. */
  next(): CallId {
    return this.#records.size + 1
  }

  /** A call that was made. */
  get(id: CallId): CallRecord {
    const record = this.#records.get(id)
    if (record === undefined) throw new TypeError(`no call ${id}`)
    return record
  }

  /** Commands are about to be proposed. */
  proposed(id: CallId, at: NodeId, commands: readonly Uint8Array[]): void {
    const record = this.#open(id, at, 'propose')
    this.#proposals.set(id, { record, commands, epoch: 0 })
  }

  /** A read barrier is about to be asked for, when `length` entries have been applied by anybody. */
  asked(id: CallId, at: NodeId, mode: ReadMode, length: LogIndex): void {
    const record = this.#open(id, at, 'read')
    const floor = mode === 'quorum' || mode === 'lease' ? length : 0
    this.#reads.set(id, { record, floor })
  }

  /** A change of membership or a transfer is about to be asked for. */
  ordered(id: CallId, at: NodeId): void {
    this.#open(id, at, 'order')
  }

  /** A core took an input: some calls may have ended, some proposals found their place. */
  stepped(at: NodeId, effects: Effects<unknown>): void {
    const append = effects.persist?.append ?? []
    if (append.length > 0) this.#place(at, append)
    for (const { id, code } of effects.rejected) {
      const record = this.#ends(id, at, 'is rejected')
      record.rejected = code
      this.#end(record, 'rejected')
    }
    for (const { id } of effects.completed) this.#end(this.#ends(id, at, 'completes'), 'done')
    for (const { id, index } of effects.reads) {
      const record = this.#ends(id, at, 'passes')
      const floor = this.#reads.get(id)?.floor ?? 0
      hold(
        index >= floor,
        'read-freshness',
        () => `read ${id} at ${at} passed at ${index} though ${floor} was applied before it began`,
      )
      record.index = index
      this.#end(record, 'done')
    }
  }

  /** A replica applied an entry: a proposal of its own may be done, or lost to another entry. */
  applied(at: NodeId, entry: Entry): void {
    for (const { record, commands, epoch } of this.#proposals.values()) {
      if (record.at !== at || record.state !== 'open' || record.index === undefined) continue
      const last = record.index + commands.length - 1
      if (entry.index !== last) continue
      const own = entry.epoch === epoch && equalBytes(entry.payload, commands.at(-1) as Uint8Array)
      this.#end(record, own ? 'done' : 'lost')
    }
  }

  /** A replica's state machine jumped over everything up to `index`. */
  skipped(at: NodeId, index: LogIndex): void {
    for (const { record } of this.#proposals.values()) {
      const open = record.at === at && record.state === 'open'
      if (open && record.index !== undefined && record.index <= index) this.#end(record, 'lost')
    }
  }

  /** A replica is gone, and its open calls with it. */
  lost(at: NodeId): void {
    for (const record of this.#records.values()) {
      if (record.at === at && record.state === 'open') this.#end(record, 'lost')
    }
  }

  #open(id: CallId, at: NodeId, kind: CallRecord['kind']): CallRecord {
    const record: CallRecord = {
      id,
      at,
      kind,
      state: 'open',
      rejected: undefined,
      index: undefined,
    }
    this.#records.set(id, record)
    return record
  }

  /** The payloads of proposals travel as they are, so that identity finds their entries. */
  #place(at: NodeId, append: readonly Entry[]): void {
    for (const proposal of this.#proposals.values()) {
      const { record, commands } = proposal
      if (record.at !== at || record.state !== 'open' || record.index !== undefined) continue
      const first = append.find((entry) => entry.payload === commands[0])
      if (first === undefined) continue
      record.index = first.index
      proposal.epoch = first.epoch
    }
  }

  #ends(id: CallId, at: NodeId, how: string): CallRecord {
    const record = this.#records.get(id)
    hold(
      record !== undefined && record.at === at,
      'call-outcome',
      () => `call ${id} ${how} at ${at}, where it was never made`,
    )
    const found = record as CallRecord
    hold(
      found.state === 'open',
      'call-outcome',
      () => `call ${id} ${how} at ${at} though it is ${found.state}`,
    )
    return found
  }

  #end(record: CallRecord, state: 'done' | 'rejected' | 'lost'): void {
    record.state = state
    this.#proposals.delete(record.id)
    this.#reads.delete(record.id)
    this.#answered(record)
  }
}
