// The last resort: a majority of a group's voters is gone for good, and one that is left is made the
// group again. It is a plan first, to be read, and nothing is written before somebody writes it.
/**
 * Making what is left of a group the group again, after a majority was lost for good.
 *
 * @packageDocumentation
 */
import type {
  DurableState,
  Entry,
  Epoch,
  LogIndex,
  Membership,
  NodeId,
  WriteBatch,
} from '@quorate/core'
import { QuorateError, decode, encode, isVoter } from '@quorate/core'
import { configHistory, membershipPayload } from '@quorate/core/algorithm'
import { upToDate } from './election.ts'
import { hardStateCodec } from './hard-state.ts'

/** What making one replica the whole group would do. */
export interface QuorumLossPlan {
  /** The replica that becomes the only voter. */
  readonly survivor: NodeId
  /** The members before. */
  readonly before: Membership
  /** The members after: the survivor alone. */
  readonly after: Membership
  /** The last entry that the survivor holds; entries after it that others acknowledged are lost. */
  readonly lastIndex: LogIndex
  /** That entry's term. */
  readonly lastTerm: Epoch
  /** Every entry up to here is known to have been committed. */
  readonly commitIndex: LogIndex
  /** So many entries after that will count as committed, whether or not they were. */
  readonly undecided: number
  /** The batch that does it: to be written to the survivor's log while its replica is not running. */
  readonly batch: WriteBatch
}

/**
 * Plans to make one replica of a group the whole group, after a majority of its voters was lost for
 * good. Changes nothing: printing the plan is the dry run, and writing `batch` to the storage of the
 * stopped replica carries it out. The change stays in the log as an entry like any other.
 *
 * Contract. All other members must be gone or must never be started with their data again: they
 * could elect a leader of their own. They come back as new members without data. Choose the survivor
 * by {@link bestSurvivor}.
 *
 * @param survivor - the replica that is left
 * @param state - what its log's `load` gave
 * @throws QuorateError `INVALID_ARGUMENT` where it is no voter or a witness, `STORAGE_CORRUPT` where
 * its log is damaged, or has a snapshot but no hard state
 */
export function planQuorumLoss(survivor: NodeId, state: DurableState): QuorumLossPlan {
  if (state.hardState === undefined) {
    throw new QuorateError('STORAGE_CORRUPT', `"${survivor}" has no state of this group`)
  }
  if (state.faulty.length > 0) {
    throw new QuorateError('STORAGE_CORRUPT', `the log of "${survivor}" is damaged: choose another`)
  }
  const hard = decode(hardStateCodec, state.hardState)
  const before = configHistory(state, hard.initial, state.lastIndex).last
  if (!isVoter(before, survivor) || before.witnesses.includes(survivor)) {
    throw new QuorateError('INVALID_ARGUMENT', `"${survivor}" is no voter that keeps state`)
  }
  const after: Membership = {
    version: before.version + 1,
    voters: [survivor],
    learners: [],
    witnesses: [],
    outgoing: [],
    learnersNext: [],
  }
  // A term of its own: whatever the lost voters may have appended in this one is something else.
  const term = hard.term + 1
  const entry: Entry = {
    index: state.lastIndex + 1,
    epoch: term,
    kind: 'membership',
    payload: membershipPayload(after),
  }
  const hardState = encode(hardStateCodec, {
    ...hard,
    term,
    vote: undefined,
    blank: false,
    floorIndex: 0,
    floorTerm: 0,
  })
  return {
    survivor,
    before,
    after,
    lastIndex: state.lastIndex,
    lastTerm: lastTermOf(state),
    commitIndex: hard.commit,
    undecided: state.lastIndex - hard.commit,
    batch: { seq: 1, hardState, append: [entry] },
  }
}

/**
 * The replica whose log holds all that any of them may have committed; the first by id where several
 * do. Of replicas that are all that is left.
 *
 * @throws QuorateError `INVALID_ARGUMENT` where there is none with a log that is whole
 */
export function bestSurvivor(states: ReadonlyMap<NodeId, DurableState>): NodeId {
  let best: NodeId | undefined
  for (const id of [...states.keys()].sort()) {
    const state = states.get(id) as DurableState
    if (state.faulty.length > 0 || state.hardState === undefined) continue
    const other = best === undefined ? undefined : (states.get(best) as DurableState)
    const worse =
      other !== undefined &&
      upToDate(other.lastIndex, lastTermOf(other), state.lastIndex, lastTermOf(state))
    if (!worse) best = id
  }
  if (best === undefined) throw new QuorateError('INVALID_ARGUMENT', 'no replica has a whole log')
  return best
}

function lastTermOf(state: DurableState): Epoch {
  return state.epochs[state.epochs.length - 1]?.epoch ?? 0
}
