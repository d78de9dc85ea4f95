// Odd cases at a replica whose log is damaged among what was decided: until it knows that again it
// does not know under which members it had voted, and says nothing; then its vote is what it was.
import { membershipOf } from '@quorate/core'
import type { DurableState, Effects, Entry } from '@quorate/core'
import { expect } from 'vitest'
import {
  Bench,
  abc,
  accept,
  answer,
  ballot,
  entriesOf,
  hardState,
  heartbeat,
  pulled,
  snapshotAt,
  stopSign,
} from './edge-bench.ts'
import type { PaxosMessage } from '../src/index.ts'
import type { Scenario, ScenarioContext } from './scenarios.ts'

const b1 = ballot(1, 'b')
const c2 = ballot(2, 'c')

/** A log of five entries, three of which were known to be decided, and the second cannot be read. */
const damaged: Partial<DurableState> = {
  hardState: hardState(b1, b1, 3),
  lastIndex: 5,
  epochs: [
    { from: 0, epoch: 0 },
    { from: 1, epoch: b1 },
  ],
  tail: entriesOf(3, b1, b1, b1),
  faulty: [{ first: 2, last: 2 }],
}

function start({ tracer }: ScenarioContext, recovered = damaged, appliedIndex = 0): Bench {
  return new Bench(tracer, { recovered, appliedIndex })
}

function prepare(config = 1): PaxosMessage {
  const standing = { accepted: 0, length: 0, decided: 0, transfer: true } as const
  return { type: 'prepare', config, ballot: c2, ...standing }
}

function saidIn({ send, sendAfterPersist }: Effects<PaxosMessage>): PaxosMessage[] {
  return [...send, ...sendAfterPersist].map(({ message }) => message)
}

/** What it promises of, once no lease of before its start can hold. */
function standingOf(bench: Bench, config: number): PaxosMessage | undefined {
  bench.now += 5_000
  return saidIn(bench.from('c', prepare(config))).find(({ type }) => type === 'promise')
}

function decidedBy(ballotOf: number, entries: readonly Entry[], config: number): PaxosMessage {
  const last = entries[entries.length - 1]?.index ?? 0
  return pulled(ballotOf, (entries[0]?.index ?? 0) - 1, last, entries, config)
}

/** What a snapshot that stands where all is known again says of the members, and what comes of it. */
function standingAfterSnapshot(context: ScenarioContext, version: number): unknown {
  const bench = start(context)
  const snapshot = { ...snapshotAt(4, b1), membership: membershipOf(abc, version) }
  bench.from('b', { type: 'offer', config: version, ballot: b1, snapshot, others: [] })
  bench.step({ type: 'snapshotFetched', snapshot })
  expect(bench.core.status()).toMatchObject({ commitIndex: 4, membership: { version } })
  return standingOf(bench, version)
}

export const relearnEdges: Readonly<Record<string, Scenario>> = {
  'who lost a decided entry says nothing before it knows it, and then is what it was'(context) {
    const bench = start(context)
    expect(bench.core.status()).toMatchObject({ lastIndex: 1, commitIndex: 1, epoch: b1 })
    expect(saidIn(bench.tick())).toMatchObject([{ type: 'pull', first: 2, last: 0 }])
    bench.now = 5_000
    const heard: PaxosMessage[] = [
      prepare(),
      accept(b1, [1, b1], entriesOf(2, b1)),
      accept(b1, [5, b1], []),
      heartbeat(b1, 1, 3),
      { type: 'inspect', config: 1, ballot: b1, token: 1 },
      { type: 'ask', config: 1, ballot: b1, round: 1 },
    ]
    const said = heard.flatMap((message) => saidIn(bench.from('b', message)))
    expect(new Set(said.map(({ type }) => type))).toEqual(new Set(['pull']))
    const first = bench.from('b', pulled(b1, 1, 4, entriesOf(2, b1)))
    expect(first.persist).toMatchObject({ truncateFrom: 2, append: [{ index: 2 }] })
    bench.from('b', pulled(b1, 2, 4, entriesOf(3, b1)))
    const floor = { accepted: b1, length: 5 }
    const standing = { accepted: b1, length: 3, decided: 3, blank: false, floor }
    expect(standingOf(bench, 1)).toMatchObject(standing)
  },

  'who has learned half of it and starts again still says nothing'(context) {
    const before = start(context)
    const { persist } = before.from('b', pulled(b1, 1, 4, entriesOf(2, b1)))
    const { hardState: written } = persist ?? {}
    const recovered = { ...damaged, hardState: written, lastIndex: 2, faulty: [] }
    // The state machine may have applied what the log then lost.
    const bench = start(context, { ...recovered, tail: entriesOf(1, b1, b1) }, 3)
    expect(standingOf(bench, 1)).toBeUndefined()
    bench.from('b', pulled(b1, 2, 4, entriesOf(3, b1)))
    const floor = { accepted: b1, length: 5 }
    expect(standingOf(bench, 1)).toMatchObject({ accepted: b1, blank: false, floor })
  },

  'who finds its log whole at the next start has its vote at once where all of it was applied'(
    context,
  ) {
    const before = start(context)
    const { persist } = before.from('b', pulled(c2, 1, 2, entriesOf(2, b1)))
    const whole = { ...damaged, hardState: persist?.hardState, faulty: [] }
    const standing = { accepted: b1, length: 5, blank: false, floor: undefined }
    expect(standingOf(start(context, whole, 3), 1)).toMatchObject(standing)
    expect(standingOf(start(context, whole, 2), 1)).toBeUndefined()
  },

  'a vote was of the epoch that the lost entries turn out to have begun'(context) {
    const bench = start(context)
    const entries = [stopSign(2, b1, abc, 2), ...entriesOf(3, b1)]
    bench.from('b', decidedBy(b1, entries, 2))
    const floor = { accepted: b1, length: 5 }
    expect(standingOf(bench, 2)).toMatchObject({ accepted: b1, blank: false, floor })
  },

  'the lease that it may have granted in that epoch binds it still'(context) {
    const bench = start(context)
    bench.from('b', decidedBy(b1, [stopSign(2, b1, abc, 2), ...entriesOf(3, b1)], 2))
    bench.persisted()
    expect(saidIn(bench.from('c', { ...prepare(2), transfer: false } as PaxosMessage))).toEqual([])
    bench.now = 1_100
    const late = saidIn(bench.from('c', { ...prepare(2), transfer: false } as PaxosMessage))
    expect(late).toMatchObject([{ type: 'promise', blank: false }])
  },

  'what it had accepted says nothing in an epoch that it did not know to have begun'(context) {
    const bench = start(context)
    bench.from('b', decidedBy(b1, [...entriesOf(2, b1, b1), stopSign(4, b1, abc, 2)], 2))
    expect(standingOf(bench, 2)).toMatchObject({ accepted: 0, blank: false, floor: undefined })
  },

  'a snapshot of the members that it knew leaves its vote as it was'(context) {
    const floor = { accepted: b1, length: 5 }
    expect(standingAfterSnapshot(context, 1)).toMatchObject({ accepted: b1, blank: false, floor })
  },

  'a snapshot of members that it may have voted under takes its vote'(context) {
    expect(standingAfterSnapshot(context, 2)).toMatchObject({ accepted: 0, blank: true })
  },

  'a snapshot of members that came later gives it a new vote'(context) {
    const standing = { accepted: 0, blank: false, floor: undefined }
    expect(standingAfterSnapshot(context, 3)).toMatchObject(standing)
  },

  'a state machine that had applied more than the snapshot that its log needs goes on'(context) {
    const ahead = start(context, damaged, 5)
    const snapshot = snapshotAt(4, b1)
    ahead.from('b', { type: 'offer', config: 1, ballot: b1, snapshot, others: [] })
    const { persist, install } = ahead.step({ type: 'snapshotFetched', snapshot })
    expect(persist).toMatchObject({ snapshot, compactTo: 4, truncateFrom: 2 })
    expect(install).toBeUndefined()
    expect(ahead.core.status()).toMatchObject({ commitIndex: 4, appliedIndex: 5 })
    const { apply } = ahead.from('b', pulled(b1, 4, 6, entriesOf(5, b1, b1)))
    const { apply: later } = ahead.persisted()
    expect([...apply, ...later].map(({ index }) => index)).toEqual([6])
    const behind = start(context, damaged, 1)
    behind.from('b', { type: 'offer', config: 1, ballot: b1, snapshot, others: [] })
    expect(behind.step({ type: 'snapshotFetched', snapshot }).install).toEqual(snapshot)
  },

  'who has to learn entries again asks one member after the other, and takes over nothing'(
    context,
  ) {
    const bench = start(context)
    const asked = new Set<string>()
    for (let n = 0; n < 6; n++) {
      for (const { to, message } of bench.tick().send) {
        expect(message).toMatchObject({ type: 'pull', first: 2 })
        asked.add(to)
      }
    }
    expect(asked).toEqual(new Set(['b', 'c']))
    for (const id of ['b', 'c']) bench.from(id, answer(1))
    expect(bench.core.status()).toMatchObject({ role: 'follower', epoch: b1 })
  },
}
