// Proof of a shared secret that never sends it: HMAC-SHA-256 over both hellos, in a role's own
// words, so that neither side's proof can be sent back to it or to a third host.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { QuorateError } from '@quorate/core'
import { KEY_NAME_BYTES, KEYS_MAX, PROOF_BYTES } from './wire.ts'

/** Bytes of the tag behind each message between hosts that share a secret. */
export const TAG_BYTES = 16
const SECRET_BYTES_MIN = 16

/** A secret that both sides may hold. */
export interface SharedKey {
  /** Tells both sides which secret is meant without telling it. */
  readonly name: Uint8Array
  readonly bytes: Uint8Array
}

/** The secrets of a host, the one to use first in front. */
export function sharedKeys(
  secret: string | Uint8Array | readonly (string | Uint8Array)[] | undefined,
): readonly SharedKey[] {
  if (secret === undefined) return []
  const secrets = Array.isArray(secret)
    ? (secret as readonly (string | Uint8Array)[])
    : [secret as string | Uint8Array]
  if (secrets.length === 0 || secrets.length > KEYS_MAX) {
    throw new QuorateError('INVALID_OPTIONS', `give one to ${KEYS_MAX} secrets`)
  }
  return secrets.map((each) => {
    const bytes = typeof each === 'string' ? new TextEncoder().encode(each) : each.slice()
    if (bytes.length < SECRET_BYTES_MIN) {
      throw new QuorateError(
        'INVALID_OPTIONS',
        `a secret needs at least ${SECRET_BYTES_MIN} bytes; draw 32 at random`,
      )
    }
    return { bytes, name: hmac(bytes, 'quorate key name', []).subarray(0, KEY_NAME_BYTES) }
  })
}

/** The proof of one role over what both sides have said. */
export function proofOf(
  key: SharedKey,
  role: 'dialer' | 'acceptor',
  dialerHello: Uint8Array,
  acceptorHello: Uint8Array,
): Uint8Array {
  return hmac(key.bytes, `quorate ${role} proof`, [digest(dialerHello), digest(acceptorHello)])
}

/** Whether two proofs are equal, in time that does not depend on where they differ. */
export function sameProof(given: Uint8Array, expected: Uint8Array): boolean {
  return given.length === PROOF_BYTES && timingSafeEqual(given, expected)
}

/** Seals the messages of one direction of one connection: each in its place, none twice. */
export class Seal {
  readonly #key: Uint8Array
  readonly #count = new Uint8Array(8)
  readonly #view = new DataView(this.#count.buffer)
  #sequence = 0

  constructor(
    key: SharedKey,
    sender: 'dialer' | 'acceptor',
    dialerHello: Uint8Array,
    acceptorHello: Uint8Array,
  ) {
    this.#key = hmac(key.bytes, `quorate ${sender} messages`, [
      digest(dialerHello),
      digest(acceptorHello),
    ])
  }

  /** Writes the tag of the next message into its last bytes. */
  write(message: Uint8Array): void {
    const body = message.subarray(0, message.length - TAG_BYTES)
    message.set(this.#next(body), body.length)
  }

  /** Whether a message is the next one of this direction; afterwards another is expected. */
  check(message: Uint8Array): boolean {
    if (message.length <= TAG_BYTES) return false
    const end = message.length - TAG_BYTES
    return timingSafeEqual(message.subarray(end), this.#next(message.subarray(0, end)))
  }

  #next(body: Uint8Array): Uint8Array {
    this.#view.setUint32(0, Math.floor(this.#sequence / 0x100000000))
    this.#view.setUint32(4, this.#sequence >>> 0)
    this.#sequence++
    const mac = createHmac('sha256', this.#key).update(this.#count).update(body).digest()
    return mac.subarray(0, TAG_BYTES)
  }
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

function hmac(key: Uint8Array, label: string, parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key).update(label).update(Uint8Array.of(0))
  for (const part of parts) mac.update(part)
  return new Uint8Array(mac.digest())
}
