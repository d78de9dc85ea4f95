// What a leader knows of one peer: whether it has promised, how far it has accepted, what is on its
// way, and when it was last heard of.
import type { LogIndex, NodeId } from '@quorate/core'
import { assert } from '@quorate/core'
import { inflight } from '@quorate/core/algorithm'
import type { Inflight } from '@quorate/core/algorithm'

/** How a peer is being fed; see {@link Progress.state}. */
export type ProgressState = 'prepare' | 'accept' | 'snapshot'

/** What a leader knows of one peer. Made anew with each ballot. */
export class Progress {
  /** The peer. */
  readonly id: NodeId
  /** `prepare`: it has not promised. `accept`: entries stream. `snapshot`: it fetches one. */
  state: ProgressState = 'prepare'
  /** It has accepted up to here in this ballot, durably; 0 before it is in step. */
  match: LogIndex = 0
  /** The next entry to send. */
  next: LogIndex = 1
  /** Whether its log is known to begin like the leader's, so that what is decided can be told. */
  inStep = false
  /** What is on its way. */
  readonly inflight: Inflight = inflight()
  /** What it was last told to be decided. */
  told: LogIndex = 0
  /** What it knows to be decided. */
  decided: LogIndex = 0
  /** When it was last heard of in this ballot. */
  heardAt: number
  /** Its latest acknowledged round of heartbeats. */
  round = 0
  /** The `stamp` of its latest answer to a heartbeat. */
  stamp = 0
  /** How much it is wished as a leader. */
  priority = 0
  /** The end of what it has, since it last said that something after that is missing; -1 where nothing is. */
  gapAt: LogIndex = -1
  /** When entries were last acknowledged, or sent while none were on their way. */
  movedAt: number
  /** The read of old entries for it that is under way, 0 where none is. */
  reading = 0
  /** In `snapshot`: when one was offered last. */
  offeredAt = 0
  /** Whether it lacks its past; counts for nothing then. What it said before may still arrive, and changes nothing. */
  blank = false
  /** Whether it said that it may vote in the next epoch. */
  briefed = false
  /** Whether it has stopped waiting for heartbeats. */
  hibernating = false
  /** Voters that it hears and that told it that they lack a leader. */
  starved: readonly NodeId[] = []

  /** A peer of which nothing is known. */
  constructor(id: NodeId, now: number) {
    this.id = id
    this.heardAt = now
    this.movedAt = now
  }

  /** An independent copy. */
  clone(): Progress {
    const copy = new Progress(this.id, this.heardAt)
    copy.state = this.state
    copy.match = this.match
    copy.next = this.next
    copy.inStep = this.inStep
    copy.inflight.take(this.inflight)
    copy.told = this.told
    copy.decided = this.decided
    copy.round = this.round
    copy.stamp = this.stamp
    copy.priority = this.priority
    copy.gapAt = this.gapAt
    copy.movedAt = this.movedAt
    copy.reading = this.reading
    copy.offeredAt = this.offeredAt
    copy.blank = this.blank
    copy.briefed = this.briefed
    copy.hibernating = this.hibernating
    copy.starved = this.starved
    return copy
  }

  /** Streams entries from an index on. */
  becomeAccept(next: LogIndex, now: number): void {
    assert(next > this.match, 'what is known to be accepted is never sent again')
    this.state = 'accept'
    this.next = next
    this.reading = 0
    this.gapAt = -1
    this.movedAt = now
    this.inflight.reset()
  }

  /** Waits for it to have fetched a snapshot. */
  becomeSnapshot(now: number): void {
    this.state = 'snapshot'
    this.offeredAt = now
    this.reading = 0
    this.inflight.reset()
  }
}
