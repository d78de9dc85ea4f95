// The commands by which a range of keys goes from one shard to another: the one yields it, the
// other receives it in pieces and then owns it, and the first forgets what it has given away.
import { QuorateError } from '@quorate/core'
import type { ByteReader, ByteWriter } from '@quorate/core'
import { kvLimits } from '../limits.ts'

/** An entry on its way to another shard. */
export interface SentEntry {
  /** Its key. */
  readonly key: Uint8Array
  /** What the key holds; `undefined` where it holds nothing any more. */
  readonly stored:
    | { readonly version: number; readonly expiresMs: number; readonly value: Uint8Array }
    | undefined
}

/** Bounds of a range as bytes; an empty end is none. */
export interface ByteRange {
  /** The first key. */
  readonly start: Uint8Array
  /** The first key after it; empty: there is none. */
  readonly end: Uint8Array
}

/** A step of a handover; `handover` names it and grows from each to the next. */
export type HandoverCommand = { readonly handover: number } & (
  | /** To the shard that gives: it serves the range no more, and has epoch `next`. */
    ({
      readonly type: 'yield'
      readonly to: number
      readonly next: number
    } & ByteRange) /** To the shard that takes: what was received before counts no more, pieces are numbered anew. */
  | ({ readonly type: 'receive' } & ByteRange)
  | {
      readonly type: 'install'
      /** The revision of the `receive` that this piece belongs to. */
      readonly token: number
      /** The number of the piece, from 1. */
      readonly piece: number
      readonly entries: readonly SentEntry[]
    }
  | {
      readonly type: 'own'
      readonly token: number
      /** The epoch that the shard has from now on. */
      readonly next: number
      /** The shard that gave. */
      readonly from: number
      /** The revision at which it gave. */
      readonly revision: number
    } /** To the shard that gave: removes at most `max` of the entries that it serves no more. */
  | { readonly type: 'forget'; readonly max: number }
)

/** Appends what follows the header. */
export function writeHandover(writer: ByteWriter, command: HandoverCommand): void {
  writer.varint(command.handover)
  switch (command.type) {
    case 'yield':
      writer.varint(command.to)
      writer.varint(command.next)
      writer.bytes(command.start)
      writer.bytes(command.end)
      break
    case 'receive':
      writer.bytes(command.start)
      writer.bytes(command.end)
      break
    case 'install':
      writer.varint(command.token)
      writer.varint(command.piece)
      writer.varint(command.entries.length)
      for (const { key, stored } of command.entries) {
        writer.bytes(key)
        writer.varint(stored?.version ?? 0)
        if (stored === undefined) continue
        writer.varint(stored.expiresMs)
        writer.bytes(stored.value)
      }
      break
    case 'own':
      for (const field of [command.token, command.next, command.from, command.revision]) {
        writer.varint(field)
      }
      break
    case 'forget':
      writer.varint(command.max)
      break
  }
}

/** Reads what follows the header. */
export function readHandover(reader: ByteReader, type: HandoverCommand['type']): HandoverCommand {
  const handover = reader.varint()
  switch (type) {
    case 'yield': {
      const [to, next] = [reader.varint(), reader.varint()]
      return { type, handover, to, next, ...readBounds(reader) }
    }
    case 'receive':
      return { type, handover, ...readBounds(reader) }
    case 'install': {
      const [token, piece] = [reader.varint(), reader.varint()]
      const count = reader.count(2)
      if (count > kvLimits.opsMax) throw malformed(`more than ${kvLimits.opsMax} entries`)
      const entries: SentEntry[] = []
      for (let at = 0; at < count; at++) entries.push(readEntry(reader))
      return { type, handover, token, piece, entries }
    }
    case 'own': {
      const [token, next] = [reader.varint(), reader.varint()]
      return { type, handover, token, next, from: reader.varint(), revision: reader.varint() }
    }
    case 'forget':
      return { type, handover, max: reader.varint() }
  }
}

function readBounds(reader: ByteReader): ByteRange {
  const [start, end] = [reader.bytes(), reader.bytes()]
  if (start.length > kvLimits.keyBytesMax || end.length > kvLimits.keyBytesMax) {
    throw malformed('a bound that is longer than a key')
  }
  return { start, end }
}

function readEntry(reader: ByteReader): SentEntry {
  const key = reader.bytes()
  if (key.length === 0 || key.length > kvLimits.keyBytesMax) throw malformed('a key of that length')
  const version = reader.varint()
  if (version === 0) return { key, stored: undefined }
  const expiresMs = reader.varint()
  const value = reader.bytes()
  if (value.length > kvLimits.valueBytesMax) throw malformed('a value of that length')
  return { key, stored: { version, expiresMs, value } }
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed command: ${what}`)
}
