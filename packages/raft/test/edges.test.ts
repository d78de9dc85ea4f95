// Odd cases, one by one.
import { noTracer } from '@quorate/core'
import { test } from 'vitest'
import { edges } from './edges.ts'

for (const [name, run] of Object.entries(edges)) test(name, () => run({ tracer: noTracer }))
