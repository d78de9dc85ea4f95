// Installs what the lockfile names, with the pnpm that package.json pins, and does nothing at
// all when that has already happened: a second `npm start` must not wait for an installer.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds the workspace. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const stamp = join(root, 'node_modules', '.quorate-setup')
const groups = ['packages', 'apps', 'tests']

/** Every package.json of the workspace, relative to the root. */
function manifests() {
  const nested = groups
    .filter((group) => existsSync(join(root, group)))
    .flatMap((group) =>
      readdirSync(join(root, group)).map((name) => `${group}/${name}/package.json`),
    )
  return ['package.json', 'docs/package.json', ...nested]
    .filter((file) => existsSync(join(root, file)))
    .toSorted()
}

/** Changes whenever an install could have something to do. */
function fingerprint() {
  const hash = createHash('sha256')
  hash.update(process.version)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests()]) {
    hash.update(`${file}\n${readFileSync(join(root, file), 'utf8')}\n`)
  }
  return hash.digest('hex')
}

/**
 * Whether an earlier run installed exactly this, and nobody removed it since.
 * @param {string} wanted
 */
function isInstalled(wanted) {
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) return false
  return manifests().every((file) => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, file), 'utf8'))
    if (Object.keys({ ...dependencies, ...devDependencies }).length === 0) return true
    return existsSync(join(root, dirname(file), 'node_modules'))
  })
}

/**
 * The pinned pnpm: the installed one when there is one, otherwise npx fetches it.
 * @returns {[command: string, args: string[]]}
 */
function pnpmCommand() {
  const [, version] = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ).packageManager.split('@')
  const installed = join(root, 'node_modules', 'pnpm')
  if (existsSync(join(installed, 'package.json'))) {
    const found = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')).version
    if (found === version) return [process.execPath, [join(installed, 'bin', 'pnpm.cjs')]]
  }
  const npx = process.platform === 'win32' ? 'npx.cmd' : 'npx'
  return [npx, ['--yes', '--prefer-offline', `pnpm@${version}`]]
}

/** Installs when needed; throws with pnpm's own output on the terminal when that fails. */
export function setup() {
  const wanted = fingerprint()
  if (isInstalled(wanted)) return
  console.log('Installing dependencies (only when the lockfile has changed) …')
  const [command, args] = pnpmCommand()
  const result = spawnSync(
    command,
    [
      ...args,
      'install',
      '--frozen-lockfile',
      '--prefer-offline',
      '--reporter=append-only',
      '--config.confirmModulesPurge=false',
    ],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
      shell: process.platform === 'win32',
    },
  )
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
    const reason = result.error?.message ?? `pnpm ended with code ${result.status ?? result.signal}`
    throw new Error(`the installation failed: ${reason}`)
  }
  writeFileSync(stamp, wanted)
}

/**
 * Builds packages in the order of their imports; what has not changed comes from the cache.
 * @param {string[]} filters turbo filters, empty for everything
 */
export function build(filters = []) {
  const turbo = join(root, 'node_modules', 'turbo', 'bin', 'turbo')
  console.log('Building (only what has changed) …')
  const started = performance.now()
  const result = spawnSync(
    process.execPath,
    [
      turbo,
      'run',
      'build',
      ...filters.map((filter) => `--filter=${filter}`),
      '--output-logs=errors-only',
      '--log-order=grouped',
      '--no-update-notifier',
      '--concurrency=100%',
    ],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
      env: {
        ...process.env,
        PATH: `${join(root, 'node_modules', '.bin')}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH}`,
        TURBO_TELEMETRY_DISABLED: '1',
        DO_NOT_TRACK: '1',
      },
    },
  )
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
    throw new Error('the build failed; its output is above')
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const cached = /(\d+) cached, (\d+) total/.exec(result.stdout)
  if (cached !== null && cached[1] === cached[2]) return
  console.log(`Built ${cached?.[2] ?? 'all'} packages in ${seconds} s.`)
}

/**
 * Runs one command of this repository and turns a failure into a message and an exit code.
 * @param {() => unknown} body
 */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(() => setup())
