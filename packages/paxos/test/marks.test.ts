// Every coverage mark in the sources is hit by some test: a subtle branch that no test reaches is
// one that nobody would see break.
import { readFileSync, readdirSync } from 'node:fs'
import type { Limits, Tracer } from '@quorate/core'
import { runTranscript } from '@quorate/sim'
import { expect, test } from 'vitest'
import { chaos, chaosGroups } from './chaos.ts'
import { commands, consensusIn, optionsIn } from './commands.ts'
import { edges } from './edges.ts'
import { format } from './format.ts'
import { scenarios } from './scenarios.ts'

test('every mark in the sources is hit', () => {
  const hit = new Set<string>()
  const tracer: Tracer = { enabled: true, event() {}, mark: (name) => void hit.add(name) }
  const sources = new URL('../src/', import.meta.url)
  const named = readdirSync(sources).flatMap((file) =>
    [...readFileSync(new URL(file, sources), 'utf8').matchAll(/mark\(\s*'([^']+)'/g)].map(
      ([, name]) => name as string,
    ),
  )
  expect(named.length).toBe(new Set(named).size)

  const folder = new URL('testdata/', import.meta.url)
  for (const file of readdirSync(folder)) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const consensus = consensusIn(text)
    runTranscript(text, {
      consensus: { ...consensus, create: (init) => consensus.create({ ...init, tracer }) },
      limits: optionsIn(text, 'limits') as Partial<Limits>,
      commands,
      ...format,
    })
  }
  for (const run of [...Object.values(scenarios), ...Object.values(edges)]) run({ tracer })
  for (const group of Object.values(chaosGroups)) {
    for (let seed = 1; seed <= 12; seed++) chaos({ ...group, seed, steps: 1_500, tracer })
  }

  expect([...hit].sort()).toEqual(named.sort())
})
