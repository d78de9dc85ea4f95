// Every coverage mark in the sources is hit by some test: a subtle branch that no test reaches is
// one that nobody would see break.
import { readFileSync, readdirSync } from 'node:fs'
import type { Limits, Tracer } from '@quorate/core'
import { runTranscript } from '@quorate/sim'
import { expect, test } from 'vitest'
import type { RaftOptions } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { chaos } from './chaos.ts'
import { commands, optionsIn } from './commands.ts'
import { connectivity } from './connectivity.ts'
import { edges } from './edges.ts'
import { format } from './format.ts'
import { refills } from './refills.ts'
import { returning } from './returning.ts'
import { scenarios } from './scenarios.ts'
import { sleeping } from './sleeping.ts'

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
    const consensus = raft(optionsIn(text, 'raft') as RaftOptions)
    runTranscript(text, {
      consensus: { ...consensus, create: (init) => consensus.create({ ...init, tracer }) },
      limits: optionsIn(text, 'limits') as Partial<Limits>,
      commands,
      ...format,
    })
  }
  for (const all of [scenarios, edges, refills, returning, sleeping, connectivity])
    for (const run of Object.values(all)) run({ tracer })
  for (let seed = 1; seed <= 30; seed++) chaos({ seed, steps: 1_500, changes: true, tracer })

  expect([...hit].sort()).toEqual(named.sort())
})
