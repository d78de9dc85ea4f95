// Everything that can grow has a limit here, so that a slow disk, a dead peer or a hostile
// client ends in a typed rejection and never in an array without an end.
import { QuorateError } from './errors.ts'

/** The limits of one host; bytes are payload bytes unless said otherwise. */
export interface Limits {
  /** Largest command, in bytes. Default 1,048,576 (1 MiB). */
  readonly commandBytesMax: number
  /** Most commands in one `propose` input. Default 1,024. */
  readonly batchCommandsMax: number
  /** Most bytes of entries in one message between cores; one larger entry still travels alone. Default 262,144 (256 KiB). */
  readonly messageBytesMax: number
  /** Most unacknowledged append messages to one peer. Default 256. */
  readonly inflightMessagesMax: number
  /** Most unacknowledged entry bytes to one peer; the message that crosses it is still sent. Default 8,388,608 (8 MiB). */
  readonly inflightBytesMax: number
  /** Most bytes that a leader holds appended but not committed; beyond, proposals are rejected. Default 67,108,864 (64 MiB). */
  readonly uncommittedBytesMax: number
  /** Most bytes of committed entries handed out to be applied and not yet confirmed. Default 16,777,216 (16 MiB). */
  readonly applyBytesMax: number
  /** Log kept in memory for each group, beyond which entries are read back from storage. Default 8,388,608 (8 MiB). */
  readonly logWindowBytesMax: number
  /**
   * Most proposals, reads and other calls waiting in one replica, and calls of other hosts under way in
   * one host, half of them for each peer. Default 16,384.
   */
  readonly pendingCallsMax: number
  /** Largest frame between two hosts, in bytes. Default 16,777,216 (16 MiB). */
  readonly frameBytesMax: number
  /** Most bytes queued for one peer; beyond, frames are dropped. Default 67,108,864 (64 MiB). */
  readonly sendQueueBytesMax: number
  /** Bytes of one snapshot chunk. Default 262,144 (256 KiB). */
  readonly snapshotChunkBytes: number
  /** Most replicas (voters and learners) in one group. Default 31. */
  readonly membersMax: number
}

/** The defaults that {@link Limits} names. */
export const defaultLimits: Limits = Object.freeze({
  commandBytesMax: 1_048_576,
  batchCommandsMax: 1_024,
  messageBytesMax: 262_144,
  inflightMessagesMax: 256,
  inflightBytesMax: 8_388_608,
  uncommittedBytesMax: 67_108_864,
  applyBytesMax: 16_777_216,
  logWindowBytesMax: 8_388_608,
  pendingCallsMax: 16_384,
  frameBytesMax: 16_777_216,
  sendQueueBytesMax: 67_108_864,
  snapshotChunkBytes: 262_144,
  membersMax: 31,
})

/**
 * The defaults with some limits replaced.
 *
 * @throws QuorateError `INVALID_OPTIONS` where a limit is unknown or not a positive integer, or
 * a command could not fit into a frame
 */
export function resolveLimits(overrides: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(defaultLimits, name)) {
      throw new QuorateError('INVALID_OPTIONS', `unknown limit "${name}"`)
    }
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new QuorateError('INVALID_OPTIONS', `limit ${name} must be a positive integer`)
    }
  }
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined)
  const limits: Limits = Object.freeze({ ...defaultLimits, ...Object.fromEntries(given) })
  const overhead = 4_096
  if (Math.max(limits.commandBytesMax, limits.messageBytesMax) + overhead > limits.frameBytesMax) {
    throw new QuorateError(
      'INVALID_OPTIONS',
      `frameBytesMax must exceed commandBytesMax and messageBytesMax by ${overhead} bytes`,
    )
  }
  return limits
}
