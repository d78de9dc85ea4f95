// A project of somebody else: the packed packages lie in its node_modules, and every entry point is
// compiled without skipLibCheck, imported, and required from CommonJS.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

const compilerOptions = {
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  module: 'nodenext',
  moduleResolution: 'nodenext',
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  noEmit: true,
}

/**
 * Every entry point of a package that is JavaScript, as it is imported.
 * @param {string} folder of the unpacked package
 * @returns {string[]}
 */
function entryPoints(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return Object.keys(manifest.exports)
    .filter((key) => !key.endsWith('.json'))
    .map((key) => join(manifest.name, key))
}

/**
 * Makes the project and uses every package in it.
 * @param {string} folder an empty one
 * @param {ReadonlyMap<string, string>} tarballs by the name of the package's folder
 * @returns {string[]} what is wrong
 */
export function consumerProblems(folder, tarballs) {
  const scope = join(folder, 'node_modules', '@quorate')
  const entries = []
  for (const [name, tarball] of tarballs) {
    const target = join(scope, name)
    mkdirSync(target, { recursive: true })
    spawnSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', target])
    entries.push(...entryPoints(target))
  }
  mkdirSync(join(folder, 'node_modules', '@types'))
  symlinkSync(
    join(root, 'node_modules', '@types', 'node'),
    join(folder, 'node_modules', '@types', 'node'),
  )
  symlinkSync(
    join(root, 'packages', 'transport-ws', 'node_modules', 'ws'),
    join(folder, 'node_modules', 'ws'),
  )
  const lines = entries.map((entry, at) => `import * as m${at} from '${entry}'`)
  const used = `console.log([${entries.map((_, at) => `m${at}`).join(', ')}].length)`
  const module = `${lines.join('\n')}\n${used}\n`
  writeFileSync(join(folder, 'all.mts'), module)
  writeFileSync(join(folder, 'all.mjs'), module)
  writeFileSync(join(folder, 'all.cjs'), entries.map((entry) => `require('${entry}')`).join('\n'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['all.mts'] }),
  )
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const runs = [[tsc, '-p', '.', '--pretty', 'false'], ['all.mjs'], ['all.cjs']]
  return runs.flatMap((args) => {
    const result = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    if (result.status === 0) return []
    return [`consumer: node ${args.join(' ')}\n${result.stdout}${result.stderr}`]
  })
}
