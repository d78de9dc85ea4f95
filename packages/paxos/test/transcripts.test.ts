// Transcripts: commands and the whole exchange that follows, to be read in review. With
// QUORATE_REWRITE=1 they are written anew from what really happens.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import type { Limits } from '@quorate/core'
import { runTranscript } from '@quorate/sim'
import { expect, test } from 'vitest'
import { commands, consensusIn, optionsIn } from './commands.ts'
import { format } from './format.ts'

const folder = new URL('testdata/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))

test.each(files.sort())('%s', (file) => {
  const url = new URL(file, folder)
  const text = readFileSync(url, 'utf8')
  const happened = runTranscript(text, {
    consensus: consensusIn(text),
    limits: optionsIn(text, 'limits') as Partial<Limits>,
    commands,
    ...format,
  })
  const rewrite = process.env['QUORATE_REWRITE'] === '1'
  if (rewrite) writeFileSync(url, happened)
  expect(happened).toBe(rewrite ? happened : text)
})
