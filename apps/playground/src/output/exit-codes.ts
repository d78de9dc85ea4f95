// What a script can tell from the exit code, in one place: documented in the help, tested, and the
// only way by which a command ends with anything but 0.
import type { ErrorCode } from '@quorate/core'
import { isQuorateError } from '@quorate/core'

/** Exit codes of the command, with what each means. */
export const exitCodes = {
  ok: [0, 'done'],
  failed: [1, 'failed for a reason that has no code of its own'],
  usage: [2, 'a wrong option or argument'],
  notFound: [3, 'the key does not exist'],
  conflict: [4, 'a condition did not hold'],
  unknown: [5, 'timed out: the outcome is unknown'],
  unavailable: [6, 'no host or no quorum could be reached'],
  unauthorized: [7, 'the cluster refused the caller'],
  config: [8, 'an option or a data directory does not fit'],
  corrupt: [9, 'stored data is damaged'],
  compacted: [10, 'the changes asked for are no longer held'],
  disk: [74, 'the disk has failed: nothing is stored any more until a restart'],
  interrupted: [130, 'interrupted before it could end in order'],
} as const

/** The name of an exit code. */
export type Exit = keyof typeof exitCodes

const byCode: Partial<Record<ErrorCode, Exit>> = {
  CLUSTER_MISMATCH: 'config',
  COMPACTED: 'compacted',
  CONFLICT: 'conflict',
  CROSS_SHARD: 'usage',
  INVALID_ARGUMENT: 'usage',
  INVALID_OPTIONS: 'config',
  LIMIT_EXCEEDED: 'usage',
  NO_QUORUM: 'unavailable',
  NO_SPACE: 'unavailable',
  NOT_LEADER: 'unavailable',
  NOT_SUPPORTED: 'config',
  OUTCOME_UNKNOWN: 'unknown',
  PORT_IN_USE: 'config',
  SESSION_EXPIRED: 'unknown',
  STORAGE_ALGORITHM_MISMATCH: 'config',
  STORAGE_CORRUPT: 'corrupt',
  STORAGE_FAILED: 'disk',
  STORAGE_LOCKED: 'config',
  STORAGE_VERSION_MISMATCH: 'config',
  TIMEOUT: 'unavailable',
  UNAUTHORIZED: 'unauthorized',
  UNAVAILABLE: 'unavailable',
}

/** A command's own end with an exit code and, where there is something to say, a message. */
export class CommandEnd extends Error {
  /** How it ends. */
  readonly exit: Exit

  /** Ends with `exit`; an empty message says nothing. */
  constructor(exit: Exit, message = '') {
    super(message)
    this.exit = exit
  }
}

/** What another process of this command ended with. */
export function exitOfCode(code: number | null): Exit {
  const found = Object.entries(exitCodes).find(([, [known]]) => known === code)
  return found === undefined || code === 0 ? 'failed' : (found[0] as Exit)
}

/** The exit code that an error stands for. */
export function exitOf(error: unknown): Exit {
  if (error instanceof CommandEnd) return error.exit
  return (isQuorateError(error) ? byCode[error.code] : undefined) ?? 'failed'
}
