// Whatever a peer sends, a core takes it without throwing: its own assertions, on after every step,
// are about what only it and its driver can break.
import type { ConsensusCore, Effects, Entry, Input } from '@quorate/core'
import {
  createRandom,
  encode,
  membershipCodec,
  membershipOf,
  noTracer,
  resolveLimits,
} from '@quorate/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'

const members = membershipOf({ voters: ['a', 'b', 'c'] })
const other = membershipOf({ voters: ['b', 'c', 'd'], learners: ['a'] }, 2)
const small = fc.nat(6)
const term = fc.oneof(
  { weight: 12, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53 - 1, 2 ** 40) },
)
const flag = fc.boolean()
const peer = fc.constantFrom('a', 'b', 'c', 'd', 'x')

const entries = fc
  .record({
    first: fc.integer({ min: 1, max: 6 }),
    terms: fc.array(fc.nat(4), { maxLength: 3 }),
    members: flag,
  })
  .map(({ first, terms, members: changes }): Entry[] =>
    terms.map((epoch, at) => ({
      index: first + at,
      epoch,
      kind: changes ? 'membership' : 'command',
      payload: changes
        ? encode(membershipCodec, at % 2 === 0 ? other : members)
        : new Uint8Array([epoch]),
    })),
  )

const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc.record({
    type: fc.constant('vote' as const),
    term,
    pre: flag,
    transfer: flag,
    relay: flag,
    candidate: peer,
    lastIndex: small,
    lastTerm: small,
  }),
  fc.record({
    type: fc.constant('voteReply' as const),
    term,
    pre: flag,
    granted: flag,
    candidate: peer,
    voter: peer,
  }),
  fc.record({
    type: fc.constant('append' as const),
    term,
    id: small,
    prevIndex: small,
    prevTerm: small,
    commit: fc.nat(9),
    entries,
  }),
  fc.record({
    type: fc.constant('appendReply' as const),
    term,
    id: small,
    ok: flag,
    index: fc.nat(9),
    hint: fc.nat(9),
    hintTerm: small,
    blank: small,
  }),
  fc.record({
    type: fc.constant('heartbeat' as const),
    term,
    round: small,
    commit: fc.nat(9),
    leaderCommit: fc.nat(9),
    echo: small,
    hibernate: flag,
    vouch: small,
  }),
  fc.record({
    type: fc.constant('heartbeatReply' as const),
    term,
    round: small,
    stamp: small,
    priority: small,
    blank: small,
    hibernating: flag,
    starved: fc.constantFrom([], ['a'], ['c', 'x']),
  }),
  fc.record({ type: fc.constant('commit' as const), term, commit: fc.nat(9) }),
  fc.record({
    type: fc.constant('snapshotOffer' as const),
    term,
    id: small,
    others: fc.constantFrom([], ['c']),
    snapshot: fc.record({
      id: fc.constant('s'),
      index: fc.oneof(small, fc.constant(2 ** 53 - 1)),
      epoch: term,
      sizeBytes: small,
      checksum: small,
      membership: fc.constantFrom(members, other),
    }),
  }),
  fc.record({ type: fc.constantFrom('timeoutNow' as const, 'wake' as const), term }),
  fc.record({ type: fc.constant('refill' as const), term, index: fc.nat(9) }),
  fc.record({ type: fc.constant('read' as const), term, token: small, lease: flag }),
  fc.record({ type: fc.constant('readReply' as const), term, token: small, index: fc.nat(9) }),
)

type Act =
  | { readonly do: 'receive'; readonly from: string; readonly message: RaftMessage }
  | {
      readonly do:
        | 'tick'
        | 'persist'
        | 'propose'
        | 'read'
        | 'change'
        | 'transfer'
        | 'apply'
        | 'fetched'
        | 'refill'
        | 'lead'
    }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('receive' as const),
      from: fc.constantFrom('b', 'c', 'd'),
      message,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'tick' as const,
        'persist',
        'propose',
        'read',
        'change',
        'transfer',
        'apply',
        'fetched',
        'refill',
        'lead',
      ),
    }),
  },
)

function voted(voter: string, epoch: number, pre: boolean): RaftMessage {
  return { type: 'voteReply', term: epoch, pre, granted: true, candidate: 'a', voter }
}

/** A driver that keeps the ordering law, whatever the messages say. */
class Driver {
  readonly core: ConsensusCore<RaftMessage> = raft({ hibernateAfterMs: 200 }).create({
    id: 'a',
    group: 'g',
    bootstrap: members,
    appliedIndex: 0,
    now: 0,
    tracer: noTracer,
    random: createRandom(1),
    limits: resolveLimits({ logWindowBytesMax: 200 }),
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
  })
  now = 0
  seq = 0
  durable = 0
  handed = 0
  applied = 0
  calls = 0
  led = 0
  wish: Effects<RaftMessage>['fetchSnapshot']

  step(input: Input<RaftMessage>): void {
    const effects = this.core.step(input, this.now)
    if (effects.persist !== undefined) this.seq = effects.persist.seq
    if (effects.install !== undefined) this.handed = effects.install.index
    this.handed = effects.apply.at(-1)?.index ?? this.handed
    if (effects.fetchSnapshot !== undefined) this.wish = effects.fetchSnapshot
    for (const { id } of effects.readEntries)
      this.step({ type: 'entriesRead', id, entries: undefined })
    if (this.core.status().role === 'leader') this.led++
  }

  do(what: Act): void {
    const id = ++this.calls
    if (what.do === 'receive')
      this.step({ type: 'receive', from: what.from, message: what.message })
    else if (what.do === 'tick') {
      if (Number.isFinite(this.core.wakeAt)) this.now = Math.max(this.now, this.core.wakeAt)
      this.step({ type: 'tick' })
    } else if (what.do === 'persist' && this.durable < this.seq) {
      this.durable = this.seq
      this.step({ type: 'persisted', seq: this.seq })
    } else if (what.do === 'propose')
      this.step({ type: 'propose', id, commands: [new Uint8Array(3)] })
    else if (what.do === 'read') this.step({ type: 'read', id, mode: 'lease' })
    else if (what.do === 'change')
      this.step({
        type: 'changeMembership',
        id,
        target: { voters: ['a', 'd'] },
        expectedVersion: undefined,
      })
    else if (what.do === 'transfer') this.step({ type: 'transferLeadership', id, to: undefined })
    else if (what.do === 'refill') this.step({ type: 'requestSnapshot', id })
    else if (what.do === 'apply' && this.handed > this.applied) {
      this.applied = this.handed
      this.step({ type: 'applied', index: this.handed })
    } else if (what.do === 'fetched' && this.wish !== undefined) {
      const { snapshot } = this.wish
      this.wish = undefined
      this.step({ type: 'snapshotFetched', snapshot })
    } else if (what.do === 'lead') this.lead()
  }

  /** Wins an election, if it may. */
  lead(): void {
    for (const next of ['tick', 'persist'] as const) this.do({ do: next })
    const { epoch } = this.core.status()
    for (const from of ['b', 'c', 'd']) {
      this.step({ type: 'receive', from, message: voted(from, epoch + 1, true) })
    }
    this.do({ do: 'persist' })
    for (const from of ['b', 'c', 'd']) {
      const now = this.core.status().epoch
      this.step({ type: 'receive', from, message: voted(from, now, false) })
    }
  }
}

test('a core takes anything that a peer may send', () => {
  let led = 0
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const driver = new Driver()
      for (const each of acts) driver.do(each)
      led += driver.led
    }),
    { numRuns: Number(process.env['RAFT_RUNS'] ?? 3_000) },
  )
  expect(led).toBeGreaterThan(100)
})
