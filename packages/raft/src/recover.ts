// What a replica starts from: its log and small state as storage holds them, checked against each
// other, since going on from a state that cannot be is worse than not starting.
import type { ConsensusInit, DurableState, LogIndex } from '@quorate/core'
import { QuorateError, decode } from '@quorate/core'
import { configHistory, replicaLog } from '@quorate/core/algorithm'
import type { ReplicaLog } from '@quorate/core/algorithm'
import { promotable, resetElectionDeadline } from './election.ts'
import type { HardState } from './hard-state.ts'
import { hardStateCodec, noHardState } from './hard-state.ts'
import { electsAlone } from './heartbeat.ts'
import type { ResolvedOptions } from './options.ts'
import { RaftState } from './state.ts'

/**
 * The state of a replica as recovered.
 *
 * @throws QuorateError `STORAGE_CORRUPT` where its parts contradict each other
 */
export function recover(init: ConsensusInit, options: ResolvedOptions): RaftState {
  const { recovered } = init
  const fresh = recovered.hardState === undefined && recovered.lastIndex === 0
  const hard = recoverHardState(init, fresh)
  // Where the log is damaged it ends for now, so that nothing is read past the damage; what it once
  // acknowledged past it is remembered, so that no vote helps a log that lacks it.
  const base = recovered.snapshot?.index ?? 0
  const damage = recovered.faulty.find(({ last }) => last > base)
  const faultyFrom = damage === undefined ? undefined : Math.max(damage.first, base + 1)
  const lastIndex = faultyFrom === undefined ? recovered.lastIndex : faultyFrom - 1
  const log = recoverLog(init, lastIndex)
  const commit = recoverCommit(init, hard, lastIndex)
  const configs = configHistory(recovered, hard.initial, lastIndex)
  const r = new RaftState(init, options, hard, log, configs, commit)
  r.snapshot = recovered.snapshot
  if (faultyFrom !== undefined) raiseFloor(r, recovered, faultyFrom)
  start(r, fresh)
  return r
}

function recoverLog({ recovered, limits }: ConsensusInit, lastIndex: LogIndex): ReplicaLog {
  const { snapshot, faulty, firstIndex, epochs, tail } = recovered
  const bytesMax = limits.logWindowBytesMax
  const lost = faulty[0]
  if (snapshot === undefined || lost === undefined || lost.first > snapshot.index) {
    return replicaLog(firstIndex, lastIndex, epochs, tail, bytesMax)
  }
  // The snapshot holds what is damaged before it: the log begins after it, as if it were compacted.
  const { index, epoch } = snapshot
  const runs = [{ from: index, epoch }, ...epochs.filter(({ from }) => from > index)]
  return replicaLog(index + 1, lastIndex, runs, tail, bytesMax)
}

function recoverHardState(init: ConsensusInit, fresh: boolean): HardState {
  const { hardState } = init.recovered
  if (hardState !== undefined) {
    const hard = decode(hardStateCodec, hardState)
    if (hard.commit > init.recovered.lastIndex) {
      throw corrupt(
        `committed up to ${hard.commit}, but the log ends at ${init.recovered.lastIndex}`,
      )
    }
    return hard
  }
  if (!fresh) throw corrupt('a log without a hard state')
  return { ...noHardState, initial: init.bootstrap, blank: init.bootstrap === undefined }
}

function recoverCommit(init: ConsensusInit, hard: HardState, lastIndex: LogIndex): LogIndex {
  const { recovered, appliedIndex } = init
  const snapshotIndex = recovered.snapshot?.index ?? 0
  if (appliedIndex < snapshotIndex)
    throw corrupt(`applied up to ${appliedIndex}, before the snapshot`)
  if (appliedIndex > recovered.lastIndex) {
    throw corrupt(`applied up to ${appliedIndex}, but the log ends at ${recovered.lastIndex}`)
  }
  if (recovered.firstIndex > snapshotIndex + 1)
    throw corrupt('a log that begins after its snapshot')
  return Math.min(Math.max(hard.commit, snapshotIndex, appliedIndex), lastIndex)
}

function raiseFloor(r: RaftState, recovered: DurableState, faultyFrom: LogIndex): void {
  r.mark('raft/faulty/floor')
  r.leftoverFrom = faultyFrom
  const last = recovered.faulty[recovered.faulty.length - 1]?.last ?? 0
  const run = recovered.epochs[recovered.epochs.length - 1]
  // The epoch of an entry that cannot be read may be unknown; no entry is of a later term than seen.
  const term = last === recovered.lastIndex ? r.term : (run?.epoch ?? r.term)
  if (term > r.floorTerm || (term === r.floorTerm && recovered.lastIndex > r.floorIndex)) {
    r.floorIndex = recovered.lastIndex
    r.floorTerm = term
  }
}

function start(r: RaftState, fresh: boolean): void {
  r.neverStored = fresh
  const timeout = r.options.electionTimeoutMs
  resetElectionDeadline(r)
  // A membership that is not committed may not be the one by which others elect.
  if (electsAlone(r) && r.configs.lastIndex <= r.commitIndex) {
    // Nobody else can lead, so there is nobody to wait for.
    if (r.electionDeadline !== Number.POSITIVE_INFINITY) r.electionDeadline = r.now
  } else if (fresh) {
    // No promise can have been given before the first start, and no leader can be there.
    r.electionDeadline -= timeout
  } else {
    // Whoever only looks for a leader need not let it speak first.
    if (!promotable(r) || r.options.priority === 0) r.electionDeadline -= timeout
    // It may have promised a leader, right before it stopped, to elect nobody for this long.
    r.silentUntil = r.now + timeout
  }
  r.wakeAt = r.electionDeadline
}

function corrupt(what: string): QuorateError {
  return new QuorateError(
    'STORAGE_CORRUPT',
    `the replica's stored state contradicts itself: ${what}`,
  )
}
