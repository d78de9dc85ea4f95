// Groups that sleep and wake, one case after the other.
import { noTracer } from '@quorate/core'
import { expect, test } from 'vitest'
import { sleeping } from './sleeping.ts'

test.each(Object.entries(sleeping))('%s', (_name, run) => {
  expect(() => run({ tracer: noTracer })).not.toThrow()
})
