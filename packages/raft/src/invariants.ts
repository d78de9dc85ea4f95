// What must hold after every step, checked after every step: a replica that finds it broken stops
// before it tells anybody.
import type { Epoch, LogIndex } from '@quorate/core'
import { assert } from '@quorate/core'
import type { Progress } from './progress.ts'
import type { RaftState } from './state.ts'

/** What only grows. */
export interface Watermarks {
  /** The term before the step. */
  term: Epoch
  /** The commit index before the step. */
  commitIndex: LogIndex
  /** What had been handed out to be applied before the step. */
  applying: LogIndex
}

/** Checks a replica after a step, and notes what must not fall in the next. */
export function checkInvariants(r: RaftState, before: Watermarks): void {
  const { log } = r
  assert(r.term >= before.term, 'the term never falls')
  assert(r.commitIndex >= before.commitIndex, 'the commit index never falls')
  assert(r.applying >= before.applying, 'what is handed out never falls')
  assert(r.commitIndex <= log.lastIndex, 'what is committed is in the log')
  assert(log.stableIndex <= log.lastIndex, 'what is durable is in the log')
  assert(
    r.applying === before.applying || r.applying <= r.commitIndex,
    'only what is committed is handed out',
  )
  assert(r.applied <= r.applying, 'only what was handed out is applied')
  assert(log.lastEpoch <= r.term, 'no entry is of a later term')
  assert(log.firstIndex <= r.commitIndex + 1, 'only what is committed is compacted')
  assert((r.role === 'leader') === (r.leader === r.id), 'a leader knows itself')
  if (r.role === 'leader') checkLeader(r)
  else assert(r.peers.length === 0, 'only a leader has peers')
  before.term = r.term
  before.commitIndex = r.commitIndex
  before.applying = r.applying
}

function checkLeader(r: RaftState): void {
  assert(r.vote === r.id, 'a leader voted for itself')
  assert(r.voteSeq <= r.durableSeq, 'a leader has a durable vote')
  assert(r.confirmedRound <= r.round, 'a round is sent before it is confirmed')
  for (let at = 0; at < r.peers.length; at++) {
    const p = r.peers[at] as Progress
    assert(p.match < p.next, 'what matches is not sent again')
    assert(p.match <= r.log.lastIndex, 'nothing matches past the log')
    assert(p.next <= r.log.lastIndex + 1, 'what is sent is in the log')
  }
}
