// Which keys a shard serves, and how a range of them goes to another shard without a moment in
// which both serve it, or in which what one has answered is not known to the other.
import { QuorateError } from '@quorate/core'
import type { ByteReader, ByteWriter } from '@quorate/core'
import { kvLimits } from '../limits.ts'
import { rawKey, rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { HandoverCommand } from './handover-command.ts'
import { ALL_KEYS, covers, holds, joined, rangeOfBytes, sameRange, without } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import type { Keyspace } from './keyspace.ts'

/** A range that a shard has given away; its entries stay until the other shard serves them. */
export interface Outgoing extends KeyRange {
  /** The handover. */
  readonly handover: number
  /** The revision at which it was given. */
  readonly revision: number
}

/** A range that a shard receives and does not serve yet. */
export interface Incoming extends KeyRange {
  /** The handover. */
  readonly handover: number
  /** The revision of the command from which on pieces count. */
  readonly token: number
  /** The number of the next piece. */
  readonly next: number
}

/** What a shard knows of its range; replicated, and immutable. */
export interface OwnershipState {
  /** The keys that it serves; `undefined`: none. */
  readonly owned: KeyRange | undefined
  /** How much greater revisions are than positions in the log. */
  readonly offset: number
  /** What it has given away and not yet forgotten. */
  readonly outgoing: Outgoing | undefined
  /** What it receives. */
  readonly incoming: Incoming | undefined
  /** The last handover by which it got keys. */
  readonly received: number
}

/** What came of a step. */
export type StepOutcome =
  | {
      readonly ok: true
      readonly state: OwnershipState
      /** The epoch from now on; `undefined`: as before. */
      readonly epoch?: number | undefined
      /** Whether there is nothing more of the kind to do. */
      readonly done: boolean
    }
  | { readonly ok: false; readonly message: string }

/** What a new shard knows: the keys that it serves from the beginning. */
export function ownership(owned: KeyRange | undefined): OwnershipState {
  return { owned, offset: 0, outgoing: undefined, incoming: undefined, received: 0 }
}

/** Takes a step; entries go into and out of `keys`, which serve what the new state says. */
export function stepOwnership(
  state: OwnershipState,
  command: HandoverCommand,
  revision: number,
  keys: Keyspace,
): StepOutcome {
  switch (command.type) {
    case 'yield':
      return yielded(state, command, revision, keys)
    case 'receive': {
      if (command.handover <= state.received) return refused('that was received already')
      const range = rangeOfBytes(command)
      if (joined(state.owned, range) === undefined) return refused('that range does not adjoin')
      const { handover } = command
      const incoming = { ...range, handover, token: revision, next: 1 }
      return { ok: true, state: { ...state, incoming }, done: true }
    }
    case 'install':
      return installed(state, command, keys)
    case 'own':
      return owned(state, command, revision, keys)
    case 'forget':
      return forgotten(state, command, keys)
  }
}

function yielded(
  state: OwnershipState,
  command: HandoverCommand & { readonly type: 'yield' },
  revision: number,
  keys: Keyspace,
): StepOutcome {
  const { handover, next } = command
  if (state.outgoing?.handover === handover) return { ok: true, state, done: true }
  if (state.outgoing !== undefined || state.incoming !== undefined) {
    return refused('another handover is not complete')
  }
  const range = rangeOfBytes(command)
  const left = state.owned === undefined ? 'none' : without(state.owned, range)
  if (left === 'none') return refused('that range is not at an end of what the shard has')
  keys.serve(left)
  const outgoing = { ...range, handover, revision }
  return { ok: true, state: { ...state, owned: left, outgoing }, epoch: next, done: true }
}

function installed(
  state: OwnershipState,
  command: HandoverCommand & { readonly type: 'install' },
  keys: Keyspace,
): StepOutcome {
  const { incoming } = state
  // A piece that comes twice, or from somebody who was replaced, would undo what came after it.
  if (incoming?.handover !== command.handover || incoming.token !== command.token) {
    return refused('pieces of this kind are not expected')
  }
  if (incoming.next !== command.piece) return refused(`piece ${incoming.next} is expected`)
  for (const { key, stored } of command.entries) {
    const raw = rawKey(key)
    if (holds(incoming, raw)) keys.place(raw, stored)
  }
  return {
    ok: true,
    state: { ...state, incoming: { ...incoming, next: incoming.next + 1 } },
    done: true,
  }
}

function owned(
  state: OwnershipState,
  command: HandoverCommand & { readonly type: 'own' },
  revision: number,
  keys: Keyspace,
): StepOutcome {
  const { incoming } = state
  if (state.received === command.handover) return { ok: true, state, done: true }
  if (incoming?.handover !== command.handover || incoming.token !== command.token) {
    return refused('it does not receive that')
  }
  const all = joined(state.owned, incoming)
  if (all === undefined) return refused('that range does not adjoin')
  keys.serve(all)
  // Whoever has seen a version of the other shard must not meet it again, nor a smaller one.
  const offset = state.offset + Math.max(0, command.revision + 1 - revision)
  const next = {
    ...state,
    owned: { start: all.start, end: all.end },
    offset,
    incoming: undefined,
    received: command.handover,
  }
  return { ok: true, state: next, epoch: command.next, done: true }
}

function forgotten(
  state: OwnershipState,
  command: HandoverCommand & { readonly type: 'forget' },
  keys: Keyspace,
): StepOutcome {
  const { outgoing } = state
  if (outgoing?.handover !== command.handover) return { ok: true, state, done: true }
  const due: RawKey[] = []
  keys.entries.scan(outgoing.start, outgoing.end, (key) => due.push(key) <= command.max)
  const done = due.length <= command.max
  for (const key of due.slice(0, command.max)) keys.place(key, undefined)
  return { ok: true, state: done ? { ...state, outgoing: undefined } : state, done }
}

function refused(message: string): StepOutcome {
  return { ok: false, message }
}

/** Whether a shard serves all keys and always has, as every shard of hash slots does. */
export function isPlain(state: OwnershipState): boolean {
  const { owned: range, offset, outgoing, incoming, received } = state
  const whole = range !== undefined && sameRange(range, ALL_KEYS)
  const untouched = offset === 0 && received === 0
  return whole && untouched && outgoing === undefined && incoming === undefined
}

/** Whether a shard serves a whole range. */
export function serves(state: OwnershipState, range: KeyRange): boolean {
  return covers(state.owned, range)
}

/** Appends a state. */
export function writeOwnership(writer: ByteWriter, state: OwnershipState): void {
  const { owned: range, offset, outgoing, incoming, received } = state
  writer.varint(offset)
  writer.varint(received)
  writeRange(writer, range)
  writeRange(writer, outgoing)
  if (outgoing !== undefined) {
    writer.varint(outgoing.handover)
    writer.varint(outgoing.revision)
  }
  writeRange(writer, incoming)
  if (incoming === undefined) return
  for (const field of [incoming.handover, incoming.token, incoming.next]) writer.varint(field)
}

/**
 * Reads a state.
 *
 * @throws QuorateError `MALFORMED`
 */
export function readOwnership(reader: ByteReader): OwnershipState {
  const [offset, received] = [reader.varint(), reader.varint()]
  const range = readRange(reader)
  const out = readRange(reader)
  const outgoing = out && { ...out, handover: reader.varint(), revision: reader.varint() }
  const into = readRange(reader)
  const incoming = into && {
    ...into,
    handover: reader.varint(),
    token: reader.varint(),
    next: reader.varint(),
  }
  return { owned: range, offset, received, outgoing, incoming }
}

/** Appends a range, or that there is none. */
export function writeRange(writer: ByteWriter, range: KeyRange | undefined): void {
  writer.uint8(range === undefined ? 0 : range.end === undefined ? 2 : 1)
  if (range === undefined) return
  writer.bytes(rawKeyBytes(range.start))
  if (range.end !== undefined) writer.bytes(rawKeyBytes(range.end))
}

/** Reads what {@link writeRange} wrote. */
export function readRange(reader: ByteReader): KeyRange | undefined {
  const kind = reader.uint8()
  if (kind === 0) return undefined
  if (kind > 2) throw malformed('an unknown kind of range')
  const start = readBound(reader)
  const end = kind === 1 ? readBound(reader) : undefined
  if (end !== undefined && end <= start) throw malformed('a range that ends where it begins')
  return { start, end }
}

function readBound(reader: ByteReader): RawKey {
  const bytes = reader.bytes()
  if (bytes.length > kvLimits.keyBytesMax) throw malformed('a bound that is longer than a key')
  return rawKey(bytes)
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed range: ${what}`)
}
