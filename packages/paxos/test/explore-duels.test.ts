// Every order of events around ballots: no promise breaks in any of them, and their number is what
// it was. PAXOS_STATES explores further and then pins nothing.
import { explore } from '@quorate/sim'
import { expect, test } from 'vitest'
import { duels, outcomeOf } from './explorations.ts'

test.each(duels)('$name', { timeout: 300_000 }, (exploration) => {
  expect(outcomeOf(explore(exploration.options), exploration)).toEqual(exploration.expected)
})
