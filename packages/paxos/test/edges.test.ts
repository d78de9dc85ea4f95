// Odd cases, one by one.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { edges } from './edges.ts'

test.each(Object.entries(edges))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
