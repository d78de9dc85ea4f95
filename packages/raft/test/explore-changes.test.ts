// Every order of events around what a leader does: no promise breaks in any of them, and their number is what
// it was. RAFT_STATES explores further and then pins nothing.
import { explore } from '@quorate/sim'
import { expect, test } from 'vitest'
import { changes, outcomeOf } from './explorations.ts'

test.each(changes)('$name', { timeout: 300_000 }, (exploration) => {
  expect(outcomeOf(explore(exploration.options), exploration)).toEqual(exploration.expected)
})
