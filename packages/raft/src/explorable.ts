// A second replica in the same state, and the state as canonical bytes: what an exploration of every
// order of events branches with, and by what it knows a state again.
import type { ByteWriter, ConsensusFactory } from '@quorate/core'
import { RaftCore } from './core.ts'
import { raft } from './index.ts'
import type { RaftMessage } from './messages.ts'
import type { RaftOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { recover } from './recover.ts'
import { RaftState, matchesOf, roundsOf } from './state.ts'

/** {@link raft}, with cores that an explorer can branch from. */
export function explorableRaft(options: RaftOptions = {}): ConsensusFactory<RaftMessage> {
  const resolved = resolveOptions(options)
  return { ...raft(options), create: (init) => new ExplorableRaftCore(recover(init, resolved)) }
}

class ExplorableRaftCore extends RaftCore {
  /** An independent copy; the randomness is shared. */
  clone(): ExplorableRaftCore {
    return new ExplorableRaftCore(cloneState(this.r))
  }

  /** Writes all that the replica's future depends on, in a canonical form. */
  fingerprint(writer: ByteWriter): void {
    writeFingerprint(writer, this.r)
  }
}

/**
 * An independent copy; the randomness is shared, and so is the outbox, which is empty between steps.
 * Copied field by field, because an exploration makes millions of them.
 */
function cloneState(r: RaftState): RaftState {
  const copy = Object.create(RaftState.prototype) as RaftState
  const peers = r.peers.length === 0 ? r.peers : r.peers.map((p) => p.clone())
  return Object.assign(copy, r, {
    log: r.log.clone(),
    configs: r.configs.clone(),
    matchOf: matchesOf(copy),
    roundOf: roundsOf(copy),
    peers,
    progress: new Map(peers.map((p) => [p.id, p])),
    votes: new Map(r.votes),
    applyInflight: r.applyInflight.clone(),
    uncommitted: r.uncommitted.clone(),
    rounds: [...r.rounds],
    stamps: [...r.stamps],
    starvedAt: new Map(r.starvedAt),
    reads: r.reads.clone(),
    transfer: r.transfer === undefined ? undefined : { ...r.transfer },
    change: r.change === undefined ? undefined : { ...r.change },
    refill: r.refill === undefined ? undefined : { ...r.refill },
  })
}

/**
 * Writes all that the replica's future depends on. Of times, only what they decide; of what storage
 * and driver hold anyway, nothing.
 */
function writeFingerprint(writer: ByteWriter, r: RaftState): void {
  writer.text(`${r.role} ${r.vote ?? ''} ${r.leader ?? ''}`)
  for (const value of [
    r.term,
    r.commitIndex,
    r.applying,
    r.applied,
    r.log.stableIndex,
    r.log.windowFirst,
    r.savedCommit,
    r.floorIndex,
    r.floorTerm,
    r.leftoverFrom ?? 0,
    r.seq - r.durableSeq,
    Math.max(0, r.voteSeq - r.durableSeq),
    Math.max(0, r.vouchSeq - r.durableSeq),
    r.fetch?.snapshot.index ?? 0,
    r.change?.id ?? 0,
    r.refill === undefined ? 0 : r.refill.installed + 1,
  ]) {
    writer.varint(value)
  }
  writer.uint8(
    flag(r.blank, 0) |
      flag(r.hibernating, 1) |
      flag(r.transferring, 2) |
      flag(r.now < r.silentUntil, 3) |
      flag(r.now < r.heardAt + r.options.electionTimeoutMs, 4) |
      flag(r.now >= r.electionDeadline, 5) |
      flag(r.now < r.leaseUntil, 6) |
      flag(r.stalled, 7),
  )
  writer.text(r.transfer === undefined ? '' : `${r.transfer.to} ${String(r.transfer.told)}`)
  writer.text(`${String(r.relaying)} ${r.via ?? ''}`)
  if (r.blank || r.durableSeq < r.vouchSeq) {
    writer.varint(r.memory)
    writer.varint(r.verified)
  }
  for (const run of r.log.runs()) {
    writer.varint(run.from)
    writer.varint(run.epoch)
  }
  for (const id of [...r.votes.keys()].sort()) writer.text(`${id} ${String(r.votes.get(id))}`)
  writeReads(writer, r)
  if (r.role === 'leader') writeLeader(writer, r)
}

function writeReads(writer: ByteWriter, r: RaftState): void {
  writer.varint(r.reads.led.length)
  for (const { from, id, index, round } of r.reads.led)
    writer.text(`${from} ${id} ${index} ${round}`)
  writer.varint(r.reads.forwarded.size)
  for (const { id, token } of r.reads.forwarded.values()) writer.text(`${id} ${token}`)
}

function writeLeader(writer: ByteWriter, r: RaftState): void {
  writer.varint(r.termStart)
  writer.varint(r.appendId)
  writer.varint(r.round)
  writer.varint(r.confirmedRound)
  for (const p of r.peers) writeProgress(writer, r, p)
}

function writeProgress(writer: ByteWriter, r: RaftState, p: Progress): void {
  for (const value of [
    p.match,
    p.next,
    p.inflight.count,
    p.inflight.bytes,
    p.staleUpTo,
    p.answered,
    p.told,
    p.round,
    p.offered,
    p.vouchIndex,
    p.vouchRound,
    p.memory,
    p.state.length,
  ]) {
    writer.varint(value)
  }
  writer.uint8(
    flag(p.probing, 0) |
      flag(p.blank, 1) |
      flag(p.hibernating, 2) |
      flag(p.reading > 0, 3) |
      flag(r.now - p.movedAt >= r.options.heartbeatIntervalMs, 4) |
      flag(r.now - p.heardAt < r.options.electionTimeoutMs, 5),
  )
}

function flag(set: boolean, bit: number): number {
  return set ? 1 << bit : 0
}
