// Runs one suite: bundles src/<suite>.ts, workspace packages from their sources and everything
// else as installed, and runs the bundle in a Node of its own with the garbage collector at hand.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const [suite, ...rest] = process.argv.slice(2)
const entry = join(here, 'src', `${suite ?? ''}.ts`)
if (suite === undefined || !existsSync(entry)) {
  const suites = readdirSync(join(here, 'src')).filter((file) => file.endsWith('.ts'))
  console.error(`usage: bench <suite> [arguments]\nfiles in src: ${suites.join(', ')}`)
  process.exit(2)
}

// Inside the package, so that the bundle finds what is installed for it.
const folder = join(here, 'dist')
mkdirSync(folder, { recursive: true })
const outfile = join(folder, `${suite}.mjs`)
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  conditions: ['@quorate/source'],
  external: [
    '@subspace/jump-consistent-hash',
    '@quorate/playground',
    'classic-level',
    'consistent-hash',
    'effect',
    'hashring',
    'lmdb',
    'node-hashring',
    'ws',
  ],
  logLevel: 'warning',
})
const child = spawn(process.execPath, ['--expose-gc', '--enable-source-maps', outfile, ...rest], {
  stdio: 'inherit',
})
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
