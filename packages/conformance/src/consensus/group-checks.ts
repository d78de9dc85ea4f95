// Checks of what a group does for those who use it: elections, proposals, reads, transfers.
import { encode, encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck } from './harness.ts'
import {
  applied,
  check,
  commandsOf,
  elected,
  electedByOthers,
  equal,
  groupOf,
  level,
  others,
  three,
  until,
} from './harness.ts'

/** Checks of elections and proposals. */
export const groupChecks: readonly ConsensusCheck[] = [
  {
    name: 'groups of one, two, three, five and seven elect a leader and apply commands',
    run(harness) {
      for (const size of [1, 2, 3, 5, 7]) {
        const voters = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, size)
        const group = groupOf(harness, { voters })
        applied(group, elected(group), ['x'])
        until(group, `a group of ${size} is not level`, () => level(group))
      }
    },
  },
  {
    name: 'a leader that dies is replaced, and what it committed stays',
    needs: 'failover',
    run(harness) {
      const group = groupOf(harness)
      const first = elected(group)
      applied(group, first, ['x'])
      group.crash(first)
      const rest = others(group, first)
      const second = elected(group, rest)
      check(second !== first, 'a dead replica leads')
      applied(group, second, ['y'], rest)
      group.restart(first)
      until(group, 'the old leader does not catch up', () => level(group))
      equal(commandsOf(group), ['x', 'y'], 'other commands')
    },
  },
  {
    name: 'a minority neither elects nor commits',
    needs: 'failover',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const [one, two] = others(group, leader) as [string, string]
      group.partition([leader], [one, two])
      const before = group.history.length
      const call = group.propose(leader, encodeUtf8('lost'))
      for (let round = 0; round < 40; round++) {
        group.advance(100)
        group.stabilize([leader])
      }
      check(group.history.length === before, 'a minority committed')
      const next = elected(group, [one, two])
      applied(group, next, ['kept'], [one, two])
      group.heal()
      until(group, 'not level after the partition', () => level(group))
      check(group.calls.get(call).state !== 'done', 'a proposal of a minority is said to be done')
      check(
        !commandsOf(group).includes('lost') ||
          commandsOf(group).indexOf('kept') < commandsOf(group).indexOf('lost'),
        'another order',
      )
    },
  },
  {
    name: 'a batch of commands is one stretch of the log, as it was given',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const batch = ['1', '2', '3', '4'].map(encodeUtf8)
      const call = group.propose(leader, ...batch)
      until(group, 'not applied', () => group.calls.get(call).state === 'done')
      equal(commandsOf(group), ['1', '2', '3', '4'], 'another order')
    },
  },
  {
    name: 'a follower refuses proposals and names the leader',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      for (const id of others(group, leader)) {
        let named: string | undefined
        group.watch = (event) => {
          if (event.type === 'step') named = event.effects.rejected[0]?.leader ?? named
        }
        const call = group.propose(id, encodeUtf8('x'))
        check(
          group.rejection(call) === 'NOT_LEADER',
          `${id} says ${group.rejection(call) ?? 'nothing'}`,
        )
        check(named === leader, `${id} names ${named ?? 'nobody'} instead of ${leader}`)
      }
    },
  },
  {
    name: 'proposals beyond what may be uncommitted are refused, and taken again later',
    needs: 'limits',
    run(harness) {
      const group = groupOf(harness, three, { uncommittedBytesMax: 1_000 })
      const leader = elected(group)
      group.partition([leader], others(group, leader))
      const calls = Array.from({ length: 40 }, () => group.propose(leader, new Uint8Array(100)))
      const refused = calls.filter((call) => group.rejection(call) !== undefined)
      check(refused.length >= 25, `${40 - refused.length} proposals of 100 bytes within 1,000`)
      group.heal()
      until(group, 'not level', () => level(group))
      applied(group, elected(group), ['later'])
    },
  },
  {
    name: 'messages stay within their limit',
    needs: 'limits',
    run(harness) {
      const group = groupOf(harness, three, { messageBytesMax: 500 })
      const leader = elected(group)
      const down = others(group, leader)[0] as string
      group.crash(down)
      const up = others(group, down)
      for (let count = 0; count < 40; count++) group.propose(leader, new Uint8Array(100))
      until(group, 'not applied', () => commandsOf(group).length === 40, up)
      for (const late of group.matching({ to: down })) group.drop(late)
      let largest = 0
      group.watch = (event) => {
        if (event.type !== 'send') return
        const bytes = encode(harness.consensus.codec, event.message.message).length
        largest = Math.max(largest, bytes)
      }
      group.restart(down)
      until(group, 'no catching up', () => level(group))
      // 500 bytes of payloads, or one payload more where it is counted afterwards, and what is around them.
      check(largest > 100 && largest <= 1_000, `a message of ${largest} bytes, with a limit of 500`)
    },
  },
]

/** Checks of reads and transfers. */
export const readChecks: readonly ConsensusCheck[] = [
  {
    name: 'a quorum read at the leader passes, at or after everything applied before it',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['x'])
      const call = group.read(leader, 'quorum')
      until(group, 'the read does not pass', () => group.calls.get(call).state !== 'open')
      check(group.calls.get(call).state === 'done', `it was ${group.calls.get(call).state}`)
    },
  },
  {
    name: 'a leader that was replaced without knowing passes no quorum read',
    needs: 'failover',
    run(harness) {
      const group = groupOf(harness)
      const old = elected(group)
      const rest = others(group, old)
      group.partition([old], rest)
      // The old leader's clock stands still, as in a pause: it cannot know that it was replaced.
      const next = electedByOthers(group, rest)
      const proposal = group.propose(next, encodeUtf8('x'))
      group.stabilize(rest)
      check(group.calls.get(proposal).state === 'done', 'the others do not serve')
      const call = group.read(old, 'quorum')
      for (let round = 0; round < 20; round++) {
        group.stabilize()
        group.advance(50)
        check(group.calls.get(call).state !== 'done', 'a read passed at a leader that was replaced')
      }
    },
  },
  {
    name: 'a local read passes at once',
    run(harness) {
      const group = groupOf(harness)
      elected(group)
      for (const id of group.ids) {
        const call = group.read(id, 'local')
        check(group.calls.get(call).state === 'done', `a local read at ${id} does not pass`)
      }
    },
  },
  {
    name: 'leadership goes to whom it is handed, and the call is told',
    needs: 'transfer',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const to = others(group, leader)[0] as string
      const call = group.transfer(leader, to)
      until(group, 'leadership does not go over', () => group.leader() === to)
      until(group, 'the call stays open', () => group.calls.get(call).state !== 'open')
      applied(group, to, ['x'])
    },
  },
]
