// How much a package adds to a page: everything it exports, bundled for a browser, minified and
// compressed with brotli. What it imports from other packages here counts there, and only once.
import { constants, brotliCompressSync } from 'node:zlib'
import { join } from 'node:path'
import { build } from 'esbuild'
import { main, root } from './setup.mjs'

const kB = 1000

/**
 * Bytes after brotli, by entry point. A package that needs more says in review what for.
 * @type {Record<string, number>}
 */
const budgets = {
  'core/src/index.ts': 8 * kB,
  'ring/src/index.ts': 24 * kB,
  'raft/src/index.ts': 16 * kB,
  'paxos/src/index.ts': 20 * kB,
  'runtime/src/index.ts': 16 * kB,
  'transport-ws/src/browser.ts': 12 * kB,
}

/**
 * @param {string} name
 * @returns {Promise<number>} bytes
 */
async function sizeOf(name) {
  const result = await build({
    entryPoints: [join(root, 'packages', name)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    external: ['@quorate/*'],
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
