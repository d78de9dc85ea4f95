// Raft under the simulator: every fault that must be survived, in every setting of the algorithm.
// SIM_SEEDS and SIM_FIRST_SEED choose more, or other, runs; a failure prints how to repeat it.
import { expect, it } from 'vitest'
import { raft } from '@quorate/raft'
import { sweepOf } from './sim-sweep.ts'

it('survives every fault', { timeout: 3_600_000 }, async () => {
  const result = await sweepOf('raft', (random) => {
    const own = random.fork('raft')
    const electionTimeoutMs = 150 + own.below(850)
    return raft({
      electionTimeoutMs,
      heartbeatIntervalMs: Math.max(10, Math.floor(electionTimeoutMs / (3 + own.below(8)))),
      preVote: own.fraction() < 0.7,
      checkQuorum: true,
      clockDriftMax: 0.1,
    })
  })
  expect(result.failures).toEqual([])
  expect(result.committed).toBeGreaterThan(0)
  expect(result.rechecked).toBeGreaterThan(0)
})
