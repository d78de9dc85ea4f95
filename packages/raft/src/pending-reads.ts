// Read barriers that wait: at a leader for its term's first commit and then for a quorum to confirm
// it; elsewhere for the leader's answer. Tokens are the leader's own rounds, which only grow.
import type { CallId, LogIndex, NodeId } from '@quorate/core'

/** A barrier waiting at a leader. */
export interface LeaderRead {
  /** The replica that asked; the leader's own id for its callers. */
  readonly from: NodeId
  /** The call, or the follower's token. */
  readonly id: number
  /** Committed when it was asked for; -1 before anything of the leader's term is. */
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
  /** When those are looked through for answers that are overdue. */
  retryAt: number = Number.POSITIVE_INFINITY

  /** How many. */
  get size(): number {
    return this.led.length + this.forwarded.size
  }
}
