// One trial: one mutant, one of its killers, one run of vitest, and what came of it.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './lists.mjs'

const OUTPUT_MAX = 1 << 20

/**
 * What came of a trial. `broken` says that it showed nothing: the mutant does not compile, was never
 * loaded, or the killer has no test.
 * @typedef {'killed' | 'survived' | 'hangs' | 'broken'} Outcome
 */

/**
 * @typedef {object} Trial
 * @property {Outcome} outcome
 * @property {number} seconds processor seconds would be better, wall-clock seconds is what there is
 * @property {number} [seeds] how many seeds the killer tried, where it says so
 * @property {string} [test] the test that failed first
 * @property {string} detail the end of the output
 */

/**
 * @typedef {{ ran: number, failed: string[], unloaded: number, success: boolean }} Report
 */

/**
 * Runs one killer, with a mutant or without.
 * @param {string | undefined} id
 * @param {import('./mutant.ts').Killer} killer
 * @param {number} secondsMax
 * @returns {Promise<Trial>}
 */
export async function tryKiller(id, killer, secondsMax) {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-mutant-'))
  const started = performance.now()
  try {
    const { code, late, output } = await vitest(id, killer, folder, secondsMax)
    const seconds = (performance.now() - started) / 1_000
    const wasApplied = id === undefined || existsSync(join(folder, 'applied'))
    const report = readReport(join(folder, 'report.json'))
    const seeds = seedsIn(output)
    const trial = { seconds, detail: output.slice(-3_000), ...(seeds > 0 ? { seeds } : {}) }
    if (!wasApplied) {
      return { ...trial, outcome: 'broken', detail: `the file was never loaded\n${trial.detail}` }
    }
    if (late) return { ...trial, outcome: 'hangs' }
    if (report === undefined || report.unloaded > 0) return { ...trial, outcome: 'broken' }
    if (report.failed.length > 0)
      return { ...trial, outcome: 'killed', test: String(report.failed[0]) }
    if (report.ran === 0) return { ...trial, outcome: 'broken', detail: 'no test was run' }
    // Something outside every test failed: an unhandled rejection, say.
    if (code !== 0) return { ...trial, outcome: 'killed', test: 'outside of every test' }
    return { ...trial, outcome: 'survived' }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {string | undefined} id
 * @param {import('./mutant.ts').Killer} killer
 * @param {string} folder
 * @param {number} secondsMax
 * @returns {Promise<{ code: number | null, late: boolean, output: string }>}
 */
function vitest(id, { file, name, env = {} }, folder, secondsMax) {
  const args = [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    file,
    ...(name === undefined ? [] : ['-t', name]),
    '--bail=1',
    '--maxWorkers=1',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(folder, 'report.json')}`,
  ]
  const { QUORATE_MUTANT: _none, ...outer } = process.env
  const child = spawn(process.execPath, args, {
    cwd: root,
    // A group of its own, so that whatever a test left behind ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...outer,
      NO_COLOR: '1',
      ...env,
      ...(id === undefined
        ? {}
        : { QUORATE_MUTANT: id, QUORATE_MUTANT_LOG: join(folder, 'applied') }),
    },
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let late = false
    const take = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_MAX)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const timer = setTimeout(() => {
      late = true
      endGroup(child.pid)
    }, secondsMax * 1_000)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      endGroup(child.pid)
      resolve({ code, late, output })
    })
  })
}

/** @param {number | undefined} pid */
function endGroup(pid) {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/**
 * @param {string} path
 * @returns {Report | undefined}
 */
function readReport(path) {
  if (!existsSync(path)) return undefined
  const { testResults, success } = JSON.parse(readFileSync(path, 'utf8'))
  /** @type {{ status: string, fullName: string }[]} */
  const tests = testResults.flatMap(
    (/** @type {{ assertionResults: object[] }} */ suite) => suite.assertionResults,
  )
  return {
    ran: tests.filter(({ status }) => status === 'passed' || status === 'failed').length,
    failed: tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
    unloaded: testResults.filter(
      (/** @type {{ status: string, assertionResults: { status: string }[] }} */ suite) =>
        suite.status === 'failed' &&
        !suite.assertionResults.some(({ status }) => status === 'failed'),
    ).length,
    success,
  }
}

/** @param {string} output */
function seedsIn(output) {
  const found = /\bseeds (\d+) to (\d+)\b/.exec(output)
  return found === null ? 0 : Number(found[2]) - Number(found[1]) + 1
}
