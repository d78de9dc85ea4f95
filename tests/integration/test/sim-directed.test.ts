// Runs with a purpose, for each algorithm: leases of leaders that are heard no more, leaders lost one
// after the other, snapshots all the time, a rolling restart, and far more groups than hosts.
// SIM_SEEDS and SIM_FIRST_SEED choose more, or other, runs; a failure prints what it was.
import { describe, expect, it } from 'vitest'
import { failureReport, simulate } from '@quorate/sim'
import { directed, directions } from './sim-directed.ts'
import { storages } from './sim-storage.ts'
import type { AlgorithmName } from './sim-sweep.ts'

const firstSeed = Number(process.env.SIM_FIRST_SEED ?? 1)
const names: readonly AlgorithmName[] = ['raft', 'paxos']

describe.each(names)('%s', (name) => {
  it.each(directions)('survives %s', { timeout: 3_600_000 }, async (direction) => {
    const seeds = Number(process.env.SIM_SEEDS ?? (direction === 'many-groups' ? 1 : 3))
    let tried = 0
    let failure = ''
    let answered = 0
    for (let seed = firstSeed; seed < firstSeed + seeds && failure === ''; seed++) {
      const result = await simulate(directed(direction, name, seed))
      tried++
      if (result.failure !== undefined) failure = failureReport(result)
      answered += result.operations.ok
    }
    console.log(`${name}: seeds ${firstSeed} to ${firstSeed + tried - 1} of ${direction}`)
    expect(failure).toBe('')
    expect(answered).toBeGreaterThan(tried)
  })

  it('loses nothing in a rolling restart on files', { timeout: 600_000 }, async () => {
    const options = { ...directed('rolling-restart', name, firstSeed), storage: storages.fs }
    const result = await simulate(options)
    expect(result.failure === undefined ? '' : failureReport(result)).toBe('')
    expect(result.faults.crash).toBe(15)
    // Every call to a host that is down is refused; nothing that was answered may be lost, which the run checks.
    expect(result.operations.ok).toBeGreaterThan(result.history.length / 2)
  })
})
