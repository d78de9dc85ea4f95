// A whole group on the simulator's synchronous cluster: what a user of the package relies on.
import type { MembershipTarget } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { CoreCluster } from '@quorate/sim'
import { describe, expect, test } from 'vitest'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'
import { paxos } from '../src/index.ts'

const three: MembershipTarget = { voters: ['a', 'b', 'c'] }

function cluster(
  members: MembershipTarget = three,
  options: PaxosOptions = {},
): CoreCluster<PaxosMessage> {
  return new CoreCluster<PaxosMessage>({ consensus: paxos(options), members })
}

function elect(group: CoreCluster<PaxosMessage>, id: string): void {
  group.campaign(id)
  group.stabilize()
  expect(group.leader()).toBe(id)
}

/** Lets time pass with a network that delivers at once. */
function live(group: CoreCluster<PaxosMessage>, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    group.advance(10)
    group.stabilize()
  }
}

describe('a group of three', () => {
  test('elects a leader within two election timeouts and commits', () => {
    const group = cluster()
    live(group, 2_000)
    const leader = group.leader() as string
    expect(leader).toBeDefined()
    const call = group.propose(leader, encodeUtf8('x'), encodeUtf8('y'))
    group.stabilize()
    expect(group.calls.get(call).state).toBe('done')
    for (const id of group.ids) expect(group.replica(id).appliedIndex).toBe(2)
  })

  test('a follower refuses proposals and names the leader', () => {
    const group = cluster()
    elect(group, 'a')
    const call = group.propose('b', encodeUtf8('x'))
    expect(group.rejection(call)).toBe('NOT_LEADER')
  })

  test('keeps what is committed over a crash of all', () => {
    const group = cluster()
    elect(group, 'a')
    group.propose('a', encodeUtf8('x'))
    group.stabilize()
    for (const id of group.ids) group.crash(id)
    for (const id of group.ids) group.restart(id)
    live(group, 3_000)
    const leader = group.leader() as string
    expect(leader).toBeDefined()
    expect(group.replica(leader).appliedIndex).toBe(1)
  })

  test('reads at the leader and at a follower wait for a quorum', () => {
    const group = cluster()
    elect(group, 'a')
    const own = group.read('a')
    const remote = group.read('b')
    expect(group.calls.get(own).state).toBe('open')
    group.stabilize()
    expect(group.calls.get(own)).toMatchObject({ state: 'done', index: 0 })
    expect(group.calls.get(remote)).toMatchObject({ state: 'done', index: 0 })
  })
})

test('a group of one leads at once and commits only what is durable', () => {
  const group = cluster({ voters: ['a'] })
  group.wake('a')
  expect(group.leader()).toBeUndefined()
  group.persist('a')
  expect(group.leader()).toBe('a')
  const call = group.propose('a', encodeUtf8('x'))
  expect(group.calls.get(call).state).toBe('open')
  group.persist('a')
  expect(group.calls.get(call).state).toBe('done')
})

test('a follower behind a compacted log fetches the snapshot and goes on from there', () => {
  const group = cluster()
  elect(group, 'a')
  group.partition(['a', 'b'], ['c'])
  for (let at = 0; at < 20; at++) group.propose('a', encodeUtf8(`v${at}`))
  group.stabilize()
  group.snapshot('a')
  group.snapshot('b')
  group.heal()
  group.advance(100)
  group.stabilize()
  group.propose('a', encodeUtf8('last'))
  group.stabilize()
  expect(group.replica('c').appliedIndex).toBe(21)
})

test('grows from one to three and replaces a member by stop-sign', () => {
  const group = cluster({ voters: ['a'] })
  group.wake('a')
  group.stabilize()
  group.join('b')
  group.join('c')
  const grow = group.changeMembership('a', { voters: ['a', 'b', 'c'] })
  live(group, 600)
  expect(group.calls.get(grow).state).toBe('done')
  group.join('d')
  const swap = group.changeMembership('a', { voters: ['b', 'c', 'd'] })
  live(group, 1_200)
  expect(group.rejection(swap)).toBeUndefined()
  expect(group.calls.get(swap).state).toBe('done')
  expect(group.leader()).not.toBe('a')
  const leader = group.leader() as string
  expect(group.replica(leader).running.status().membership).toMatchObject({
    voters: ['b', 'c', 'd'],
    outgoing: [],
  })
})
