// One core under a test's hands, for odd cases by single steps: its time, and a disk that answers
// when it is told to.
import type {
  ConsensusCore,
  DurableState,
  Effects,
  Entry,
  Input,
  Limits,
  MembershipTarget,
  NodeId,
  SnapshotMeta,
  Tracer,
} from '@quorate/core'
import {
  createRandom,
  encode,
  encodeUtf8,
  membershipCodec,
  membershipOf,
  resolveLimits,
  snapshotId,
} from '@quorate/core'
import { ballotOf } from '../src/ballot.ts'
import { hardStateCodec } from '../src/hard-state.ts'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'
import { paxos } from '../src/index.ts'

export const abc: MembershipTarget = { voters: ['a', 'b', 'c'] }

/** The ballot of a round, owned by a, b or c. */
export function ballot(round: number, owner: 'a' | 'b' | 'c'): number {
  return ballotOf({ round, priority: 1, rank: 'abc'.indexOf(owner) })
}

const empty: DurableState = {
  hardState: undefined,
  snapshot: undefined,
  firstIndex: 1,
  lastIndex: 0,
  epochs: [{ from: 0, epoch: 0 }],
  tail: [],
  membershipEntries: [],
  faulty: [],
}

export interface BenchOptions {
  readonly paxos?: PaxosOptions
  readonly limits?: Partial<Limits>
  readonly recovered?: Partial<DurableState>
  readonly appliedIndex?: number
  /** Whether it knows of no members. */
  readonly joins?: boolean
}

/** One core, its time, and a disk that answers when told. */
export class Bench {
  readonly core: ConsensusCore<PaxosMessage>
  now = 0
  seq = 0

  constructor(tracer: Tracer, options: BenchOptions = {}) {
    this.core = paxos(options.paxos ?? {}).create({
      id: 'a',
      group: 'g',
      bootstrap: options.joins === true ? undefined : membershipOf(abc),
      appliedIndex: options.appliedIndex ?? 0,
      now: 0,
      tracer,
      random: createRandom(1),
      limits: resolveLimits(options.limits),
      recovered: { ...empty, ...options.recovered },
    })
  }

  step(input: Input<PaxosMessage>): Effects<PaxosMessage> {
    const effects = this.core.step(input, this.now)
    if (effects.persist !== undefined) this.seq = effects.persist.seq
    return effects
  }

  from(from: NodeId, message: PaxosMessage): Effects<PaxosMessage> {
    return this.step({ type: 'receive', from, message })
  }

  persisted(): Effects<PaxosMessage> {
    return this.step({ type: 'persisted', seq: this.seq })
  }

  /** Lets time pass until the core wants its next tick, and ticks. */
  tick(): Effects<PaxosMessage> {
    this.now = Math.max(this.now, this.core.wakeAt)
    return this.step({ type: 'tick' })
  }

  /** Makes it the leader of its first ballot, which b has promised and c has not. */
  lead(): Effects<PaxosMessage> {
    this.tick()
    for (const from of ['b', 'c'] as const) this.from(from, answer(1))
    if (this.core.status().role !== 'candidate') this.tick()
    this.persisted()
    this.from('b', promise(this.core.status().epoch))
    if (this.core.status().role !== 'leader') throw new Error('it does not lead')
    return this.persisted()
  }
}

/** What a voter answers that misses its leader too. */
export function answer(round: number, decided = 0): PaxosMessage {
  const standing = { happy: false, led: false, priority: 1, decided }
  return { type: 'answer', config: 1, ballot: 0, round, ...standing }
}

export function promise(
  of: number,
  standing: Partial<Extract<PaxosMessage, { type: 'promise' }>> = {},
): PaxosMessage {
  const none = { accepted: 0, length: 0, decided: 0, blank: false, floor: undefined }
  return { type: 'promise', config: 1, ballot: of, ...none, prev: 0, entries: [], ...standing }
}

export function accept(
  of: number,
  prev: readonly [number, number],
  entries: readonly Entry[],
  more: { readonly decided?: number; readonly syncTo?: number } = {},
): PaxosMessage {
  const { decided = 0, syncTo = 0 } = more
  const [index, prevEpoch] = prev
  return { type: 'accept', config: 1, ballot: of, prev: index, prevEpoch, syncTo, decided, entries }
}

export function accepted(of: number, index: number, blank = false): PaxosMessage {
  return { type: 'accepted', config: 1, ballot: of, index, gap: false, partial: false, blank }
}

export function heartbeat(of: number, round: number, decided: number): PaxosMessage {
  const rest = { happy: true, hibernate: false, echo: 0 }
  return { type: 'heartbeat', config: 1, ballot: of, round, decided, ...rest }
}

export function heartbeatReply(
  of: number,
  round: number,
  more: Partial<Extract<PaxosMessage, { type: 'heartbeatReply' }>> = {},
): PaxosMessage {
  const past = { blank: false, briefed: true, hibernating: false, starved: [] }
  const rest = { stamp: 1, priority: 1, decided: 0, ...past }
  return { type: 'heartbeatReply', config: 1, ballot: of, round, ...rest, ...more }
}

export function pulled(
  of: number,
  prev: number,
  decided: number,
  entries: readonly Entry[],
  config = 1,
): PaxosMessage {
  return { type: 'pulled', config, ballot: of, prev, decided, base: undefined, entries }
}

export function entriesOf(first: number, ...epochs: number[]): Entry[] {
  return epochs.map((epoch, at) => ({
    index: first + at,
    epoch,
    kind: 'command',
    payload: encodeUtf8(`${first + at}/${epoch}`),
  }))
}

/** A stop-sign. */
export function stopSign(
  index: number,
  epoch: number,
  members: MembershipTarget,
  version: number,
): Entry {
  const payload = encode(membershipCodec, membershipOf(members, version))
  return { index, epoch, kind: 'membership', payload }
}

export function snapshotAt(index: number, epoch: number, version = 1): SnapshotMeta {
  const id = snapshotId(index, epoch, 1, 1)
  return { id, index, epoch, sizeBytes: 1, checksum: 1, membership: membershipOf(abc, version) }
}

/** A hard state of a member that was there from the start. */
export function hardState(promised: number, took: number, decided: number): Uint8Array {
  const initial = membershipOf(abc)
  const rest = { decided, blankTo: 0, floor: undefined, relearn: undefined, initial }
  return encode(hardStateCodec, { promised, accepted: took, ...rest })
}
