// `npm start`: installs, builds the playground with what it imports, and becomes the demo, in
// this very process, so that ctrl-C and every other signal reach the cluster directly.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, main, root, setup } from './setup.mjs'

await main(async () => {
  setup()
  build(['@quorate/playground...'])
  const cli = join(root, 'apps', 'playground', 'dist', 'cli.js')
  if (!existsSync(cli)) throw new Error(`the build left no ${cli}`)
  const given = process.argv.slice(2)
  process.argv = [process.execPath, cli, 'demo', ...given]
  await import(pathToFileURL(cli).href)
})
