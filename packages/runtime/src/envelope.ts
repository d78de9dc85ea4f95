// A proposal's identity travels inside its entry, so that a proposer recognises its own commands
// when they are applied, whatever index they ended up at and whoever led meanwhile.
import { assert, QuorateError } from '@quorate/core'
import type { Random } from '@quorate/core'

const VERSION = 1
const HEADER_BYTES = 9

/** One incarnation of a replica: 64 bits, so that no other takes its proposals for its own. */
export interface Origin {
  /** The first 32 bits. */
  readonly high: number
  /** The last 32 bits. */
  readonly low: number
}

/** Draws an origin. */
export function drawOrigin(random: Random): Origin {
  return { high: random.fork('high').uint32(), low: random.fork('low').uint32() }
}

/** The payload of an entry: version, origin, sequence number (varint), command. */
export function wrapCommand(origin: Origin, sequence: number, command: Uint8Array): Uint8Array {
  let varintBytes = 1
  for (let rest = sequence; rest >= 0x80; rest = Math.floor(rest / 0x80)) varintBytes++
  const payload = new Uint8Array(HEADER_BYTES + varintBytes + command.length)
  payload[0] = VERSION
  for (let byte = 0; byte < 4; byte++) {
    payload[1 + byte] = origin.high >>> (8 * byte)
    payload[5 + byte] = origin.low >>> (8 * byte)
  }
  let at = HEADER_BYTES
  let rest = sequence
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) payload[at++] = (rest % 0x80) | 0x80
  payload[at++] = rest
  assert(at === HEADER_BYTES + varintBytes, 'the header has the length that was computed')
  payload.set(command, at)
  return payload
}

/** What an entry's payload holds. */
export interface Unwrapped {
  /** The sequence number where `origin` proposed it, otherwise −1. */
  readonly sequence: number
  /** The command: a view into the payload. */
  readonly command: Uint8Array
}

/**
 * Takes a payload apart.
 *
 * @throws QuorateError `STATE_MACHINE_FAILED` where a newer version wrote it: applying it wrongly
 * would make replicas differ
 */
export function unwrapCommand(origin: Origin | undefined, payload: Uint8Array): Unwrapped {
  if (payload[0] !== VERSION || payload.length <= HEADER_BYTES) {
    throw new QuorateError(
      'STATE_MACHINE_FAILED',
      `an entry of unknown version ${payload[0]}; upgrade this host`,
    )
  }
  const own =
    origin !== undefined && word(payload, 1) === origin.high && word(payload, 5) === origin.low
  let at = HEADER_BYTES
  let sequence = 0
  for (let scale = 1; ; scale *= 0x80) {
    const byte = payload[at++]
    assert(byte !== undefined, 'the sequence number of a proposal ends within its entry')
    sequence += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  return { sequence: own ? sequence : -1, command: payload.subarray(at) }
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}
