// A follower ten gigabytes behind: what the leader holds and has on its way stays within its limits
// all the time. Sizes are simulated: one megabyte of bytes stands for every payload.
import type { Effects, Entry, Envelope, Input } from '@quorate/core'
import { createRandom, defaultLimits, encode, membershipOf, noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import type { RaftMessage } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { hardStateCodec, noHardState } from '../src/hard-state.ts'

const MIB = 1_048_576
const payload = new Uint8Array(MIB)
const TOTAL = 10 * 1_024

/** A payload's bytes are the same everywhere, so what is held shows as how many entries are held. */
function entryAt(index: number): Entry {
  return { index, epoch: 1, kind: 'command', payload }
}

test('a follower 10 GB behind is filled from the log on disk in bounded memory', () => {
  const members = membershipOf({ voters: ['a', 'b', 'c'] })
  const core = raft().create({
    id: 'a',
    group: 'g',
    bootstrap: members,
    appliedIndex: TOTAL,
    now: 0,
    tracer: noTracer,
    random: createRandom(1),
    limits: defaultLimits,
    recovered: {
      // A log of ten gigabytes; its last eight megabytes came along.
      hardState: encode(hardStateCodec, {
        ...noHardState,
        term: 1,
        commit: TOTAL,
        initial: members,
      }),
      snapshot: undefined,
      firstIndex: 1,
      lastIndex: TOTAL,
      epochs: [
        { from: 0, epoch: 0 },
        { from: 1, epoch: 1 },
      ],
      tail: Array.from({ length: 8 }, (_, at) => entryAt(TOTAL - 7 + at)),
      membershipEntries: [],
      faulty: [],
    },
  })
  let now = 0
  let asked = 0
  const c = { last: 0, replies: [] as { id: number; index: number; ok: boolean }[] }
  const run = (input: Input<RaftMessage>): void => take(core.step(input, now))
  const take = (effects: Effects<RaftMessage>): void => {
    for (const envelope of effects.send) receive(envelope)
    for (const { id, first, last, bytesMax } of effects.readEntries) {
      asked++
      expect(bytesMax).toBeLessThanOrEqual(4 * defaultLimits.messageBytesMax)
      const count = Math.min(last - first + 1, Math.max(1, Math.floor(bytesMax / MIB)))
      const entries = Array.from({ length: count }, (_, at) => entryAt(first + at))
      reads.push({ id, entries })
    }
    if (effects.persist !== undefined) persists.push(effects.persist.seq)
  }
  const reads: { readonly id: number; readonly entries: readonly Entry[] }[] = []
  const persists: number[] = []
  const receive = ({ to, message }: Envelope<RaftMessage>): void => {
    if (to !== 'c' || message.type !== 'append') return
    const ok = message.prevIndex <= c.last
    if (ok) c.last = Math.max(c.last, message.prevIndex + message.entries.length)
    const index = ok ? message.prevIndex + message.entries.length : message.prevIndex
    inflight += message.entries.length
    inflightMax = Math.max(inflightMax, inflight)
    c.replies.push({ id: message.id, index, ok })
    sizes.push(message.entries.length)
  }
  let inflight = 0
  let inflightMax = 0
  const sizes: number[] = []

  now = core.wakeAt
  run({ type: 'tick' })
  const grant = (pre: boolean): void =>
    run({
      type: 'receive',
      from: 'b',
      message: { type: 'voteReply', term: 2, pre, granted: true, candidate: 'a', voter: 'b' },
    })
  grant(true)
  while (persists.length > 0) run({ type: 'persisted', seq: persists.shift() as number })
  grant(false)
  expect(core.status().role).toBe('leader')
  let steps = 0
  for (; c.last < TOTAL + 1 && steps < 100_000; steps++) {
    const seq = persists.shift()
    const read = seq === undefined ? reads.shift() : undefined
    const reply = seq === undefined && read === undefined ? c.replies.shift() : undefined
    if (seq !== undefined) {
      run({ type: 'persisted', seq })
    } else if (read !== undefined) {
      run({ type: 'entriesRead', ...read })
    } else if (reply !== undefined) {
      inflight -= sizes.shift() as number
      const { id, index, ok } = reply
      const rest = { hint: c.last, hintTerm: c.last === 0 ? 0 : 1, blank: 0 }
      run({
        type: 'receive',
        from: 'c',
        message: { type: 'appendReply', term: 2, id, index, ok, ...rest },
      })
    } else {
      now = core.wakeAt
      run({ type: 'tick' })
    }
    // One read under way at most, so that no more is fetched than can be sent.
    expect(reads.length).toBeLessThanOrEqual(1)
  }
  expect(c.last).toBe(TOTAL + 1)
  expect(core.status().peers.find(({ id }) => id === 'c')).toMatchObject({ state: 'replicate' })
  expect(asked).toBeGreaterThan(TOTAL / 8)
  // The limit, and the message that crosses it.
  expect(inflightMax * MIB).toBeLessThanOrEqual(defaultLimits.inflightBytesMax + MIB)
})
