import { explore } from '@quorate/sim'
import { test } from 'vitest'
import { explorableRaft as raft } from '../src/explorable.ts'

test('explore', () => {
  const start = Date.now()
  const result = explore({
    consensus: raft({ preVote: false, checkQuorum: false }),
    members: { voters: ['a', 'b', 'c'] },
    timeouts: 3,
    proposals: 2,
    crashes: 1,
    duplicates: 1,
    statesMax: Number(process.env.STATES ?? 100_000),
  })
  console.log(result, Date.now() - start)
  if (result.counterexample)
    console.log(result.counterexample.error, result.counterexample.trace.join('\n'))
})
