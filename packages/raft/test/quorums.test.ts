// Quorum arithmetic against counting every subset: what elects must meet what commits, whatever the
// options, and an index is committable exactly where some committing set has reached it.
import type { Membership, NodeId } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ResolvedOptions } from '../src/options.ts'
import { resolveOptions } from '../src/options.ts'
import { commitQuorum, committable, electionOutcome, electionQuorum } from '../src/quorums.ts'

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

function membership(voters: readonly NodeId[], outgoing: readonly NodeId[] = []): Membership {
  return { version: 1, voters, outgoing, learners: [], witnesses: [], learnersNext: [] }
}

function subsets(ids: readonly NodeId[]): NodeId[][] {
  return Array.from({ length: 2 ** ids.length }, (_, bits) =>
    ids.filter((_id, at) => (bits & (1 << at)) !== 0),
  )
}

const half = fc.subarray(names, { minLength: 1 })
const shape = fc.record({
  voters: half,
  outgoing: fc.oneof(fc.constant([]), half),
  slack: fc.integer({ min: 0, max: 3 }),
  zones: fc.dictionary(fc.constantFrom(...names), fc.constantFrom('x', 'y', 'z')),
  commitZones: fc.integer({ min: 1, max: 3 }),
})

function optionsOf(slack: number, zones = {}, commitZones = 1): ResolvedOptions {
  return resolveOptions({ commitSlack: slack, zones, commitZones })
}

test('every set that elects meets every set that commits, and every other that elects', () => {
  for (let count = 1; count <= 7; count++) {
    for (let slack = 0; slack <= 3; slack++) {
      const options = optionsOf(slack)
      const elects = electionQuorum(count, options)
      expect(elects).toBeLessThanOrEqual(count)
      expect(elects + commitQuorum(count, options)).toBeGreaterThan(count)
      expect(2 * elects).toBeGreaterThan(count)
    }
  }
})

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [6, 4],
])('of %i voters, %i commit and elect', (voters, need) => {
  expect(commitQuorum(voters, optionsOf(0))).toBe(need)
  expect(electionQuorum(voters, optionsOf(0))).toBe(need)
})

describe('against every subset', () => {
  const commits = (
    ids: readonly NodeId[],
    held: readonly NodeId[],
    options: ResolvedOptions,
  ): boolean => {
    if (ids.length === 0) return true
    const zoneOf = (id: NodeId): string => options.zones[id] ?? `only ${id}`
    const zones = (list: readonly NodeId[]): number => new Set(list.map(zoneOf)).size
    return (
      held.length >= commitQuorum(ids.length, options) &&
      zones(held) >= Math.min(options.commitZones, zones(ids))
    )
  }

  test('an index is committable exactly where a committing set of both halves holds it', () => {
    const reached = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 7, maxLength: 7 })
    fc.assert(
      fc.property(shape, reached, ({ voters, outgoing, slack, zones, commitZones }, at) => {
        const options = optionsOf(slack, zones, commitZones)
        const matchOf = (id: NodeId): number => at[names.indexOf(id)] as number
        let expected = 0
        for (let index = 0; index <= 6; index++) {
          const holds = (id: NodeId): boolean => matchOf(id) >= index
          const halves: readonly (readonly NodeId[])[] = [voters, outgoing]
          const both = halves.every((ids) => commits(ids, ids.filter(holds), options))
          if (both) expected = index
        }
        expect(committable(membership(voters, outgoing), options, matchOf)).toBe(expected)
      }),
      { numRuns: 3_000 },
    )
  })

  test('an election stands as the best and the worst that outstanding votes can make of it', () => {
    const answers = fc.array(fc.constantFrom(true, false, undefined), {
      minLength: 7,
      maxLength: 7,
    })
    fc.assert(
      fc.property(shape, answers, ({ voters, outgoing, slack }, given) => {
        const options = optionsOf(slack)
        const voteOf = (id: NodeId): boolean | undefined => given[names.indexOf(id)]
        const wins = (ids: readonly NodeId[], open: boolean): boolean =>
          ids.length === 0 ||
          ids.filter((id) => voteOf(id) ?? open).length >= electionQuorum(ids.length, options)
        const halves: readonly (readonly NodeId[])[] = [voters, outgoing]
        const best = halves.every((ids) => wins(ids, true))
        const now = halves.every((ids) => wins(ids, false))
        const expected = now ? 'won' : best ? 'pending' : 'lost'
        expect(electionOutcome(membership(voters, outgoing), options, voteOf)).toBe(expected)
      }),
      { numRuns: 3_000 },
    )
  })

  test('two sets that elect, and one that commits, always have a voter in common', () => {
    for (const slack of [0, 1, 2]) {
      const options = optionsOf(slack)
      const ids = names.slice(0, 5)
      const elect = subsets(ids).filter((set) => set.length >= electionQuorum(5, options))
      const commit = subsets(ids).filter((set) => set.length >= commitQuorum(5, options))
      for (const a of elect) {
        for (const b of [...elect, ...commit]) expect(a.some((id) => b.includes(id))).toBe(true)
      }
    }
  })
})
