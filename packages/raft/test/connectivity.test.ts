// Partial connectivity, one pattern after the other.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { connectivity } from './connectivity.ts'

test.each(Object.entries(connectivity))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
