// Scenarios of whole groups: time, size and options.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { scenarios } from './scenarios.ts'

test.each(Object.entries(scenarios))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
