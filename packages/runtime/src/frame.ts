// The bytes between two hosts: a version, then records of all groups one after the other, so that
// everything a host has for another in one turn is one frame.
import type {
  ByteReader,
  ByteWriter,
  Codec,
  ConsensusFactory,
  ErrorCode,
  GroupId,
} from '@quorate/core'
import { crc32c, encodeUtf8, isQuorateError, QuorateError } from '@quorate/core'

/** The version of these bytes; hosts with another refuse each other in the transport's handshake. */
export const FRAME_VERSION = 1

/** What a frame holds. */
export type FrameRecord =
  | {
      readonly type: 'message'
      readonly group: GroupId
      readonly tag: number
      readonly body: Uint8Array
    }
  | {
      readonly type: 'call'
      readonly id: number
      readonly service: string
      readonly body: Uint8Array
    }
  | { readonly type: 'result'; readonly id: number; readonly body: Uint8Array }
  | { readonly type: 'failure'; readonly id: number; readonly error: QuorateError }

const MESSAGE = 1
const CALL = 2
const RESULT = 3
const FAILURE = 4

/** Tells algorithms and versions apart where two hosts disagree about a group: 14 bits of a checksum. */
export function algorithmTag(factory: Pick<ConsensusFactory, 'name' | 'wireVersion'>): number {
  return crc32c(encodeUtf8(`${factory.name}/${factory.wireVersion}`)) & 0x3fff
}

/** Appends a message of a group's core. */
export function writeMessage<M>(
  writer: ByteWriter,
  group: GroupId,
  tag: number,
  codec: Codec<M>,
  message: M,
): void {
  writer.uint8(MESSAGE)
  writer.text(group)
  writer.varint(tag)
  const lengthAt = writer.length
  writer.uint32(0)
  codec.write(writer, message)
  writer.setUint32(lengthAt, writer.length - lengthAt - 4)
}

/** Appends a call of a service. */
export function writeCall(writer: ByteWriter, id: number, service: string, body: Uint8Array): void {
  writer.uint8(CALL)
  writer.varint(id)
  writer.text(service)
  writer.bytes(body)
}

/** Appends the result of a call. */
export function writeResult(writer: ByteWriter, id: number, body: Uint8Array): void {
  writer.uint8(RESULT)
  writer.varint(id)
  writer.bytes(body)
}

/** What a caller is told where a handler threw: what it had done by then, an error without a code does not say. */
export function failureOf(error: unknown): QuorateError {
  if (isQuorateError(error)) return error
  const message = error instanceof Error ? error.message : 'the handler failed'
  return new QuorateError('OUTCOME_UNKNOWN', message, { cause: error })
}

/** Appends the failure of a call. */
export function writeFailure(writer: ByteWriter, id: number, error: unknown): void {
  const failure = failureOf(error)
  writer.uint8(FAILURE)
  writer.varint(id)
  writer.text(failure.code)
  writer.uint8(failure.retryable ? 1 : 0)
  writer.text(failure.message.slice(0, 1_024).toWellFormed())
  writer.text(detailsText(failure.details))
}

/**
 * Reads one record.
 *
 * @throws QuorateError `MALFORMED`; where a record begins after a malformed one is unknown
 */
export function readRecord(reader: ByteReader): FrameRecord {
  const type = reader.uint8()
  switch (type) {
    case MESSAGE: {
      const group = reader.text()
      const tag = reader.varint()
      return { type: 'message', group, tag, body: reader.raw(reader.uint32()) }
    }
    case CALL:
      return { type: 'call', id: reader.varint(), service: reader.text(), body: reader.bytes() }
    case RESULT:
      return { type: 'result', id: reader.varint(), body: reader.bytes() }
    case FAILURE:
      return { type: 'failure', id: reader.varint(), error: readError(reader) }
    default:
      throw new QuorateError('MALFORMED', `unknown type of record: ${type}`)
  }
}

function readError(reader: ByteReader): QuorateError {
  // A newer host may know codes that this one does not: they are kept, a program that does not
  // know them treats them as it treats any other.
  const code = reader.text() as ErrorCode
  if (!/^[A-Z][A-Z_]{0,63}$/.test(code)) {
    throw new QuorateError('MALFORMED', 'an error whose code is none')
  }
  const retryable = reader.uint8() === 1
  const message = reader.text()
  let details: Record<string, unknown> = {}
  try {
    const parsed: unknown = JSON.parse(reader.text())
    if (typeof parsed === 'object' && parsed !== null) details = parsed as Record<string, unknown>
  } catch (cause) {
    throw new QuorateError('MALFORMED', 'details of an error that are not JSON', { cause })
  }
  return new QuorateError(code, message, { retryable, details })
}

function detailsText(details: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify(details)
  return text !== undefined && text.length <= 1_024 && text.isWellFormed() ? text : '{}'
}
