// Odd cases at a replica that begins with nothing, by single steps: it may have voted before.
import { decode, encodeUtf8, membershipOf } from '@quorate/core'
import type { Effects } from '@quorate/core'
import { expect } from 'vitest'
import {
  Bench,
  abc,
  accept,
  accepted,
  ballot,
  entriesOf,
  hardState,
  heartbeat,
  heartbeatReply,
  promise,
  pulled,
  snapshotAt,
  stopSign,
} from './edge-bench.ts'
import type { PaxosMessage } from '../src/index.ts'
import { hardStateCodec } from '../src/hard-state.ts'
import type { Scenario } from './scenarios.ts'

const b1 = ballot(1, 'b')
const c2 = ballot(2, 'c')
const more = { ...abc, learners: ['l'] }

/** A replica that began with nothing, and was told by c of the first members and one entry. */
function told(context: Parameters<Scenario>[0]): Bench {
  const bench = new Bench(context.tracer, { joins: true })
  const base = membershipOf(abc)
  bench.from('c', { ...pulled(b1, 0, 1, entriesOf(1, b1)), base } as PaxosMessage)
  bench.persisted()
  expect(bench.core.status()).toMatchObject({ commitIndex: 1, membership: { version: 1 } })
  return bench
}

/** The token of the read that it asks for. */
function askedIn({ send }: Effects<PaxosMessage>): number | undefined {
  const asked = send.find(({ message }) => message.type === 'read')?.message
  return asked?.type === 'read' && !asked.lease ? asked.token : undefined
}

function readReply(token: number | undefined, index: number, config = 1): PaxosMessage {
  return { type: 'readReply', config, ballot: b1, token: token ?? 0, index }
}

/** The first epoch that it may vote in, as it is written. */
function votesFrom({ persist }: Effects<PaxosMessage>): number | undefined {
  if (persist?.hardState === undefined) return undefined
  const { blankTo } = decode(hardStateCodec, persist.hardState)
  return blankTo === Number.MAX_SAFE_INTEGER ? undefined : blankTo + 1
}

/** Whether it says that it counts for nothing, where another leader asks for a promise. */
function isBlank(bench: Bench, config: number): boolean {
  bench.now += 5_000
  const standing = { accepted: 0, length: 0, decided: 0, transfer: true }
  const { sendAfterPersist } = bench.from('c', { type: 'prepare', config, ballot: c2, ...standing })
  const answer = sendAfterPersist[0]?.message
  if (answer?.type !== 'promise') throw new Error('it does not promise')
  return answer.blank
}

export const blankEdges: Readonly<Record<string, Scenario>> = {
  'who began with nothing votes once a leader has answered it, in the epoch after that'(context) {
    const bench = told(context)
    const token = askedIn(bench.from('b', heartbeat(b1, 1, 1)))
    expect(token).toBeDefined()
    // What the leader calls decided is not known here yet.
    expect(votesFrom(bench.from('b', readReply(token, 2)))).toBeUndefined()
    const last = bench.from('b', pulled(b1, 1, 2, entriesOf(2, b1)))
    expect(votesFrom(last)).toBe(2)
    const news = last.sendAfterPersist.map(({ to, message }) => [to, message])
    expect(news).toMatchObject([['b', { type: 'heartbeatReply', round: 0, briefed: true }]])
    // Only what is durable is told.
    const early = bench.from('b', heartbeat(b1, 2, 2)).send.map(({ message }) => message)
    expect(early).toMatchObject([{ type: 'heartbeatReply', briefed: false }])
    bench.persisted()
    const after = bench.from('b', heartbeat(b1, 3, 2)).send.map(({ message }) => message)
    expect(after).toMatchObject([{ type: 'heartbeatReply', briefed: true, blank: true }])
    bench.from('b', pulled(b1, 2, 3, [stopSign(3, b1, more, 2)], 2))
    bench.persisted()
    expect(isBlank(bench, 2)).toBe(false)
  },

  'being told of members by one that lags behind gives no vote'(context) {
    const bench = told(context)
    expect(isBlank(bench, 1)).toBe(true)
    bench.from('c', pulled(c2, 1, 2, [stopSign(2, b1, more, 2)], 2))
    bench.persisted()
    expect(bench.core.status()).toMatchObject({ membership: { version: 2 } })
    const answer = bench.from('c', { ...heartbeat(c2, 1, 2), config: 2 }).send
    expect(answer.find(({ message }) => message.type === 'heartbeatReply')?.message).toMatchObject({
      blank: true,
      briefed: false,
    })
  },

  'an answer that comes when others have followed those members counts for nothing'(context) {
    const bench = told(context)
    const first = askedIn(bench.from('b', heartbeat(b1, 1, 1)))
    bench.from('c', pulled(b1, 1, 2, [stopSign(2, b1, more, 2)], 2))
    expect(votesFrom(bench.from('b', readReply(first, 2)))).toBeUndefined()
    const again = askedIn(bench.from('b', { ...heartbeat(b1, 1, 2), config: 2 }))
    expect(again).not.toBe(first)
    expect(votesFrom(bench.from('b', readReply(first, 2, 2)))).toBeUndefined()
    expect(votesFrom(bench.from('b', readReply(again, 2, 2)))).toBe(3)
    bench.persisted()
    expect(isBlank(bench, 2)).toBe(true)
  },

  'an answer whose entries turn out to hold a stop-sign gives no vote after it'(context) {
    const bench = told(context)
    const token = askedIn(bench.from('b', heartbeat(b1, 1, 1)))
    bench.from('b', readReply(token, 3))
    const rest = [stopSign(2, b1, more, 2), ...entriesOf(3, b1)]
    expect(votesFrom(bench.from('b', pulled(b1, 1, 3, rest, 2)))).toBeUndefined()
    bench.persisted()
    expect(isBlank(bench, 2)).toBe(true)
  },

  'who the members were before its snapshot nobody tells, though its log begins there'({ tracer }) {
    const snapshot = { ...snapshotAt(3, b1, 2), membership: membershipOf(more, 2) }
    const recovered = {
      hardState: hardState(b1, 0, 3),
      snapshot,
      lastIndex: 3,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: [...entriesOf(1, b1), stopSign(2, b1, more, 2), ...entriesOf(3, b1)],
      membershipEntries: [stopSign(2, b1, more, 2)],
    }
    const bench = new Bench(tracer, { recovered, appliedIndex: 3 })
    const pull = { type: 'pull', ballot: 0, first: 1, last: 0 } as const
    const told = bench.from('d', { ...pull, config: 0 })
    expect([...told.send, ...told.sendAfterPersist].map(({ message }) => message)).toMatchObject([
      { type: 'offer', snapshot: { index: 3 } },
    ])
    // Who knows them is given what the log holds.
    const known = bench.from('c', { ...pull, config: 1 })
    expect(known.sendAfterPersist.map(({ message }) => message)).toMatchObject([
      { type: 'pulled', prev: 0, base: undefined },
    ])
  },

  'a question that was lost is asked again, of a new leader at once'(context) {
    const bench = told(context)
    const first = askedIn(bench.from('b', heartbeat(b1, 1, 1)))
    expect(askedIn(bench.from('b', heartbeat(b1, 2, 1)))).toBeUndefined()
    bench.now += 5_000
    expect(askedIn(bench.from('b', heartbeat(b1, 3, 1)))).toBe(first)
    bench.now += 5_000
    bench.from('c', heartbeat(c2, 1, 1))
    bench.persisted()
    expect(askedIn(bench.from('c', heartbeat(c2, 1, 1)))).toBe(first)
    expect(votesFrom(bench.from('c', { ...readReply(first, 1), ballot: c2 }))).toBe(2)
  },

  'who lost its disk while its leader went on says so with its first acceptance'(context) {
    const bench = told(context)
    const { sendAfterPersist } = bench.from('b', accept(b1, [1, b1], entriesOf(2, b1)))
    const acceptance = { type: 'accepted', index: 2, blank: true }
    expect(sendAfterPersist.map(({ message }) => message)).toMatchObject([acceptance])
  },

  'what a voter without its past accepts decides nothing, whatever else of it arrives late'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { epoch } = bench.core.status()
    const put = (id: number): void => {
      bench.step({ type: 'propose', id, commands: [encodeUtf8('x')] })
      bench.persisted()
    }
    put(1)
    bench.from('b', accepted(epoch, 1, true))
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('b', accepted(epoch, 1))
    bench.from('b', heartbeatReply(epoch, 1, { briefed: false }))
    bench.from('b', promise(epoch))
    put(2)
    bench.from('b', accepted(epoch, 2))
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('c', promise(epoch))
    bench.from('c', accepted(epoch, 2))
    expect(bench.core.status().commitIndex).toBe(2)
  },
}
