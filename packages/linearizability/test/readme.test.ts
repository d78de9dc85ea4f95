// The first example of the README is this file's neighbour, word for word, and does what it says.
import { readFileSync } from 'node:fs'
import { afterEach, expect, it, vi } from 'vitest'
import { modelNames } from '../src/index.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

afterEach(() => {
  vi.restoreAllMocks()
})

it('shows the example that runs', () => {
  const example = readFileSync(new URL('readme-example.ts', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(25)
})

it('does what it says', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  await import('./readme-example.ts')
  expect(log.mock.calls).toEqual([
    ['Illegal'],
    [{ operation: 3, refused: [3], state: '"1"' }],
    [true],
  ])
})

it('names every model', () => {
  for (const name of modelNames) expect(readme).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, 'm'))
})
