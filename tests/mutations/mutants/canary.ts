// The two mutants that check the harness itself: a run in which the first is not found, or the second
// is, shows nothing about any other.
import type { Mutant } from '../src/mutant.ts'

const killer = 'tests/mutations/test/canary.test.ts'

export const mutants: readonly Mutant[] = [
  {
    id: 'canary-red',
    file: 'packages/core/src/quorum.ts',
    find: 'return Math.floor(voters / 2) + 1',
    replace: 'return Math.floor(voters / 2)',
    breaks: 'Half of the voters are a majority.',
    killedBy: [killer],
  },
  {
    id: 'canary-green',
    file: 'packages/core/src/quorum.ts',
    find: 'return Math.floor(voters / 2) + 1',
    replace: 'return 1 + Math.floor(voters / 2)',
    breaks: 'Nothing: it is the same sum in another order.',
    killedBy: [killer],
    survives: 'It shows that a killer does not fail merely because there is a mutant.',
  },
]
