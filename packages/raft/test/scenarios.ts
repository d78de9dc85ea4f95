// What a transcript shows badly, because it is about time, size or options: each a function over a
// whole group, so that tests of behaviour and of coverage run the same.
import type { ConsensusFactory, Limits, MembershipTarget, NodeId, Tracer } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { CoreCluster } from '@quorate/sim'
import { expect } from 'vitest'
import type { RaftMessage, RaftOptions } from '../src/index.ts'
import { raft } from '../src/index.ts'

export type Group = CoreCluster<RaftMessage>

/** What a scenario may be run with. */
export interface ScenarioContext {
  readonly tracer: Tracer
}

export type Scenario = (context: ScenarioContext) => void

/** Raft with other options at some members. */
function mixed(
  options: RaftOptions,
  own: Readonly<Record<NodeId, RaftOptions>>,
): ConsensusFactory<RaftMessage> {
  return {
    ...raft(options),
    create: (init) => raft({ ...options, ...own[init.id] }).create(init),
  }
}

export function groupOf(
  { tracer }: ScenarioContext,
  members: MembershipTarget,
  options: RaftOptions = {},
  more: {
    readonly limits?: Partial<Limits>
    readonly own?: Readonly<Record<NodeId, RaftOptions>>
    readonly commitQuorum?: (voters: number) => number
    readonly seed?: number
  } = {},
): Group {
  const { commitQuorum } = more
  return new CoreCluster<RaftMessage>({
    consensus: mixed(options, more.own ?? {}),
    members,
    seed: more.seed,
    limits: more.limits,
    tracer: () => tracer,
    promises: commitQuorum === undefined ? undefined : { commitQuorum },
  })
}

/** Lets time pass with a network and disks that answer at once. */
export function live(group: Group, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    group.advance(10)
    group.stabilize()
  }
}

export function elect(group: Group, id: NodeId): void {
  group.campaign(id)
  group.stabilize()
  expect(group.leader()).toBe(id)
}

export function put(group: Group, id: NodeId, text: string): void {
  const call = group.propose(id, encodeUtf8(text))
  group.stabilize()
  expect(group.calls.get(call).state).toBe('done')
}

const abc: MembershipTarget = { voters: ['a', 'b', 'c'] }

export const scenarios: Readonly<Record<string, Scenario>> = {
  'leadership moves to the voter of highest priority, and stays'(context) {
    const group = groupOf(context, abc, {}, { own: { b: { priority: 2 }, c: { priority: 5 } } })
    elect(group, 'a')
    live(group, 3_000)
    expect(group.leader()).toBe('c')
    const { epoch } = group.replica('c').running.status()
    live(group, 30_000)
    expect(group.replica('c').running.status().epoch).toBe(epoch)
  },

  'a voter of priority 0 waits for others, and takes over when asked'(context) {
    // In a group that may sleep it would look for its leader instead.
    const awake = { hibernateAfterMs: 0 }
    const group = groupOf(context, abc, awake, { own: { a: { priority: 0 }, b: { priority: 0 } } })
    expect(group.replica('a').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    live(group, 3_000)
    expect(group.leader()).toBe('c')
    const call = group.transfer('c', 'a')
    group.stabilize()
    expect(group.calls.get(call).state).toBe('done')
    expect(group.leader()).toBe('a')
  },

  'a leader hands over to a voter that reaches more members'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    group.cut('a', 'c')
    group.cut('c', 'a')
    live(group, 8_000)
    // b reaches both; with a as the leader c would never learn anything.
    expect(group.leader()).toBe('b')
    put(group, 'b', 'x')
    expect(group.replica('c').appliedIndex).toBe(group.replica('b').appliedIndex)
    const { epoch } = group.replica('b').running.status()
    live(group, 10_000)
    expect(group.replica('b').running.status()).toMatchObject({ role: 'leader', epoch })
  },

  'the one member that reaches a quorum comes to lead when nobody else does'(context) {
    const group = groupOf(context, { voters: ['a', 'b', 'c', 'd', 'e'] })
    elect(group, 'a')
    put(group, 'a', 'x')
    for (const one of group.ids) {
      for (const two of group.ids)
        if (one !== two && one !== 'c' && two !== 'c') group.cut(one, two)
    }
    live(group, 15_000)
    const leading = group.leader() as NodeId
    put(group, leading, 'y')
    expect(leading).toBe('c')
  },

  'one-way links do not raise the term without end'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    group.cut('a', 'c')
    live(group, 20_000)
    const epochs = group.ids.map((id) => group.replica(id).running.status().epoch)
    expect(Math.max(...epochs)).toBeLessThanOrEqual(4)
    put(group, group.leader() as NodeId, 'x')
  },

  'an idle group sleeps, wakes for a write, and elects when its leader has died'(context) {
    const group = groupOf(context, abc, { hibernateAfterMs: 500 })
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 2_000)
    for (const id of group.ids) {
      expect(group.replica(id).running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    }
    put(group, 'a', 'y')
    expect(group.replica('c').appliedIndex).toBe(3)
    live(group, 2_000)
    expect(group.replica('a').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    const read = group.read('b')
    live(group, 200)
    expect(group.calls.get(read).state).toBe('done')
    live(group, 2_000)
    group.step('b', { type: 'peerUnreachable', peer: 'a' })
    live(group, 500)
    expect(group.leader()).toBe('a')
    live(group, 2_000)
    group.crash('a')
    group.step('b', { type: 'peerUnreachable', peer: 'a' })
    live(group, 5_000)
    expect(group.leader()).toBe('b')
    put(group, 'b', 'z')
  },

  'a group does not sleep before everybody knows what is committed'(context) {
    const group = groupOf(context, abc, { hibernateAfterMs: 500 })
    elect(group, 'a')
    group.partition(['a', 'b'], ['c'])
    put(group, 'a', 'x')
    live(group, 3_000)
    expect(group.replica('a').running.wakeAt).toBeLessThan(Number.POSITIVE_INFINITY)
    group.heal()
    live(group, 3_000)
    expect(group.replica('a').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    expect(group.replica('c').appliedIndex).toBe(2)
  },

  'a witness votes and acknowledges without what was written'(context) {
    const group = groupOf(context, { voters: ['a', 'b', 'w'], witnesses: ['w'] })
    elect(group, 'a')
    group.partition(['a', 'w'], ['b'])
    const call = group.propose('a', encodeUtf8('x'))
    group.stabilize(['a'])
    for (const flight of group.matching({ to: 'w' })) {
      const { message } = flight
      if (message.type !== 'append') continue
      expect(message.entries.every((entry) => entry.kind !== 'command')).toBe(true)
    }
    expect(group.calls.get(call).state).toBe('open')
    expect(group.replica('w').running.wakeAt).toBe(Number.POSITIVE_INFINITY)
    const refused = group.changeMembership('a', { voters: ['a', 'b', 'w'] })
    expect(group.rejection(refused)).toBe('INVALID_MEMBERSHIP')
    const transfer = group.transfer('a', 'w')
    expect(group.rejection(transfer)).toBe('INVALID_ARGUMENT')
  },

  'a follower answers bounded staleness by itself, and asks where it cannot'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    live(group, 1_000)
    const near = group.read('b', { maxStalenessMs: 300 })
    expect(group.calls.get(near)).toMatchObject({ state: 'done', index: 2 })
    group.partition(['a', 'c'], ['b'])
    put(group, 'a', 'y')
    live(group, 600)
    const stale = group.read('b', { maxStalenessMs: 300 })
    const old = group.read('b', { maxStalenessMs: 5_000 })
    expect(group.calls.get(old)).toMatchObject({ state: 'done', index: 2 })
    expect(group.calls.get(stale).state).toBe('open')
    group.heal()
    live(group, 1_000)
    expect(group.calls.get(stale).state).toBe('done')
  },

  'a read that nobody confirms is given up'(context) {
    const group = groupOf(context, abc, { checkQuorum: false, readTimeoutMs: 2_000 })
    elect(group, 'a')
    group.partition(['a'], ['b'], ['c'])
    const led = group.read('a')
    const forwarded = group.read('b')
    live(group, 1_900)
    expect(group.calls.get(led).state).toBe('open')
    live(group, 300)
    expect(group.rejection(led)).toBe('NO_QUORUM')
    expect(group.rejection(forwarded)).toBe('NO_QUORUM')
  },

  'new voters that never come are given up, and stay learners'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    const call = group.changeMembership('a', { voters: ['a', 'b', 'd'] })
    live(group, 12_000)
    expect(group.rejection(call)).toBe('OUTCOME_UNKNOWN')
    const { membership } = group.replica('a').running.status()
    expect(membership).toMatchObject({ voters: ['a', 'b', 'c'], learners: ['d'], outgoing: [] })
    group.join('d')
    live(group, 500)
    const again = group.changeMembership('a', { voters: ['a', 'b', 'd'] })
    live(group, 1_000)
    expect(group.calls.get(again).state).toBe('done')
  },

  'a replica that lost its disk counts for nothing until a leader vouches for it'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    put(group, 'a', 'x')
    group.partition(['a', 'c'], ['b'])
    put(group, 'a', 'y')
    forget(group, 'c')
    group.crash('a')
    group.partition(['b', 'c'])
    live(group, 5_000)
    // y is on a alone. c acknowledged it, forgot it, and must not elect b.
    expect(group.leader()).toBeUndefined()
    group.restart('a')
    group.partition(['a', 'c'])
    live(group, 5_000)
    // Nor does it make a quorum with a.
    expect(group.leader()).toBeUndefined()
    group.heal()
    live(group, 5_000)
    expect(group.leader()).toBe('a')
    live(group, 1_000)
    group.crash('b')
    put(group, 'a', 'z')
    expect(group.replica('c').appliedIndex).toBe(group.replica('a').appliedIndex)
  },

  'a leader forgets what a peer acknowledged that has lost its disk'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    for (let at = 0; at < 5; at++) put(group, 'a', `v${at}`)
    forget(group, 'c')
    live(group, 150)
    expect(group.replica('c').running.status().lastIndex).toBeGreaterThan(0)
    live(group, 2_000)
    // The sixth write is the entry that the group commits without it.
    expect(group.replica('c').appliedIndex).toBe(7)
    expect(group.leader()).toBe('a')
  },

  'flexible quorums commit with fewer and elect with more'(context) {
    const commitQuorum = (voters: number): number => Math.max(1, Math.floor(voters / 2))
    const five = { voters: ['a', 'b', 'c', 'd', 'e'] }
    const group = groupOf(context, five, { commitSlack: 1 }, { commitQuorum })
    elect(group, 'a')
    group.partition(['a', 'b'], ['c', 'd', 'e'])
    put(group, 'a', 'x')
    live(group, 5_000)
    expect(group.leader()).toBe('a')
    group.crash('a')
    group.partition(['b', 'c', 'd'], ['e'])
    live(group, 5_000)
    expect(group.leader()).toBeUndefined()
    group.partition(['b', 'c', 'd', 'e'])
    live(group, 5_000)
    put(group, group.leader() as NodeId, 'y')
    expect(group.history.length).toBeGreaterThanOrEqual(4)
  },

  'an entry commits only once two zones hold it'(context) {
    const zones = { a: 'x', b: 'x', c: 'x', d: 'y', e: 'y' }
    const five = { voters: ['a', 'b', 'c', 'd', 'e'] }
    const group = groupOf(context, five, { zones, commitZones: 2 })
    elect(group, 'a')
    group.partition(['a', 'b', 'c'], ['d', 'e'])
    const call = group.propose('a', encodeUtf8('x'))
    live(group, 300)
    expect(group.calls.get(call).state).toBe('open')
    group.heal()
    live(group, 300)
    expect(group.calls.get(call).state).toBe('done')
  },

  'proposals beyond what may wait are refused, and what has no bytes is let in'(context) {
    const limits = {
      uncommittedBytesMax: 10,
      pendingCallsMax: 8,
      commandBytesMax: 64,
      batchCommandsMax: 4,
    }
    const group = groupOf(context, abc, {}, { limits })
    elect(group, 'a')
    const bytes = (size: number): Uint8Array => new Uint8Array(size)
    expect(group.rejection(group.propose('a', bytes(65)))).toBe('LIMIT_EXCEEDED')
    expect(
      group.rejection(group.propose('a', bytes(1), bytes(1), bytes(1), bytes(1), bytes(1))),
    ).toBe('LIMIT_EXCEEDED')
    expect(group.rejection(group.propose('a'))).toBe('INVALID_ARGUMENT')
    const first = group.propose('a', bytes(60))
    expect(group.rejection(group.propose('a', bytes(1)))).toBe('PROPOSAL_DROPPED')
    expect(group.rejection(group.propose('a', bytes(0)))).toBeUndefined()
    for (let at = 0; at < 6; at++)
      expect(group.rejection(group.propose('a', bytes(0)))).toBeUndefined()
    expect(group.rejection(group.propose('a', bytes(0)))).toBe('PROPOSAL_DROPPED')
    group.stabilize()
    expect(group.calls.get(first).state).toBe('done')
    for (let at = 0; at < 100; at++) put(group, 'a', 'abcdefghij')
  },

  'a process that is always late still campaigns'(context) {
    const group = groupOf(context, abc)
    elect(group, 'a')
    group.crash('a')
    for (let at = 0; at < 4; at++) {
      const replica = group.replica('b')
      replica.now += 3_000
      group.step('b', { type: 'tick' })
    }
    expect(group.replica('b').running.status().role).toBe('candidate')
  },
}

/** A replica starts again on an empty disk, as one that joins. */
export function forget(group: Group, id: NodeId): void {
  if (group.replica(id).up) group.crash(id)
  const replica = group.replica(id) as {
    -readonly [K in keyof ReturnType<Group['replica']>]: ReturnType<Group['replica']>[K]
  }
  replica.durable = {
    hardState: undefined,
    snapshot: undefined,
    firstIndex: 1,
    baseEpoch: 0,
    entries: [],
  }
  replica.bootstrap = undefined
  replica.finished = []
  group.restart(id)
}
