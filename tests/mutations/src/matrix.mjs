// The matrix of mutants and killers: what is known of each, kept in a file, and as a page.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { killersOf, root } from './lists.mjs'

/** The page, from the root. */
export const page = 'docs/reference/mutants.md'

/**
 * @typedef {{ killer: string, outcome: import('./trial.mjs').Outcome, seconds: number, seeds?: number, test?: string }} Known
 * @typedef {Record<string, Known[]>} Results of each mutant of a list, one for each killer
 */

/** @param {string} list */
function resultsFile(list) {
  return join(root, 'tests', 'mutations', 'results', `${list}.json`)
}

/**
 * What earlier runs of a list's mutants came to.
 * @param {string} list
 * @returns {Results}
 */
export function readResults(list) {
  const file = resultsFile(list)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
}

/**
 * @param {import('./lists.mjs').List} list
 * @param {Results} results
 */
export function writeResults(list, results) {
  const kept = list.mutants.flatMap(({ id }) => {
    const known = results[id]
    return known === undefined ? [] : [[id, known]]
  })
  writeFileSync(resultsFile(list.name), `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`)
}

/**
 * The name of a killer in results and tables.
 * @param {import('./mutant.ts').Killer} killer
 */
export function killerName({ file, name, env = {} }) {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`)
  return [...settings, file, ...(name === undefined ? [] : [`-t "${name}"`])].join(' ')
}

/**
 * @param {import('./lists.mjs').Mutant} mutant
 * @param {Known[]} known
 */
function rows(mutant, known) {
  return killersOf(mutant).map((killer, at) => {
    const result = known.find((one) => one.killer === killerName(killer))
    const first = [`\`${mutant.id}\``, cell(mutant.breaks)]
    const seen =
      result === undefined
        ? 'not run yet'
        : result.outcome === 'hangs'
          ? 'it never ends'
          : result.outcome === 'killed'
            ? cell(result.test ?? '')
            : `**${result.outcome}**`
    return `| ${[
      ...(at === 0 ? first : ['', '']),
      `\`${killerName(killer).replaceAll('|', '\\|')}\``,
      seen,
      result?.seeds ?? '',
      result === undefined ? '' : result.seconds.toFixed(0),
    ].join(' | ')} |`
  })
}

/** @param {string} text */
function cell(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('|', '\\|')
    .replaceAll('{{', '{ {')
    .replaceAll('*', '\\*')
    .replaceAll('`', '')
    .replaceAll('\n', ' ')
}

/**
 * The page of all lists.
 * @param {readonly import('./lists.mjs').List[]} lists
 */
export function renderPage(lists) {
  const mutants = lists.flatMap((list) => list.mutants)
  const live = mutants.filter(({ survives }) => survives === undefined)
  const survivors = mutants.filter(({ survives }) => survives !== undefined)
  const absent = lists.flatMap(({ notApplicable }) => notApplicable)
  return [
    '# Mutants',
    '',
    '<!-- Written by `npm run mutants -- --write`. -->',
    '',
    'A test suite is worth what it finds. Each line is a bug that was put into the sources on purpose,',
    'many of them bugs that well-known systems once shipped, and the test that has to find it. Nothing',
    'on the disk changes: the bug is put in as the test runner reads the file. Seconds are those of one',
    'run on two cores, the start of the test runner included; seeds are how many a simulation needed.',
    '',
    '```sh',
    'npm run mutants -- --only raft-vote-twice   # one of them',
    'npm run mutants -- --package raft           # a list',
    'npm run mutants                             # all',
    '```',
    '',
    `There are ${live.length} mutants that have to be killed, in ${lists.length} lists.`,
    ...lists.flatMap((list) => {
      const results = readResults(list.name)
      const shown = list.mutants.filter(({ survives }) => survives === undefined)
      if (shown.length === 0) return []
      return [
        '',
        `## ${list.name}`,
        '',
        '| mutant | what is wrong | killer | what failed | seeds | s |',
        '| --- | --- | --- | --- | ---: | ---: |',
        ...shown.flatMap((mutant) => rows(mutant, results[mutant.id] ?? [])),
      ]
    }),
    '',
    '## Survivors',
    '',
    'What no test can find, and why.',
    '',
    '| mutant | what is wrong | why it survives |',
    '| --- | --- | --- |',
    ...survivors.map(
      ({ id, breaks, survives }) => `| \`${id}\` | ${cell(breaks)} | ${cell(survives ?? '')} |`,
    ),
    '',
    '## Bugs that have no place here',
    '',
    '| bug | why it cannot be put in |',
    '| --- | --- |',
    ...absent.map(({ bug, why }) => `| ${cell(bug)} | ${cell(why)} |`),
    '',
  ].join('\n')
}
