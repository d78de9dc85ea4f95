// The caller's side of a session with one shard: it numbers commands, keeps within the window that
// the shard allows, and says which answers have arrived.
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
  /** Gives a place as soon as there is one. The returned function takes the wish back. */
  acquire(onPlace: (place: SessionPlace) => void): () => void
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
 * @param open - opens a session with the shard and tells its id, or `undefined` where that failed
 */
export function shardSession(
  open: (opened: (id: number | undefined) => void) => void,
): ShardSession {
  let current: OpenSession | undefined
  let opening = false
  const wishes = new Set<(place: SessionPlace) => void>()

  const hasRoom = (session: OpenSession): boolean =>
    session.last + 1 < floorOf(session) + kvLimits.sessionWindowMax
  const place = (session: OpenSession): SessionPlace => {
    const seq = ++session.last
    session.outstanding.add(seq)
    return { session, seq }
  }
  const drain = (): void => {
    for (const wish of wishes) {
      if (current === undefined) return ensureOpen()
      if (!hasRoom(current)) return
      wishes.delete(wish)
      wish(place(current))
    }
  }
  const ensureOpen = (): void => {
    if (opening) return
    opening = true
    open((id) => {
      opening = false
      if (id !== undefined) current = { id, outstanding: new Set(), last: 0 }
      // Without a session those who still wait try once more; each of them has its deadline.
      drain()
    })
  }

  return {
    acquire(onPlace) {
      if (current !== undefined && wishes.size === 0 && hasRoom(current)) {
        onPlace(place(current))
        return () => {}
      }
      wishes.add(onPlace)
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
