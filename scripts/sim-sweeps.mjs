// `npm run sim-sweeps`: thousands of simulated runs that nobody has seen before, for each algorithm, in
// two processes. The first seed comes from the commit that is checked out, so that each commit has its
// own and whoever checks it out can repeat them; SIM_FIRST_SEED and SIM_SEEDS say otherwise.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { main, root } from './setup.mjs'

const SEEDS = 2_000
const SEED_MAX = 0xffffffff
const algorithms = ['raft', 'paxos']

/** The first 32 bits of the commit's hash; outside of version control, those of the date. */
function baseOfCommit() {
  try {
    const options = /** @type {const} */ ({ cwd: root, encoding: 'utf8', stdio: 'pipe' })
    return Number.parseInt(execFileSync('git', ['rev-parse', 'HEAD'], options).slice(0, 8), 16)
  } catch {
    return Math.floor(Date.now() / 86_400_000) * 10_000
  }
}

await main(() => {
  const base = process.env.SIM_FIRST_SEED ?? String(baseOfCommit() % (SEED_MAX - 1_000_000))
  const seeds = process.env.SIM_SEEDS ?? String(SEEDS)
  console.log(`again: SIM_FIRST_SEED=${base} SIM_SEEDS=${seeds} npm run sim-sweeps`)
  const files = algorithms.map((name) => `tests/integration/test/sim-${name}.test.ts`)
  const result = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      ...files,
      '-t',
      'survives every fault',
      '--maxWorkers=2',
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, SIM_FIRST_SEED: base, SIM_SEEDS: seeds },
    },
  )
  if (result.error !== undefined) throw result.error
  process.exitCode = result.status ?? 1
})
