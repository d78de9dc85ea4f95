// Read barriers: readers share rounds, and a round is forgotten with the last of its readers.
import { describe, expect, it } from 'vitest'
import { defaultLimits, QuorateError } from '@quorate/core'
import { Barriers } from '../src/barriers.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { scriptedGroup } from './fixtures/group.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { silentMeters } from './fixtures/meters.ts'

function setUp() {
  const clock = manualClock()
  let applied = 0
  let id = 0
  const context = { clock, limits: defaultLimits, meters: silentMeters() }
  const barriers = new Barriers(
    context,
    () => applied,
    () => {},
  )
  return {
    clock,
    barriers,
    take: () => barriers.take(() => ++id),
    apply: (index: number) => barriers.applied((applied = index)),
  }
}

describe('read barriers', () => {
  it('share a round by mode, and wait for what the core names', async () => {
    const { barriers, take, apply } = setUp()
    const reads = [
      barriers.add('quorum', {}),
      barriers.add('quorum', {}),
      barriers.add('lease', {}),
    ]
    expect(take()).toEqual([
      { id: 1, mode: 'quorum' },
      { id: 2, mode: 'lease' },
    ])
    barriers.ready(1, 5)
    barriers.ready(2, 0)
    expect(await reads[2]).toBe(0)
    apply(4)
    expect(barriers.size).toBe(2)
    apply(6)
    expect(await Promise.all(reads.slice(0, 2))).toEqual([6, 6])
    expect([barriers.size, barriers.rounds]).toEqual([0, 0])
  })

  it.each(['before it is handed over', 'while the core has it', 'while it is not applied'])(
    'forget a round whose readers gave up %s',
    async (stage) => {
      const { clock, barriers, take, apply } = setUp()
      const giveUp = new AbortController()
      const late = expectRejection(barriers.add('quorum', { timeoutMs: 50 }), { code: 'TIMEOUT' })
      const given = expectRejection(barriers.add('quorum', { signal: giveUp.signal }), {
        code: 'ABORTED',
      })
      if (stage !== 'before it is handed over') take()
      if (stage === 'while it is not applied') barriers.ready(1, 1_000)
      giveUp.abort()
      expect(barriers.rounds).toBe(1)
      await clock.advance(50)
      await Promise.all([late, given])
      expect([barriers.size, barriers.rounds, clock.timers]).toEqual([0, 0, 0])
      // What comes for it later finds nobody, and harms nobody.
      barriers.ready(1, 1_000)
      apply(2_000)
      expect(barriers.rejectRound(1, new QuorateError('NO_QUORUM', 'none'))).toBe(false)
      expect(take()).toEqual([])
    },
  )

  it('end with what ends their replica, at whatever stage', async () => {
    const { barriers, take } = setUp()
    const ends = [expectRejection(barriers.add('quorum', {}), { code: 'CLOSED' })]
    take()
    barriers.ready(1, 9)
    ends.push(expectRejection(barriers.add('quorum', {}), { code: 'CLOSED' }))
    take()
    ends.push(expectRejection(barriers.add('lease', {}), { code: 'CLOSED' }))
    expect(barriers.rounds).toBe(3)
    barriers.rejectAll(new QuorateError('CLOSED', 'closed'))
    await Promise.all(ends)
    expect([barriers.size, barriers.rounds]).toEqual([0, 0])
  })
})

describe('a refill', () => {
  const meta = (index: number) => ({
    index,
    epoch: 1,
    membership: { version: 0, voters: ['a', 'b'], learners: [], witnesses: [] },
    id: `s${index}`,
    sizeBytes: 0,
    checksum: 0,
  })

  it('resolves with the snapshot that was installed', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const { replica, core, storage, machine } = get('b')
    machine.list.push('rubbish')
    const snapshot = meta(7) as never
    storage.snapshots.set('s7', { meta: snapshot, bytes: new Uint8Array(0) })
    let call = 0
    core.on('requestSnapshot', ({ id }: { id: number }) => {
      call = id
      return { install: snapshot }
    })
    core.on('applied', ({ index }: { index: number }) =>
      index === 7 ? { completed: [{ id: call }] } : {},
    )
    const refilled = replica.refill()
    await clock.settle()
    expect(await refilled).toBe(7)
    expect(machine.list).toEqual([])
    expect(clock.timers).toBe(0)
  })

  it('fails with what the core says, or when its time is over', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const { replica, core } = get('a')
    core.on('requestSnapshot', ({ id }: { id: number }) => ({
      rejected: [{ id, code: 'CONFLICT', reason: 'it leads' }],
    }))
    await expectRejection(replica.refill(), { code: 'CONFLICT' })
    core.on('requestSnapshot', () => ({}))
    const late = expectRejection(replica.refill({ timeoutMs: 30 }), { code: 'TIMEOUT' })
    await clock.advance(30)
    await late
    const giveUp = new AbortController()
    const given = expectRejection(replica.refill({ signal: giveUp.signal }), { code: 'ABORTED' })
    giveUp.abort()
    await given
  })
})
