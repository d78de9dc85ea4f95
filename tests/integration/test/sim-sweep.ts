// What the sweeps of all algorithms have in common: how many seeds, which faults, how each history is
// judged, what is printed, and what is left behind where a seed fails.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConsensusFactory, Random } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import type { SimulateOptions, SweepResult } from '@quorate/sim'
import { diagram, faultKinds, registerMap, registerWorkload, simulate, sweep } from '@quorate/sim'
import type { KeptSeed } from './kept-seeds.ts'
import { keptSeeds } from './kept-seeds.ts'
import type { Verdicts } from './sim-judge.ts'
import { registerJudge } from './sim-judge.ts'

/** Clocks of two hosts may differ by twice as much, which is less than leases allow for. */
const DRIFT_MAX = 0.04

/** The names of the algorithms. */
export type AlgorithmName = 'raft' | 'paxos'

/** What draws the settings of an algorithm for a run, and what it does not promise. */
const algorithms: Readonly<
  Record<
    AlgorithmName,
    Pick<SimulateOptions, 'promises'> & { consensus(random: Random): ConsensusFactory }
  >
> = {
  raft: {
    consensus(random) {
      const own = random.fork('raft')
      const electionTimeoutMs = 150 + own.below(850)
      return raft({
        electionTimeoutMs,
        heartbeatIntervalMs: Math.max(10, Math.floor(electionTimeoutMs / (3 + own.below(8)))),
        preVote: own.fraction() < 0.7,
        hibernateAfterMs: drawnPause(own),
        checkQuorum: true,
        clockDriftMax: 0.1,
      })
    },
  },
  paxos: {
    consensus(random) {
      const own = random.fork('paxos')
      const electionTimeoutMs = 150 + own.below(850)
      return paxos({
        electionTimeoutMs,
        heartbeatIntervalMs: Math.max(10, Math.floor(electionTimeoutMs / (3 + own.below(8)))),
        quorumReads: own.fraction() < 0.3,
        hibernateAfterMs: drawnPause(own),
        clockDriftMax: 0.1,
      })
    },
    // A ballot names its leader, a round does not, and an entry is decided again in later rounds.
    promises: { leaderPerEpoch: false, epochsAgree: false },
  },
}

/** In three runs of ten, groups sleep when nobody has used them for so long. */
function drawnPause(random: Random): number {
  const [sleeps, pauseMs] = [random.fraction() < 0.3, 50 + random.below(1_000)]
  return sleeps ? pauseMs : 0
}

/** How runs of an algorithm are simulated, all but the seed. */
export function settingsOf(name: AlgorithmName): Omit<SimulateOptions, 'seed'> {
  return {
    ...algorithms[name],
    stateMachine: registerMap,
    workload: registerWorkload(),
    canonicalSnapshots: true,
    driftMax: DRIFT_MAX,
    reads: ['quorum', 'lease', 'quorum', { maxStalenessMs: 500 }],
    faults: faultKinds,
  }
}

/** What a sweep came to, and what the checker said of its histories. */
export type JudgedSweep = SweepResult & { readonly verdicts: Verdicts }

/** Runs the seeds that the environment asks for. */
export async function sweepOf(
  name: AlgorithmName,
  change: Partial<SimulateOptions> = {},
  seeds = Number(process.env.SIM_SEEDS ?? 25),
): Promise<JudgedSweep> {
  const firstSeed = Number(process.env.SIM_FIRST_SEED ?? 1)
  const verdicts: Verdicts = { ok: 0, unknown: 0 }
  const test = change.storage === undefined ? `sim-${name}.test.ts` : `sim-files.test.ts -t ${name}`
  const started = performance.now()
  const result = await sweep({
    ...settingsOf(name),
    judge: registerJudge(verdicts),
    ...change,
    firstSeed,
    seeds,
    recheck: seeds < 100 ? 0.1 : 0.05,
    minimiseRuns: Number(process.env.SIM_MINIMISE ?? 100),
    replay: (seed) =>
      `SIM_FIRST_SEED=${seed} SIM_SEEDS=1 npx vitest run tests/integration/test/${test}`,
    async onFailure({ minimised }) {
      const { recording } = await simulate({ ...minimised.options, record: true })
      if (recording === undefined) return undefined
      const file = join(tmpdir(), `quorate-${name}-${minimised.options.seed}.html`)
      writeFileSync(file, diagram(recording))
      return `picture: ${file}`
    },
  })
  const seconds = (performance.now() - started) / 1_000
  const perSecond = (result.simulatedMs / 1_000 / seconds).toFixed(0)
  console.log(
    `${name}: seeds ${firstSeed} to ${firstSeed + result.seeds - 1}, ${(result.seeds / seconds).toFixed(1)} a second, ` +
      `${result.rechecked} of them twice, ${(result.simulatedMs / 1_000).toFixed(0)} simulated seconds, ${perSecond} a second, ` +
      `${result.events} events, ${result.committed} commits, ${result.operations} operations, ` +
      `${verdicts.ok} histories linearizable, ${verdicts.unknown} undecided, faults ${JSON.stringify(result.faults)}`,
  )
  for (const failure of result.failures) console.error(failure)
  return { ...result, failures: result.failures.map(headline), verdicts }
}

/** What an assertion shows of a failure that was printed: what broke, and how to see it again. */
function headline(failure: string): string {
  const lines = failure.split('\n')
  const again = lines.find((line) => line.startsWith('replay: '))
  return [...lines.slice(0, 2), ...(again === undefined ? [] : [again])].join('\n')
}

/** Runs the seeds that once found something; each is as it was found, but for what has been mended. */
export function keptOf(name: AlgorithmName): readonly KeptSeed[] {
  return keptSeeds.filter(({ algorithm }) => algorithm === name)
}

/** The names of all coverage marks in the sources of some packages. */
export function marksIn(packages: readonly string[]): readonly string[] {
  const names = packages.flatMap((name) => {
    const folder = fileURLToPath(new URL(`../../../packages/${name}/src/`, import.meta.url))
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const found = readFileSync(join(folder, file), 'utf8').matchAll(/\bmark\('([^']+)'/g)
        return [...found].map(([, mark]) => mark as string)
      })
  })
  return [...new Set(names)].toSorted()
}
