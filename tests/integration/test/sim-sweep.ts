// What the sweeps of all algorithms have in common: how many seeds, which faults, what is printed.
import type { ConsensusFactory, Random } from '@quorate/core'
import type { Promises, SweepResult } from '@quorate/sim'
import { registerMap, registerWorkload, sweep } from '@quorate/sim'

/** Clocks of two hosts may differ by twice as much, which is less than leases allow for. */
const DRIFT_MAX = 0.04

/** Runs the seeds that the environment asks for. */
export async function sweepOf(
  name: string,
  consensus: (random: Random) => ConsensusFactory,
  promises?: Promises,
): Promise<SweepResult> {
  const seeds = Number(process.env.SIM_SEEDS ?? 25)
  const firstSeed = Number(process.env.SIM_FIRST_SEED ?? 1)
  const started = performance.now()
  const result = await sweep({
    consensus,
    promises,
    stateMachine: registerMap,
    workload: registerWorkload(),
    canonicalSnapshots: true,
    driftMax: DRIFT_MAX,
    reads: ['quorum', 'lease'],
    firstSeed,
    seeds,
    recheck: seeds < 100 ? 0.1 : 0.05,
    replay: (seed) =>
      `SIM_FIRST_SEED=${seed} SIM_SEEDS=1 npx vitest run tests/integration/test/sim-${name}.test.ts`,
  })
  const seconds = (performance.now() - started) / 1_000
  const perSecond = (result.simulatedMs / 1_000 / seconds).toFixed(0)
  console.log(
    `${name}: seeds ${firstSeed} to ${firstSeed + result.seeds - 1}, ${(result.seeds / seconds).toFixed(1)} a second, ` +
      `${(result.simulatedMs / 1_000).toFixed(0)} simulated seconds, ${perSecond} a second, ` +
      `${result.events} events, ${result.committed} commits, ${result.operations} operations, faults ${JSON.stringify(result.faults)}`,
  )
  for (const failure of result.failures) console.error(failure)
  return result
}
