// Who has been answered what: the part of the replicated state that makes a retried command apply
// once. It lives in the log and in snapshots alone, and time reaches it only from commands.
import { kvLimits } from '../limits.ts'

/** One session as a snapshot carries it. */
export interface SessionRecord {
  /** The log index of the command that opened it. */
  readonly id: number
  /** Log time of its last command, in milliseconds. */
  readonly usedMs: number
  /** Answers below this sequence number are known to have arrived. */
  readonly floor: number
  /** The answers from `floor` on, by sequence number. */
  readonly answers: ReadonlyMap<number, Uint8Array>
}

/** How a command stands towards its session. */
export type Admission =
  | { readonly type: 'new' }
  | { readonly type: 'answered'; readonly answer: Uint8Array }
  | { readonly type: 'expired' }
  | { readonly type: 'full' }

interface Session extends SessionRecord {
  usedMs: number
  floor: number
  bytes: number
  /** The capture that can see this object; it is copied before it changes. */
  generation: number
  readonly answers: Map<number, Uint8Array>
}

const NEW: Admission = { type: 'new' }
const EXPIRED: Admission = { type: 'expired' }
const FULL: Admission = { type: 'full' }

/** The sessions of one shard. */
export interface SessionTable {
  /** How many there are. */
  readonly size: number
  /** Bytes of all answers kept. */
  readonly bytes: number
  /** Starts a session; the one unused for longest goes where there are too many. */
  open(id: number, timeMs: number): void
  /** Forgets sessions that have been unused for too long. */
  expire(timeMs: number): void
  /** Says whether a command is new, and moves the session's floor. */
  admit(id: number, seq: number, floor: number, timeMs: number): Admission
  /** Keeps the answer to a command that was admitted as new. */
  record(id: number, seq: number, answer: Uint8Array): void
  /** The sessions as they stand, the one unused for longest first; later changes do not show. */
  capture(): readonly SessionRecord[]
}

/** Makes a table, with what a snapshot held. */
export function sessionTable(records: readonly SessionRecord[] = []): SessionTable {
  return new Table(records)
}

class Table implements SessionTable {
  /** In order of use, the one unused for longest first. */
  readonly #sessions = new Map<number, Session>()
  #bytes = 0
  #generation = 0
  #newest = 0

  constructor(records: readonly SessionRecord[]) {
    for (const record of records) {
      const answers = new Map(record.answers)
      let bytes = 0
      for (const answer of answers.values()) bytes += answer.length
      this.#sessions.set(record.id, { ...record, answers, bytes, generation: 0 })
      this.#bytes += bytes
    }
  }

  get size(): number {
    return this.#sessions.size
  }

  get bytes(): number {
    return this.#bytes
  }

  open(id: number, timeMs: number): void {
    const generation = this.#generation
    this.#sessions.set(id, {
      id,
      usedMs: timeMs,
      floor: 1,
      bytes: 0,
      generation,
      answers: new Map(),
    })
    this.#newest = id
    while (this.#sessions.size > kvLimits.sessionsMax) this.#forgetOldest()
  }

  expire(timeMs: number): void {
    for (const session of this.#sessions.values()) {
      if (session.usedMs + kvLimits.sessionTtlMs >= timeMs) return
      this.#forget(session)
    }
  }

  admit(id: number, seq: number, floor: number, timeMs: number): Admission {
    const found = this.#sessions.get(id)
    // A command whose answer has arrived comes again only from a network that kept it back. Nobody
    // waits for it, and it must not apply.
    if (found === undefined || seq < found.floor) return EXPIRED
    const session = this.#use(found, timeMs)
    this.#raiseFloor(session, floor)
    const answer = session.answers.get(seq)
    if (answer !== undefined) return { type: 'answered', answer }
    if (seq >= session.floor + kvLimits.sessionWindowMax) return FULL
    return session.bytes > kvLimits.sessionBytesMax ? FULL : NEW
  }

  record(id: number, seq: number, answer: Uint8Array): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    session.answers.set(seq, answer)
    session.bytes += answer.length
    this.#bytes += answer.length
    while (this.#bytes > kvLimits.sessionsBytesMax && this.#sessions.size > 1) this.#forgetOldest()
  }

  capture(): readonly SessionRecord[] {
    this.#generation++
    return [...this.#sessions.values()]
  }

  /** Marks a session as the one used last, and makes it safe to change. */
  #use(found: Session, timeMs: number): Session {
    let session = found
    if (session.generation !== this.#generation) {
      session = { ...found, generation: this.#generation, answers: new Map(found.answers) }
    }
    session.usedMs = timeMs
    if (this.#newest !== session.id) {
      this.#sessions.delete(session.id)
      this.#newest = session.id
    }
    this.#sessions.set(session.id, session)
    return session
  }

  #raiseFloor(session: Session, floor: number): void {
    if (floor <= session.floor) return
    if (floor - session.floor > session.answers.size) {
      for (const seq of session.answers.keys()) if (seq < floor) this.#drop(session, seq)
    } else {
      for (let seq = session.floor; seq < floor; seq++) this.#drop(session, seq)
    }
    session.floor = floor
  }

  #drop(session: Session, seq: number): void {
    const answer = session.answers.get(seq)
    if (answer === undefined) return
    session.answers.delete(seq)
    session.bytes -= answer.length
    this.#bytes -= answer.length
  }

  #forgetOldest(): void {
    for (const session of this.#sessions.values()) return this.#forget(session)
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.id)
    this.#bytes -= session.bytes
  }
}
