// Refills on request: a replica's state is replaced by a snapshot of the group while its log, and
// what it acknowledged, stay what they are.
import { encodeUtf8 } from '@quorate/core'
import { expect } from 'vitest'
import { append, Bench, entriesOf, snapshotAt } from './edge-bench.ts'
import type { Group, Scenario } from './scenarios.ts'
import { elect, groupOf, live, put } from './scenarios.ts'

const abc = { voters: ['a', 'b', 'c'] }

/** How often a replica's state machine has been restored from a snapshot. */
function installsOf(group: Group): Record<string, number> {
  const installs: Record<string, number> = {}
  group.watch = (event) => {
    if (event.type === 'installed') installs[event.id] = (installs[event.id] ?? 0) + 1
  }
  return installs
}

export const refills: Readonly<Record<string, Scenario>> = {
  'an idle follower that has applied everything is refilled'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 300)
    const installs = installsOf(group)
    const call = group.refill('b')
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
    expect(installs).toEqual({ b: 1 })
    put(group, 'a', 'y')
    expect(group.replica('b').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'a follower under load is refilled, and counts all the while'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    group.crash('c')
    const installs = installsOf(group)
    const call = group.refill('b')
    for (let at = 0; at < 40; at++) {
      // With c down nothing commits without b.
      put(group, 'a', `v${at}`)
      group.advance(25)
    }
    expect(group.calls.get(call).state).toBe('done')
    expect(installs).toEqual({ b: 1 })
    live(group, 300)
    expect(group.replica('b').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'a refill keeps what the replica acknowledged, and its leader may be lost with the rest'(
    context,
  ) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'w')
    live(group, 200)
    const call = group.refill('b')
    group.stabilize()
    group.advance(400)
    for (let steps = 0; group.replica('b').wish === undefined; steps++) {
      expect(steps).toBeLessThan(1_000)
      for (const id of group.ids) group.persist(id)
      for (const id of group.ids) if (group.replica(id).asked) group.snapshot(id)
      const [flight] = group.messages
      if (flight === undefined) group.advance(100)
      else group.deliver(flight)
    }
    // While the snapshot travels, b and a commit what c does not get, and then a is gone.
    group.cut('a', 'c')
    const late = group.propose('a', encodeUtf8('x'))
    for (let at = 0; at < 10; at++) {
      for (const id of group.ids) group.persist(id)
      for (const flight of group.matching()) group.deliver(flight)
    }
    expect(group.calls.get(late).state).toBe('done')
    expect(group.calls.get(call).state).toBe('open')
    group.stabilize()
    expect(group.calls.get(call).state).toBe('done')
    group.crash('a')
    live(group, 5_000)
    expect(group.leader()).toBe('b')
    put(group, 'b', 'y')
    expect(group.history.length).toBeGreaterThanOrEqual(5)
  },

  'a refill outlives its leader, and asks the next one'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 200)
    group.cut('b', 'a')
    const call = group.refill('b')
    live(group, 500)
    expect(group.calls.get(call).state).toBe('open')
    group.crash('a')
    group.heal()
    live(group, 8_000)
    expect(group.leader()).toBe('c')
    expect(group.calls.get(call).state).toBe('done')
  },

  'a replica that waits to be refilled does not come to lead, and gives up without a leader'(
    context,
  ) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    live(group, 200)
    group.crash('a')
    group.crash('c')
    const call = group.refill('b')
    live(group, 9_000)
    expect(group.replica('b').running.status().role).toBe('follower')
    expect(group.calls.get(call).state).toBe('open')
    live(group, 4_000)
    expect(group.rejection(call)).toBe('UNAVAILABLE')
    group.restart('c')
    live(group, 8_000)
    expect(group.leader()).toBeDefined()
  },

  'a candidate that is to be refilled stands back'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    live(group, 200)
    group.crash('a')
    group.campaign('b')
    expect(group.replica('b').running.status().role).toBe('candidate')
    const call = group.refill('b')
    expect(group.replica('b').running.status().role).toBe('follower')
    live(group, 8_000)
    expect(group.leader()).toBe('c')
    expect(group.calls.get(call).state).toBe('done')
  },

  'leaders, witnesses and those that wait already are refused'(context) {
    const group = groupOf(context, { voters: ['a', 'b', 'w'], witnesses: ['w'] })
    elect(group, 'a')
    expect(group.rejection(group.refill('a'))).toBe('CONFLICT')
    expect(group.rejection(group.refill('w'))).toBe('NOT_SUPPORTED')
    const call = group.refill('b')
    expect(group.rejection(group.refill('b'))).toBe('CONFLICT')
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
  },

  'a fetch that fails is asked for again, at a bounded pace'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 200)
    let asked = 0
    group.watch = (event) => {
      if (event.type === 'send' && event.message.message.type === 'refill') asked++
    }
    const call = group.refill('b')
    let failed = 0
    for (let passed = 0; passed < 10_000; passed += 10) {
      group.advance(10)
      for (let more = true; more;) {
        more = false
        for (const id of group.ids) if (group.persist(id) > 0) more = true
        for (const id of group.ids) if (group.replica(id).asked) group.snapshot(id)
        for (const flight of group.matching()) {
          group.deliver(flight)
          more = true
        }
      }
      if (group.replica('b').wish !== undefined) {
        group.failFetch('b')
        failed++
      }
    }
    expect(group.calls.get(call).state).toBe('open')
    expect(failed).toBeGreaterThan(10)
    // 10 s at three heartbeats of 100 ms each.
    expect(asked).toBeLessThanOrEqual(35)
    live(group, 1_000)
    expect(group.calls.get(call).state).toBe('done')
  },

  'a refill in a group that sleeps wakes it'(context) {
    const group = groupOf(context, abc, { hibernateAfterMs: 500 })
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 3_000)
    expect(group.replica('a').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    const call = group.refill('b')
    live(group, 2_000)
    expect(group.calls.get(call).state).toBe('done')
    live(group, 3_000)
    for (const id of group.ids) {
      expect(group.replica(id).running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    }
  },

  'a learner and one that starts empty are refilled like any other'(context) {
    const group = groupOf(context, { voters: ['a', 'b'], learners: ['l'] })
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 200)
    const first = group.refill('l')
    group.join('d')
    const second = group.refill('d')
    live(group, 2_000)
    expect(group.calls.get(first).state).toBe('done')
    expect(group.calls.get(second).state).toBe('open')
    group.changeMembership('a', { voters: ['a', 'b'], learners: ['d', 'l'] })
    live(group, 3_000)
    expect(group.calls.get(second).state).toBe('done')
  },

  'while it waits nothing is applied, and no snapshot of the old state is taken'({ tracer }) {
    const bench = new Bench(tracer, {}, { logWindowBytesMax: 1, applyBytesMax: 1 })
    bench.from('b', append(1, [0, 0], entriesOf(1, 1, 1, 1, 1, 1)))
    bench.persisted()
    const { readEntries } = bench.from('b', { type: 'commit', term: 1, commit: 2 })
    bench.step({ type: 'entriesRead', id: readEntries[0]?.id as number, entries: entriesOf(1, 1) })
    const next = bench.step({ type: 'applied', index: 1 })
    expect(next.readEntries).toHaveLength(1)
    const asked = bench.step({ type: 'requestSnapshot', id: 7 })
    expect(asked.send).toEqual([{ to: 'b', message: { type: 'refill', term: 1, index: 1 } }])
    // What was being read back comes too late, and what is committed since waits.
    const late = bench.step({
      type: 'entriesRead',
      id: next.readEntries[0]?.id as number,
      entries: entriesOf(2, 1),
    })
    expect(late.apply).toEqual([])
    expect(bench.from('b', { type: 'commit', term: 1, commit: 4 }).apply).toEqual([])
    const taken = { type: 'snapshotTaken', snapshot: snapshotAt(1, 1), compactTo: 1 } as const
    expect(bench.step(taken).persist).toBeUndefined()

    const offer = { type: 'snapshotOffer', term: 1, id: 9, others: [] } as const
    // One that stands where its own state does would say nothing new.
    expect(bench.from('b', { ...offer, snapshot: snapshotAt(1, 1) }).fetchSnapshot).toBeUndefined()
    // One that contradicts what is committed here is nobody's.
    expect(bench.from('b', { ...offer, snapshot: snapshotAt(2, 0) }).fetchSnapshot).toBeUndefined()
    const wish = bench.from('b', { ...offer, snapshot: snapshotAt(3, 1) })
    expect(wish.fetchSnapshot?.snapshot.index).toBe(3)
    const { persist, install, completed, sendAfterPersist } = bench.step({
      type: 'snapshotFetched',
      snapshot: snapshotAt(3, 1),
    })
    expect(install?.index).toBe(3)
    // Entries 4 and 5 were acknowledged: they stay, and so does what is known to be committed.
    expect(persist).toMatchObject({ compactTo: 3, append: [] })
    expect(persist?.truncateFrom).toBeUndefined()
    expect(bench.core.status()).toMatchObject({ firstIndex: 4, lastIndex: 5, commitIndex: 4 })
    expect(sendAfterPersist[0]?.message).toMatchObject({ type: 'appendReply', ok: true, index: 3 })
    expect(completed).toEqual([])
    bench.persisted()
    expect(bench.step({ type: 'applied', index: 3 }).completed).toEqual([{ id: 7 }])
  },

  'a leader offers what it has, has a snapshot taken, or appends what one can stand behind'({
    tracer,
  }) {
    const bench = new Bench(tracer)
    bench.lead()
    const reply = { type: 'appendReply', ok: true, hint: 0, hintTerm: 0, blank: 0 } as const
    bench.from('b', { ...reply, term: 1, id: 1, index: 1 })
    const refill = { type: 'refill', term: 1 } as const
    // More than it knows to be committed: an answer would be a guess.
    expect(bench.from('b', { ...refill, index: 2 }).send).toEqual([])
    expect(bench.from('x', { ...refill, index: 0 }).takeSnapshot).toBeFalsy()
    const idle = bench.from('b', { ...refill, index: 1 })
    expect(idle.persist?.append).toMatchObject([{ index: 2, kind: 'noop' }])
    // It is on its way: no other for the same wish.
    expect(bench.from('b', { ...refill, index: 1 }).persist).toBeUndefined()
    bench.persisted()
    bench.from('b', { ...reply, term: 1, id: 3, index: 2 })
    bench.step({ type: 'applied', index: 2 })
    expect(bench.from('b', { ...refill, index: 1 }).takeSnapshot).toBe(true)
    bench.step({ type: 'snapshotTaken', snapshot: snapshotAt(2, 1), compactTo: 0 })
    const { send, takeSnapshot } = bench.from('b', { ...refill, index: 1 })
    expect(takeSnapshot).toBeFalsy()
    expect(send).toMatchObject([{ to: 'b', message: { type: 'snapshotOffer' } }])
    // Entries go on to it meanwhile.
    expect(bench.core.status().peers[0]).toMatchObject({ id: 'b', state: 'replicate' })
  },
}
