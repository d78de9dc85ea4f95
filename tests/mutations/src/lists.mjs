// Reads the lists of mutants, and applies one to a text. Written in plain JavaScript, since the
// configuration of vitest and a command of Node both need it before anything is compiled.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** The root of the repository: `import.meta.url` may be that of the bundled configuration. */
export const root = findRoot()
const folder = join(root, 'tests', 'mutations', 'mutants')

/**
 * @typedef {import('./mutant.ts').Mutant} Mutant
 * @typedef {import('./mutant.ts').Edit} Edit
 * @typedef {import('./mutant.ts').Killer} Killer
 * @typedef {import('./mutant.ts').NotApplicable} NotApplicable
 * @typedef {{ name: string, mutants: readonly Mutant[], notApplicable: readonly NotApplicable[] }} List
 */

function findRoot() {
  let at = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    try {
      readFileSync(join(at, 'pnpm-workspace.yaml'))
      return at
    } catch {
      const up = dirname(at)
      if (up === at) throw new Error('not inside the repository')
      at = up
    }
  }
}

/**
 * Every list, by the name of its file.
 * @returns {Promise<List[]>}
 */
export async function readLists() {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .toSorted()
  const { outputFiles } = await build({
    entryPoints: files.map((file) => join(folder, file)),
    outdir: folder,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'silent',
  })
  return Promise.all(
    outputFiles.map(async ({ path, contents }) => {
      const code = Buffer.from(contents).toString('base64')
      const module = await import(`data:text/javascript;base64,${code}`)
      return {
        name: basename(path, '.js'),
        mutants: module.mutants ?? [],
        notApplicable: module.notApplicable ?? [],
      }
    }),
  )
}

/**
 * All changes of a mutant.
 * @param {Mutant} mutant
 * @returns {readonly Edit[]}
 */
export function editsOf({ file, find, replace, also = [] }) {
  return [{ file, find, replace }, ...also]
}

/**
 * The killers of a mutant, none abbreviated.
 * @param {Mutant} mutant
 * @returns {readonly Killer[]}
 */
export function killersOf({ killedBy }) {
  return killedBy.map((killer) => (typeof killer === 'string' ? { file: killer } : killer))
}

/**
 * A text with one edit made; throws where the place is not there, or there more than once.
 * @param {string} id
 * @param {Edit} edit
 * @param {string} text
 */
export function applyEdit(id, { file, find, replace }, text) {
  const places = text.split(find).length - 1
  if (find === '' || places !== 1) {
    throw new Error(`mutant ${id}: its text occurs ${places} times in ${file}, not once`)
  }
  if (find === replace) throw new Error(`mutant ${id} changes nothing`)
  return text.replace(find, () => replace)
}

/** The hash of the commit that is checked out, or nothing outside of version control. */
export function commitHash() {
  try {
    const options = /** @type {const} */ ({ cwd: root, encoding: 'utf8', stdio: 'pipe' })
    return execFileSync('git', ['rev-parse', 'HEAD'], options).trim()
  } catch {
    return ''
  }
}
