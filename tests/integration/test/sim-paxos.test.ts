// Paxos under the simulator: every fault that must be survived, in every setting of the algorithm.
// SIM_SEEDS and SIM_FIRST_SEED choose more, or other, runs; a failure prints how to repeat it.
import { expect, it } from 'vitest'
import { paxos } from '@quorate/paxos'
import { sweepOf } from './sim-sweep.ts'

it('survives every fault', { timeout: 3_600_000 }, async () => {
  const result = await sweepOf(
    'paxos',
    (random) => {
      const own = random.fork('paxos')
      const electionTimeoutMs = 150 + own.below(850)
      return paxos({
        electionTimeoutMs,
        heartbeatIntervalMs: Math.max(10, Math.floor(electionTimeoutMs / (3 + own.below(8)))),
        quorumReads: own.fraction() < 0.3,
        clockDriftMax: 0.1,
      })
    },
    // A ballot names its leader, a round does not, and an entry is decided again in later rounds.
    { leaderPerEpoch: false, epochsAgree: false },
  )
  expect(result.failures).toEqual([])
  expect(result.committed).toBeGreaterThan(0)
  expect(result.rechecked).toBeGreaterThan(0)
})
