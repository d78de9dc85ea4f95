// Requests to a host and their replies, the same between hosts as between a client and a host. A
// command is passed on as the bytes that its sender wrote.
import { ByteReader, QuorateError, isQuorateError } from '@quorate/core'
import type { ByteWriter, ErrorCode, NodeId, ReadMode } from '@quorate/core'

const REQUEST_VERSION = 1
const KINDS = ['command', 'query', 'watch', 'barrier', 'admin', 'map', 'report', 'status'] as const

/** How a replica makes a read as fresh as it must be. */
export interface ReadLevel {
  /** What it asks of its group first; `follower` asks the leader how far it must be. */
  readonly mode: ReadMode | 'follower'
  /** The least revision that it must have applied. */
  readonly revisionMin: number
}

/** A request to a host. */
export type KvRequest = {
  /** How long its sender waits, in milliseconds. */
  readonly timeoutMs: number
} & (
  | { readonly kind: 'command'; readonly payload: Uint8Array }
  | {
      readonly kind: 'query'
      readonly shard: number
      readonly epoch: number
      readonly level: ReadLevel
      readonly payload: Uint8Array
    }
  | {
      readonly kind: 'watch'
      readonly shard: number
      /** The epoch of the shard that the sender knows; looked at where a watch begins. */
      readonly epoch: number
      /** Changes after this revision; `undefined`: none, only where the shard stands. */
      readonly after: number | undefined
      readonly prefix: Uint8Array
    }
  | { readonly kind: 'barrier'; readonly shard: number; readonly epoch: number }
  /** `report`: how the host's own replicas stand; `status`: how all of them do. */
  | { readonly kind: 'map' | 'report' | 'status' }
  | { readonly kind: 'admin'; readonly payload: Uint8Array }
)

/** Why a request was not done. */
export interface ReplyError {
  /** The code. */
  readonly code: ErrorCode
  /** In words. */
  readonly message: string
  /** Whom to ask instead. */
  readonly leader: NodeId | undefined
  /** The shard's epoch, where that was the reason; otherwise 0. */
  readonly epoch: number
  /** Whether the same request can succeed later. */
  readonly retryable: boolean
}

/** What came of a request. */
export type KvReply =
  | { readonly ok: true; readonly mapVersion: number; readonly body: Uint8Array }
  | { readonly ok: false; readonly mapVersion: number; readonly error: ReplyError }

const MODES = ['quorum', 'lease', 'local', 'follower'] as const

/** Appends a request. */
export function writeRequest(writer: ByteWriter, request: KvRequest): void {
  writer.uint8(REQUEST_VERSION)
  writer.uint8(KINDS.indexOf(request.kind))
  writer.varint(Math.max(0, Math.ceil(request.timeoutMs)))
  switch (request.kind) {
    case 'command':
    case 'admin':
      writer.raw(request.payload)
      break
    case 'query':
      writer.varint(request.shard)
      writer.varint(request.epoch)
      writeLevel(writer, request.level)
      writer.raw(request.payload)
      break
    case 'watch':
      writer.varint(request.shard)
      writer.varint(request.epoch)
      writer.varint(request.after === undefined ? 0 : request.after + 1)
      writer.raw(request.prefix)
      break
    case 'barrier':
      writer.varint(request.shard)
      writer.varint(request.epoch)
      break
    case 'map':
    case 'report':
    case 'status':
      break
  }
}

/**
 * Reads a request; its payload is a view.
 *
 * @throws QuorateError `MALFORMED`
 */
export function readRequest(bytes: Uint8Array): KvRequest {
  const reader = new ByteReader(bytes)
  if (reader.uint8() !== REQUEST_VERSION) throw malformed('another version of requests')
  const kind = KINDS[reader.uint8()]
  const timeoutMs = reader.varint()
  switch (kind) {
    case 'command':
    case 'admin':
      return { kind, timeoutMs, payload: reader.raw(reader.remaining) }
    case 'query': {
      const [shard, epoch] = [reader.varint(), reader.varint()]
      const level = readLevel(reader)
      return { kind, timeoutMs, shard, epoch, level, payload: reader.raw(reader.remaining) }
    }
    case 'watch': {
      const [shard, epoch, at] = [reader.varint(), reader.varint(), reader.varint()]
      const prefix = reader.raw(reader.remaining)
      return { kind, timeoutMs, shard, epoch, after: at === 0 ? undefined : at - 1, prefix }
    }
    case 'barrier': {
      const [shard, epoch] = [reader.varint(), reader.varint()]
      reader.end()
      return { kind, timeoutMs, shard, epoch }
    }
    case 'map':
    case 'report':
    case 'status':
      reader.end()
      return { kind, timeoutMs }
    default:
      throw malformed('an unknown request')
  }
}

function writeLevel(writer: ByteWriter, level: ReadLevel): void {
  if (typeof level.mode === 'object') {
    writer.uint8(MODES.length)
    writer.varint(level.mode.maxStalenessMs)
  } else {
    writer.uint8(MODES.indexOf(level.mode))
  }
  writer.varint(level.revisionMin)
}

function readLevel(reader: ByteReader): ReadLevel {
  const kind = reader.uint8()
  if (kind > MODES.length) throw malformed('an unknown level of reads')
  const mode = MODES[kind] ?? { maxStalenessMs: reader.varint() }
  return { mode, revisionMin: reader.varint() }
}

/** Appends a reply. */
export function writeReply(writer: ByteWriter, reply: KvReply): void {
  writer.uint8(reply.ok ? 0 : reply.error.retryable ? 2 : 1)
  writer.varint(reply.mapVersion)
  if (reply.ok) return writer.raw(reply.body)
  const { code, message, leader, epoch } = reply.error
  writer.text(code)
  writer.text(message)
  writer.text(leader ?? '')
  writer.varint(epoch)
}

/**
 * Reads a reply; its body is a view.
 *
 * @throws QuorateError `MALFORMED`
 */
export function readReply(bytes: Uint8Array): KvReply {
  const reader = new ByteReader(bytes)
  const status = reader.uint8()
  if (status > 2) throw malformed('an unknown status')
  const mapVersion = reader.varint()
  if (status === 0) return { ok: true, mapVersion, body: reader.raw(reader.remaining) }
  const code = reader.text() as ErrorCode
  if (!/^[A-Z_]{1,64}$/.test(code)) throw malformed('an error without a code')
  const message = reader.text()
  const leader = reader.text()
  const epoch = reader.varint()
  reader.end()
  const retryable = status === 2
  const error = { code, message, leader: leader === '' ? undefined : leader, epoch, retryable }
  return { ok: false, mapVersion, error }
}

/** A reply that says that a request was done. */
export function okReply(mapVersion: number, body: Uint8Array): KvReply {
  return { ok: true, mapVersion, body }
}

/** The reply for an error, whatever it is. */
export function errorReply(mapVersion: number, error: unknown): KvReply {
  return { ok: false, mapVersion, error: replyError(error) }
}

/** An error as a reply carries it; what is no {@link QuorateError} does not say what was done before it. */
export function replyError(error: unknown): ReplyError {
  if (!isQuorateError(error)) {
    const message = error instanceof Error ? error.message : String(error)
    return { code: 'OUTCOME_UNKNOWN', message, leader: undefined, epoch: 0, retryable: false }
  }
  const { code, message, retryable, details } = error
  const leader = typeof details['leader'] === 'string' ? details['leader'] : undefined
  const epoch = typeof details['epoch'] === 'number' ? details['epoch'] : 0
  return { code, message, leader, epoch, retryable }
}

/** The error of a reply for a caller. */
export function errorOf(error: ReplyError, cause?: unknown): QuorateError {
  const details = {
    ...(error.leader === undefined ? {} : { leader: error.leader }),
    ...(error.epoch === 0 ? {} : { epoch: error.epoch }),
  }
  return new QuorateError(error.code, error.message, { retryable: error.retryable, details, cause })
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed message: ${what}`)
}
