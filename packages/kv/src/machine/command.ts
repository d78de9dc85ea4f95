// The commands of a shard, as they stand in its log. A client writes them once; every hop passes
// the same bytes on, and only the fixed field with the time is filled in by the proposing host.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import { kvLimits } from '../limits.ts'
import { readHandover, writeHandover } from './handover-command.ts'
import type { HandoverCommand } from './handover-command.ts'

/** The version byte of commands. */
const COMMAND_VERSION = 1
/** Where the time stands in every command. */
const TIME_AT = 2

/** One step of a transaction. Keys and values are bytes. */
export type Op =
  | {
      readonly type: 'put'
      readonly key: Uint8Array
      readonly value: Uint8Array
      readonly ttlMs: number
    }
  | { readonly type: 'delete'; readonly key: Uint8Array }
  | { readonly type: 'get'; readonly key: Uint8Array }
  | { readonly type: 'increment'; readonly key: Uint8Array; readonly by: number }

/** How a comparison's two sides must relate. */
export type Relation = '=' | '!=' | '<' | '>'

/** One condition of a transaction; an absent key has version 0 and no value, which relates to none. */
export type Comparison =
  | {
      readonly on: 'version'
      readonly key: Uint8Array
      readonly relation: Relation
      readonly version: number
    }
  | {
      readonly on: 'value'
      readonly key: Uint8Array
      readonly relation: Relation
      readonly value: Uint8Array
    }

/** What a transaction does. */
export interface TransactionBody {
  /** All must hold for `success`. */
  readonly comparisons: readonly Comparison[]
  /** Done where all comparisons hold. */
  readonly success: readonly Op[]
  /** Done where one does not. */
  readonly failure: readonly Op[]
}

/** Which command of which session. */
export interface SessionStep {
  /** The session: the log index of the command that opened it. */
  readonly session: number
  /** Counts the session's commands, from 1. */
  readonly seq: number
  /** The lowest `seq` of the session whose answer its owner still waits for. */
  readonly floor: number
}

/** Whom a command is for. */
export interface CommandHeader {
  /** Milliseconds since 1970, stamped by the proposing host. */
  readonly timeMs: number
  /** The shard. */
  readonly shard: number
  /** The epoch of the shard that the sender knows. */
  readonly epoch: number
}

/** A command of a shard. */
export type KvCommand = CommandHeader &
  (
    | { readonly type: 'open' }
    | ({ readonly type: 'transaction' } & SessionStep & TransactionBody)
    | { readonly type: 'tick' }
    | { readonly type: 'fence'; readonly next: number }
    | HandoverCommand
  )

const KINDS = [
  'open',
  'transaction',
  'tick',
  'fence',
  'yield',
  'receive',
  'install',
  'own',
  'forget',
] as const
const OPS = ['put', 'delete', 'get', 'increment'] as const
const RELATIONS: readonly Relation[] = ['=', '!=', '<', '>']

/** Appends a command. */
function writeCommand(writer: ByteWriter, command: KvCommand): void {
  writeCommandHeader(writer, command.type, command)
  if (command.type === 'fence') writer.varint(command.next)
  else if ('handover' in command) writeHandover(writer, command)
  if (command.type !== 'transaction') return
  writer.varint(command.session)
  writer.varint(command.seq)
  writer.varint(command.seq - command.floor)
  writeTransaction(writer, command)
}

/** Appends what every command begins with. */
export function writeCommandHeader(
  writer: ByteWriter,
  type: KvCommand['type'],
  header: CommandHeader,
): void {
  writer.uint8(COMMAND_VERSION)
  writer.uint8(KINDS.indexOf(type))
  writer.uint53(header.timeMs)
  writer.varint(header.shard)
  writer.varint(header.epoch)
}

/** Appends what a transaction does. */
export function writeTransaction(writer: ByteWriter, body: TransactionBody): void {
  writer.varint(body.comparisons.length)
  for (const comparison of body.comparisons) writeComparison(writer, comparison)
  for (const ops of [body.success, body.failure]) {
    writer.varint(ops.length)
    for (const op of ops) writeOp(writer, op)
  }
}

/** The bytes of a command. */
export function encodeCommand(command: KvCommand): Uint8Array {
  const writer = new ByteWriter()
  writeCommand(writer, command)
  return writer.finish()
}

/**
 * Reads a command.
 *
 * @throws QuorateError `MALFORMED` for anything that `writeCommand` cannot have written
 */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== COMMAND_VERSION) throw malformed('another version of commands')
  const type = KINDS[reader.uint8()]
  if (type === undefined) throw malformed('an unknown command')
  const header = { timeMs: reader.uint53(), shard: reader.varint(), epoch: reader.varint() }
  const command = readRest(reader, type, header)
  reader.end()
  return command
}

function readRest(
  reader: ByteReader,
  type: (typeof KINDS)[number],
  header: CommandHeader,
): KvCommand {
  if (type === 'open' || type === 'tick') return { type, ...header }
  if (type === 'fence') return { type, ...header, next: reader.varint() }
  if (type !== 'transaction') return { ...header, ...readHandover(reader, type) }
  const session = reader.varint()
  const seq = reader.varint()
  const behind = reader.varint()
  if (seq < 1 || behind >= seq) throw malformed('a sequence number below 1')
  const { timeMs, shard, epoch } = header
  const { comparisons, success, failure } = readTransaction(reader)
  const floor = seq - behind
  return { type, timeMs, shard, epoch, session, seq, floor, comparisons, success, failure }
}

/** Reads what a transaction does. */
function readTransaction(reader: ByteReader): TransactionBody {
  const comparisons = readList(reader, 4, readComparison)
  const success = readList(reader, 3, readOp)
  const failure = readList(reader, 3, readOp)
  return { comparisons, success, failure }
}

/** The shard and epoch that a command is for, without reading the rest. */
export function peekHeader(bytes: Uint8Array): CommandHeader {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== COMMAND_VERSION) throw malformed('another version of commands')
  reader.uint8()
  return { timeMs: reader.uint53(), shard: reader.varint(), epoch: reader.varint() }
}

/** Writes the time into a command, in place. The caller owns the bytes and no log holds them yet. */
export function stampCommand(bytes: Uint8Array, timeMs: number): void {
  if (bytes.length < TIME_AT + 8) throw malformed('a command that is too short')
  let rest = Math.max(0, Math.floor(timeMs))
  for (let at = 0; at < 8; at++) {
    bytes[TIME_AT + at] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

function readList<T>(
  reader: ByteReader,
  itemBytesMin: number,
  read: (reader: ByteReader) => T,
): T[] {
  const count = reader.count(itemBytesMin)
  if (count > kvLimits.opsMax) throw malformed(`more than ${kvLimits.opsMax} items`)
  const items: T[] = []
  for (let at = 0; at < count; at++) items.push(read(reader))
  return items
}

function writeOp(writer: ByteWriter, op: Op): void {
  writer.uint8(OPS.indexOf(op.type))
  writer.bytes(op.key)
  if (op.type === 'put') {
    writer.bytes(op.value)
    writer.varint(op.ttlMs)
  } else if (op.type === 'increment') {
    writeInteger(writer, op.by)
  }
}

function readOp(reader: ByteReader): Op {
  const type = OPS[reader.uint8()]
  if (type === undefined) throw malformed('an unknown operation')
  const key = readKey(reader)
  if (type === 'put') {
    const value = readValue(reader)
    return { type, key, value, ttlMs: reader.varint() }
  }
  if (type === 'increment') return { type, key, by: readInteger(reader) }
  return { type, key }
}

function writeComparison(writer: ByteWriter, comparison: Comparison): void {
  writer.uint8((comparison.on === 'version' ? 0 : 4) + RELATIONS.indexOf(comparison.relation))
  writer.bytes(comparison.key)
  if (comparison.on === 'version') writer.varint(comparison.version)
  else writer.bytes(comparison.value)
}

function readComparison(reader: ByteReader): Comparison {
  const kind = reader.uint8()
  const relation = RELATIONS[kind % 4]
  if (relation === undefined || kind > 7) throw malformed('an unknown comparison')
  const key = readKey(reader)
  if (kind < 4) return { on: 'version', key, relation, version: reader.varint() }
  return { on: 'value', key, relation, value: readValue(reader) }
}

function readKey(reader: ByteReader): Uint8Array {
  const key = reader.bytes()
  if (key.length === 0 || key.length > kvLimits.keyBytesMax) throw malformed('a key of that length')
  return key
}

function readValue(reader: ByteReader): Uint8Array {
  const value = reader.bytes()
  if (value.length > kvLimits.valueBytesMax) throw malformed('a value of that length')
  return value
}

/** Appends an integer with its sign in a byte of its own, so that all of ±(2^53 − 1) fits. */
export function writeInteger(writer: ByteWriter, value: number): void {
  writer.uint8(value < 0 ? 1 : 0)
  writer.varint(Math.abs(value))
}

/** Reads what {@link writeInteger} wrote. */
export function readInteger(reader: ByteReader): number {
  const sign = reader.uint8()
  if (sign > 1) throw malformed('a sign that is neither 0 nor 1')
  const magnitude = reader.varint()
  if (sign === 1 && magnitude === 0) throw malformed('a negative zero')
  return sign === 1 ? -magnitude : magnitude
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed command: ${what}`)
}
