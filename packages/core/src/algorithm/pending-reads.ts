// Read barriers that wait: at a leader for what earlier leaders left to be decided and then for a quorum
// to confirm that it leads; elsewhere for the leader's answer.
import type { CallId } from '../consensus.ts'
import type { LogIndex, NodeId } from '../ids.ts'

const NONE: readonly never[] = Object.freeze([])

/** A barrier waiting at a leader. */
export interface LeaderRead {
  /** The replica that asked; the leader's own id for its callers. */
  readonly from: NodeId
  /** The call, or the follower's token. */
  readonly id: number
  /** Committed when it was asked for; -1 while it is not known what earlier leaders committed. */
  index: LogIndex
  /** The round of heartbeats that confirms it; -1 before it may be sent. */
  round: number
  /** When it is given up. */
  readonly deadline: number
}

/** A barrier that a follower's caller waits for. */
export interface ForwardedRead {
  /** The call. */
  readonly id: CallId
  /** Names it to the leader. */
  readonly token: number
  /** Whether a lease is good enough. */
  readonly lease: boolean
  /** When it is given up. */
  readonly deadline: number
  /** When it was last sent. */
  sentAt: number
}

/** The read barriers that wait in one replica. */
export class PendingReads {
  /** At a leader, in order of arrival, so that rounds grow along it. */
  led: LeaderRead[] = []
  /** Elsewhere, by token, in order of arrival. */
  readonly forwarded: Map<number, ForwardedRead> = new Map()

  /** How many. */
  get size(): number {
    return this.led.length + this.forwarded.size
  }

  /** Whether one at a leader waits for a round that has not begun. */
  get wantRound(): boolean {
    const waiting = this.led[this.led.length - 1]
    return waiting !== undefined && waiting.round < 0 && waiting.index >= 0
  }

  /** A round begins: it confirms every read at a leader that has come before it. */
  roundBegins(round: number): void {
    for (let at = this.led.length - 1; at >= 0; at--) {
      const read = this.led[at] as LeaderRead
      if (read.round >= 0) break
      if (read.index >= 0) read.round = round
    }
  }

  /** Takes out the reads at a leader whose round, or a later one, is confirmed; in order. */
  confirmed(round: number): readonly LeaderRead[] {
    let count = 0
    while (count < this.led.length) {
      const read = this.led[count] as LeaderRead
      if (read.round < 0 || read.round > round) break
      count++
    }
    return count === 0 ? NONE : this.led.splice(0, count)
  }

  /** Takes out the reads at a leader that have waited too long. */
  expired(now: number): readonly LeaderRead[] {
    if (!this.led.some(({ deadline }) => now >= deadline)) return NONE
    const found = this.led.filter(({ deadline }) => now >= deadline)
    this.led = this.led.filter(({ deadline }) => now < deadline)
    return found
  }

  /** Becomes a copy of another. */
  take(other: PendingReads): void {
    this.led = other.led.map((read) => ({ ...read }))
    this.forwarded.clear()
    for (const [token, read] of other.forwarded) this.forwarded.set(token, { ...read })
  }

  /** An independent copy. */
  clone(): PendingReads {
    const copy = new PendingReads()
    copy.take(this)
    return copy
  }
}

/** No reads. */
export function pendingReads(): PendingReads {
  return new PendingReads()
}
