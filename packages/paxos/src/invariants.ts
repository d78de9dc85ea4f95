// What must hold after every step, checked after every step: a replica that finds it broken stops
// before it tells anybody.
import type { LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import { ownerOf } from './ballot.ts'
import type { Progress } from './progress.ts'
import type { PaxosState } from './state.ts'

/** What only grows. */
export interface Watermarks {
  /** The promise before the step. */
  promised: Ballot
  /** What was decided before the step. */
  decided: LogIndex
  /** What had been handed out to be applied before the step. */
  applying: LogIndex
  /** The version of the membership before the step. */
  config: number
}

/** Checks a replica after a step, and notes what must not fall in the next. */
export function checkInvariants(r: PaxosState, before: Watermarks): void {
  const { log } = r
  assert(r.promised >= before.promised, 'a promise is never taken back')
  assert(r.accepted <= r.promised, 'nothing is accepted that was not promised')
  assert(r.decided >= before.decided, 'nothing decided is ever undone')
  assert(r.config >= before.config, 'no epoch comes back')
  assert(r.applying >= before.applying, 'nothing is handed out to be applied twice')
  assert(r.decided <= log.lastIndex, 'what is decided is in the log')
  assert(log.stableIndex <= log.lastIndex, 'what is durable is in the log')
  assert(
    r.applying === before.applying || r.applying <= r.decided,
    'only what is decided is applied',
  )
  assert(r.applied <= r.applying, 'only what was handed out is applied')
  assert(log.lastEpoch <= r.promised, 'no entry is of a larger ballot')
  assert(log.firstIndex <= r.decided + 1, 'only what is decided is compacted')
  assert(
    !r.sealed || r.configs.lastIndex === log.lastIndex,
    'nothing is accepted after a stop-sign in its epoch',
  )
  assert((r.role === 'leader') === (r.leader === r.id), 'a leader knows itself')
  if (r.relearn !== undefined) {
    assert(r.decided < r.relearn.decided, 'what is known again is not learned again')
    assert(r.role === 'follower' && r.leader === undefined, 'who has to relearn has no part')
  }
  if (r.role === 'follower') assert(r.adoption === undefined, 'only a proposer adopts')
  else checkProposer(r)
  if (r.role === 'leader') checkLeader(r)
  else assert(r.peers.length === 0, 'only a leader has peers')
  before.promised = r.promised
  before.decided = r.decided
  before.applying = r.applying
  before.config = r.config
}

function checkProposer(r: PaxosState): void {
  assert(ownerOf(r.promised, r.membership) === r.id, 'a proposer owns its ballot')
  assert(!r.blank, 'who lacks its past does not lead')
  assert(r.repair === undefined, 'nobody repairs the log of a proposer')
}

function checkLeader(r: PaxosState): void {
  assert(r.accepted === r.promised, "a leader's log is of its ballot")
  assert(r.promiseSeq <= r.durableSeq, 'a leader counts its own promise once it is durable')
  assert(r.syncIndex <= r.log.lastIndex, 'a leader never cuts its log back')
  assert(r.confirmedRound <= r.round, 'only rounds that were sent are confirmed')
  for (let at = 0; at < r.peers.length; at++) {
    const p = r.peers[at] as Progress
    assert(p.match < p.next, 'what is known to be accepted is not sent again')
    assert(p.match <= r.log.lastIndex, 'nothing is accepted past the log')
    assert(p.next <= r.log.lastIndex + 1, 'nothing is sent that is not there')
  }
}
