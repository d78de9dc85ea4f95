// What a replica starts from: its log and small state as storage holds them, checked against each
// other, since going on from a state that cannot be is worse than not starting.
import type { ConsensusInit, LogIndex } from '@quorate/core'
import { QuorateError, decode, isVoter, membershipCodec } from '@quorate/core'
import type { ReplicaLog } from '@quorate/core/algorithm'
import { configHistory, replicaLog } from '@quorate/core/algorithm'
import { actLater, leadsAlone, mayLead } from './ballot-election.ts'
import { reaches } from './floor.ts'
import type { HardState } from './hard-state.ts'
import { NEVER_TOLD, hardStateCodec } from './hard-state.ts'
import type { ResolvedOptions } from './options.ts'
import { quorumsRefuse } from './quorums.ts'
import { relearned } from './relearn.ts'
import { PaxosState } from './state.ts'

/**
 * The state of a replica as recovered.
 *
 * @throws QuorateError `STORAGE_CORRUPT` where its parts contradict each other, `INVALID_OPTIONS`
 * where the quorums do not fit the members
 */
export function recover(init: ConsensusInit, options: ResolvedOptions): PaxosState {
  const { recovered } = init
  const fresh = recovered.hardState === undefined && recovered.lastIndex === 0
  const hard = recoverHardState(init, fresh)
  // Where the log is damaged it ends for now, so that nothing is read past the damage. What the
  // snapshot holds as well is not missed.
  const base = recovered.snapshot?.index ?? 0
  const damage = recovered.faulty.find(({ last }) => last > base)
  const faultyFrom = damage === undefined ? undefined : Math.max(damage.first, base + 1)
  const lastIndex = faultyFrom === undefined ? recovered.lastIndex : faultyFrom - 1
  const log = recoverLog(init, lastIndex)
  const decided = recoverDecided(init, hard, lastIndex)
  const configs = configHistory(recovered, hard.initial, lastIndex)
  const r = new PaxosState(init, options, hard, log, configs, decided)
  // A state machine that keeps its own state may know of a stop-sign that the hard state does not.
  if (configs.at(hard.decided).membership.version !== r.config) r.accepted = 0
  r.snapshot = recovered.snapshot
  if (faultyFrom !== undefined) {
    // It no longer holds what it accepted: whoever counted it must not be passed over.
    r.mark('paxos/recover/faulty')
    r.leftoverFrom = faultyFrom
    if (r.relearn === undefined) lose(r, init, hard, faultyFrom)
  }
  // What could not be read at one start may be read at the next.
  relearned(r, 0)
  checkMembers(r)
  start(r, fresh)
  return r
}

/** It no longer holds what it accepted, and where that was decided does not know under which members. */
function lose(r: PaxosState, init: ConsensusInit, hard: HardState, faultyFrom: LogIndex): void {
  const lost = { accepted: r.accepted, length: init.recovered.lastIndex }
  if (r.floor === undefined || reaches(lost, r.floor)) r.floor = lost
  const { decided } = hard
  if (faultyFrom > decided) return
  r.mark('paxos/recover/faulty-decided')
  const configMax = latestConfig(init, hard, r.config, faultyFrom)
  r.relearn = { decided, accepted: r.accepted, floor: r.floor, configMax }
  r.accepted = 0
  r.floor = undefined
}

function recoverLog({ recovered, limits }: ConsensusInit, lastIndex: LogIndex): ReplicaLog {
  const { snapshot, faulty, firstIndex, epochs, tail } = recovered
  const bytesMax = limits.logWindowBytesMax
  const damaged = faulty[0]
  if (snapshot === undefined || damaged === undefined || damaged.first > snapshot.index) {
    return replicaLog(firstIndex, lastIndex, epochs, tail, bytesMax)
  }
  const { index, epoch } = snapshot
  const runs = [{ from: index, epoch }, ...epochs.filter(({ from }) => from > index)]
  return replicaLog(index + 1, lastIndex, runs, tail, bytesMax)
}

/**
 * The latest membership that it may have voted under: it did under none whose stop-sign it had not
 * noted as decided, and whatever cannot be read may have been one.
 */
function latestConfig(
  { recovered }: ConsensusInit,
  { decided }: HardState,
  config: number,
  faultyFrom: LogIndex,
): number {
  let [version, index] = [config, faultyFrom - 1]
  for (const entry of recovered.membershipEntries) {
    if (entry.index <= index || entry.index > decided) continue
    version = Math.max(version, decode(membershipCodec, entry.payload).version)
    index = entry.index
  }
  for (const { first, last } of recovered.faulty) {
    version += Math.max(0, Math.min(last, decided) - Math.max(first, index + 1) + 1)
  }
  return version
}

function recoverHardState(init: ConsensusInit, fresh: boolean): HardState {
  const { hardState, lastIndex } = init.recovered
  if (hardState !== undefined) {
    const hard = decode(hardStateCodec, hardState)
    if (hard.decided <= lastIndex) return hard
    throw corrupt(`decided up to ${hard.decided}, but the log ends at ${lastIndex}`)
  }
  if (!fresh) throw corrupt('a log without a hard state')
  const initial = init.bootstrap
  return {
    promised: 0,
    accepted: 0,
    decided: 0,
    blankTo: initial === undefined ? NEVER_TOLD : 0,
    floor: undefined,
    relearn: undefined,
    initial,
  }
}

function recoverDecided(init: ConsensusInit, hard: HardState, lastIndex: LogIndex): LogIndex {
  const { recovered, appliedIndex } = init
  const snapshotIndex = recovered.snapshot?.index ?? 0
  if (appliedIndex < snapshotIndex)
    throw corrupt(`applied up to ${appliedIndex}, before the snapshot`)
  // What was applied may have been lost since.
  const reached = Math.max(
    recovered.lastIndex,
    hard.relearn?.floor.length ?? 0,
    hard.floor?.length ?? 0,
  )
  if (appliedIndex > reached) {
    throw corrupt(`applied up to ${appliedIndex}, but the log ends at ${reached}`)
  }
  if (recovered.firstIndex > snapshotIndex + 1)
    throw corrupt('a log that begins after its snapshot')
  return Math.min(Math.max(hard.decided, snapshotIndex, appliedIndex), lastIndex)
}

function checkMembers(r: PaxosState): void {
  if (r.membership.witnesses.length > 0) {
    throw new QuorateError('INVALID_OPTIONS', 'Paxos has no witnesses: every voter keeps state')
  }
  if (r.config === 0) return
  const refuse = quorumsRefuse(r.membership.voters.length, r.options)
  if (refuse !== undefined) throw new QuorateError('INVALID_OPTIONS', refuse)
}

function start(r: PaxosState, fresh: boolean): void {
  // Removed, and perhaps before those who follow knew of it.
  r.watching = r.config > 0 && !r.blank && !isVoter(r.membership, r.id)
  r.reluctance = r.random.fraction()
  actLater(r)
  if (r.relearn !== undefined) r.actAt = r.now
  if (leadsAlone(r) && mayLead(r)) {
    // Nobody else can lead, so there is nobody to wait for.
    if (r.actAt !== Number.POSITIVE_INFINITY) r.actAt = r.now
  } else if (!fresh) {
    // It may have promised a leader, right before it stopped, to promise nobody else for this long.
    r.silentUntil = r.now + r.options.electionTimeoutMs
    if (mayLead(r)) r.actAt += r.options.electionTimeoutMs
  }
  r.wakeAt = r.actAt
}

function corrupt(what: string): QuorateError {
  return new QuorateError(
    'STORAGE_CORRUPT',
    `the replica's stored state contradicts itself: ${what}`,
  )
}
