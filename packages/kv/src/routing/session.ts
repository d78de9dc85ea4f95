// The caller's side of a session with one shard: it numbers commands, keeps within the window that
// the shard allows, and says which answers have arrived.
import type { QuorateError } from '@quorate/core'
import { kvLimits } from '../limits.ts'

/** A session that has been opened. */
export interface OpenSession {
  /** Its id. */
  readonly id: number
  /** The commands without an answer, in ascending order. */
  readonly outstanding: Set<number>
  /** The last sequence number used. */
  last: number
}

/** A command's place in a session. */
export interface SessionPlace {
  /** The session. */
  readonly session: OpenSession
  /** The command's number. */
  readonly seq: number
}

/** The session of one store with one shard, through all its renewals. */
export interface ShardSession {
  /**
   * Gives a place as soon as there is one, or says why there will be none. The returned function
   * takes the wish back.
   */
  acquire(
    onPlace: (place: SessionPlace) => void,
    onRefused: (error: QuorateError) => void,
  ): () => void
  /** Says that the caller needs no answer for this place any more. */
  release(place: SessionPlace): void
  /** Says that the shard does not know this session any more; the next place is in a new one. */
  expired(session: OpenSession): void
}

/** The lowest number of a session that is without an answer. */
export function floorOf(session: OpenSession): number {
  for (const seq of session.outstanding) return seq
  return session.last + 1
}

/**
 * Makes the session of one shard.
 *
 * @param open - opens a session with the shard and tells its id, or why that failed
 */
export function shardSession(
  open: (opened: (result: number | QuorateError) => void) => void,
): ShardSession {
  let current: OpenSession | undefined
  let opening = false
  const wishes = new Map<(place: SessionPlace) => void, (error: QuorateError) => void>()

  const hasRoom = (session: OpenSession): boolean =>
    session.last + 1 < floorOf(session) + kvLimits.sessionWindowMax
  const place = (session: OpenSession): SessionPlace => {
    const seq = ++session.last
    session.outstanding.add(seq)
    return { session, seq }
  }
  const drain = (): void => {
    for (const wish of wishes.keys()) {
      if (current === undefined) return ensureOpen()
      if (!hasRoom(current)) return
      wishes.delete(wish)
      wish(place(current))
    }
  }
  const refuse = (error: QuorateError): void => {
    const refused = [...wishes.values()]
    wishes.clear()
    for (const onRefused of refused) onRefused(error)
  }
  const ensureOpen = (): void => {
    if (opening) return
    opening = true
    open((result) => {
      opening = false
      if (typeof result === 'number') current = { id: result, outstanding: new Set(), last: 0 }
      else if (isFinal(result)) return refuse(result)
      // Without a session those who still wait try once more; each of them has its deadline.
      drain()
    })
  }

  return {
    acquire(onPlace, onRefused) {
      if (current !== undefined && wishes.size === 0 && hasRoom(current)) {
        onPlace(place(current))
        return () => {}
      }
      wishes.set(onPlace, onRefused)
      if (current === undefined) ensureOpen()
      return () => void wishes.delete(onPlace)
    },
    release({ session, seq }) {
      session.outstanding.delete(seq)
      if (wishes.size > 0) drain()
    },
    expired(session) {
      if (current === session) current = undefined
    },
  }
}

/** Whether trying again at once cannot help: a full disk, say, but not a missing leader. */
function isFinal(error: QuorateError): boolean {
  const waits = error.code === 'TIMEOUT' || error.code === 'OUTCOME_UNKNOWN'
  return !waits && !error.retryable
}
