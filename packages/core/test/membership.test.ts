// Memberships: what is refused, what is equal, and that bytes hold every stage of a change.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Membership } from '@quorate/core'
import {
  decode,
  encode,
  equalBytes,
  isMember,
  isQuorateError,
  isVoter,
  membershipCodec,
  membershipOf,
  membersOf,
  sameMembers,
} from '@quorate/core'

describe('membershipOf', () => {
  it('sorts, and starts at version 1 outside joint consensus', () => {
    expect(membershipOf({ voters: ['c', 'a'], learners: ['b'] })).toEqual({
      version: 1,
      voters: ['a', 'c'],
      learners: ['b'],
      witnesses: [],
      outgoing: [],
      learnersNext: [],
    })
  })

  it.each([
    ['no voter', { voters: [] }, 'INVALID_MEMBERSHIP'],
    ['a voter twice', { voters: ['a', 'a'] }, 'INVALID_MEMBERSHIP'],
    [
      'a voter who is also a learner',
      { voters: ['a', 'b'], learners: ['b'] },
      'INVALID_MEMBERSHIP',
    ],
    ['a witness that is no voter', { voters: ['a'], witnesses: ['b'] }, 'INVALID_MEMBERSHIP'],
    ['only witnesses', { voters: ['a'], witnesses: ['a'] }, 'INVALID_MEMBERSHIP'],
    ['an id with a slash', { voters: ['../a'] }, 'INVALID_ARGUMENT'],
    ['an id of 65 characters', { voters: ['a'.repeat(65)] }, 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, target, code) => {
    expect(() => membershipOf(target)).toThrow(expect.objectContaining({ code }))
  })
})

describe('roles', () => {
  const joint: Membership = {
    version: 4,
    voters: ['a', 'b'],
    learners: ['d'],
    witnesses: [],
    outgoing: ['b', 'c'],
    learnersNext: ['c'],
  }

  it('count voters of both halves', () => {
    expect(['a', 'b', 'c', 'd', 'e'].map((id) => isVoter(joint, id))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
    expect(['a', 'c', 'd', 'e'].map((id) => isMember(joint, id))).toEqual([true, true, true, false])
    expect(membersOf(joint)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are the same whatever the version, and differ by any list', () => {
    expect(sameMembers(joint, { ...joint, version: 9 })).toBe(true)
    expect(sameMembers(joint, { ...joint, learnersNext: [] })).toBe(false)
    expect(sameMembers(joint, { ...joint, voters: ['a', 'c'] })).toBe(false)
  })
})

describe('membershipCodec', () => {
  const ids = fc
    .uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), { maxLength: 6 })
    .map((list) => list.sort((a, b) => (a < b ? -1 : 1)))
  const membership = fc.record({
    version: fc.nat(),
    voters: ids,
    learners: ids,
    witnesses: ids,
    outgoing: ids,
    learnersNext: ids,
  })

  it('holds every stage', () => {
    fc.assert(
      fc.property(membership, (value) => {
        expect(decode(membershipCodec, encode(membershipCodec, value))).toEqual(value)
      }),
    )
  })

  it('refuses every single-byte change that would not be canonical, and never fails otherwise', () => {
    const bytes = encode(
      membershipCodec,
      membershipOf({ voters: ['a', 'b', 'c'], learners: ['d'] }),
    )
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] as number) ^ (1 << bit)
        expect(changed).toSatisfy(isCanonicalOrRefused)
      }
    }
  })
})

function isCanonicalOrRefused(bytes: Uint8Array): boolean {
  try {
    return equalBytes(encode(membershipCodec, decode(membershipCodec, bytes)), bytes)
  } catch (error) {
    return isQuorateError(error, 'MALFORMED')
  }
}
