// How much a package costs in a browser: everything it exports, with what it imports, bundled,
// minified and compressed with brotli. Over the budget is an error; under it, a line per package.
import { constants, brotliCompressSync } from 'node:zlib'
import { join } from 'node:path'
import { build } from 'esbuild'
import { main, root } from './setup.mjs'

const kB = 1000

/** Bytes after brotli. A package that needs more has to say in review what for. */
const budgets = {
  core: 16 * kB,
  ring: 16 * kB,
  raft: 16 * kB,
  paxos: 16 * kB,
}

/**
 * @param {string} name
 * @returns {Promise<number>} bytes
 */
async function sizeOf(name) {
  const result = await build({
    entryPoints: [join(root, 'packages', name, 'src', 'index.ts')],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    conditions: ['@quorate/source'],
    logLevel: 'silent',
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error(`${name}: nothing was built`)
  const parameters = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
  return brotliCompressSync(output.contents, { params: parameters }).length
}

await main(async () => {
  const over = []
  for (const [name, budget] of Object.entries(budgets)) {
    const size = await sizeOf(name)
    const line = `${name}: ${(size / kB).toFixed(1)} kB of ${(budget / kB).toFixed(0)} kB`
    console.log(line)
    if (size > budget) over.push(line)
  }
  if (over.length > 0) throw new Error(`over the budget: ${over.join(', ')}`)
})
