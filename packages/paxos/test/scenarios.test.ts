// What a group does over time, scenario by scenario.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { scenarios } from './scenarios.ts'

test.each(Object.entries(scenarios))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
