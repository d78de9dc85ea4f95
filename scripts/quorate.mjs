#!/usr/bin/env node
// `npx quorate …` in the root of this repository: the playground's command, as it was last built.
// npx finds it because the root's package.json names it, so nothing has to be linked; in a folder
// with a package.json of its own npx would look elsewhere, and `node` with this file's path helps.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import './check-node.mjs'
import { main, root } from './setup.mjs'

await main(async () => {
  const cli = join(root, 'apps', 'playground', 'dist', 'cli.js')
  if (!existsSync(cli)) {
    throw new Error(
      'the quorate command is not built yet: run `npm start` once, or `npm run setup` and `npm run build`',
    )
  }
  process.argv[1] = cli
  await import(pathToFileURL(cli).href)
})
