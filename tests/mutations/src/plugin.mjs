// Puts one mutant into the sources as vitest reads them. Nothing on the disk changes, so that runs
// of several mutants, or of none, go on side by side.
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { applyEdit, editsOf, readLists, root } from './lists.mjs'

/**
 * A plugin that changes what the named mutant changes; throws where that is not possible.
 * @param {string} id
 */
export async function mutantPlugin(id) {
  const lists = await readLists()
  const mutant = lists.flatMap(({ mutants }) => mutants).find((one) => one.id === id)
  if (mutant === undefined) throw new Error(`there is no mutant ${id}`)
  /** @type {Map<string, string>} */
  const changed = new Map()
  for (const edit of editsOf(mutant)) {
    const path = join(root, edit.file)
    const text = changed.get(path) ?? readFileSync(path, 'utf8')
    changed.set(path, applyEdit(id, edit, text))
  }
  // What does not compile would fail every test, and show nothing about them.
  for (const text of changed.values()) await transform(text, { loader: 'ts' })
  return {
    name: 'quorate-mutant',
    enforce: /** @type {const} */ ('pre'),
    /**
     * @param {string} _code
     * @param {string} path
     */
    transform(_code, path) {
      const code = changed.get(path.replace(/\?.*$/, ''))
      if (code === undefined) return undefined
      const log = process.env.QUORATE_MUTANT_LOG
      if (log !== undefined) appendFileSync(log, `${path}\n`)
      return { code, map: null }
    },
  }
}
