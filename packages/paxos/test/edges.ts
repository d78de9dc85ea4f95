// Odd cases at one core, by single steps: what a network or a disk does once in a year.
import { encodeUtf8, membershipOf } from '@quorate/core'
import { expect } from 'vitest'
import {
  Bench,
  abc,
  accept,
  accepted,
  answer,
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
import { blankEdges } from './edges-blank.ts'
import { relearnEdges } from './edges-relearn.ts'
import { repairEdges } from './edges-repair.ts'
import type { PaxosMessage } from '../src/messages.ts'
import type { Scenario } from './scenarios.ts'

const b1 = ballot(1, 'b')
const c2 = ballot(2, 'c')

export const edges: Readonly<Record<string, Scenario>> = {
  ...blankEdges,
  ...relearnEdges,
  ...repairEdges,

  'who waits to be replaced does not take over, though its leader asks it to'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', accept(b1, [0, 0], []))
    bench.persisted()
    bench.step({ type: 'requestSnapshot', id: 1 })
    bench.from('b', { type: 'takeOver', config: 1, ballot: b1 })
    expect(bench.core.status()).toMatchObject({ role: 'follower', epoch: b1 })
  },

  'what no leader can have sent changes nothing'({ tracer }) {
    const bench = new Bench(tracer)
    const nonsense = [
      accept(b1, [0, 0], entriesOf(2, b1)),
      accept(b1, [0, 0], entriesOf(1, c2)),
      accept(c2, [0, 0], entriesOf(1, c2, b1)),
      accept(b1, [0, 0], [{ index: 1, epoch: b1, kind: 'membership', payload: encodeUtf8('?') }]),
      accept(b1, [0, 0], entriesOf(1, b1), { syncTo: 2 ** 40 }),
    ]
    for (const message of nonsense) {
      bench.from('b', message)
      expect(bench.core.status()).toMatchObject({ lastIndex: 0, commitIndex: 0, epoch: 0 })
    }
  },

  'decided entries of a smaller ballot than those before them are not taken'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', pulled(c2, 0, 1, entriesOf(1, c2)))
    bench.from('b', pulled(c2, 1, 2, entriesOf(2, b1)))
    expect(bench.core.status()).toMatchObject({ lastIndex: 1, commitIndex: 1 })
  },

  'a leader that stood still does not trust its lease, nor that nobody answers'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { epoch } = bench.core.status()
    bench.tick()
    bench.from('b', heartbeatReply(epoch, 2))
    expect(bench.step({ type: 'read', id: 1, mode: 'lease' }).reads).toHaveLength(1)
    bench.now += 400
    bench.step({ type: 'tick' })
    expect(bench.core.status().role).toBe('leader')
    expect(bench.step({ type: 'read', id: 2, mode: 'lease' }).reads).toHaveLength(0)
  },

  'a follower that stood still hears its leader before it looks for another'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', accept(b1, [0, 0], []))
    bench.persisted()
    bench.from('b', heartbeat(b1, 1, 0))
    bench.now += 5_000
    expect(bench.step({ type: 'tick' }).send).toHaveLength(0)
    // Once only: a process that is always late acts in the end.
    bench.now = bench.core.wakeAt + 5_000
    expect(bench.step({ type: 'tick' }).send[0]?.message.type).toBe('ask')
  },

  'what was asked of donors and came from the leader is asked of nobody any more'({ tracer }) {
    const bench = new Bench(tracer)
    const all = entriesOf(1, b1, b1, b1, b1, b1, b1, b1, b1, b1, b1)
    const first = bench.from('c', answer(1, 10)).send
    expect(first.map(({ to, message }) => [to, message.type])).toEqual([['c', 'pull']])
    const more = bench.from('c', pulled(b1, 0, 10, all.slice(0, 2))).send
    expect(more.map(({ message }) => message)).toMatchObject([
      { type: 'pull', first: 3, last: 4 },
      { type: 'pull', first: 5, last: 6 },
    ])
    bench.from('b', accept(b1, [2, b1], all.slice(2), { decided: 10 }))
    expect(bench.core.status()).toMatchObject({ commitIndex: 10 })
    // Another epoch has begun, of which only donors can tell.
    bench.now += 1_000
    const { send } = bench.from('c', { ...heartbeat(c2, 1, 12), config: 2 })
    expect(send.map(({ to, message }) => [to, message])).toMatchObject([
      ['c', { type: 'pull', first: 11, last: 0 }],
    ])
  },

  "old entries that arrive after the ballot they were read for are nobody's"({ tracer }) {
    const bench = new Bench(tracer, { limits: { logWindowBytesMax: 100 } })
    bench.lead()
    const { epoch } = bench.core.status()
    bench.from('b', accepted(epoch, 0))
    for (let n = 1; n <= 3; n++) {
      bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
      bench.persisted()
      bench.from('b', accepted(epoch, n))
      bench.step({ type: 'applied', index: n })
    }
    const { readEntries } = bench.from('c', promise(epoch))
    expect(readEntries[0]).toMatchObject({ first: 1 })
    bench.from('b', { type: 'nack', config: 1, ballot: c2 + 2 ** 20 })
    expect(bench.core.status().role).toBe('follower')
    const id = readEntries[0]?.id as number
    const late = bench.step({ type: 'entriesRead', id, entries: entriesOf(1, epoch, epoch) })
    expect(late.send).toHaveLength(0)
  },

  'who joins is told of the members with old entries too'({ tracer }) {
    const bench = new Bench(tracer, { limits: { logWindowBytesMax: 100 } })
    bench.lead()
    const { epoch } = bench.core.status()
    bench.from('b', accepted(epoch, 0))
    for (let n = 1; n <= 3; n++) {
      bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
      bench.persisted()
      bench.from('b', accepted(epoch, n))
      bench.step({ type: 'applied', index: n })
    }
    const asked = { config: 0, ballot: 0, first: 1, last: 0 }
    const [read] = bench.from('l', { type: 'pull', ...asked }).readEntries
    expect(read).toMatchObject({ first: 1 })
    const id = read?.id as number
    const entries = entriesOf(1, epoch, epoch)
    const [given] = bench.step({ type: 'entriesRead', id, entries }).sendAfterPersist
    expect(given).toMatchObject({ to: 'l', message: { prev: 0, base: membershipOf(abc) } })
  },

  'old entries that have been compacted meanwhile are offered as a snapshot'({ tracer }) {
    const bench = new Bench(tracer, { limits: { logWindowBytesMax: 100 } })
    bench.lead()
    const { epoch } = bench.core.status()
    bench.from('b', accepted(epoch, 0))
    for (let n = 1; n <= 3; n++) {
      bench.step({ type: 'propose', id: n, commands: [encodeUtf8('x')] })
      bench.persisted()
      bench.from('b', accepted(epoch, n))
      bench.step({ type: 'applied', index: n })
    }
    const { readEntries } = bench.from('c', promise(epoch))
    bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(3, epoch), compactTo: 3 })
    const id = readEntries[0]?.id as number
    const { send } = bench.step({ type: 'entriesRead', id, entries: undefined })
    expect(send.map(({ to, message }) => [to, message.type])).toEqual([['c', 'offer']])
  },

  'a snapshot that is being fetched is not given up for a newer one'({ tracer }) {
    const bench = new Bench(tracer)
    const offer = (index: number, by: number): PaxosMessage => {
      return { type: 'offer', config: 1, ballot: by, snapshot: snapshotAt(index, b1), others: [] }
    }
    bench.from('b', accept(b1, [0, 0], []))
    bench.persisted()
    expect(bench.from('b', offer(3, b1)).fetchSnapshot?.snapshot.index).toBe(3)
    expect(bench.from('b', offer(5, b1)).fetchSnapshot).toBeUndefined()
    bench.step({ type: 'snapshotFetchFailed', snapshot: snapshotAt(3, b1) })
    expect(bench.from('b', offer(5, b1)).fetchSnapshot?.snapshot.index).toBe(5)
    // What another leader has may be had sooner.
    expect(bench.from('c', offer(4, c2)).fetchSnapshot?.snapshot.index).toBe(4)
  },

  'entries to be applied that could not be read are asked for again'({ tracer }) {
    const tail = entriesOf(3, b1)
    const recovered = {
      hardState: hardState(b1, b1, 3),
      lastIndex: 3,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail,
    }
    const bench = new Bench(tracer, { recovered })
    const first = bench.tick().readEntries[0]
    expect(first).toMatchObject({ first: 1, last: 2 })
    const again = bench.step({ type: 'entriesRead', id: first?.id as number, entries: undefined })
    expect(again.readEntries[0]).toMatchObject({ first: 1, last: 2 })
    const id = again.readEntries[0]?.id as number
    const { apply } = bench.step({ type: 'entriesRead', id, entries: entriesOf(1, b1, b1) })
    expect(apply.map(({ index }) => index)).toEqual([1, 2])
  },

  'a read that asks a quorum asks again when the members have changed'({ tracer }) {
    const bench = new Bench(tracer, { paxos: { quorumReads: true } })
    bench.from('b', accept(b1, [0, 0], []))
    bench.persisted()
    const asked = bench.step({ type: 'read', id: 7, mode: 'quorum' })
    expect(asked.send.map(({ to, message }) => `${to} ${message.type}`)).toEqual([
      'b inspect',
      'c inspect',
    ])
    const message = asked.send[0]?.message
    if (message?.type !== 'inspect') throw new Error('it does not ask')
    const { token } = message
    const sign = stopSign(1, b1, { voters: ['a', 'd', 'e'] }, 2)
    const { send } = bench.from('b', pulled(b1, 0, 1, [sign]))
    const inspects = send.filter(({ message }) => message.type === 'inspect')
    expect(inspects.map(({ to, message }) => [to, message.config])).toEqual([
      ['d', 2],
      ['e', 2],
    ])
    // What the old voters answer counts no more.
    const old = { type: 'inspected', ballot: b1, token, length: 1, blank: false } as const
    expect(bench.from('b', { ...old, config: 1 }).reads).toEqual([])
    bench.persisted()
    expect(bench.from('d', { ...old, config: 2 }).reads).toEqual([{ id: 7, index: 1 }])
  },

  'an epoch ends for a voter that lacks its past, and the next has the same members'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { epoch } = bench.core.status()
    bench.tick()
    const { persist } = bench.from('c', heartbeatReply(epoch, 2, { blank: true }))
    expect(persist?.append.map(({ kind }) => kind)).toEqual(['membership'])
    bench.persisted()
    bench.from('b', accepted(epoch, 1))
    expect(bench.core.status()).toMatchObject({ commitIndex: 1, membership: { version: 2 } })
    expect(bench.core.status().membership.voters).toEqual(['a', 'b', 'c'])
  },

  'a voter without its past counts for nothing'({ tracer }) {
    const bench = new Bench(tracer)
    bench.tick()
    for (const from of ['b', 'c']) bench.from(from, answer(1))
    bench.persisted()
    const { epoch } = bench.core.status()
    bench.from('b', promise(epoch, { blank: true }))
    bench.from('b', promise(epoch, { blank: true }))
    expect(bench.core.status().role).toBe('candidate')
    bench.from('c', promise(epoch))
    expect(bench.core.status().role).toBe('leader')
    bench.persisted()
    bench.step({ type: 'propose', id: 1, commands: [encodeUtf8('x')] })
    bench.persisted()
    bench.from('b', accepted(epoch, 1))
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('c', accepted(epoch, 1))
    expect(bench.core.status().commitIndex).toBe(1)
  },

  'of several logs the one of the largest ballot is adopted, however short'({ tracer }) {
    const bench = new Bench(tracer)
    bench.tick()
    for (const from of ['b', 'c']) bench.from(from, { ...answer(1), ballot: c2 })
    const { epoch } = bench.core.status()
    const long = { accepted: b1, length: 3, entries: entriesOf(1, b1, b1, b1) }
    bench.from('b', promise(epoch, long))
    bench.from('c', promise(epoch, { accepted: c2, length: 1, entries: entriesOf(1, c2) }))
    const { persist } = bench.persisted()
    expect(bench.core.status()).toMatchObject({ role: 'leader', lastIndex: 1 })
    expect(persist?.append).toMatchObject([{ index: 1, epoch: c2 }])
  },

  'acceptances of another ballot, and late ones, move nothing'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { epoch } = bench.core.status()
    for (const id of [1, 2]) bench.step({ type: 'propose', id, commands: [encodeUtf8('x')] })
    bench.persisted()
    bench.from('b', accepted(epoch - 1, 2))
    bench.from('b', accepted(epoch + 1, 2))
    expect(bench.core.status().commitIndex).toBe(0)
    bench.from('b', accepted(epoch, 2))
    bench.from('b', accepted(epoch, 1))
    expect(bench.core.status()).toMatchObject({ commitIndex: 2 })
    expect(bench.core.status().peers[0]).toMatchObject({ id: 'b', matchIndex: 2 })
  },

  'a lease counts from when the round was sent, not from when it was answered'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { epoch } = bench.core.status()
    bench.tick()
    const sent = bench.now
    bench.now = sent + 90
    bench.from('b', heartbeatReply(epoch, 2))
    bench.now = sent + 890
    expect(bench.step({ type: 'read', id: 1, mode: 'lease' }).reads).toHaveLength(1)
    bench.now = sent + 910
    expect(bench.step({ type: 'read', id: 2, mode: 'lease' }).reads).toHaveLength(0)
  },

  'who shows what a ballot decided has promised that ballot'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', pulled(c2, 0, 1, entriesOf(1, b1)))
    expect(bench.core.status()).toMatchObject({ commitIndex: 1, epoch: c2 })
  },

  'who was removed, and is a voter again, has its own say'({ tracer }) {
    const gone = stopSign(2, b1, { voters: ['b', 'c'] }, 2)
    const recovered = {
      hardState: hardState(b1, 0, 2),
      lastIndex: 2,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: [...entriesOf(1, b1), gone],
      membershipEntries: [gone],
    }
    const bench = new Bench(tracer, { recovered })
    bench.from('b', pulled(b1, 2, 3, [stopSign(3, b1, abc, 3)], 3))
    bench.persisted()
    for (let round = 1; round <= 4 && bench.core.status().role !== 'candidate'; round++) {
      const asks = bench.tick().send.find(({ message }) => message.type === 'ask')
      if (asks?.message.type !== 'ask') continue
      for (const from of ['b', 'c']) {
        bench.from(from, { ...answer(asks.message.round, 3), config: 3 })
      }
    }
    expect(bench.core.status().role).toBe('candidate')
  },

  'what is decided in a ballot says nothing of a log that was accepted in another'({ tracer }) {
    const bench = new Bench(tracer)
    for (let n = 0; n < 2; n++) {
      bench.from('b', accept(b1, [0, 0], entriesOf(1, b1, b1)))
      bench.persisted()
    }
    bench.from('c', accept(c2, [9, c2], []))
    bench.persisted()
    bench.from('c', { type: 'decide', config: 1, ballot: c2, decided: 2 })
    bench.from('c', heartbeat(c2, 1, 2))
    expect(bench.core.status()).toMatchObject({ epoch: c2, lastIndex: 2, commitIndex: 0 })
  },

  'only what a snapshot holds is dropped from the log'({ tracer }) {
    const bench = new Bench(tracer)
    bench.from('b', pulled(b1, 0, 3, entriesOf(1, b1, b1, b1)))
    bench.persisted()
    bench.step({ type: 'applied', index: 3 })
    const { persist } = bench.step({
      type: 'snapshotTaken',
      snapshot: snapshotAt(2, b1),
      compactTo: 3,
    })
    expect(persist).toMatchObject({ snapshot: { index: 2 }, compactTo: 2 })
    expect(bench.core.status()).toMatchObject({ firstIndex: 3, lastIndex: 3 })
  },

  'a leader reads only once all that it adopted is decided'({ tracer }) {
    const bench = new Bench(tracer)
    bench.tick()
    for (const from of ['b', 'c']) bench.from(from, { ...answer(1), ballot: b1 })
    bench.persisted()
    const { epoch } = bench.core.status()
    bench.from('b', promise(epoch, { accepted: b1, length: 1, entries: entriesOf(1, b1) }))
    bench.persisted()
    bench.step({ type: 'read', id: 1, mode: 'quorum' })
    for (let round = 1; round <= 3; round++) {
      expect(bench.from('b', heartbeatReply(epoch, round)).reads).toEqual([])
    }
    bench.from('b', accepted(epoch, 1))
    const reads = [2, 3].flatMap((round) => bench.from('b', heartbeatReply(epoch, round)).reads)
    expect(reads).toEqual([{ id: 1, index: 1 }])
  },

  'a follower that has not promised its leader is asked again'({ tracer }) {
    const bench = new Bench(tracer)
    bench.lead()
    const { sendAfterPersist } = bench.from('c', heartbeatReply(0, 1))
    expect(sendAfterPersist.map(({ to, message }) => [to, message.type])).toEqual([
      ['c', 'prepare'],
    ])
  },

  'a promise that comes while another log is adopted does not pass for that log'({ tracer }) {
    const bench = new Bench(tracer, { limits: { messageBytesMax: 8 } })
    // c has accepted two entries of ballot 1b; b three of 2c that begin differently, but answers late.
    bench.tick()
    for (const from of ['b', 'c']) {
      const lost = { happy: false, led: false, priority: 1, decided: 0 }
      bench.from(from, { type: 'answer', config: 1, ballot: c2, round: 1, ...lost })
    }
    bench.persisted()
    const { epoch } = bench.core.status()
    const one = { accepted: b1, length: 2, entries: entriesOf(1, b1) }
    expect(bench.from('c', promise(epoch, one)).send[0]?.message).toMatchObject({ type: 'pull' })
    bench.from('b', promise(epoch, { accepted: c2, length: 3 }))
    const { send } = bench.from('c', pulled(epoch, 1, 0, entriesOf(2, b1)))
    const repair = send.find(({ to, message }) => to === 'b' && message.type === 'accept')
    expect(repair?.message).toMatchObject({ prev: 0, entries: [{ index: 1, epoch: b1 }] })
  },

  'a log that is damaged ends there, and its replica says how far it went'({ tracer }) {
    const recovered = {
      hardState: hardState(b1, b1, 1),
      lastIndex: 4,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(3, b1, b1),
      faulty: [{ first: 2, last: 2 }],
    }
    const bench = new Bench(tracer, { recovered })
    expect(bench.core.status()).toMatchObject({ lastIndex: 1, commitIndex: 1, epoch: b1 })
    bench.now = 2_000
    const { sendAfterPersist } = bench.from('c', {
      type: 'prepare',
      config: 1,
      ballot: c2,
      accepted: 0,
      length: 0,
      decided: 0,
      transfer: false,
    })
    bench.persisted()
    const floor = { accepted: b1, length: 4 }
    expect(sendAfterPersist[0]?.message).toMatchObject({ blank: false, length: 1, floor })
    // What it is given replaces the damage, and all after it, in one write.
    const { persist } = bench.from('c', accept(c2, [1, b1], entriesOf(2, c2), { syncTo: 2 }))
    expect(persist).toMatchObject({ truncateFrom: 2, append: [{ index: 2, epoch: c2 }] })
    const later = { type: 'prepare', config: 1, ballot: ballot(9, 'b'), transfer: true } as const
    const standing = bench.from('b', { ...later, accepted: 0, length: 0, decided: 0 })
    expect(standing.sendAfterPersist[0]?.message).toMatchObject({ accepted: c2, floor: undefined })
  },

  'who lost what it had accepted counts beside a log that shows as much, and not before'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.tick()
    for (const from of ['b', 'c']) bench.from(from, { ...answer(1), ballot: b1 })
    bench.persisted()
    const { epoch } = bench.core.status()
    bench.from('b', promise(epoch, { accepted: b1, length: 1, floor: { accepted: b1, length: 3 } }))
    expect(bench.core.status().role).toBe('candidate')
    const entries = entriesOf(1, b1, b1, b1)
    bench.from('c', promise(epoch, { accepted: b1, length: 3, entries }))
    expect(bench.core.status()).toMatchObject({ role: 'leader', lastIndex: 3 })
  },

  'the log of one that lost what it had accepted is adopted by nobody, however large its ballot'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.tick()
    for (const from of ['b', 'c']) bench.from(from, { ...answer(1), ballot: c2 })
    bench.persisted()
    const { epoch } = bench.core.status()
    bench.from('b', promise(epoch, { accepted: c2, length: 1, floor: { accepted: c2, length: 3 } }))
    const entries = entriesOf(1, b1, b1)
    bench.from('c', promise(epoch, { accepted: b1, length: 2, entries }))
    expect(bench.core.status()).toMatchObject({ role: 'leader', lastIndex: 2 })
  },

  'a follower that lost what it had acknowledged to its leader says where it stands'({ tracer }) {
    const recovered = {
      hardState: hardState(b1, b1, 1),
      lastIndex: 4,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(3, b1, b1),
      faulty: [{ first: 2, last: 2 }],
    }
    const bench = new Bench(tracer, { recovered })
    const gap = bench.from('b', accept(b1, [4, b1], []))
    expect(gap.sendAfterPersist[0]?.message).toMatchObject({ type: 'promise', length: 1 })
    const more = bench.from('b', accept(b1, [1, b1], entriesOf(2, b1)))
    expect(more.persist).toMatchObject({ truncateFrom: 2, append: [{ index: 2 }] })
    expect(more.sendAfterPersist[0]?.message).toMatchObject({ type: 'accepted', index: 2 })
  },

  'damage after entries that lost is removed with them'({ tracer }) {
    const recovered = {
      hardState: hardState(b1, b1, 1),
      lastIndex: 4,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(4, b1),
      faulty: [{ first: 4, last: 4 }],
    }
    const bench = new Bench(tracer, { recovered })
    const { persist } = bench.from('c', pulled(c2, 1, 2, entriesOf(2, c2)))
    expect(persist).toMatchObject({ truncateFrom: 2, append: [{ index: 2, epoch: c2 }] })
  },

  'damage that a snapshot holds as well is not missed'({ tracer }) {
    const recovered = {
      hardState: hardState(b1, b1, 3),
      snapshot: snapshotAt(3, b1),
      lastIndex: 4,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: b1 },
      ],
      tail: entriesOf(4, b1),
      faulty: [{ first: 2, last: 3 }],
    }
    const bench = new Bench(tracer, { recovered, appliedIndex: 3 })
    expect(bench.core.status()).toMatchObject({ firstIndex: 4, lastIndex: 4, commitIndex: 3 })
    bench.now = 2_000
    const prepare = { accepted: 0, length: 0, decided: 0, transfer: false } as const
    bench.from('c', { type: 'prepare', config: 1, ballot: c2, ...prepare })
    const { sendAfterPersist } = bench.from('c', {
      type: 'prepare',
      config: 1,
      ballot: c2,
      ...prepare,
    })
    expect(sendAfterPersist[0]?.message).toMatchObject({ blank: false, accepted: b1, length: 4 })
  },
}
