// Exploration: a correct algorithm survives every order of events within the bounds, with a pinned
// number of states, and each broken one is found with a shortest way to the damage.
import { describe, expect, it } from 'vitest'
import type { CoreCluster, ExploreOptions, InvariantViolation } from '../src/index.ts'
import { explore } from '../src/index.ts'
import { StateTable } from '../src/explore/state-table.ts'
import { emptyHash, hashNumber } from '../src/model/hash.ts'
import type { Fault, ToyMessage } from './fixtures/toy.ts'
import { toy, toyText } from './fixtures/toy.ts'

type Bounds = Partial<ExploreOptions<ToyMessage>>

function run(fault: Fault | undefined, bounds: Bounds): ReturnType<typeof explore> {
  const members = { voters: ['a', 'b', 'c'] }
  return explore({ consensus: toy({ fault }), members, formatMessage: toyText, ...bounds })
}

function elect(group: CoreCluster<ToyMessage>): void {
  group.campaign('a')
  group.stabilize()
}

describe('exploration', () => {
  it('sees every state within the bounds', () => {
    const result = run(undefined, { timeouts: 1, proposals: 1, persistAtOnce: true })
    expect(result).toEqual({
      states: 65_656,
      transitions: 297_180,
      depth: 18,
      complete: true,
      committedMax: 2,
      epochMax: 1,
      counterexample: undefined,
    })
  })

  it('begins where it is told to, and takes writes, crashes and snapshots apart', () => {
    const result = run(undefined, { prepare: elect, timeouts: 0, crashes: 1, snapshots: 1 })
    expect(result).toMatchObject({ complete: true, counterexample: undefined, committedMax: 2 })
    expect(result.states).toBe(8_180)
  })

  it('stops where it is told to', () => {
    const result = run(undefined, { timeouts: 2, statesMax: 500 })
    expect(result.complete).toBe(false)
    expect(result.states).toBeLessThan(520)
  })

  const cases: readonly [Fault, string, number, Bounds][] = [
    ['votes-twice', 'election-safety', 6, { timeouts: 2, proposals: 0, persistAtOnce: true }],
    [
      'ignores-log-when-voting',
      'leader-completeness',
      8,
      { timeouts: 2, proposals: 0, persistAtOnce: true },
    ],
    ['counts-itself-before-durable', 'commit-durable', 8, { timeouts: 1, proposals: 0 }],
    ['acks-before-durable', 'commit-durable', 8, { timeouts: 1, proposals: 0 }],
    ['commits-on-one', 'commit-durable', 3, { timeouts: 1, proposals: 0, persistAtOnce: true }],
    ['always-truncates', 'commit-durable', 7, { timeouts: 2, persistAtOnce: true }],
    [
      'forgets-its-vote',
      'election-safety',
      8,
      { timeouts: 2, proposals: 0, crashes: 1, persistAtOnce: true },
    ],
    [
      'reads-without-round',
      'read-freshness',
      6,
      { prepare: elect, timeouts: 1, proposals: 0, reads: 1, persistAtOnce: true },
    ],
    ['applies-twice', 'apply-order', 6, { timeouts: 2, persistAtOnce: true }],
    [
      'answers-twice',
      'call-outcome',
      8,
      { timeouts: 1, proposals: 0, reads: 1, persistAtOnce: true },
    ],
    ['skips-a-batch-number', 'ordering-law', 5, { timeouts: 1, proposals: 2, persistAtOnce: true }],
    ['commit-falls', 'commit-monotone', 7, { timeouts: 1, persistAtOnce: true }],
  ]
  it.each(cases)('finds that it %s', (fault, invariant, steps, bounds) => {
    const { counterexample } = run(fault, bounds)
    expect((counterexample?.error as InvariantViolation | undefined)?.invariant).toBe(invariant)
    expect(counterexample?.trace).toHaveLength(steps)
  })

  it('tells the way to the damage', () => {
    const { counterexample } = run('commits-on-one', {
      timeouts: 1,
      proposals: 0,
      persistAtOnce: true,
    })
    expect(counterexample?.trace).toEqual([
      'timeout a',
      'deliver a -> b vote? epoch=1 last=0/0',
      'deliver b -> a vote! epoch=1 granted',
    ])
  })
})

describe('the table of states', () => {
  it('knows each state once, and the way to it, across growth', () => {
    const table = new StateTable()
    let parent = -1
    for (let n = 0; n < 10_000; n++) parent = table.add(hashNumber(n, emptyHash), parent, n % 7)
    for (let n = 0; n < 10_000; n++) expect(table.add(hashNumber(n, emptyHash), 0, 0)).toBe(-1)
    expect(table.size).toBe(10_000)
    expect(table.pathTo(9_999)).toHaveLength(9_999)
    expect(table.pathTo(9_999).slice(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 0, 1])
  })
})
