// A second replica in the same state, and the state as canonical bytes: what an exploration of every
// order of events branches with, and by what it knows a state again.
import type { ByteWriter, ConsensusFactory } from '@quorate/core'
import { PaxosCore } from './core.ts'
import { paxos } from './index.ts'
import type { PaxosMessage } from './messages.ts'
import type { PaxosOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { recover } from './recover.ts'
import type { Pulling, Standing } from './state.ts'
import { PaxosState } from './state.ts'

/**
 * {@link paxos}, with cores that an explorer can branch from.
 *
 * @param asks - whether replicas ask their neighbours before they prepare; where not, every order of
 * duelling proposers is within reach of a few steps
 */
export function explorablePaxos(
  options: PaxosOptions = {},
  asks = true,
): ConsensusFactory<PaxosMessage> {
  const resolved = { ...resolveOptions(options), asks }
  return { ...paxos(options), create: (init) => new ExplorablePaxosCore(recover(init, resolved)) }
}

class ExplorablePaxosCore extends PaxosCore {
  /** An independent copy; the randomness is shared. */
  clone(): ExplorablePaxosCore {
    return new ExplorablePaxosCore(cloneState(this.r))
  }

  /** Writes all that the replica's future depends on, in a canonical form. */
  fingerprint(writer: ByteWriter): void {
    writeFingerprint(writer, this.r)
  }
}

// Fields whose values a copy may share, because nobody changes them in place.
let sharedFields: readonly (keyof PaxosState)[] | undefined

// Made by the constructor, or copied below.
const ownFields: ReadonlySet<string> = new Set([
  'log',
  'configs',
  'out',
  'matchOf',
  'roundOf',
  'peers',
  'progress',
  'promises',
  'answers',
  'starvedAt',
  'donations',
  'applyInflight',
  'undecided',
  'rounds',
  'stamps',
  'reads',
  'inspections',
])

/**
 * An independent copy; the randomness is shared. Made by the constructor, so that copies have the
 * shape that all code is compiled for: an exploration makes millions of them.
 */
function cloneState(r: PaxosState): PaxosState {
  const { promised, accepted, decided, blankTo, floor, relearn, initial } = r
  const hard = { promised, accepted, decided, blankTo, floor, relearn, initial }
  const { id, limits, random, tracer, now, applied } = r
  const context = { id, limits, random, tracer, now, appliedIndex: applied }
  const copy = new PaxosState(context, r.options, hard, r.log.clone(), r.configs.clone(), decided)
  sharedFields ??= (Object.keys(r) as (keyof PaxosState)[]).filter((name) => !ownFields.has(name))
  for (const name of sharedFields) copy[name as 'now'] = r[name as 'now']
  for (const p of r.peers) {
    const own = p.clone()
    copy.peers.push(own)
    copy.progress.set(p.id, own)
  }
  fill(copy.promises, r.promises)
  fill(copy.answers, r.answers)
  fill(copy.starvedAt, r.starvedAt)
  fill(copy.donations, r.donations)
  copy.applyInflight.take(r.applyInflight)
  copy.undecided.take(r.undecided)
  copy.rounds.push(...r.rounds)
  copy.stamps.push(...r.stamps)
  copy.reads.take(r.reads)
  copyInspections(copy, r)
  copyUnderWay(copy, r)
  return copy
}

function fill<K, V>(to: Map<K, V>, from: ReadonlyMap<K, V>): void {
  if (from.size > 0) for (const [key, value] of from) to.set(key, value)
}

function copyInspections(copy: PaxosState, r: PaxosState): void {
  for (const [token, each] of r.inspections) {
    copy.inspections.set(token, { ...each, lengths: new Map(each.lengths) })
  }
}

function copyUnderWay(copy: PaxosState, r: PaxosState): void {
  const { adoption, repair, transfer, pulling, refill, change } = r
  if (adoption !== undefined) copy.adoption = { ...adoption, entries: [...adoption.entries] }
  if (repair !== undefined) copy.repair = { ...repair, entries: [...repair.entries] }
  if (transfer !== undefined) copy.transfer = { ...transfer }
  if (pulling !== undefined) copy.pulling = clonePulling(pulling)
  if (refill !== undefined) copy.refill = { ...refill }
  if (change !== undefined) copy.change = { ...change, joiners: new Map(change.joiners) }
}

function clonePulling({ stretches, target, failed }: Pulling): Pulling {
  return {
    stretches: stretches.map((each) => ({ ...each, entries: [...each.entries] })),
    target,
    failed: new Set(failed),
  }
}

/**
 * Writes all that the replica's future depends on. Of times, only what they decide; of what storage
 * and driver hold anyway, nothing.
 */
function writeFingerprint(writer: ByteWriter, r: PaxosState): void {
  writer.text(`${r.role} ${r.leader ?? ''} ${r.grantedTo ?? ''}`)
  for (const value of [
    r.config,
    r.promised,
    r.accepted,
    r.blankTo,
    r.floor?.accepted ?? 0,
    r.floor?.length ?? 0,
    r.relearn?.decided ?? 0,
    r.relearn?.accepted ?? 0,
    r.relearn?.floor.length ?? 0,
    r.seen,
    r.decided,
    r.applying,
    r.applied,
    r.log.stableIndex,
    r.log.windowFirst,
    r.savedDecided,
    r.leftoverFrom ?? 0,
    r.seq - r.durableSeq,
    Math.max(0, r.promiseSeq - r.durableSeq),
    Math.max(0, r.acceptedSeq - r.durableSeq),
    Math.max(0, r.briefedSeq - r.durableSeq),
    r.fetch?.snapshot.index ?? 0,
    r.askRound,
    r.patience,
  ]) {
    writer.varint(value)
  }
  writer.uint8(
    flag(r.hibernating, 0) |
      flag(r.transferring, 1) |
      flag(r.now < r.silentUntil, 2) |
      flag(r.now < r.grantedUntil, 3) |
      flag(r.now < r.contentUntil, 4) |
      flag(r.now >= r.actAt, 5) |
      flag(r.now < r.leaseUntil, 6) |
      flag(r.stalled, 7),
  )
  writer.uint8(
    flag(r.asking, 0) |
      flag(r.watching, 1) |
      flag(r.now >= r.resendAt, 2) |
      flag(r.now >= r.prepareDeadline, 3),
  )
  for (const run of r.log.runs()) {
    writer.varint(run.from)
    writer.varint(run.epoch)
  }
  writeUnderWay(writer, r)
  writeReads(writer, r)
  if (r.role === 'leader') writeLeader(writer, r)
}

function writeUnderWay(writer: ByteWriter, r: PaxosState): void {
  const { adoption, repair, change, transfer, pulling, refill, briefing } = r
  if (briefing !== undefined) writer.text(`${briefing.config} ${briefing.index ?? ''}`)
  for (const id of [...r.promises.keys()].sort()) {
    const { accepted, length, decided, blank, floor } = r.promises.get(id) as Standing
    const lost = floor === undefined ? '' : `${floor.accepted} ${floor.length}`
    writer.text(`${id} ${accepted} ${length} ${decided} ${String(blank)} ${lost}`)
  }
  for (const id of [...r.answers.keys()].sort()) {
    const answer = r.answers.get(id)
    writer.text(`${id} ${String(answer?.happy)} ${answer?.priority}`)
  }
  writer.text(
    adoption === undefined
      ? ''
      : `${adoption.from} ${adoption.next} ${adoption.last} ${adoption.entries.length}`,
  )
  writer.text(repair === undefined ? '' : `${repair.first} ${repair.entries.length}`)
  writer.text(change === undefined ? '' : `${change.id ?? ''} ${change.stage}`)
  for (const [id, index] of change?.joiners ?? []) writer.text(`${id} ${index}`)
  writer.text(transfer === undefined ? '' : `${transfer.to} ${String(transfer.told)}`)
  writer.varint(pulling?.target ?? 0)
  for (const { next, last, from, entries } of pulling?.stretches ?? []) {
    writer.text(`${next} ${last} ${from ?? ''} ${entries.length}`)
  }
  for (const id of [...(pulling?.failed ?? [])].sort()) writer.text(id)
  if (refill !== undefined) {
    const { id, after, asked, installed } = refill
    writer.text(`${id} ${after} ${asked} ${installed}`)
  }
}

function writeReads(writer: ByteWriter, r: PaxosState): void {
  writer.varint(r.reads.led.length)
  for (const { from, id, index, round } of r.reads.led) {
    writer.text(`${from} ${id} ${index} ${round}`)
  }
  writer.varint(r.reads.forwarded.size)
  for (const { id, token } of r.reads.forwarded.values()) writer.text(`${id} ${token}`)
  for (const { id, lengths } of r.inspections.values()) {
    writer.text(`${id} ${[...lengths].map((each) => each.join()).join(' ')}`)
  }
}

function writeLeader(writer: ByteWriter, r: PaxosState): void {
  writer.varint(r.adopted)
  writer.varint(r.syncIndex)
  writer.varint(r.round)
  writer.varint(r.confirmedRound)
  for (const p of r.peers) writeProgress(writer, r, p)
}

function writeProgress(writer: ByteWriter, r: PaxosState, p: Progress): void {
  for (const value of [
    p.match,
    p.next,
    p.gapAt + 1,
    p.inflight.count,
    p.inflight.bytes,
    p.told,
    p.decided,
    p.round,
    p.state.length,
  ]) {
    writer.varint(value)
  }
  writer.uint8(
    flag(p.inStep, 0) |
      flag(p.blank, 1) |
      flag(p.briefed, 6) |
      flag(p.hibernating, 2) |
      flag(p.reading > 0, 3) |
      flag(r.now - p.movedAt >= r.options.heartbeatIntervalMs, 4) |
      flag(r.now - p.heardAt < r.options.electionTimeoutMs, 5),
  )
}

function flag(set: boolean, bit: number): number {
  return set ? 1 << bit : 0
}
