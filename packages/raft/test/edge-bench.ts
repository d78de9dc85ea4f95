// One core under a test's hands, for odd cases by single steps: its time, and a disk that answers
// when it is told to.
import type {
  ConsensusCore,
  ConsensusInit,
  Effects,
  Entry,
  Input,
  Limits,
  NodeId,
  SnapshotMeta,
  Tracer,
} from '@quorate/core'
import { createRandom, encodeUtf8, membershipOf, resolveLimits, snapshotId } from '@quorate/core'
import type { AppendRequest, RaftMessage, RaftOptions, VoteReply } from '../src/index.ts'
import { raft } from '../src/index.ts'

const members = membershipOf({ voters: ['a', 'b', 'c'] })

/** One core, its time, and a disk that answers when told. */
export class Bench {
  readonly core: ConsensusCore<RaftMessage>
  now = 0
  seq = 0

  constructor(tracer: Tracer, options: RaftOptions = {}, limits: Partial<Limits> = {}) {
    const init: ConsensusInit = {
      id: 'a',
      group: 'g',
      bootstrap: members,
      appliedIndex: 0,
      now: 0,
      tracer,
      random: createRandom(1),
      limits: resolveLimits(limits),
      recovered: {
        hardState: undefined,
        snapshot: undefined,
        firstIndex: 1,
        lastIndex: 0,
        epochs: [{ from: 0, epoch: 0 }],
        tail: [],
        membershipEntries: [],
        faulty: [],
      },
    }
    this.core = raft(options).create(init)
  }

  step(input: Input<RaftMessage>): Effects<RaftMessage> {
    const effects = this.core.step(input, this.now)
    if (effects.persist !== undefined) this.seq = effects.persist.seq
    return effects
  }

  from(from: NodeId, message: RaftMessage): Effects<RaftMessage> {
    return this.step({ type: 'receive', from, message })
  }

  persisted(): Effects<RaftMessage> {
    return this.step({ type: 'persisted', seq: this.seq })
  }

  /** Makes it the leader of term 1, its first entry durable. */
  lead(): void {
    this.now = Math.max(this.now, this.core.wakeAt)
    this.step({ type: 'tick' })
    this.from('b', {
      type: 'voteReply',
      term: 1,
      pre: true,
      granted: true,
      candidate: 'a',
      voter: 'b',
    })
    this.persisted()
    this.from('b', {
      type: 'voteReply',
      term: 1,
      pre: false,
      granted: true,
      candidate: 'a',
      voter: 'b',
    })
    this.persisted()
    if (this.core.status().role !== 'leader') throw new Error('it does not lead')
  }
}

/** A voter's answer to `a`, which campaigns in term 1. */
export function voted(voter: NodeId, granted: boolean): VoteReply {
  return { type: 'voteReply', term: 1, pre: false, granted, candidate: 'a', voter }
}

export function entriesOf(first: number, ...terms: number[]): Entry[] {
  return terms.map((epoch, at) => ({
    index: first + at,
    epoch,
    kind: 'command',
    payload: encodeUtf8(`${first + at}/${epoch}`),
  }))
}

export function append(
  term: number,
  prev: readonly [number, number],
  entries: Entry[],
  commit = 0,
): AppendRequest {
  const [prevIndex, prevTerm] = prev
  return { type: 'append', term, id: 1, prevIndex, prevTerm, commit, entries }
}

export function snapshotAt(index: number, epoch: number): SnapshotMeta {
  const id = snapshotId(index, epoch, 1, 1)
  return { id, index, epoch, sizeBytes: 1, checksum: 1, membership: members }
}
