// A shard's state as a stream of checksummed blocks, made while applies go on and checked in full
// before anything of it is used.
import { ByteReader, ByteWriter, QuorateError, crc32c } from '@quorate/core'
import { rawKey, rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import { kvLimits } from '../limits.ts'
import { ALL_KEYS } from './key-range.ts'
import { isPlain, ownership, readOwnership, writeOwnership } from './ownership.ts'
import type { OwnershipState } from './ownership.ts'
import type { OrderedView } from './ordered-map.ts'
import type { SessionRecord } from './sessions.ts'

const MAGIC = 0x31564b51 // "QKV1"
const BLOCK_TARGET = 65_536
const BLOCK_MAX = 2_097_152
const HEADER = 1
const ENTRIES = 2
const SESSIONS = 3
const END = 4

/** What a shard stores under a key; immutable. */
export interface Stored {
  /** The value. */
  readonly value: Uint8Array
  /** The log index of the write that made it. */
  readonly version: number
  /** Log time at which it goes, in milliseconds; 0: never. */
  readonly expiresMs: number
}

/** Everything that a snapshot holds, besides entries and sessions. */
export interface SnapshotHeader {
  /** The shard. */
  readonly shard: number
  /** Its epoch. */
  readonly epoch: number
  /** Its log time, in milliseconds. */
  readonly timeMs: number
  /** The revision of the last command that it contains. */
  readonly revision: number
  /** Which keys it serves. */
  readonly ownership: OwnershipState
}

/** A shard's whole state. */
export interface ShardState<Entries> extends SnapshotHeader {
  /** The entries in ascending order. */
  readonly entries: Entries
  /** The sessions, the one unused for longest first. */
  readonly sessions: readonly SessionRecord[]
}

/** The blocks of a captured state. */
export function* encodeSnapshot(state: ShardState<OrderedView<Stored>>): Generator<Uint8Array> {
  const header = new ByteWriter(64)
  header.uint32(MAGIC)
  for (const field of [state.shard, state.epoch, state.timeMs, state.revision]) header.varint(field)
  header.varint(state.entries.size)
  header.varint(state.sessions.length)
  // A shard of hash slots always serves all keys, and says nothing of it.
  if (!isPlain(state.ownership)) writeOwnership(header, state.ownership)
  yield block(HEADER, header)
  yield* encodeEntries(state.entries)
  const answers = yield* encodeSessions(state.sessions)
  const end = new ByteWriter(32)
  end.varint(state.entries.size)
  end.varint(state.sessions.length)
  end.varint(answers)
  yield block(END, end)
}

function* encodeEntries(entries: OrderedView<Stored>): Generator<Uint8Array> {
  const writer = new ByteWriter(BLOCK_TARGET)
  let from: RawKey | undefined = ''
  while (from !== undefined) {
    let next: RawKey | undefined
    writer.reset()
    entries.scan(from, undefined, (key, stored) => {
      if (writer.length >= BLOCK_TARGET) {
        next = key
        return false
      }
      writer.bytes(rawKeyBytes(key))
      writer.varint(stored.version)
      writer.varint(stored.expiresMs)
      writer.bytes(stored.value)
      return true
    })
    if (writer.length > 0) yield block(ENTRIES, writer)
    from = next
  }
}

function* encodeSessions(sessions: readonly SessionRecord[]): Generator<Uint8Array, number> {
  const writer = new ByteWriter(BLOCK_TARGET)
  let answers = 0
  for (const session of sessions) {
    writer.uint8(0)
    for (const field of [session.id, session.usedMs, session.floor]) writer.varint(field)
    for (const [seq, answer] of session.answers) {
      if (writer.length >= BLOCK_TARGET) {
        yield block(SESSIONS, writer)
        writer.reset()
      }
      writer.uint8(1)
      writer.varint(seq)
      writer.bytes(answer)
      answers++
    }
  }
  if (writer.length > 0) yield block(SESSIONS, writer)
  return answers
}

function block(type: number, content: ByteWriter): Uint8Array {
  const writer = new ByteWriter(content.length + 9)
  writer.uint8(type)
  writer.uint32(content.length)
  writer.raw(content.view())
  writer.uint32(crc32c(writer.view()))
  return writer.finish()
}

/**
 * Reads a snapshot to its end.
 *
 * @throws QuorateError `MALFORMED` where a block is damaged, missing, out of place or not what
 * `encodeSnapshot` writes
 */
export async function decodeSnapshot(
  chunks: AsyncIterable<Uint8Array>,
): Promise<ShardState<readonly (readonly [RawKey, Stored])[]>> {
  const reading = new SnapshotReading()
  let rest = new Uint8Array(0)
  for await (const chunk of chunks) rest = reading.take(join(rest, chunk))
  if (rest.length > 0) throw malformed('it ends inside a block')
  return reading.finish()
}

class SnapshotReading {
  #header: SnapshotHeader | undefined
  #counts: readonly [number, number] = [0, 0]
  #ended = false
  #last: RawKey = ''
  #versionMax = 0
  #answers = 0
  readonly #entries: (readonly [RawKey, Stored])[] = []
  readonly #sessions: (SessionRecord & { readonly answers: Map<number, Uint8Array> })[] = []

  /** Reads the whole blocks at the start of `bytes` and returns what is left. */
  take(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    let at = 0
    while (bytes.length - at >= 9) {
      const reader = new ByteReader(bytes.subarray(at))
      const type = reader.uint8()
      const length = reader.uint32()
      if (length > BLOCK_MAX) throw malformed('a block that is too long')
      if (reader.remaining < length + 4) break
      const content = reader.raw(length)
      if (reader.uint32() !== crc32c(bytes, 0, at, at + 5 + length))
        throw malformed('a bad checksum')
      this.#block(type, new ByteReader(content))
      at += length + 9
    }
    return bytes.subarray(at)
  }

  finish(): ShardState<readonly (readonly [RawKey, Stored])[]> {
    if (this.#header === undefined || !this.#ended) throw malformed('it has no end')
    return { ...this.#header, entries: this.#entries, sessions: this.#sessions }
  }

  #block(type: number, reader: ByteReader): void {
    if (this.#ended) throw malformed('something follows the end')
    if ((type === HEADER) !== (this.#header === undefined)) throw malformed('a header out of place')
    if (type === HEADER) this.#readHeader(reader)
    else if (type === ENTRIES) this.#readEntries(reader)
    else if (type === SESSIONS) this.#readSessions(reader)
    else if (type === END) this.#readEnd(reader)
    else throw malformed('an unknown block')
    reader.end()
  }

  #readHeader(reader: ByteReader): void {
    if (reader.uint32() !== MAGIC) throw malformed('it is no snapshot of this format')
    const [shard, epoch, timeMs] = [reader.varint(), reader.varint(), reader.varint()]
    const revision = reader.varint()
    this.#counts = [reader.varint(), reader.varint()]
    const state = reader.remaining > 0 ? readOwnership(reader) : ownership(ALL_KEYS)
    this.#header = { shard, epoch, timeMs, revision, ownership: state }
    // What is received has the versions of the shard that it comes from.
    this.#versionMax = state.incoming === undefined ? revision : Number.MAX_SAFE_INTEGER
  }

  #readEntries(reader: ByteReader): void {
    if (this.#sessions.length > 0) throw malformed('entries after sessions')
    while (reader.remaining > 0) {
      const bytes = reader.bytes()
      if (bytes.length > kvLimits.keyBytesMax) throw malformed('a key that is too long')
      const key = rawKey(bytes)
      // The empty key is below every other, so this refuses it too.
      if (key <= this.#last) throw malformed('keys out of order')
      this.#last = key
      const version = reader.varint()
      const expiresMs = reader.varint()
      const value = new Uint8Array(reader.bytes())
      if (value.length > kvLimits.valueBytesMax) throw malformed('a value that is too long')
      if (version < 1 || version > this.#versionMax) throw malformed('a version out of range')
      this.#entries.push([key, { value, version, expiresMs }])
    }
  }

  #readSessions(reader: ByteReader): void {
    const { revision, timeMs } = this.#header as SnapshotHeader
    while (reader.remaining > 0) {
      const kind = reader.uint8()
      if (kind === 0) {
        const [id, usedMs, floor] = [reader.varint(), reader.varint(), reader.varint()]
        const before = this.#sessions.at(-1)?.usedMs ?? 0
        const fits = id >= 1 && id <= revision && usedMs >= before && usedMs <= timeMs && floor >= 1
        if (!fits) throw malformed('a session out of range')
        this.#sessions.push({ id, usedMs, floor, answers: new Map() })
      } else if (kind === 1) {
        const session = this.#sessions.at(-1)
        const seq = reader.varint()
        if (session === undefined || seq < session.floor || session.answers.has(seq)) {
          throw malformed('an answer out of place')
        }
        session.answers.set(seq, new Uint8Array(reader.bytes()))
        this.#answers++
      } else {
        throw malformed('an unknown item of a session')
      }
    }
  }

  #readEnd(reader: ByteReader): void {
    const found = [this.#entries.length, this.#sessions.length, this.#answers]
    const said = [reader.varint(), reader.varint(), reader.varint()]
    const counts = this.#counts
    if (found.some((count, at) => count !== said[at] || (at < 2 && count !== counts[at]))) {
      throw malformed('counts that do not match')
    }
    if (new Set(this.#sessions.map(({ id }) => id)).size !== this.#sessions.length) {
      throw malformed('a session that comes twice')
    }
    this.#ended = true
  }
}

function join(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(head.length + tail.length)
  joined.set(head)
  joined.set(tail, head.length)
  return joined
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed snapshot: ${what}`)
}
