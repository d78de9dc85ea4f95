// `npm test`: installs, builds, and runs every test; arguments go on to vitest, as in
// `npm test -- packages/raft`. TEST_REPORT names a file for the results in JSON.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build, main, root, setup } from './setup.mjs'

await main(() => {
  setup()
  build()
  const report = process.env.TEST_REPORT
  const reporters =
    report === undefined
      ? []
      : ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const result = spawnSync(
    process.execPath,
    [vitest, 'run', ...reporters, ...process.argv.slice(2)],
    { cwd: root, stdio: 'inherit' },
  )
  if (result.error !== undefined) throw result.error
  process.exitCode = result.status ?? 1
})
