// Quorum arithmetic against brute force over every assignment of votes and indexes.
import { describe, expect, it } from 'vitest'
import type { NodeId } from '@quorate/core'
import {
  jointQuorumIndex,
  jointVoteOutcome,
  majority,
  quorumIndex,
  voteOutcome,
} from '@quorate/core'

const ids = ['a', 'b', 'c', 'd', 'e', 'f']

/** Every list of `length` values. */
function* assignments<T>(values: readonly T[], length: number): Generator<T[]> {
  if (length === 0) return yield []
  for (const rest of assignments(values, length - 1))
    for (const value of values) yield [...rest, value]
}

function subsets(voters: readonly NodeId[]): NodeId[][] {
  return Array.from({ length: 2 ** voters.length }, (_, bits) =>
    voters.filter((_id, at) => bits & (1 << at)),
  )
}

describe('majority', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ])('of %i voters is %i', (voters, need) => {
    expect(majority(voters)).toBe(need)
  })

  it('is the least number of which any two sets meet', () => {
    for (let size = 1; size <= 6; size++) {
      const voters = ids.slice(0, size)
      const meets = (need: number): boolean => {
        const sets = subsets(voters).filter((set) => set.length === need)
        return sets.every((x) => sets.every((y) => x.some((id) => y.includes(id))))
      }
      expect(meets(majority(size))).toBe(true)
      expect(meets(majority(size) - 1)).toBe(false)
    }
  })
})

describe('voteOutcome', () => {
  it('is won, lost or open exactly as any completion of the votes would decide', () => {
    for (let size = 1; size <= 5; size++) {
      const voters = ids.slice(0, size)
      for (const votes of assignments([true, false, undefined], size)) {
        const open = votes.filter((vote) => vote === undefined).length
        const results = new Set<boolean>()
        for (const rest of assignments([true, false], open)) {
          const filled = votes.map((vote) => vote ?? (rest.pop() as boolean))
          results.add(filled.filter(Boolean).length * 2 > size)
        }
        const expected = results.size === 2 ? 'pending' : results.has(true) ? 'won' : 'lost'
        expect(voteOutcome(voters, (id) => votes[ids.indexOf(id)])).toBe(expected)
      }
    }
  })

  it('needs both halves in joint consensus', () => {
    const voters = ['a', 'b', 'c']
    const outgoing = ['c', 'd', 'e']
    for (const votes of assignments([true, false, undefined], 5)) {
      const voteOf = (id: NodeId): boolean | undefined => votes[ids.indexOf(id)]
      const halves = [voteOutcome(voters, voteOf), voteOutcome(outgoing, voteOf)]
      const expected = halves.includes('lost')
        ? 'lost'
        : halves.includes('pending')
          ? 'pending'
          : 'won'
      expect(jointVoteOutcome({ voters, outgoing }, voteOf)).toBe(expected)
    }
  })

  it("of one half only, outside joint consensus, is that half's", () => {
    expect(jointVoteOutcome({ voters: ['a'], outgoing: [] }, () => true)).toBe('won')
    expect(jointVoteOutcome({ voters: ['a'], outgoing: [] }, () => false)).toBe('lost')
  })
})

describe('quorumIndex', () => {
  it('is the largest index that some quorum has reached, for every quorum size', () => {
    for (let size = 1; size <= 5; size++) {
      const voters = ids.slice(0, size)
      for (const reached of assignments([0, 1, 2, 3], size)) {
        for (let need = 1; need <= size; need++) {
          const best = Math.max(
            ...subsets(voters)
              .filter((set) => set.length === need)
              .map((set) => Math.min(...set.map((id) => reached[ids.indexOf(id)] as number))),
          )
          expect(quorumIndex(voters, (id) => reached[ids.indexOf(id)] as number, need)).toBe(best)
        }
      }
    }
  })

  it('needs a quorum of both halves in joint consensus', () => {
    const membership = { voters: ['a', 'b', 'c'], outgoing: ['c', 'd', 'e'] }
    for (const reached of assignments([0, 5, 9], 5)) {
      const indexOf = (id: NodeId): number => reached[ids.indexOf(id)] as number
      const expected = Math.min(
        quorumIndex(membership.voters, indexOf),
        quorumIndex(membership.outgoing, indexOf),
      )
      expect(jointQuorumIndex(membership, indexOf)).toBe(expected)
    }
  })

  it('is no limit where there are no voters', () => {
    expect(quorumIndex([], () => 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('refuses a quorum of none, or of more than all', () => {
    expect(() => quorumIndex(['a'], () => 0, 0)).toThrow('quorum')
    expect(() => quorumIndex(['a'], () => 0, 2)).toThrow('quorum')
  })
})
