// The end of a membership at a replica that has no part in the next: it makes sure that the next one
// has begun, and serves what it holds to whoever asks, until its host closes it.
import type { Membership } from '@quorate/core'
import { sendAsk } from './ballot-election.ts'
import type { Answer } from './messages.ts'
import { epochStarted } from './reconfigure.ts'
import type { PaxosState } from './state.ts'

/** Watches over the beginning of an epoch without this replica. Its members may not know of it yet. */
export function watchSuccessors(r: PaxosState, before: Membership, led: boolean): void {
  if (!before.voters.includes(r.id)) return
  r.mark('paxos/hand-over/removed')
  r.watching = true
  const [first] = r.membership.voters
  if (led && first !== undefined) {
    r.out.send(first, { type: 'takeOver', config: r.config, ballot: r.promised })
  }
  askSuccessors(r)
}

/** Asks the members of the next epoch whether it is led; who has not heard of it learns of it so. */
export function askSuccessors(r: PaxosState): void {
  if (!r.watching) return
  r.askRound += 1
  r.actAt = r.now + r.options.heartbeatIntervalMs
  for (const id of r.membership.voters) sendAsk(r, id)
}

/** The next epoch is led: nothing is left to do here. */
export function successorAnswered(r: PaxosState, m: Answer): void {
  if (!m.led) return
  r.watching = false
  r.actAt = Number.POSITIVE_INFINITY
  epochStarted(r)
}
