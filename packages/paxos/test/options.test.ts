// Options are refused when the factory is made, and quorums that do not fit the members when a
// replica is: with a code and in words.
import type { MembershipTarget } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import { CoreCluster } from '@quorate/sim'
import { expect, test } from 'vitest'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'
import { paxos } from '../src/index.ts'
import { resolveOptions } from '../src/options.ts'
import {
  acceptQuorum,
  confirmQuorum,
  inspectQuorum,
  prepareQuorum,
  quorumsRefuse,
} from '../src/quorums.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return isQuorateError(error) ? error.code : String(error)
  }
}

test.each<[string, PaxosOptions]>([
  ['an unknown one', { electionTimeout: 5 } as PaxosOptions],
  ['a timeout that is no integer', { electionTimeoutMs: 1.5 }],
  [
    'heartbeats slower than a third of the timeout',
    { electionTimeoutMs: 300, heartbeatIntervalMs: 101 },
  ],
  ['a drift over a half', { clockDriftMax: 0.6 }],
  ['a drift that is no number', { clockDriftMax: Number.NaN }],
  ['a priority over 100', { priority: 101 }],
  ['a flag that is none', { quorumReads: 1 as unknown as boolean }],
  ['a quorum of nobody', { quorums: { prepare: 0, accept: 3 } }],
  ['half of the quorums', { quorums: { prepare: 3 } as never }],
])('refuses %s', (_what, options) => {
  expect(codeOf(() => paxos(options))).toBe('INVALID_OPTIONS')
})

test('takes undefined for the default', () => {
  expect(paxos({ priority: undefined }).name).toBe('paxos')
})

test.each<[MembershipTarget, number, number, string]>([
  [{ voters: ['a', 'b', 'c'] }, 2, 2, 'none'],
  [{ voters: ['a', 'b', 'c'] }, 3, 1, 'none'],
  [{ voters: ['a', 'b', 'c'] }, 2, 1, 'INVALID_OPTIONS'],
  [{ voters: ['a', 'b', 'c'] }, 4, 1, 'INVALID_OPTIONS'],
  [{ voters: ['a', 'b', 'c'], witnesses: ['c'] }, 2, 2, 'INVALID_OPTIONS'],
])('members %j with %i and %i: %s', (members, prepare, accept, code) => {
  const consensus = paxos({ quorums: { prepare, accept } })
  expect(codeOf(() => new CoreCluster<PaxosMessage>({ consensus, members }))).toBe(code)
})

test('a change to members that the quorums do not fit is refused', () => {
  const consensus = paxos({ quorums: { prepare: 2, accept: 2 } })
  const group = new CoreCluster<PaxosMessage>({ consensus, members: { voters: ['a', 'b', 'c'] } })
  group.campaign('a')
  group.stabilize()
  const voters = ['a', 'b', 'c', 'd']
  expect(group.rejection(group.changeMembership('a', { voters }))).toBe('INVALID_MEMBERSHIP')
})

test('no witness joins a group', () => {
  const members = { voters: ['a', 'b', 'c'] }
  const group = new CoreCluster<PaxosMessage>({ consensus: paxos(), members })
  group.campaign('a')
  group.stabilize()
  const target = { voters: ['a', 'b', 'c'], witnesses: ['c'] }
  expect(group.rejection(group.changeMembership('a', target))).toBe('INVALID_MEMBERSHIP')
})

test('every set that promises meets every one that accepts or confirms, and every one that accepts is seen by a read', () => {
  const ids = [0, 1, 2, 3, 4]
  const subsets = Array.from({ length: 32 }, (_, bits) => ids.filter((at) => (bits >> at) & 1))
  for (let prepare = 1; prepare <= 5; prepare++) {
    for (let accept = 1; accept <= 5; accept++) {
      const options = resolveOptions({ quorums: { prepare, accept } })
      const meet = (a: number, b: number): boolean =>
        subsets
          .filter((set) => set.length === a)
          .every((x) =>
            subsets.filter((set) => set.length === b).every((y) => x.some((at) => y.includes(at))),
          )
      expect(quorumsRefuse(5, options) === undefined).toBe(meet(prepare, accept))
      expect(meet(prepareQuorum(5, options), confirmQuorum(5, options))).toBe(true)
      expect(meet(acceptQuorum(5, options), inspectQuorum(5, options))).toBe(true)
    }
  }
})
