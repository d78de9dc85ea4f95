// The schedules of one algorithm as tests: fresh ones, those that once found something, and proof
// that what they look for would be found.
import { expect, it } from 'vitest'
import { judgeHistory, judgeWatch, kvHistory } from './sim-kv-history.ts'
import { keptSchedules } from './sim-kv-kept.ts'
import type { AlgorithmName } from './sim-kv-plan.ts'
import { runSchedule } from './sim-kv-run.ts'
import type { Layout } from './sim-kv-sweep.ts'
import { draw, kvSweep, report } from './sim-kv-sweep.ts'

/** Schedules of each layout where the environment asks for no other number. */
const USUAL: Readonly<Record<Layout, number>> = { slots: 60, ranges: 40 }
const KINDS = [
  'moved',
  'crash',
  'partition',
  'destroy',
  'join',
  'drain',
  'watched to the end',
  'leaders lost asleep',
]

/** Defines the tests. */
export function simKvSuite(name: AlgorithmName, layout: Layout = 'slots'): void {
  it(
    'keeps its promises while shards move and hosts come and go',
    { timeout: 3_600_000 },
    async () => {
      const result = await kvSweep(name, layout, USUAL[layout])
      for (const failure of result.failures) console.error(failure)
      expect(result.failures).toEqual([])
      expect(result.decided).toBeGreaterThanOrEqual(result.schedules * 0.95)
      if (result.schedules < USUAL[layout]) return
      expect(result.rechecked).toBeGreaterThan(0)
      for (const kind of KINDS) expect(result.happened).toHaveProperty([kind])
      expect(result.happened['moved']).toBeGreaterThan(result.schedules)
      expect(result.happened['asleep']).toBeGreaterThan(result.schedules)
      if (layout === 'slots') return
      expect(result.happened['ranges split']).toBeGreaterThan(result.schedules)
      expect(result.happened['ranges merged']).toBeGreaterThan(result.schedules / 4)
    },
  )

  it('is the same run for the same seed, and another for another', async () => {
    const brief = { durationMs: 2_000 }
    const [one, same, other] = [
      await runSchedule(draw(name, layout, 5, brief)),
      await runSchedule(draw(name, layout, 5, brief)),
      await runSchedule(draw(name, layout, 6, brief)),
    ]
    expect(same.traceHash).toBe(one.traceHash)
    expect(same.events).toBe(one.events)
    expect(other.traceHash).not.toBe(one.traceHash)
  })

  const kept = keptSchedules.filter(
    (each) => each.algorithm === name && (each.layout ?? 'slots') === layout,
  )
  for (const { seed, found, sleeps = false } of kept) {
    it(`survives seed ${seed}, which found: ${found}`, { timeout: 60_000 }, async () => {
      const result = await runSchedule(draw(name, layout, seed, { sleeps }))
      expect(report(name, result)).toBe('')
    })
  }
}

/** Defines the tests of the judges themselves. */
export function judgeSuite(): void {
  it('would see a lost write, a stale read and a write applied twice', () => {
    const write = { client: 'a', outcome: 'ok', call: 0, return: 1 } as const
    const later = { client: 'b', outcome: 'ok', call: 2, return: 3 } as const
    const lost = kvHistory()
    lost.keys.push({ ...write, input: { op: 'put', key: 'k', value: 'v' }, output: null })
    lost.keys.push({ ...later, input: { op: 'get', key: 'k' }, output: null })
    expect(judgeHistory(lost).wrong).toContain('no order')
    const twice = kvHistory()
    twice.counters.set('n', [
      { ...write, input: { op: 'add', delta: 1 }, output: 1 },
      { ...later, input: { op: 'read' }, output: 2 },
    ])
    expect(judgeHistory(twice).wrong).toContain('no order')
  })

  it('would see an event that a watch left out, repeated or made up', () => {
    const one = { key: 'k', version: 1, value: 'v' }
    const two = { key: 'k', version: 2, value: 'w' }
    const written = [
      { ...one, call: 5 },
      { ...two, call: 6 },
    ]
    const last = new Map([['k', 2]])
    expect(judgeWatch([one, two], written, 1, last)).toBeUndefined()
    expect(judgeWatch([two], written, 1, last)).toContain('did not show')
    expect(judgeWatch([two], written, 5, last)).toBeUndefined()
    expect(judgeWatch([one, one, two], written, 1, last)).toContain('after')
    expect(judgeWatch([one, two], written, 1, new Map([['k', 3]]))).toContain('ended')
    const gone = { key: 'k', version: 3, value: undefined }
    expect(judgeWatch([one, two, gone], written, 1, new Map([['k', 0]]))).toBeUndefined()
  })
}
