// One error class with stable codes: programs act on the code, people read the message,
// and the message may change in any release while the code may not.

/**
 * Every code that a {@link QuorateError} can carry. A code never changes its meaning.
 *
 * Outcome of a proposal by code: `NOT_LEADER`, `PROPOSAL_DROPPED`, `LIMIT_EXCEEDED`, `NO_SPACE`
 * and `INVALID_ARGUMENT` say that it was definitely not applied; `OUTCOME_UNKNOWN` says that it
 * may have been, or may yet be.
 */
export type ErrorCode =
  | 'ABORTED'
  | 'CLOSED'
  | 'CLUSTER_MISMATCH'
  | 'COMPACTED'
  | 'CONFLICT'
  | 'CROSS_SHARD'
  | 'EPOCH_MISMATCH'
  | 'INVALID_ARGUMENT'
  | 'INVALID_MEMBERSHIP'
  | 'INVALID_OPTIONS'
  | 'LIMIT_EXCEEDED'
  | 'MALFORMED'
  | 'NO_QUORUM'
  | 'NO_SPACE'
  | 'NOT_LEADER'
  | 'NOT_SUPPORTED'
  | 'OUTCOME_UNKNOWN'
  | 'PORT_IN_USE'
  | 'PROPOSAL_DROPPED'
  | 'SESSION_EXPIRED'
  | 'SNAPSHOT_UNAVAILABLE'
  | 'STATE_MACHINE_FAILED'
  | 'STORAGE_ALGORITHM_MISMATCH'
  | 'STORAGE_CORRUPT'
  | 'STORAGE_FAILED'
  | 'STORAGE_LOCKED'
  | 'STORAGE_VERSION_MISMATCH'
  | 'TIMEOUT'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'WIRE_VERSION_MISMATCH'

/** What a {@link QuorateError} is made from, besides its code and message. */
export interface QuorateErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown
  /** Overrides whether trying the same call again, unchanged, can succeed. Default: by code. */
  readonly retryable?: boolean | undefined
  /** Facts for programs: the limit and the size, the expected and the found id. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'EPOCH_MISMATCH',
  'NO_QUORUM',
  'NOT_LEADER',
  'PROPOSAL_DROPPED',
  'SNAPSHOT_UNAVAILABLE',
  'UNAVAILABLE',
])

const BRAND: unique symbol = Symbol.for('@quorate/error') as never

/**
 * The error of every operation that can fail in operation. Mistakes in a program (a wrong type,
 * a missing argument) are `TypeError`s without a code instead.
 */
export class QuorateError extends Error {
  /** Always `'QuorateError'`. */
  override readonly name = 'QuorateError'
  /** What happened; stable across releases. */
  readonly code: ErrorCode
  /** Whether the same call, unchanged, can succeed later. `OUTCOME_UNKNOWN` is not retryable by itself: only a session makes the retry safe. */
  readonly retryable: boolean
  /** Facts for programs; empty where there are none. */
  readonly details: Readonly<Record<string, unknown>>

  /** Makes an error with `code`; `message` says what happened and what to do. */
  constructor(code: ErrorCode, message: string, options: QuorateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? RETRYABLE.has(code)
    this.details = options.details ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/**
 * Whether `value` is a {@link QuorateError}, also one made by another copy of this package, and,
 * where `code` is given, whether it carries that code.
 */
export function isQuorateError(value: unknown, code?: ErrorCode): value is QuorateError {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return false
  return code === undefined || (value as unknown as QuorateError).code === code
}

/**
 * The error that an aborted operation rejects with: code `ABORTED`, the signal's reason as its
 * cause. An operation that may already have taken effect uses `OUTCOME_UNKNOWN` instead.
 */
export function abortError(signal: AbortSignal, what: string): QuorateError {
  return new QuorateError('ABORTED', `${what} was aborted`, { cause: signal.reason })
}
