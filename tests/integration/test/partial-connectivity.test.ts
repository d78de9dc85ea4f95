// Links fail and hosts do not: both algorithms come to serve again, and stay in service. The figures
// are those of docs/concepts/raft-and-paxos.md; they are simulated time, and so the same everywhere.
import type { ConsensusFactory } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { expect, test } from 'vitest'
import type { Outage, Pattern } from './partial-connectivity.ts'
import { outageOf } from './partial-connectivity.ts'

const SEEDS = 40
const ELECTION_TIMEOUT_MS = 1_000

interface Expected {
  readonly pattern: Pattern
  /** The longest outage, in election timeouts. */
  readonly timeoutsMax: number
  /** The most changes of leader in twenty seconds. */
  readonly changesMax: number
}

function measure(
  name: string,
  consensus: ConsensusFactory,
  paxosLike: boolean,
  pattern: Pattern,
): readonly Outage[] {
  const promises = paxosLike ? { leaderPerEpoch: false, epochsAgree: false } : {}
  const outages = Array.from({ length: SEEDS }, (_, at) =>
    outageOf(consensus, promises, pattern, at + 1),
  )
  const times = outages.map(({ ms }) => ms ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b)
  const changes = outages.map((outage) => outage.changes)
  console.log(
    `${name} ${pattern}: median ${times[SEEDS / 2]} ms, longest ${times[SEEDS - 1]} ms, ` +
      `${Math.min(...changes)} to ${Math.max(...changes)} changes of leader`,
  )
  return outages
}

function expectAll(outages: readonly Outage[], { timeoutsMax, changesMax }: Expected): void {
  for (const { ms, changes } of outages) {
    expect(ms).toBeLessThanOrEqual(timeoutsMax * ELECTION_TIMEOUT_MS)
    expect(changes).toBeLessThanOrEqual(changesMax)
  }
}

test.each<Expected>([
  { pattern: 'quorum-loss', timeoutsMax: 4, changesMax: 1 },
  { pattern: 'constrained-election', timeoutsMax: 4, changesMax: 1 },
  { pattern: 'chained', timeoutsMax: 4, changesMax: 1 },
])('Paxos serves again after $pattern', (expected) => {
  const { pattern } = expected
  expectAll(measure('paxos', paxos() as ConsensusFactory, true, pattern), expected)
})

test.each<Expected>([
  { pattern: 'quorum-loss', timeoutsMax: 4, changesMax: 1 },
  { pattern: 'constrained-election', timeoutsMax: 6, changesMax: 3 },
  { pattern: 'chained', timeoutsMax: 4, changesMax: 1 },
])('Raft serves again after $pattern', (expected) => {
  const { pattern } = expected
  expectAll(measure('raft', raft() as ConsensusFactory, false, pattern), expected)
})
