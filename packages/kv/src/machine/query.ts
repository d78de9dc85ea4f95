// Questions to a shard and their answers: reads that change nothing and stand in no log. An answer
// names the revision of the state that it was read from.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import { kvLimits } from '../limits.ts'
import { rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { SentEntry } from './handover-command.ts'
import { readOwnership, writeOwnership } from './ownership.ts'
import type { OwnershipState } from './ownership.ts'
import type { FoundValue } from './result.ts'
import type { Stored } from './snapshot.ts'

const QUERY_VERSION = 1
const KINDS = ['get', 'range', 'info', 'sent', 'middle'] as const
const NO_BYTES = new Uint8Array(0)
const writer = new ByteWriter(4_096)

/** A stretch of keys, from `start` (included) to `end` (excluded; empty: no end). */
export interface RangeQuery {
  /** The first key; empty: from the beginning. */
  readonly start: Uint8Array
  /** The first key that is no longer part; empty: to the end. */
  readonly end: Uint8Array
  /** Whether the page begins at the end. */
  readonly reverse: boolean
  /** Whether values are left out. */
  readonly keysOnly: boolean
  /** Most entries. */
  readonly limit: number
  /** Most bytes, one larger entry excepted. */
  readonly bytesMax: number
}

/** A question to a shard. */
export type KvQuery =
  | { readonly type: 'get'; readonly keys: readonly Uint8Array[] }
  | ({ readonly type: 'range' } & RangeQuery)
  | { readonly type: 'info' }
  /** A page as it is sent to another shard, of keys that the shard holds, served or not. */
  | ({ readonly type: 'sent' } & RangeQuery)
  /** The key that parts what the shard serves into halves of about the same number of bytes. */
  | { readonly type: 'middle' }

/** An entry of a page; its value is empty where only keys were asked for. */
export interface FoundEntry extends FoundValue {
  /** Its key. */
  readonly key: Uint8Array
}

/** The size of a shard. */
export interface ShardInfo {
  /** How many keys it has. */
  readonly keys: number
  /** Bytes of keys and values. */
  readonly bytes: number
  /** How many sessions it remembers. */
  readonly sessions: number
  /** Its log time, in milliseconds since 1970. */
  readonly timeMs: number
  /** Its epoch. */
  readonly epoch: number
  /** Which keys it serves. */
  readonly ownership: OwnershipState
}

/** The answer to a question. */
export type KvAnswer = { readonly revision: number } &
  /** One answer for each of the first keys; the others have to be asked for again. */
  (
    | { readonly type: 'get'; readonly found: readonly (FoundValue | undefined)[] }
    | { readonly type: 'range'; readonly entries: readonly FoundEntry[]; readonly more: boolean }
    | ({ readonly type: 'info' } & ShardInfo)
    | { readonly type: 'sent'; readonly entries: readonly SentEntry[]; readonly more: boolean }
    | { readonly type: 'middle'; readonly key: Uint8Array | undefined }
    | { readonly type: 'malformed' }
    /** The shard does not serve all of the keys. */
    | { readonly type: 'elsewhere' }
  )

/** The bytes of a question. */
export function encodeQuery(query: KvQuery): Uint8Array {
  writer.reset()
  writer.uint8(QUERY_VERSION)
  writer.uint8(KINDS.indexOf(query.type))
  if (query.type === 'get') {
    writer.varint(query.keys.length)
    for (const key of query.keys) writer.bytes(key)
  } else if (query.type === 'range' || query.type === 'sent') {
    writer.bytes(query.start)
    writer.bytes(query.end)
    writer.uint8((query.reverse ? 1 : 0) + (query.keysOnly ? 2 : 0))
    writer.varint(query.limit)
    writer.varint(query.bytesMax)
  }
  return writer.finish()
}

/**
 * Reads a question.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeQuery(bytes: Uint8Array): KvQuery {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== QUERY_VERSION) throw malformed('another version of questions')
  const type = KINDS[reader.uint8()]
  if (type === undefined) throw malformed('an unknown question')
  const query = readQuery(reader, type)
  reader.end()
  return query
}

function readQuery(reader: ByteReader, type: (typeof KINDS)[number]): KvQuery {
  if (type === 'info' || type === 'middle') return { type }
  if (type === 'get') {
    const count = reader.count(1)
    if (count > kvLimits.opsMax) throw malformed(`more than ${kvLimits.opsMax} keys`)
    const keys: Uint8Array[] = []
    for (let at = 0; at < count; at++) keys.push(reader.bytes())
    return { type, keys }
  }
  const start = reader.bytes()
  const end = reader.bytes()
  const flags = reader.uint8()
  if (flags > 3) throw malformed('unknown flags')
  const limit = reader.varint()
  const bytesMax = reader.varint()
  return { type, start, end, reverse: (flags & 1) > 0, keysOnly: (flags & 2) > 0, limit, bytesMax }
}

/** Appends a value that was found, or that none was. */
export function writeFound(to: ByteWriter, found: FoundValue | undefined): void {
  // Versions begin at 1, so 0 says that there is none.
  to.varint(found?.version ?? 0)
  if (found !== undefined) to.bytes(found.value)
}

/** Starts an answer, in a writer that the next question or answer uses again. */
export function beginAnswer(type: KvAnswer['type'], revision: number): ByteWriter {
  writer.reset()
  writer.uint8(QUERY_VERSION)
  if (type === 'malformed') writer.uint8(KINDS.length)
  else if (type === 'elsewhere') writer.uint8(KINDS.length + 1)
  else writer.uint8(KINDS.indexOf(type))
  writer.varint(revision)
  return writer
}

/** Appends the size of a shard. */
export function writeInfo(to: ByteWriter, info: ShardInfo): void {
  for (const field of [info.keys, info.bytes, info.sessions, info.timeMs, info.epoch]) {
    to.varint(field)
  }
  writeOwnership(to, info.ownership)
}

/** Appends an entry of a page that is sent to another shard. */
export function writeSent(
  to: ByteWriter,
  key: RawKey,
  { version, expiresMs, value }: Stored,
  keysOnly: boolean,
): void {
  to.bytes(rawKeyBytes(key))
  to.varint(version)
  to.varint(expiresMs)
  to.bytes(keysOnly ? NO_BYTES : value)
}

/**
 * Reads an answer.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeAnswer(bytes: Uint8Array): KvAnswer {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== QUERY_VERSION) throw malformed('another version of answers')
  const kind = reader.uint8()
  if (kind > KINDS.length + 1) throw malformed('an unknown answer')
  const revision = reader.varint()
  const answer: KvAnswer =
    kind === KINDS.length + 1
      ? { type: 'elsewhere', revision }
      : readAnswer(reader, KINDS[kind], revision)
  reader.end()
  return answer
}

function readAnswer(
  reader: ByteReader,
  type: (typeof KINDS)[number] | undefined,
  revision: number,
): KvAnswer {
  if (type === undefined) return { type: 'malformed', revision }
  if (type === 'get') {
    const count = reader.count(1)
    if (count > kvLimits.opsMax) throw malformed(`more than ${kvLimits.opsMax} values`)
    const found: (FoundValue | undefined)[] = []
    for (let at = 0; at < count; at++) found.push(readFound(reader))
    return { type, revision, found }
  }
  if (type === 'range') {
    const entries: FoundEntry[] = []
    while (reader.remaining > 1) {
      const key = reader.bytes()
      const version = reader.varint()
      entries.push({ key, version, value: reader.bytes() })
    }
    const more = reader.uint8() === 1
    return { type, revision, entries, more }
  }
  if (type === 'sent') {
    const entries: SentEntry[] = []
    while (reader.remaining > 1) {
      const key = reader.bytes()
      const [version, expiresMs] = [reader.varint(), reader.varint()]
      entries.push({ key, stored: { version, expiresMs, value: reader.bytes() } })
    }
    return { type, revision, entries, more: reader.uint8() === 1 }
  }
  if (type === 'middle') {
    return { type, revision, key: reader.uint8() === 1 ? reader.bytes() : undefined }
  }
  const [keys, bytes, sessions] = [reader.varint(), reader.varint(), reader.varint()]
  const [timeMs, epoch] = [reader.varint(), reader.varint()]
  const state = readOwnership(reader)
  return { type, revision, keys, bytes, sessions, timeMs, epoch, ownership: state }
}

function readFound(reader: ByteReader): FoundValue | undefined {
  const version = reader.varint()
  return version === 0 ? undefined : { version, value: reader.bytes() }
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed query: ${what}`)
}
