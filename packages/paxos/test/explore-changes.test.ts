// Every order of events around changes of leader and of members: no promise breaks in any of them, and their number is what
// it was. PAXOS_STATES explores further and then pins nothing.
import { explore } from '@quorate/sim'
import { expect, test } from 'vitest'
import { changes, outcomeOf } from './explorations.ts'

test.each(changes)('$name', { timeout: 300_000 }, (exploration) => {
  expect(outcomeOf(explore(exploration.options), exploration)).toEqual(exploration.expected)
})
