// Whole clusters on the log of production: its segments, its snapshots and its recovery on simulated
// files, under lost power, torn writes, failed syncs and full disks, with each algorithm on top.
// SIM_SEEDS and SIM_FIRST_SEED choose more, or other, runs; a failure prints how to repeat it.
import { describe, expect, it } from 'vitest'
import { failureReport, simulate } from '@quorate/sim'
import { keptOnFiles } from './kept-seeds.ts'
import { storages } from './sim-storage.ts'
import type { AlgorithmName } from './sim-sweep.ts'
import { settingsOf, sweepOf } from './sim-sweep.ts'

const { fs: storage } = storages
const names: readonly AlgorithmName[] = ['raft', 'paxos']

describe.each(names)('%s on files', (name) => {
  it('survives every fault', { timeout: 3_600_000 }, async () => {
    const result = await sweepOf(name, { storage }, Number(process.env.SIM_SEEDS ?? 20))
    expect(result.failures).toEqual([])
    expect(result.committed).toBeGreaterThan(0)
    expect(result.verdicts.unknown).toBeLessThanOrEqual(result.seeds / 20)
  })

  it('survives what is hardest for a disk', { timeout: 3_600_000 }, async () => {
    const faults = [
      'crash',
      'blackout',
      'slow-disk',
      'full-disk',
      'failed-sync',
      'snapshot',
    ] as const
    const change = {
      storage,
      faults,
      everything: true,
      durationMs: 10_000,
      reads: ['quorum'],
    } as const
    const result = await sweepOf(name, change, Number(process.env.SIM_SEEDS ?? 10))
    expect(result.failures).toEqual([])
    for (const kind of faults) expect(result.faults[kind]).toBeGreaterThan(0)
  })

  it('survives data that rots on fewer hosts than any quorum', { timeout: 3_600_000 }, async () => {
    const faults = ['rot', 'crash', 'partition', 'blackout', 'snapshot'] as const
    const change = { storage, faults, everything: true, spares: 0, durationMs: 10_000 }
    const result = await sweepOf(name, change, Number(process.env.SIM_SEEDS ?? 10))
    expect(result.failures).toEqual([])
    expect(result.faults['rot']).toBeGreaterThan(0)
    expect(result.marks.get('sim/disk-replaced')).toBeGreaterThan(0)
  })

  it('never lies where more is lost than can be', { timeout: 3_600_000 }, async () => {
    const faults = ['rot', 'wipe', 'crash', 'partition', 'failed-sync'] as const
    const change = { storage, faults, beyondModel: true, durationMs: 10_000 }
    const result = await sweepOf(name, change, Number(process.env.SIM_SEEDS ?? 10))
    expect(result.failures).toEqual([])
    expect(result.faults['wipe']).toBeGreaterThan(0)
    expect(result.faults['rot']).toBeGreaterThan(0)
  })

  it('does the same again from the same seed', async () => {
    const options = { ...settingsOf(name), storage, everything: true, durationMs: 5_000, seed: 7 }
    const [one, again] = [await simulate(options), await simulate(options)]
    expect(again.traceHash).toBe(one.traceHash)
    expect(again.events).toBe(one.events)
  })
})

describe('kept seeds', () => {
  for (const { algorithm, seed, found, options } of keptOnFiles) {
    it(`survives seed ${seed} of ${algorithm} on files, which found: ${found}`, async () => {
      const result = await simulate({ ...settingsOf(algorithm), ...options, storage, seed })
      expect(result.failure === undefined ? '' : failureReport(result)).toBe('')
    })
  }
})
