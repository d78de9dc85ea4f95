// Entries that a core asks back from the log, and what their absence means.
import type { Entry, EntryRange, LogStorage } from '@quorate/core'
import { isQuorateError, QuorateError } from '@quorate/core'

/**
 * Reads entries; `undefined` where a snapshot has replaced them. Damage is no absence: the replica
 * has to end, so that another leads, and at the next start storage says what has to be fetched.
 *
 * @throws QuorateError what storage failed with
 */
export async function readBack(
  log: Pick<LogStorage, 'read'>,
  range: EntryRange,
): Promise<readonly Entry[] | undefined> {
  try {
    return await log.read(range)
  } catch (error) {
    if (isQuorateError(error, 'COMPACTED')) return undefined
    if (isQuorateError(error)) throw error
    throw new QuorateError('STORAGE_FAILED', 'the log could not be read', { cause: error })
  }
}
