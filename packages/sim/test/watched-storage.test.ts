// A storage that is handed in: one that is right survives every fault of a disk, and each precaution
// that another leaves out is missed.
import { describe, expect, it } from 'vitest'
import type { SimulateOptions } from '../src/index.ts'
import { failureKind, registerMap, registerWorkload, simulate, sweep } from '../src/index.ts'
import { toy } from './fixtures/toy.ts'
import type { Omission } from './fixtures/toy-files.ts'
import { toyFiles } from './fixtures/toy-files.ts'

function options(without?: Omission): Omit<SimulateOptions, 'seed'> {
  return {
    consensus: toy(),
    stateMachine: registerMap,
    workload: registerWorkload(),
    durationMs: 6_000,
    clients: 2,
    limits: {},
    storage: toyFiles(without),
  }
}

const disk = ['crash', 'blackout', 'slow-disk', 'full-disk', 'failed-sync'] as const

describe('a storage on simulated files', () => {
  it('survives every fault where it is right', async () => {
    const seeds = Number(process.env.SIM_SEEDS ?? 10)
    const result = await sweep({ ...options(), firstSeed: 1, seeds, recheck: 0.2 })
    expect(result.failures).toEqual([])
    expect(result.rechecked).toBeGreaterThan(0)
    expect(result.committed).toBeGreaterThan(seeds)
    for (const kind of disk) expect(result.faults[kind]).toBeGreaterThan(0)
  })

  it('is found out where it takes what has rotted for what was never finished', async () => {
    const faults = ['crash', 'rot'] as const
    for (let seed = 1; seed <= 60; seed++) {
      const change = { faults, members: 5, everything: true, seed }
      const result = await simulate({ ...options(), ...change })
      if (result.failure === undefined) continue
      expect(failureKind(result)).toBe('storage-durable')
      return
    }
    expect.fail('nothing was noticed')
  })

  const omissions: readonly Omission[] = ['sync', 'directory-sync', 'poison']
  it.each(omissions)('is found out where it leaves out: %s', async (without) => {
    for (let seed = 1; seed <= 60; seed++) {
      const result = await simulate({ ...options(without), faults: disk, everything: true, seed })
      if (result.failure === undefined) continue
      expect(failureKind(result)).toBe('storage-durable')
      return
    }
    expect.fail('nothing was noticed')
  })
})
