// Mutants go stale quietly: every change of a source may take away the text that one replaces. Each of
// them is looked at here, without being run.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { applyEdit, editsOf, killersOf, readLists, root } from '../src/lists.mjs'
import { killerName, page, readResults, renderPage } from '../src/matrix.mjs'
import type { Mutant } from '../src/mutant.ts'

const lists = await readLists()
const mutants = lists.flatMap((list) => list.mutants)

const sample: Mutant = {
  id: 'sample',
  file: 'a.ts',
  find: 'one',
  replace: 'two',
  breaks: 'Nothing.',
  killedBy: ['a.test.ts', { file: 'b.test.ts', name: 'some', env: { SEEDS: '3' } }],
}

describe.each(lists.map((list) => [list.name, list] as const))('%s', (name, list) => {
  it.each(list.mutants.map((mutant) => [mutant.id, mutant] as const))('%s', (id, mutant) => {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/)
    expect(id.startsWith(`${name}-`)).toBe(true)
    const texts = new Map<string, string>()
    for (const edit of editsOf(mutant)) {
      const text = texts.get(edit.file) ?? readFileSync(join(root, edit.file), 'utf8')
      texts.set(edit.file, applyEdit(id, edit, text))
    }
    expect(mutant.breaks).toMatch(/^[A-Z0-9`].*\.$/)
    expect(mutant.killedBy.length).toBeGreaterThan(0)
    const files = killersOf(mutant).map(({ file }) => file)
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  it('has a result for each killer, as `--only ID --write` writes it', () => {
    const wanted = list.mutants.map((mutant) => [
      mutant.id,
      killersOf(mutant).map(killerName).toSorted(),
    ])
    const known = Object.entries(readResults(name)).map(([id, results]) => [
      id,
      results.map(({ killer }) => killer).toSorted(),
    ])
    expect(Object.fromEntries(known)).toEqual(Object.fromEntries(wanted))
  })
})

it('names no mutant twice', () => {
  const ids = mutants.map(({ id }) => id)
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
})

it('has the page that `npm run mutants -- --write` writes', () => {
  expect(readFileSync(join(root, page), 'utf8')).toBe(renderPage(lists))
})

describe('an edit', () => {
  it('wants its text once', () => {
    expect(applyEdit('sample', sample, 'one $& more')).toBe('two $& more')
    expect(() => applyEdit('sample', sample, 'three')).toThrow('0 times in a.ts')
    expect(() => applyEdit('sample', sample, 'one one')).toThrow('2 times in a.ts')
    expect(() => applyEdit('sample', { ...sample, replace: 'one' }, 'one')).toThrow('nothing')
  })

  it('takes its replacement by the letter', () => {
    expect(applyEdit('sample', { ...sample, replace: '$&$1' }, 'one')).toBe('$&$1')
  })
})

it('writes killers as commands', () => {
  expect(killersOf(sample).map(killerName)).toEqual(['a.test.ts', 'SEEDS=3 b.test.ts -t "some"'])
})
