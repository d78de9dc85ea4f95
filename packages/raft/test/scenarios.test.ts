// Scenarios of whole groups: time, size and options.
import { noTracer } from '@quorate/core'
import { test } from 'vitest'
import { scenarios } from './scenarios.ts'

for (const [name, run] of Object.entries(scenarios)) test(name, () => run({ tracer: noTracer }))
