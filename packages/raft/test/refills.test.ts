// Refills on request, one by one.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { refills } from './refills.ts'

test.each(Object.entries(refills))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
