// Replicas that come back with nothing, one case after the other.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { returning } from './returning.ts'

test.each(Object.entries(returning))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
