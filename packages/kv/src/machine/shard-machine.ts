// The program that every replica of a shard runs over the same commands: keys, sessions, log time
// and epoch. No command can make it throw; what it refuses, it answers with an error.
import { QuorateError, isQuorateError } from '@quorate/core'
import type { ByteWriter, Command, StateMachine } from '@quorate/core'
import { rawKey, rawKeyBytes } from '../key.ts'
import { kvLimits } from '../limits.ts'
import { decodeCommand } from './command.ts'
import type { KvCommand, TransactionBody } from './command.ts'
import type { HandoverCommand } from './handover-command.ts'
import { changeHistory } from './history.ts'
import type { Change, History, HistoryLimits } from './history.ts'
import { ALL_KEYS, holds } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import { keyspace } from './keyspace.ts'
import type { Keyspace } from './keyspace.ts'
import { ownership, serves, stepOwnership } from './ownership.ts'
import type { OwnershipState } from './ownership.ts'
import { beginAnswer, decodeQuery, writeFound, writeInfo, writeSent } from './query.ts'
import type { KvQuery, RangeQuery, ShardInfo } from './query.ts'
import { beginResult, errorResult, writeOpResult } from './result.ts'
import { sessionTable } from './sessions.ts'
import type { SessionTable } from './sessions.ts'
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts'
import type { Stored } from './snapshot.ts'

/** What a shard's state machine is made of. */
export interface ShardMachineOptions {
  /** The shard. */
  readonly shard: number
  /** The epoch of a new shard. Default 1. */
  readonly epoch?: number | undefined
  /**
   * The keys that a new shard serves, `'none'` where it is to receive some. The same at every
   * replica. Default: all.
   */
  readonly range?: KeyRange | 'none' | undefined
  /** How much history is kept for watches. Default 10,000 changes, 4,194,304 bytes (4 MiB). */
  readonly history?: Partial<HistoryLimits> | undefined
}

/** The state machine of one shard. */
export interface ShardMachine extends StateMachine {
  /** The shard. */
  readonly shard: number
  /** Its epoch; requests that name another are refused. */
  readonly epoch: number
  /** The keys that it serves; `undefined`: none. */
  readonly range: KeyRange | undefined
  /** The revision of the last command applied: its position in the log, and more where keys came from another shard. */
  readonly revision: number
  /** When the next key is due to expire, in milliseconds of log time; infinity where none is. */
  readonly nextExpiryMs: number
  /** Applies commands; every one is answered, also what is refused. */
  apply(commands: readonly Command[]): readonly Uint8Array[]
  /** Answers a question. */
  query(query: Uint8Array): Uint8Array
  /** Its size. */
  info(): ShardInfo
  /** Its recent changes. */
  readonly history: History
  /**
   * Calls `listener` after commands were applied or a snapshot was restored, until the returned
   * function is called. It must not throw.
   */
  onApplied(listener: () => void): () => void
}

/** Makes the state machine of a shard. */
export function shardMachine(options: ShardMachineOptions): ShardMachine {
  return new Machine(options)
}

class Machine implements ShardMachine {
  readonly shard: number
  readonly history: History
  readonly #listeners = new Set<() => void>()
  #keys: Keyspace
  #sessions: SessionTable = sessionTable()
  #epoch: number
  #timeMs = 0
  #revision = 0
  #ownership: OwnershipState
  /** Whether every key is served, so that keys need not be looked at. */
  #whole: boolean

  constructor(options: ShardMachineOptions) {
    this.shard = options.shard
    this.#epoch = options.epoch ?? 1
    const { range = ALL_KEYS } = options
    this.#ownership = ownership(range === 'none' ? undefined : range)
    this.#whole = serves(this.#ownership, ALL_KEYS)
    this.#keys = keyspace([], this.#ownership.owned)
    this.history = changeHistory({
      changesMax: options.history?.changesMax ?? 10_000,
      bytesMax: options.history?.bytesMax ?? 4_194_304,
    })
  }

  get epoch(): number {
    return this.#epoch
  }

  get range(): KeyRange | undefined {
    return this.#ownership.owned
  }

  get revision(): number {
    return this.#revision
  }

  get nextExpiryMs(): number {
    return this.#keys.nextExpiryMs
  }

  info(): ShardInfo {
    return {
      keys: this.#keys.size,
      bytes: this.#keys.bytes,
      sessions: this.#sessions.size,
      timeMs: this.#timeMs,
      epoch: this.#epoch,
      ownership: this.#ownership,
    }
  }

  onApplied(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  apply(commands: readonly Command[]): readonly Uint8Array[] {
    const results = commands.map((command) => this.#applyOne(command))
    for (const listener of this.#listeners) listener()
    return results
  }

  #applyOne({ index, payload }: Command): Uint8Array {
    const revision = index + this.#ownership.offset
    this.#revision = revision
    let command: KvCommand
    try {
      command = decodeCommand(payload)
    } catch (error) {
      if (!isQuorateError(error)) throw error
      return errorResult('MALFORMED', error.message, this.#epoch)
    }
    if (command.shard !== this.shard) {
      const message = `a command for shard ${command.shard} in the log of shard ${this.shard}`
      return errorResult('INVALID_ARGUMENT', message, this.#epoch)
    }
    const changes: Change[] = []
    this.#advance(command.timeMs, revision, changes)
    const result = this.#run(command, revision, changes)
    if (changes.length > 0) this.history.add(changes)
    return result
  }

  /** Moves the log's time, which never goes back, and lets go what it has made due. */
  #advance(timeMs: number, index: number, changes: Change[]): void {
    if (timeMs <= this.#timeMs) return
    this.#timeMs = timeMs
    this.#sessions.expire(timeMs)
    this.#keys.expire(timeMs, index, kvLimits.expiredPerCommandMax, changes)
  }

  #run(command: KvCommand, index: number, changes: Change[]): Uint8Array {
    switch (command.type) {
      case 'transaction':
        return this.#transaction(command, index, changes)
      case 'open': {
        const mismatch = this.#checkEpoch(command.epoch)
        if (mismatch !== undefined) return mismatch
        this.#sessions.open(index, this.#timeMs)
        break
      }
      case 'fence':
        this.#epoch = Math.max(this.#epoch, command.next)
        break
      case 'tick':
        break
      default:
        return this.#handover(command, index, changes)
    }
    return beginResult(index, true, 0).finish()
  }

  /** A step of a handover; expiry at the same revision is told of before it. */
  #handover(command: HandoverCommand, before: number, changes: Change[]): Uint8Array {
    const { owned, offset } = this.#ownership
    const outcome = stepOwnership(this.#ownership, command, before, this.#keys)
    if (!outcome.ok) return errorResult('CONFLICT', outcome.message, this.#epoch)
    this.#ownership = outcome.state
    this.#whole = serves(outcome.state, ALL_KEYS)
    const revision = before + outcome.state.offset - offset
    this.#revision = revision
    if (outcome.epoch !== undefined) {
      this.#epoch = Math.max(this.#epoch, outcome.epoch)
      if (command.type === 'yield') {
        changes.push({
          revision,
          key: '',
          value: undefined,
          handover: { to: command.to, last: this.range === undefined },
        })
      } else if (command.type === 'own' && owned === undefined) {
        // Nothing can have happened here since the other shard gave the keys away.
        this.history.reset(command.revision)
      } else if (command.type === 'own') {
        changes.push({ revision, key: '', value: undefined, handover: { from: command.from } })
      }
    }
    return beginResult(revision, outcome.done, 0).finish()
  }

  #transaction(
    command: KvCommand & { type: 'transaction' },
    index: number,
    changes: Change[],
  ): Uint8Array {
    const { session, seq, floor } = command
    const admission = this.#sessions.admit(session, seq, floor, this.#timeMs)
    if (admission.type === 'answered') return admission.answer
    if (admission.type === 'expired') {
      return errorResult('SESSION_EXPIRED', `session ${session} is not known`, this.#epoch)
    }
    if (admission.type === 'full') {
      return errorResult('CONFLICT', `session ${session} has too many answers open`, this.#epoch)
    }
    // A refusal by epoch is not kept: the same command comes again, with the epoch it then knows.
    const mismatch = this.#checkEpoch(command.epoch)
    if (mismatch !== undefined) return mismatch
    // Nor is one by keys that are elsewhere: they come again in another shard.
    if (!this.#whole && !this.#servesAll(command)) {
      return errorResult('CROSS_SHARD', 'the shard does not serve all of the keys', this.#epoch)
    }
    const answer = this.#execute(command, index, changes)
    this.#sessions.record(session, seq, answer)
    return answer
  }

  #execute(
    command: KvCommand & { type: 'transaction' },
    index: number,
    changes: Change[],
  ): Uint8Array {
    const tooLarge = this.#checkResultSize(command)
    if (tooLarge !== undefined) return tooLarge
    const outcome = this.#keys.run(command, index, this.#timeMs, changes)
    if (!outcome.ok) return errorResult('INVALID_ARGUMENT', outcome.message, this.#epoch)
    const writer = beginResult(index, outcome.succeeded, outcome.results.length)
    for (const result of outcome.results) writeOpResult(writer, result)
    return writer.finish()
  }

  /** Refuses what would answer with too many bytes, before any of it is done. */
  #checkResultSize(command: KvCommand & { type: 'transaction' }): Uint8Array | undefined {
    for (const ops of [command.success, command.failure]) {
      let bytes = 0
      const written = new Map<string, number>()
      for (const op of ops) {
        const key = rawKey(op.key)
        if (op.type === 'put') written.set(key, op.value.length)
        else if (op.type === 'delete') written.set(key, 0)
        else if (op.type === 'get') {
          bytes += (written.get(key) ?? this.#keys.get(key)?.value.length ?? 0) + 16
        }
      }
      if (bytes > kvLimits.resultBytesMax) {
        const message = `a transaction answers with at most ${kvLimits.resultBytesMax} bytes`
        return errorResult('LIMIT_EXCEEDED', message, this.#epoch)
      }
    }
    return undefined
  }

  #servesAll({ comparisons, success, failure }: TransactionBody): boolean {
    const { owned } = this.#ownership
    return [comparisons, success, failure].every((list) =>
      list.every(({ key }) => holds(owned, rawKey(key))),
    )
  }

  #checkEpoch(epoch: number): Uint8Array | undefined {
    if (epoch === this.#epoch) return undefined
    return errorResult('EPOCH_MISMATCH', `the shard has epoch ${this.#epoch}`, this.#epoch)
  }

  query(bytes: Uint8Array): Uint8Array {
    let query: KvQuery
    try {
      query = decodeQuery(bytes)
    } catch (error) {
      if (!isQuorateError(error)) throw error
      return beginAnswer('malformed', this.#revision).finish()
    }
    if (!this.#whole && !this.#canAnswer(query)) {
      return beginAnswer('elsewhere', this.#revision).finish()
    }
    const writer = beginAnswer(query.type, this.#revision)
    if (query.type === 'info') writeInfo(writer, this.info())
    else if (query.type === 'middle') this.#middle(writer)
    else if (query.type === 'get') this.#get(writer, query.keys)
    else this.#range(writer, query)
    return writer.finish()
  }

  #canAnswer(query: KvQuery): boolean {
    if (query.type === 'get') {
      return query.keys.every((key) => holds(this.#ownership.owned, rawKey(cut(key))))
    }
    if (query.type !== 'range') return true
    const start = rawKey(cut(query.start))
    const end = query.end.length === 0 ? undefined : rawKey(cut(query.end))
    return (end !== undefined && end <= start) || serves(this.#ownership, { start, end })
  }

  #middle(writer: ByteWriter): void {
    const { owned } = this.#ownership
    let all = 0
    const sizes: (readonly [string, number])[] = []
    if (owned !== undefined) {
      this.#keys.entries.scan(owned.start, owned.end, (key, { value }) => {
        all += key.length + value.length
        sizes.push([key, all])
        return true
      })
    }
    const found = sizes.find(([key, before], at) => at > 0 && before * 2 > all && key !== '')
    writer.uint8(found === undefined ? 0 : 1)
    if (found !== undefined) writer.bytes(rawKeyBytes(found[0]))
  }

  /** Answers for the first keys only where all values together would be too large. */
  #get(writer: ByteWriter, keys: readonly Uint8Array[]): void {
    const found: (Stored | undefined)[] = []
    let bytes = 0
    for (const key of keys) {
      const fits = key.length > 0 && key.length <= kvLimits.keyBytesMax
      const stored = fits ? this.#keys.get(rawKey(key)) : undefined
      bytes += stored?.value.length ?? 0
      if (found.length > 0 && bytes > kvLimits.pageBytesMax) break
      found.push(stored)
    }
    writer.varint(found.length)
    for (const stored of found) writeFound(writer, stored)
  }

  #range(writer: ByteWriter, query: RangeQuery & { readonly type: 'range' | 'sent' }): void {
    const limit = Math.min(query.limit, kvLimits.pageEntriesMax)
    const bytesMax = Math.min(query.bytesMax, kvLimits.pageBytesMax)
    const start = rawKey(cut(query.start))
    const end = query.end.length === 0 ? undefined : rawKey(cut(query.end))
    const content = writer.length
    let count = 0
    let more = false
    const { entries } = this.#keys
    const visit = (key: string, stored: Stored): boolean => {
      const size = key.length + (query.keysOnly ? 0 : stored.value.length) + 12
      if (count >= limit || (count > 0 && writer.length - content + size > bytesMax)) {
        more = true
        return false
      }
      count++
      if (query.type === 'sent') {
        writeSent(writer, key, stored, query.keysOnly)
        return true
      }
      writer.bytes(rawKeyBytes(key))
      writer.varint(stored.version)
      writer.bytes(query.keysOnly ? NO_BYTES : stored.value)
      return true
    }
    if (query.reverse) entries.scanReverse(start, end, visit)
    else entries.scan(start, end, visit)
    writer.uint8(more ? 1 : 0)
  }

  snapshot(): Iterable<Uint8Array> {
    return encodeSnapshot({
      shard: this.shard,
      epoch: this.#epoch,
      timeMs: this.#timeMs,
      revision: this.#revision,
      ownership: this.#ownership,
      entries: this.#keys.capture(),
      sessions: this.#sessions.capture(),
    })
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const state = await decodeSnapshot(chunks)
    if (state.shard !== this.shard) {
      throw new QuorateError('MALFORMED', `a snapshot of shard ${state.shard}, not ${this.shard}`)
    }
    this.#ownership = state.ownership
    this.#whole = serves(state.ownership, ALL_KEYS)
    this.#keys = keyspace(state.entries, state.ownership.owned)
    this.#sessions = sessionTable(state.sessions)
    this.#epoch = state.epoch
    this.#timeMs = state.timeMs
    this.#revision = state.revision
    this.history.reset(state.revision)
    for (const listener of this.#listeners) listener()
  }
}

const NO_BYTES = new Uint8Array(0)

/** A bound longer than any key orders like its first bytes. */
function cut(bound: Uint8Array): Uint8Array {
  return bound.subarray(0, kvLimits.keyBytesMax + 1)
}
