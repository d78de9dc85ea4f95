// Splits and merges that plan themselves, and how fast things may be copied: they converge, keep
// away from each other, and leave alone what was changed a moment ago.
import { createRandom } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kvLimits } from '../../src/limits.ts'
import { handedOver } from '../../src/placement/handovers.ts'
import { pace } from '../../src/placement/pace.ts'
import { planMoves } from '../../src/placement/planner.ts'
import { partingKey, planRanges } from '../../src/placement/range-planner.ts'
import type { RangeStats } from '../../src/placement/range-planner.ts'
import { Ranges } from '../../src/placement/ranges.ts'
import { changed, hostTable } from '../../src/placement/state.ts'
import type { Placement, PlacementCommand } from '../../src/placement/state.ts'
import type { Store } from '../../src/store/store.ts'
import { ManualClock } from '../support/manual-clock.ts'

const voters = ['a', 'b', 'c']
const start: Placement = {
  version: 1,
  shards: [{ epoch: 1, voters, range: { start: '' } }],
  hosts: hostTable(voters.map((id) => [id, 'active'] as const)),
  paused: false,
}
const options = { splitBytes: 1_000, mergeAfterMs: 60_000, splitRequestsPerSecond: 100 }

function must(next: Placement | string): Placement {
  if (typeof next === 'string') throw new Error(next)
  return next
}

/** Applies a change, and carries a handover out at once. */
function carriedOut(placement: Placement, command: PlacementCommand, index: number): Placement {
  let next = must(changed(placement, command, index))
  const shard = next.shards.findIndex(({ handover }) => handover?.id === index)
  for (const type of ['handed', 'forgotten'] as const) {
    next = must(changed(next, { type, shard, handover: index }, index + 1))
  }
  return next
}

/** The bytes of each range, where every key of two hexadecimal digits has so many. */
function sizes(placement: Placement, bytesOf: (key: number) => number): Map<number, RangeStats> {
  const stats = new Map<number, RangeStats>()
  for (const [shard, { range }] of placement.shards.entries()) {
    if (range === undefined) continue
    const first = range.start === '' ? 0 : Number.parseInt(range.start, 16)
    const end = range.end === undefined ? 256 : Number.parseInt(range.end, 16)
    let bytes = 0
    for (let key = first; key < end; key++) bytes += bytesOf(key)
    stats.set(shard, { bytes, requestsPerSecond: 0, unchangedMs: 1e9 })
  }
  return stats
}

/** Where a range is halved. */
function middle(placement: Placement, shard: number, bytesOf: (key: number) => number): string {
  const { range } = placement.shards[shard] as { range: { start: string; end?: string } }
  const first = range.start === '' ? 0 : Number.parseInt(range.start, 16)
  const end = range.end === undefined ? 256 : Number.parseInt(range.end, 16)
  let all = 0
  for (let key = first; key < end; key++) all += bytesOf(key)
  let before = 0
  let key = first
  while (key < end - 1 && before + bytesOf(key) < all / 2) before += bytesOf(key++)
  return Math.max(key, first + 1)
    .toString(16)
    .padStart(2, '0')
}

describe('ranges that plan themselves', () => {
  test('are split and merged until nothing is planned, and cover all keys all the time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 60 }), { minLength: 256, maxLength: 256 }), (weights) => {
        let placement = start
        let index = 10
        const bytesOf = (key: number): number => weights[key] ?? 0
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(100)
          const planned = planRanges(placement, sizes(placement, bytesOf), options)
          if (planned.length === 0) break
          for (const { type, shard, epoch } of planned) {
            const command =
              type === 'split'
                ? ({ type, shard, epoch, at: middle(placement, shard, bytesOf) } as const)
                : ({ type, shard, epoch } as const)
            placement = carriedOut(placement, command, (index += 10))
          }
          const ranges = placement.shards
            .flatMap(({ range }) => (range === undefined ? [] : [range]))
            .sort((a, b) => (a.start < b.start ? -1 : 1))
          expect(ranges[0]?.start).toBe('')
          for (const [at, { end }] of ranges.entries()) expect(end).toBe(ranges[at + 1]?.start)
        }
        for (const { bytes } of sizes(placement, bytesOf).values()) {
          expect(bytes).toBeLessThanOrEqual(1_000)
        }
      }),
    )
  })

  test('do nothing where sizes wander by a fifth', () => {
    const random = createRandom(7)
    let placement = start
    let index = 10
    for (const at of ['40', '80', 'c0']) {
      const shard = placement.shards.length - 1
      const { epoch } = placement.shards[shard] as { epoch: number }
      placement = carriedOut(placement, { type: 'split', shard, epoch, at }, (index += 10))
    }
    for (let look = 0; look < 600; look++) {
      const stats = new Map(
        placement.shards.map((_, shard) => {
          const noise = 0.8 + random.fraction() * 0.4
          const bytes = 600 * noise
          return [shard, { bytes, requestsPerSecond: 60 * noise, unchangedMs: 1e9 }]
        }),
      )
      expect(planRanges(placement, stats, options)).toEqual([])
    }
  })

  test('are split for their load, and not merged again for being small', () => {
    const busy = new Map([[0, { bytes: 10, requestsPerSecond: 500, unchangedMs: 0 }]])
    expect(planRanges(start, busy, options)).toMatchObject([{ type: 'split', by: 'requests' }])
    const split = carriedOut(start, { type: 'split', shard: 0, epoch: 1, at: '80' }, 5)
    const half = { bytes: 5, requestsPerSecond: 60, unchangedMs: 1e9 }
    const stats = new Map([0, 1].map((shard) => [shard, half]))
    expect(planRanges(split, stats, options)).toEqual([])
    const idle = new Map([0, 1].map((shard) => [shard, { ...half, requestsPerSecond: 0 }]))
    expect(planRanges(split, idle, options)).toMatchObject([{ type: 'merge', shard: 1 }])
    const quiet = { ...half, requestsPerSecond: 0, unchangedMs: 59_999 }
    const young = new Map([0, 1].map((shard) => [shard, quiet]))
    expect(planRanges(split, young, options)).toEqual([])
  })
})

describe('a shard that was merged away', () => {
  test('goes once no session of it can be remembered, not before', async () => {
    const clock = new ManualClock()
    const two = carriedOut(start, { type: 'split', shard: 0, epoch: 1, at: '6d' }, 5)
    const one = carriedOut(two, { type: 'merge', shard: 1, epoch: 2 }, 9)
    const changes: PlacementCommand[] = []
    const store = { host: { clock }, routes: { ranged: true }, status: () => ({ shards: [] }) }
    const ranges = new Ranges({
      store: store as unknown as Store,
      options: {},
      change: async (command) => void changes.push(command),
    })
    await ranges.look(one)
    clock.advance(kvLimits.sessionTtlMs - 1)
    await ranges.look(one)
    expect(changes).toEqual([])
    // Whoever takes over looking after it does not know for how long it has been there.
    ranges.reset()
    clock.advance(1)
    await ranges.look(one)
    expect(changes).toEqual([])
    clock.advance(kvLimits.sessionTtlMs)
    await ranges.look(one)
    expect(changes).toEqual([{ type: 'retire', shard: 1, epoch: 3 }])
  })
})

describe('handovers in the map', () => {
  const split = must(changed(start, { type: 'split', shard: 0, epoch: 1, at: '6d' }, 5))

  test('take each change once, against what it was planned for', () => {
    expect(split.shards).toEqual([
      { epoch: 1, voters, range: { start: '' }, handover: { id: 5, to: 1, start: '6d' } },
      { epoch: 1, voters, founders: voters, receiving: 5 },
    ])
    const again = { type: 'split', shard: 0, epoch: 1, at: '7d' } as const
    expect(changed(split, again, 6)).toMatch(/being changed/)
    expect(changed(start, { ...again, epoch: 2 }, 6)).toMatch(/epoch 1/)
    expect(changed(start, { type: 'merge', shard: 0, epoch: 1 }, 6)).toMatch(/no shard is before/)
    const move = { type: 'plan', shard: 0, epoch: 1, to: ['a'], reason: '' } as const
    expect(changed(split, move, 6)).toMatch(/being moved/)
    const handed = must(changed(split, { type: 'handed', shard: 0, handover: 5 }, 6))
    expect(handed.shards).toEqual([
      { epoch: 2, voters, range: { start: '', end: '6d' }, forgetting: 5 },
      { epoch: 2, voters, founders: voters, range: { start: '6d' } },
    ])
    expect(changed(handed, { type: 'handed', shard: 0, handover: 5 }, 7)).toMatch(/not under way/)
    expect(changed(handed, { type: 'forgotten', shard: 0, handover: 4 }, 7)).toMatch(/nothing/)
  })

  test('leave a merged shard its hosts until it is retired, and its number for ever', () => {
    const two = carriedOut(start, { type: 'split', shard: 0, epoch: 1, at: '6d' }, 5)
    const one = carriedOut(two, { type: 'merge', shard: 1, epoch: 2 }, 9)
    expect(one.shards[0]).toEqual({ epoch: 3, voters, range: { start: '' } })
    expect(one.shards[1]).toEqual({ epoch: 3, voters, founders: voters })
    expect(changed(one, { type: 'retire', shard: 0, epoch: 3 }, 12)).toMatch(/has keys/)
    const retired = must(changed(one, { type: 'retire', shard: 1, epoch: 3 }, 12))
    expect(retired.shards[1]).toEqual({ epoch: 3, voters: [] })
    const move = { type: 'plan', shard: 1, epoch: 3, to: ['a'], reason: '' } as const
    expect(changed(retired, move, 13)).toMatch(/no more/)
    const next = must(changed(retired, { type: 'split', shard: 0, epoch: 3, at: '70' }, 14))
    expect(next.shards[0]?.handover?.to).toBe(2)
    const plan = { dead: new Set<string>(), replicas: 3, movesPerHostMax: 9 }
    expect(planMoves(retired, plan)).toEqual([])
  })

  test('refuse what is no change of theirs', () => {
    expect(handedOver(start, { type: 'split', shard: 9, epoch: 1, at: '00' }, 5)).toMatch(
      /no shard/,
    )
    expect(handedOver(start, { type: 'split', shard: 0, epoch: 1, at: '' }, 5)).toMatch(/inside/)
  })
})

describe('a pace', () => {
  test('is kept to over any time, whatever the sizes', async () => {
    const random = createRandom(3)
    const clock = new ManualClock()
    const limit = pace(clock, 1_000)
    let bytes = 0
    let stop = false
    const copying = (async () => {
      while (!stop) {
        const size = 1 + random.below(3_000)
        await limit.wait(size)
        bytes += size
      }
    })()
    for (let step = 1; step <= 100_000; step++) {
      clock.advance(10)
      await Promise.resolve()
      // What has begun may be one piece ahead of the time.
      expect(bytes).toBeLessThanOrEqual(step * 10 + 4_000)
    }
    expect(bytes).toBeGreaterThan(900_000)
    expect(bytes).toBeLessThan(1_100_000)
    expect(clock.pending).toBe(1)
    stop = true
    clock.advance(10_000)
    await copying
  })

  test('does not let anything begin while something is owed', () => {
    const clock = new ManualClock()
    const limit = pace(clock, 10)
    expect([limit.take(20), limit.take(1)]).toEqual([true, false])
  })
})

describe('where a busy range is split', () => {
  const asked = (counts: Readonly<Record<string, number>>): string[] =>
    Object.entries(counts).flatMap(([key, count]) => Array<string>(count).fill(key))

  test('is between the keys that are asked for', () => {
    const keys = Array.from({ length: 64 }, (_, at) => String.fromCharCode(97 + (at % 16)))
    expect(partingKey(keys)).toBe('i')
    expect(partingKey(asked({ c: 40, d: 24 }))).toBe('d')
    expect(partingKey(asked({ a: 20, hot: 40, z: 20 }))).toBe('hot')
  })

  test('is nowhere while too few requests are known', () => {
    expect(partingKey(asked({ a: 8, b: 7 }))).toBeUndefined()
    expect(partingKey([...asked({ a: 8, b: 7 }), null, null])).toBeUndefined()
    expect(partingKey(asked({ a: 8, b: 8 }))).toBe('b')
  })

  test('is nowhere where nearly all ask for one key, which no split relieves', () => {
    expect(partingKey(asked({ hot: 64 }))).toBeUndefined()
    expect(partingKey(asked({ a: 1, hot: 63 }))).toBeUndefined()
    expect(partingKey(asked({ hot: 60, z: 4 }))).toBeUndefined()
    expect(partingKey(asked({ a: 8, hot: 56 }))).toBe('hot')
  })
})
