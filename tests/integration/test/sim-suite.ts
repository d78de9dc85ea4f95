// The simulations of one algorithm: fresh seeds, seeds that once found something, and faults that
// nobody can survive, after which a group may refuse to serve and must still never lie.
import { expect, it } from 'vitest'
import { failureKind, failureReport, simulate } from '@quorate/sim'
import type { AlgorithmName } from './sim-sweep.ts'
import { keptOf, marksIn, settingsOf, sweepOf } from './sim-sweep.ts'

/** From so many seeds on, most coverage marks have to have been hit; the rare ones have tests of their own. */
const SEEDS_FOR_MARKS = 1_000
/** From so many seeds on, some have to have been run twice. */
const SEEDS_FOR_RECHECKS = 25
/** From so many seeds on, every fault of a sweep has to have been drawn; one that is run again may lack it. */
const SEEDS_FOR_FAULTS = 10

/** Defines the tests. */
export function simSuite(name: AlgorithmName): void {
  it('survives every fault', { timeout: 3_600_000 }, async () => {
    const result = await sweepOf(name)
    expect(result.failures).toEqual([])
    expect(result.committed).toBeGreaterThan(0)
    expect(result.verdicts.ok).toBeGreaterThan(0)
    expect(result.verdicts.unknown).toBeLessThanOrEqual(result.seeds / 20)
    expect(result.rechecked > 0 || result.seeds < SEEDS_FOR_RECHECKS).toBe(true)
    if (result.seeds < SEEDS_FOR_MARKS) return
    const marks = marksIn([name])
    const missed = marks.filter((mark) => !result.marks.has(mark))
    console.log(
      `${name}: ${marks.length - missed.length} of ${marks.length} marks, not ${missed.join(' ')}`,
    )
    expect(missed.length).toBeLessThan(marks.length * 0.3)
  })

  for (const { seed, found, options } of keptOf(name)) {
    it(`survives seed ${seed}, which found: ${found}`, async () => {
      const result = await simulate({ ...settingsOf(name), ...options, seed })
      expect(result.failure === undefined ? '' : failureReport(result)).toBe('')
    })
  }

  it('survives data that rots on fewer hosts than any quorum', { timeout: 600_000 }, async () => {
    const faults = ['rot', 'crash', 'partition', 'blackout'] as const
    const result = await sweepOf(name, { faults, durationMs: 10_000, everything: true, spares: 0 })
    expect(result.failures).toEqual([])
    if (result.seeds < SEEDS_FOR_FAULTS) return
    expect(result.faults['rot']).toBeGreaterThan(0)
  })

  it('never lies where more is lost than can be', { timeout: 600_000 }, async () => {
    const faults = ['rot', 'wipe', 'crash', 'partition'] as const
    const options = { faults, beyondModel: true, durationMs: 10_000 }
    const result = await sweepOf(name, options)
    expect(result.failures).toEqual([])
    if (result.seeds < SEEDS_FOR_FAULTS) return
    expect(result.faults['wipe']).toBeGreaterThan(0)
    expect(result.faults['rot']).toBeGreaterThan(0)
  })

  it('finds what it looks for', async () => {
    const lying = () => 'a judge that refuses everything'
    const result = await simulate({ ...settingsOf(name), judge: lying, seed: 1 })
    expect(failureKind(result)).toBe('history')
  })
}
