// The store on the log of production: many groups of one host in one log on simulated files, dropped as
// shards move away and made anew as they come, under every fault of disks and hosts.
// SIM_KV_SEEDS and SIM_KV_FIRST_SEED choose more schedules, or other ones.
import { describe, expect, it } from 'vitest'
import { storages } from './sim-storage.ts'
import type { AlgorithmName } from './sim-kv-plan.ts'
import { kvSweep } from './sim-kv-sweep.ts'

const SCHEDULES = 20
const names: readonly AlgorithmName[] = ['raft', 'paxos']

describe.each(names)('the store over %s on files', (name) => {
  it('keeps its promises while shards move', { timeout: 3_600_000 }, async () => {
    const result = await kvSweep(name, 'slots', SCHEDULES, storages.fs)
    for (const failure of result.failures) console.error(failure)
    expect(result.failures).toEqual([])
    expect(result.decided).toBeGreaterThanOrEqual(result.schedules * 0.95)
    if (result.schedules < SCHEDULES) return
    for (const kind of ['crash', 'partition', 'full-disk', 'failed-sync', 'destroy'])
      expect(result.happened).toHaveProperty([kind])
    expect(result.happened['moved']).toBeGreaterThan(result.schedules)
  })
})
