// What a leader knows of one peer: how far their logs are known to be equal, what is on its way,
// and when the peer was last heard of.
import type { LogIndex, NodeId } from '@quorate/core'
import { assert } from '@quorate/core'
import { inflight } from '@quorate/core/algorithm'
import type { Inflight } from '@quorate/core/algorithm'

/** How a peer is being fed; see {@link Progress.state}. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/** What a leader knows of one peer. Made anew with each term. */
export class Progress {
  /** The peer. */
  readonly id: NodeId
  /** Whether it keeps no state, so that entries go to it without their payload. */
  witness: boolean
  /** `probe`: one message at a time seeks where the logs meet. `replicate`: entries stream. `snapshot`: it fetches one. */
  state: ProgressState = 'probe'
  /** The logs are equal up to here, durably at the peer. */
  match: LogIndex = 0
  /** The next entry to send. */
  next: LogIndex
  /** In `probe`: a message is on its way, no other follows before an answer or a heartbeat's. */
  probing = false
  /** What is on its way. */
  readonly inflight: Inflight = inflight()
  /** Answers to messages up to this one are about a log that the peer may no longer have. */
  staleUpTo = 0
  /** The latest message answered. */
  answered = 0
  /** What it was last told to be committed, as far as it could use it. */
  told: LogIndex = 0
  /** When it was last heard of. */
  heardAt: number
  /** Its latest acknowledged round of heartbeats. */
  round = 0
  /** The `stamp` of its latest answer to a heartbeat. */
  stamp = 0
  /** How much it is wished as a leader. */
  priority = 0
  /** When entries were last acknowledged, or sent while none were on their way. */
  movedAt: number
  /** The read of old entries for it that is under way, 0 where none is. */
  reading = 0
  /** In `snapshot`: the one offered last, and when. */
  offered: LogIndex = 0
  /** When a snapshot was offered last. */
  offeredAt = 0
  /** Where it lacks its past: answers to earlier rounds may be from before it lost it. */
  vouchRound = 0
  /** Where it lacks its past: the entry that must be committed without it, and that it must hold, before it is vouched for. */
  vouchIndex: LogIndex = 0
  /** Whether it lacks its past; counts for nothing then. */
  blank = false
  /** Where it lacks its past: the name that it gave its memory. */
  memory = 0
  /** Whether it has stopped waiting for heartbeats. */
  hibernating = false
  /** Members that it hears and that told it that they lack a leader. */
  starved: readonly NodeId[] = []

  /** A peer of which nothing is known but that the log ends before `next`. */
  constructor(id: NodeId, next: LogIndex, witness: boolean, now: number) {
    this.id = id
    this.next = next
    this.witness = witness
    this.heardAt = now
    this.movedAt = now
  }

  /** An independent copy. */
  clone(): Progress {
    const copy = new Progress(this.id, this.next, this.witness, this.heardAt)
    return Object.assign(copy, this, { inflight: this.inflight.clone() })
  }

  /** Seeks anew where the logs meet, from right after `match` or where `next` is given. */
  becomeProbe(next: LogIndex = this.match + 1): void {
    assert(next > this.match, 'what is known to match is never sent again')
    this.state = 'probe'
    this.next = next
    this.probing = false
    this.reading = 0
    this.inflight.reset()
  }

  /** Streams entries. */
  becomeReplicate(): void {
    this.state = 'replicate'
    this.next = this.match + 1
    this.reading = 0
    this.inflight.reset()
  }

  /** Waits for it to have fetched a snapshot. */
  becomeSnapshot(index: LogIndex, now: number): void {
    this.state = 'snapshot'
    this.offered = index
    this.offeredAt = now
    this.reading = 0
    this.inflight.reset()
  }
}
