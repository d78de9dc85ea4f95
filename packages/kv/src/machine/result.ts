// What a shard answers to a command. The bytes are made once, kept for the session, and travel to
// the caller as they are.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import type { ErrorCode } from '@quorate/core'
import { kvLimits } from '../limits.ts'
import { readInteger, writeInteger } from './command.ts'

const RESULT_VERSION = 1

/** A key's state as an answer carries it. */
export interface FoundValue {
  /** The log index of the write that made it. */
  readonly version: number
  /** Its bytes. */
  readonly value: Uint8Array
}

/** What one operation of a transaction gave. */
export type OpResult =
  | { readonly type: 'put' }
  | { readonly type: 'delete'; readonly existed: boolean }
  | { readonly type: 'get'; readonly found: FoundValue | undefined }
  | { readonly type: 'increment'; readonly value: number }

/** The answer to a command. */
export type KvResult =
  | {
      readonly ok: true
      /** The revision of the command: the version of whatever it wrote, the id of the session it opened. */
      readonly revision: number
      /** Which branch of the transaction ran. */
      readonly succeeded: boolean
      readonly results: readonly OpResult[]
    }
  | {
      readonly ok: false
      readonly code: ErrorCode
      readonly message: string
      /** The shard's epoch when the command was refused. */
      readonly epoch: number
    }

const CODES: readonly ErrorCode[] = [
  'MALFORMED',
  'EPOCH_MISMATCH',
  'SESSION_EXPIRED',
  'LIMIT_EXCEEDED',
  'INVALID_ARGUMENT',
  'CONFLICT',
  'CROSS_SHARD',
]

/** Starts an answer that says that a command was done. */
export function beginResult(revision: number, succeeded: boolean, count: number): ByteWriter {
  const writer = new ByteWriter(16)
  writer.uint8(RESULT_VERSION)
  writer.uint8(succeeded ? 1 : 0)
  writer.varint(revision)
  writer.varint(count)
  return writer
}

/** Appends what one operation gave. */
export function writeOpResult(writer: ByteWriter, result: OpResult): void {
  switch (result.type) {
    case 'put':
      writer.uint8(0)
      break
    case 'delete':
      writer.uint8(result.existed ? 2 : 1)
      break
    case 'get':
      writer.uint8(result.found === undefined ? 3 : 4)
      if (result.found === undefined) break
      writer.varint(result.found.version)
      writer.bytes(result.found.value)
      break
    case 'increment':
      writer.uint8(5)
      writeInteger(writer, result.value)
      break
  }
}

/** The answer that says why a command was not done. */
export function errorResult(code: ErrorCode, message: string, epoch: number): Uint8Array {
  const writer = new ByteWriter(64)
  writer.uint8(RESULT_VERSION)
  writer.uint8(2 + CODES.indexOf(code))
  writer.varint(epoch)
  writer.text(message)
  return writer.finish()
}

/**
 * Reads an answer.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeResult(bytes: Uint8Array): KvResult {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== RESULT_VERSION) throw malformed('another version of answers')
  const status = reader.uint8()
  if (status > 1) {
    const code = CODES[status - 2]
    if (code === undefined) throw malformed('an unknown status')
    const epoch = reader.varint()
    const message = reader.text()
    reader.end()
    return { ok: false, code, message, epoch }
  }
  const revision = reader.varint()
  const count = reader.count(1)
  if (count > kvLimits.opsMax) throw malformed(`more than ${kvLimits.opsMax} results`)
  const results: OpResult[] = []
  for (let at = 0; at < count; at++) results.push(readOpResult(reader))
  reader.end()
  return { ok: true, revision, succeeded: status === 1, results }
}

function readOpResult(reader: ByteReader): OpResult {
  const kind = reader.uint8()
  if (kind === 0) return { type: 'put' }
  if (kind <= 2) return { type: 'delete', existed: kind === 2 }
  if (kind === 3) return { type: 'get', found: undefined }
  if (kind === 4) {
    return { type: 'get', found: { version: reader.varint(), value: reader.bytes() } }
  }
  if (kind === 5) return { type: 'increment', value: readInteger(reader) }
  throw malformed('an unknown result of an operation')
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed answer: ${what}`)
}
