// Stops an unsupported Node with a sentence instead of a syntax error further on, so this file
// is written in the language of every Node that can read a module at all.
import { readFileSync } from 'fs'

/**
 * `[major, minor]` of a version such as `v20.19.1`.
 * @param {string} text
 * @returns {[number, number]}
 */
export function parseVersion(text) {
  const match = /^v?(\d+)\.(\d+)/.exec(text)
  if (match === null) throw new TypeError('not a version: ' + text)
  return [Number(match[1]), Number(match[2])]
}

/**
 * What is wrong with this Node, or an empty string.
 * @param {string} version as in `process.version`
 * @param {string} range as in `engines.node`: `>=20.19`
 */
export function nodeProblem(version, range) {
  const wanted = parseVersion(range.replace('>=', ''))
  const found = parseVersion(version)
  const enough = found[0] > wanted[0] || (found[0] === wanted[0] && found[1] >= wanted[1])
  if (enough) return ''
  return 'Quorate needs Node ' + range + '; this is Node ' + version + '. Install a newer Node.'
}

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const problem = nodeProblem(process.version, manifest.engines.node)
if (problem !== '') {
  console.error(problem)
  process.exit(1)
}
