// `npm run mutants`: runs mutants against their killers, says which survived, and writes the matrix.
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commitHash, killersOf, readLists, root } from './lists.mjs'
import { killerName, page, readResults, renderPage, writeResults } from './matrix.mjs'
import { tryKiller } from './trial.mjs'

const usage = `usage: npm run mutants -- [options]
  --only ID[,ID]      these mutants
  --package NAME      the mutants of one list, such as raft
  --sample N          so many, drawn at random
  --budget SECONDS    as many, drawn at random, as took so long when the matrix was written
  --seed TEXT         decides what is drawn (default: the commit that is checked out)
  --first             one killer for each is enough: the first
  --baseline          first see that the killers pass without a mutant
  --jobs N            how many at a time (default: one for each core)
  --seconds N         the longest that one killer may take (default 180)
  --write             keep the results, and write ${page}
  --list              name them and run nothing`

/** The mutants without which a run shows nothing: one that must be found, one that cannot be. */
const CANARIES = 'canary'
/** Seconds that a killer is taken to need where nothing is known of it. */
const GUESS = 5

/**
 * @typedef {import('./lists.mjs').Mutant} Mutant
 * @typedef {import('./mutant.ts').Killer} Killer
 * @typedef {{ list: import('./lists.mjs').List, mutant: Mutant, killer: Killer }} Job
 */

/**
 * A generator of numbers below 1 from a text.
 * @param {string} seed
 */
function drawing(seed) {
  let state = 0x811c9dc5
  for (const letter of seed) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * @template T
 * @param {readonly T[]} all
 * @param {string} seed
 */
function shuffled(all, seed) {
  const draw = drawing(seed)
  return all
    .map((value) => ({ value, at: draw() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value)
}

/**
 * What one of the jobs took when it was last written down.
 * @param {Job} job
 */
function secondsOf({ list, mutant, killer }) {
  const known = readResults(list.name)[mutant.id]?.find((one) => one.killer === killerName(killer))
  return known?.seconds ?? GUESS
}

/**
 * @param {Job[]} all
 * @param {number} budget
 * @param {string} seed
 */
function withinBudget(all, budget, seed) {
  let left = budget
  return shuffled(all, seed).filter((job) => {
    const seconds = secondsOf(job)
    if (seconds > left) return false
    left -= seconds
    return true
  })
}

/**
 * Runs the jobs, so many at a time, and hands over what came of each.
 * @param {Job[]} jobs
 * @param {number} width
 * @param {(job: Job) => Promise<void>} run
 */
async function atOnce(jobs, width, run) {
  const left = [...jobs]
  const lane = async () => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) await run(job)
  }
  await Promise.all(Array.from({ length: width }, lane))
}

/**
 * Whether a trial ended as the mutant says that it must.
 * @param {Mutant} mutant
 * @param {import('./trial.mjs').Trial} trial
 */
function isRight(mutant, { outcome }) {
  if (mutant.survives !== undefined) return outcome === 'survived'
  return outcome === 'killed' || (outcome === 'hangs' && mutant.hangs === true)
}

/** @param {readonly Job[]} jobs @param {number} secondsMax */
async function baseline(jobs, secondsMax) {
  const killers = new Map(jobs.map(({ killer }) => [killerName(killer), killer]))
  for (const [name, killer] of killers) {
    const trial = await tryKiller(undefined, killer, secondsMax)
    if (trial.outcome !== 'survived') {
      console.error(trial.detail)
      throw new Error(`without a mutant, this killer is ${trial.outcome}: ${name}`)
    }
  }
  console.log(`${killers.size} killers pass without a mutant`)
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      package: { type: 'string' },
      sample: { type: 'string' },
      budget: { type: 'string' },
      seed: { type: 'string' },
      first: { type: 'boolean' },
      baseline: { type: 'boolean' },
      jobs: { type: 'string' },
      seconds: { type: 'string' },
      write: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return console.log(usage)
  const lists = await readLists()
  const all = lists.flatMap((list) =>
    list.mutants.flatMap((mutant) =>
      killersOf(mutant)
        .slice(0, values.first === true ? 1 : undefined)
        .map((killer) => ({ list, mutant, killer })),
    ),
  )
  const only = values.only?.split(',')
  const unknown = (only ?? []).filter((id) => !all.some(({ mutant }) => mutant.id === id))
  if (unknown.length > 0) throw new Error(`there is no mutant ${unknown.join(', ')}`)
  const chosen = all.filter(
    ({ list, mutant }) =>
      (only === undefined || only.includes(mutant.id)) &&
      (values.package === undefined || list.name === values.package),
  )
  if (chosen.length === 0) throw new Error(`there are no mutants of ${values.package}`)
  const seed = values.seed ?? (commitHash() || 'no commit')
  const canaries = all.filter(({ list }) => list.name === CANARIES)
  const rest = chosen.filter(({ list }) => list.name !== CANARIES)
  const isDrawn = values.sample !== undefined || values.budget !== undefined
  const drawn = !isDrawn
    ? rest
    : values.sample === undefined
      ? withinBudget(rest, Number(values.budget), seed)
      : shuffled(rest, seed).slice(0, Number(values.sample))
  const jobs = [...canaries, ...drawn]
  if (isDrawn) console.log(`drawn with --seed ${seed}: ${drawn.length} of ${rest.length} trials`)
  if (values.list === true) {
    for (const { mutant, killer } of jobs) console.log(`${mutant.id}  ${killerName(killer)}`)
    return undefined
  }
  await runAll(lists, jobs, {
    width: Number(values.jobs ?? availableParallelism()),
    secondsMax: Number(values.seconds ?? 180),
    isFirstBare: values.baseline === true,
    isWritten: values.write === true,
  })
}

/**
 * @param {import('./lists.mjs').List[]} lists
 * @param {Job[]} jobs
 * @param {{ width: number, secondsMax: number, isFirstBare: boolean, isWritten: boolean }} options
 */
async function runAll(lists, jobs, { width, secondsMax, isFirstBare, isWritten }) {
  if (isFirstBare) await baseline(jobs, secondsMax)
  /** @type {string[]} */
  const wrong = []
  let right = 0
  await atOnce(jobs, width, async ({ list, mutant, killer }) => {
    const trial = await tryKiller(mutant.id, killer, secondsMax)
    const name = killerName(killer)
    const { outcome, seconds, seeds, test } = trial
    const isFine = isRight(mutant, trial)
    console.log(
      `${isFine ? 'ok    ' : 'WRONG '} ${outcome.padEnd(8)} ${mutant.id.padEnd(44)} ${seconds.toFixed(1).padStart(6)} s` +
        `${seeds === undefined ? '' : `  ${seeds} seeds`}  ${test ?? name}`,
    )
    if (isFine) right++
    else {
      wrong.push(`${mutant.id} is ${outcome} by ${name}`)
      if (outcome === 'broken') console.log(trial.detail.replace(/^/gm, '    | '))
    }
    if (!isWritten) return
    const results = readResults(list.name)
    const kept = (results[mutant.id] ?? []).filter(
      (known) =>
        known.killer !== name && killersOf(mutant).some((one) => killerName(one) === known.killer),
    )
    const known = {
      killer: name,
      outcome,
      seconds: Math.round(seconds * 10) / 10,
      ...(seeds === undefined ? {} : { seeds }),
      ...(test === undefined ? {} : { test }),
    }
    writeResults(list, { ...results, [mutant.id]: [...kept, known] })
  })
  if (isWritten) writeFileSync(join(root, page), renderPage(lists))
  for (const line of wrong) console.error(`wrong: ${line}`)
  console.log(`${right} of ${jobs.length} trials ended as they must`)
  if (wrong.length > 0) process.exitCode = 1
}

await main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  console.error(usage)
  process.exitCode = 2
})
