// Odd cases of a repair: how an acceptor's log is made the leader's before it comes into step, where
// messages are lost, or overtake each other.
import { encodeUtf8 } from '@quorate/core'
import type { Effects } from '@quorate/core'
import { expect } from 'vitest'
import {
  Bench,
  accept,
  accepted,
  ballot,
  entriesOf,
  hardState,
  heartbeatReply,
  promise,
  pulled,
} from './edge-bench.ts'
import type { PaxosMessage } from '../src/messages.ts'
import type { Scenario } from './scenarios.ts'

const b1 = ballot(1, 'b')
const c2 = ballot(2, 'c')

/** What of a repair is said to have come, and whether something is missing after it. */
function part(of: number, index: number, gap = false): PaxosMessage {
  return { ...accepted(of, index), gap, partial: true } as PaxosMessage
}

/** The entries before those that are sent to a peer, message by message. */
function sentTo(peer: string, { send }: Effects<PaxosMessage>): number[] {
  return send.flatMap(({ to, message }) =>
    to === peer && message.type === 'accept' ? [message.prev] : [],
  )
}

export const repairEdges: Readonly<Record<string, Scenario>> = {
  'a repair begins only where both logs hold the same entry'({ tracer }) {
    const bench = new Bench(tracer)
    for (let n = 0; n < 2; n++) {
      bench.from('b', accept(b1, [0, 0], entriesOf(1, b1, b1)))
      bench.persisted()
    }
    const repair = accept(c2, [2, c2], entriesOf(3, c2), { syncTo: 3 })
    bench.from('c', repair)
    bench.persisted()
    const { persist, sendAfterPersist } = bench.from('c', repair)
    expect(persist).toBeUndefined()
    expect(sendAfterPersist[0]?.message).toMatchObject({ type: 'promise', length: 2 })
  },

  'a repair that ends before what is decided here cuts nothing of that'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('c', pulled(b1, 0, 3, entriesOf(1, b1, b1, b1)))
    bench.persisted()
    bench.from('b', accept(b1, [0, 0], entriesOf(1, b1)))
    expect(bench.core.status()).toMatchObject({ commitIndex: 3, lastIndex: 3 })
    const { sendAfterPersist } = bench.from('b', accept(b1, [3, b1], []))
    expect(sendAfterPersist[0]?.message).toMatchObject({ type: 'accepted', index: 3 })
    // Nor need it come that far where it begins: all that the leader adopted is decided here.
    const other = new Bench(tracer)
    other.from('b', pulled(c2, 0, 3, entriesOf(1, b1, b1, b1)))
    const first = other.from('c', accept(c2, [0, 0], entriesOf(1, b1), { syncTo: 3 }))
    const whole = { type: 'accepted', index: 3, partial: false }
    expect(first.sendAfterPersist[0]?.message).toMatchObject(whole)
  },

  'a repair cuts off no entry of its own ballot'({ tracer }) {
    const before = new Bench(tracer)
    // b leads, and cannot be answered: what it decides with c is learned of c, and told to nobody.
    before.from('c', pulled(b1, 0, 1, entriesOf(1, b1)))
    const { hardState: saved } =
      before.from('c', pulled(b1, 1, 3, entriesOf(2, b1, b1))).persist ?? {}
    expect(saved).toBeUndefined()
    const recovered = {
      hardState: hardState(b1, 0, 1),
      lastIndex: 3,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(1, b1, b1, b1),
    }
    const bench = new Bench(tracer, { recovered, appliedIndex: 1 })
    expect(bench.core.status()).toMatchObject({ lastIndex: 3, commitIndex: 1 })
    const { persist, sendAfterPersist } = bench.from('b', accept(b1, [1, b1], entriesOf(2, b1)))
    expect(persist?.hardState).toBeDefined()
    expect(persist?.truncateFrom).toBeUndefined()
    expect(persist?.append).toEqual([])
    expect(sendAfterPersist[0]?.message).toMatchObject({ type: 'accepted', index: 3 })
    // One of a smaller ballot is nobody's word for the end of this one's log.
    const other = new Bench(tracer, { recovered, appliedIndex: 1 })
    other.now = 2_000
    other.from('c', accept(c2, [1, b1], entriesOf(2, b1), { syncTo: 2 }))
    const cut = other.from('c', accept(c2, [1, b1], entriesOf(2, b1), { syncTo: 2 }))
    expect(cut.persist).toMatchObject({ truncateFrom: 3, append: [] })
  },

  'a repair keeps what has come of it when a message overtakes another'({ tracer }) {
    const bench = new Bench(tracer)
    const all = entriesOf(1, b1, b1, b1, b1, b1)
    const send = (prev: number, end = prev + 1): Effects<PaxosMessage> =>
      bench.from('b', accept(b1, [prev, b1], all.slice(prev, end), { syncTo: 5 }))
    const promises = [...send(1).sendAfterPersist, ...send(1).sendAfterPersist]
    expect(promises.map(({ message }) => message.type)).toEqual(['promise', 'promise'])
    // The first that can be joined to this log begins the repair; what comes too early is told once more.
    expect(bench.from('b', accept(b1, [0, 0], all.slice(0, 2), { syncTo: 5 })).send).toEqual([
      { to: 'b', message: part(b1, 2) },
    ])
    expect(send(3).send).toEqual([{ to: 'b', message: part(b1, 2, true) }])
    expect(send(2).send).toEqual([{ to: 'b', message: part(b1, 3) }])
    // The beginning once more, late or because the leader began again, takes nothing back.
    expect(bench.from('b', accept(b1, [0, 0], all.slice(0, 1), { syncTo: 5 })).send).toEqual([
      { to: 'b', message: part(b1, 3) },
    ])
    const { persist } = send(3, 5)
    expect(persist?.append.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5])
    // Nor where it is decided, so that only what comes after it is kept aside.
    const other = new Bench(tracer)
    const first = accept(b1, [0, 0], all.slice(0, 4), { syncTo: 5, decided: 2 })
    other.from('b', first)
    expect(other.from('b', first).send).toEqual([{ to: 'b', message: part(b1, 4) }])
    const again = accept(b1, [0, 0], all.slice(0, 1), { syncTo: 5 })
    expect(other.from('b', again).send).toEqual([{ to: 'b', message: part(b1, 4) }])
  },

  'who lost what it had acknowledged says where it stands, even while it is repaired'({ tracer }) {
    const recovered = {
      hardState: hardState(b1, b1, 0),
      lastIndex: 3,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(1, b1),
      faulty: [{ first: 2, last: 3 }],
    }
    const bench = new Bench(tracer, { recovered })
    bench.now = 5_000
    const repair = (prev: number): Effects<PaxosMessage> =>
      bench.from('c', accept(c2, [prev, b1], entriesOf(prev + 1, b1), { syncTo: 6 }))
    repair(1)
    expect(repair(1).send).toEqual([{ to: 'c', message: part(c2, 2) }])
    const [answer] = repair(4).sendAfterPersist
    expect(answer?.message).toMatchObject({ type: 'promise', floor: { length: 3 } })
  },

  'a leader goes back once for each gap in a repair, and sends nothing twice that has come'({
    tracer,
  }) {
    const tail = entriesOf(1, b1, b1, b1, b1, b1, b1)
    const epochs = [
      { from: 0, epoch: 0 },
      { from: 1, epoch: b1 },
    ]
    const recovered = { hardState: hardState(b1, b1, 0), lastIndex: 6, epochs, tail }
    const limits = { messageBytesMax: 1, inflightMessagesMax: 3 }
    const bench = new Bench(tracer, { recovered, limits })
    bench.lead()
    const { epoch } = bench.core.status()
    expect(sentTo('c', bench.from('c', promise(epoch)))).toEqual([0, 1, 2])
    expect(sentTo('c', bench.from('c', part(epoch, 1)))).toEqual([3])
    expect(sentTo('c', bench.from('c', part(epoch, 1, true)))).toEqual([1, 2, 3])
    // Each message that was on its way when the second was lost says so again.
    expect(sentTo('c', bench.from('c', part(epoch, 1, true)))).toEqual([])
    // What was sent again may be lost as well: in time it is asked, and its answer counts once more.
    bench.now += 1_000
    expect(sentTo('c', bench.from('c', heartbeatReply(epoch, 1)))).toEqual([4])
    expect(sentTo('c', bench.from('c', part(epoch, 1, true)))).toEqual([1, 2, 3])
    expect(sentTo('c', bench.from('c', part(epoch, 3, true)))).toEqual([3, 4, 5])
    // It says anew where it stands, which is at the beginning; then, that it has nearly all.
    expect(sentTo('c', bench.from('c', promise(epoch)))).toEqual([0, 1, 2])
    expect(sentTo('c', bench.from('c', part(epoch, 5)))).toEqual([5])
    // What comes late of a repair that is over moves nothing, and has nothing sent again.
    bench.from('c', accepted(epoch, 6))
    const proposed = bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x')] })
    expect(sentTo('c', proposed)).toEqual([6])
    expect(sentTo('c', bench.from('c', part(epoch, 2, true)))).toEqual([])
    expect(sentTo('c', bench.from('c', part(epoch, 1)))).toEqual([])
  },
}
