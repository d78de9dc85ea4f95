// The messages of the peer protocol, one WebSocket message each. Every length is checked before
// anything is allocated, and whatever this file did not write is MALFORMED.
import { ByteReader, ByteWriter, isId, QuorateError, type ErrorCode } from '@quorate/core'

/** Version of this protocol; hosts with another are refused. */
const PROTOCOL_VERSION = 1
/** Bytes of a nonce, an instance, a key's name and a proof. */
export const NONCE_BYTES = 32
export const INSTANCE_BYTES = 8
export const KEY_NAME_BYTES = 8
export const PROOF_BYTES = 32
/** Most secrets that one side may hold at a time. */
export const KEYS_MAX = 4
/** No message of a handshake is larger. */
export const HANDSHAKE_BYTES_MAX = 1_024
const REASON_BYTES_MAX = 256
const MAGIC = 0x45545251 // "QRTE", little-endian

/** First byte of each message. */
export const kind = {
  hello: 1,
  proof: 2,
  accept: 3,
  refuse: 4,
  /** Frames of the fast lane. */
  fast: 16,
  /** One frame of the bulk lane, to be confirmed. */
  bulk: 17,
  /** The bulk frame has arrived; the next may come. */
  bulkArrived: 18,
} as const

/** Added to the kind of a message that ends in a tag. */
export const SEALED = 64

/** What one side says of itself. The acceptor's hello answers the dialer's. */
export interface Hello {
  readonly cluster: string
  /** Who speaks. */
  readonly from: string
  /** Whom it means to speak to. */
  readonly to: string
  readonly wireVersion: number
  /** Drawn when the transport starts: tells a restarted host from the one before. */
  readonly instance: Uint8Array
  readonly nonce: Uint8Array
  /** The host's storage; empty where it named none. */
  readonly store: string
  /** The start of the host on that storage; 0 where it named none. */
  readonly epoch: number
  /** Whether it says that an earlier storage of it is lost. */
  readonly rejoin: boolean
  /** Names of the secrets that it holds; the acceptor's hello names the one that it chose. */
  readonly keys: readonly Uint8Array[]
  /** The acceptor's proof that it holds the secret it chose; empty otherwise. */
  readonly proof: Uint8Array
}

/** Why a handshake ended. */
export interface Refusal {
  readonly code: ErrorCode
  readonly reason: string
}

/** A message of the handshake. */
export type HandshakeMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'proof'; readonly proof: Uint8Array }
  | { readonly kind: 'accept' }
  | { readonly kind: 'refuse'; readonly refusal: Refusal }

export function encodeHello(hello: Hello): Uint8Array {
  const writer = new ByteWriter(512)
  writer.uint8(kind.hello)
  writer.uint32(MAGIC)
  writer.uint8(PROTOCOL_VERSION)
  writer.text(hello.cluster)
  writer.text(hello.from)
  writer.text(hello.to)
  writer.varint(hello.wireVersion)
  writer.raw(hello.instance)
  writer.raw(hello.nonce)
  writer.text(hello.store)
  writer.varint(hello.epoch)
  writer.uint8(hello.rejoin ? 1 : 0)
  writer.varint(hello.keys.length)
  for (const key of hello.keys) writer.raw(key)
  writer.bytes(hello.proof)
  return writer.finish()
}

export function encodeProof(proof: Uint8Array): Uint8Array {
  const writer = new ByteWriter(64)
  writer.uint8(kind.proof)
  writer.bytes(proof)
  return writer.finish()
}

export function encodeAccept(): Uint8Array {
  return Uint8Array.of(kind.accept)
}

export function encodeRefusal(refusal: Refusal): Uint8Array {
  const writer = new ByteWriter(128)
  writer.uint8(kind.refuse)
  writer.text(refusal.code)
  writer.text(shortened(refusal.reason))
  return writer.finish()
}

/**
 * Reads a message of the handshake.
 *
 * @throws QuorateError `MALFORMED`, or `WIRE_VERSION_MISMATCH` for a hello of another protocol
 */
export function decodeHandshake(bytes: Uint8Array): HandshakeMessage {
  if (bytes.length > HANDSHAKE_BYTES_MAX) throw malformed('a handshake message over its limit')
  const reader = new ByteReader(bytes)
  const message = readHandshake(reader)
  reader.end()
  return message
}

function readHandshake(reader: ByteReader): HandshakeMessage {
  const first = reader.uint8()
  switch (first) {
    case kind.hello:
      return { kind: 'hello', hello: readHello(reader) }
    case kind.proof:
      return { kind: 'proof', proof: proofOf(reader) }
    case kind.accept:
      return { kind: 'accept' }
    case kind.refuse:
      return { kind: 'refuse', refusal: readRefusal(reader) }
    default:
      throw malformed(`message ${first} in a handshake`)
  }
}

function readHello(reader: ByteReader): Hello {
  if (reader.uint32() !== MAGIC) throw malformed('no hello of this protocol')
  const version = reader.uint8()
  if (version !== PROTOCOL_VERSION) {
    throw new QuorateError(
      'WIRE_VERSION_MISMATCH',
      `the peer speaks version ${version} of the transport's protocol, this host ${PROTOCOL_VERSION}`,
    )
  }
  const cluster = idOf(reader)
  const from = idOf(reader)
  const to = idOf(reader)
  const wireVersion = reader.varint()
  const instance = reader.raw(INSTANCE_BYTES)
  const nonce = reader.raw(NONCE_BYTES)
  const store = reader.text()
  if (store !== '' && !isId(store)) throw malformed('a storage whose name is no id')
  const epoch = reader.varint()
  const rejoin = reader.uint8()
  if (rejoin > 1) throw malformed('neither yes nor no')
  const count = reader.count(KEY_NAME_BYTES)
  if (count > KEYS_MAX) throw malformed(`${count} secrets`)
  const keys = Array.from({ length: count }, () => reader.raw(KEY_NAME_BYTES))
  return {
    cluster,
    from,
    to,
    wireVersion,
    instance,
    nonce,
    store,
    epoch,
    rejoin: rejoin === 1,
    keys,
    proof: proofOf(reader),
  }
}

function readRefusal(reader: ByteReader): Refusal {
  const code = reader.text()
  const reason = reader.text()
  if (!/^[A-Z_]{1,40}$/.test(code)) throw malformed('a refusal without a code')
  return { code: code as ErrorCode, reason: printable(reason) }
}

function idOf(reader: ByteReader): string {
  const id = reader.text()
  if (!isId(id)) throw malformed('a name that is no id')
  return id
}

function proofOf(reader: ByteReader): Uint8Array {
  const proof = reader.bytes()
  if (proof.length !== 0 && proof.length !== PROOF_BYTES) throw malformed('a proof of odd length')
  return proof
}

/** Text of a stranger as it may stand in a log: short, without control characters. */
export function printable(text: string): string {
  // Escapes whatever could forge a line, move a cursor or turn the direction of writing.
  return shortened(text).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function shortened(text: string): string {
  const wellFormed = text.slice(0, REASON_BYTES_MAX).toWellFormed()
  return wellFormed
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed handshake: ${what}`)
}
