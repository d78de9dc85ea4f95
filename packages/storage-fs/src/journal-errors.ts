// What the journal says when it cannot write: no room, which passes, or a failure, which does not.
import { QuorateError, defined } from '@quorate/core'
import { isNoSpace } from './fs.ts'
import { FRAME_BYTES_MAX } from './layout.ts'
import { isFullJob } from './log-pipe.ts'

/** Refuses a write that no frame may hold. */
export function checkFrameSize(bytes: number): void {
  if (bytes <= FRAME_BYTES_MAX) return
  throw new QuorateError('LIMIT_EXCEEDED', `a batch of ${bytes} bytes exceeds ${FRAME_BYTES_MAX}`)
}

/** The error of a storage that cannot go on. */
export function storageFailed(what: string, cause: unknown): QuorateError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new QuorateError(
    'STORAGE_FAILED',
    `${what}: ${reason}; restart this host once the disk is in order`,
    { cause },
  )
}

/** A seal that finds no room is done without: it tells a lost segment from one that never was. */
export function exceptFull(error: unknown): void {
  if (!isFullJob(error)) throw error
}

/** The error of a write that found the disk full. */
export function noRoom(): QuorateError {
  return defined(noSpace({ code: 'ENOSPC' }), 'this code says so')
}

/** The error of a disk that is full. */
export function noSpace(cause: unknown): QuorateError | undefined {
  if (!isNoSpace(cause)) return undefined
  return new QuorateError(
    'NO_SPACE',
    'the disk is full: free some space, or add some; nothing of this write was stored',
    { cause },
  )
}
