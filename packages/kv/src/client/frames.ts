// What client and host say to each other: frames of records, a handshake first. Many requests
// share a frame, and answers come in whatever order they are ready.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import type { ClusterId, NodeId } from '@quorate/core'
import { readReply, readRequest, writeReply, writeRequest } from '../routing/wire.ts'
import type { KvReply, KvRequest } from '../routing/wire.ts'
import { decodeMap, encodeMap } from '../routing/routes.ts'
import type { ClusterMap } from '../routing/routes.ts'

const MAGIC = 0x43564b51 // "QKVC"
/** The version of the protocol between client and host. */
const PROTOCOL_VERSION = 1

/** What a host tells a client at first. */
export interface Welcome {
  /** The host. */
  readonly host: NodeId
  /** The cluster. */
  readonly cluster: ClusterId
  /** See `fingerprint`. */
  readonly fingerprint: number
  /** Most bytes of one command. */
  readonly commandBytesMax: number
  /** Most requests under way on one connection. */
  readonly inFlightMax: number
  /** The map as the host knows it. */
  readonly map: ClusterMap
}

/** A request as it stands in a frame. */
export interface RequestRecord {
  /** Comes back with the answer; from 1. */
  readonly id: number
  /** The host that is meant; empty: the one that the connection leads to. */
  readonly target: string
  /** What is asked. */
  readonly request: KvRequest
}

/** Gathers records for one frame. */
export class FrameWriter {
  readonly #writer = new ByteWriter(4_096)

  /** Bytes gathered. */
  get length(): number {
    return this.#writer.length
  }

  /** The client's first record: which store it wants. */
  hello(store: string): void {
    this.#record((writer) => {
      writer.uint32(MAGIC)
      writer.uint8(PROTOCOL_VERSION)
      writer.text(store)
    })
  }

  /** The host's first record. */
  welcome(welcome: Welcome): void {
    const body = new ByteWriter(1_024)
    body.text(welcome.host)
    body.text(welcome.cluster)
    body.uint32(welcome.fingerprint)
    body.varint(welcome.commandBytesMax)
    body.varint(welcome.inFlightMax)
    body.bytes(encodeMap(welcome.map))
    this.reply(0, { ok: true, mapVersion: welcome.map.version, body: body.view() })
  }

  /** Adds a request. */
  request(id: number, target: string, request: KvRequest): void {
    this.#record((writer) => {
      writer.varint(id)
      writer.text(target)
      writeRequest(writer, request)
    })
  }

  /** Adds an answer; id 0 answers the handshake. */
  reply(id: number, reply: KvReply): void {
    this.#record((writer) => {
      writer.varint(id)
      writeReply(writer, reply)
    })
  }

  /** The frame; the writer begins anew. */
  take(): Uint8Array {
    const frame = this.#writer.finish()
    this.#writer.reset()
    return frame
  }

  #record(write: (writer: ByteWriter) => void): void {
    const at = this.#writer.length
    this.#writer.uint32(0)
    write(this.#writer)
    this.#writer.setUint32(at, this.#writer.length - at - 4)
  }
}

/**
 * Shows each record of a frame.
 *
 * @throws QuorateError `MALFORMED` where the frame is not made of whole records
 */
export function eachRecord(frame: Uint8Array, visit: (record: Uint8Array) => void): void {
  const reader = new ByteReader(frame)
  if (reader.remaining === 0) throw malformed('an empty frame')
  while (reader.remaining > 0) visit(reader.raw(reader.uint32()))
}

/** Reads a client's first record: the store that it wants. */
export function readHello(record: Uint8Array): string {
  const reader = new ByteReader(record)
  if (reader.uint32() !== MAGIC) throw malformed('this is no client of a store')
  const version = reader.uint8()
  if (version !== PROTOCOL_VERSION) {
    const message = `the client speaks version ${version}, this host ${PROTOCOL_VERSION}`
    throw new QuorateError('WIRE_VERSION_MISMATCH', message)
  }
  const store = reader.text()
  reader.end()
  return store
}

/** Reads a host's welcome. */
export function readWelcome(body: Uint8Array): Welcome {
  const reader = new ByteReader(body)
  const [host, cluster] = [reader.text(), reader.text()]
  const fingerprint = reader.uint32()
  const [commandBytesMax, inFlightMax] = [reader.varint(), reader.varint()]
  const map = decodeMap(reader.bytes())
  reader.end()
  return { host, cluster, fingerprint, commandBytesMax, inFlightMax, map }
}

/** Reads the number of a request, which an answer needs even where the rest cannot be read. */
export function readRequestRecord(record: Uint8Array): RequestRecord {
  const reader = new ByteReader(record)
  const id = reader.varint()
  if (id === 0) throw malformed('a request without a number')
  const target = reader.text()
  return { id, target, request: readRequest(reader.raw(reader.remaining)) }
}

/** Reads an answer. */
export function readReplyRecord(record: Uint8Array): {
  readonly id: number
  readonly reply: KvReply
} {
  const reader = new ByteReader(record)
  const id = reader.varint()
  return { id, reply: readReply(reader.raw(reader.remaining)) }
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed frame: ${what}`)
}
