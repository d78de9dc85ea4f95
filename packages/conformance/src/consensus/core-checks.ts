// Checks of the contract of a single core: determinism, its codec, totality, and effects that stay as
// they were returned.
import type { Effects } from '@quorate/core'
import { decode, encode, encodeUtf8, isQuorateError } from '@quorate/core'
import type { ConsensusCheck, ConsensusHarness, Group } from './harness.ts'
import { applied, check, elected, equal, groupOf, level, three, until } from './harness.ts'

/** A short life of a group, with a change of leader where there can be one: what it says and does. */
function lifeOf(
  harness: ConsensusHarness,
  seed: number,
): { group: Group; steps: Effects[]; messages: unknown[] } {
  const group = groupOf(harness, three, undefined, seed)
  const steps: Effects[] = []
  const messages: unknown[] = []
  group.watch = (event) => {
    if (event.type === 'step') steps.push(event.effects)
    if (event.type === 'send') messages.push(event.message.message)
  }
  const first = elected(group)
  applied(group, first, ['x', 'y'])
  group.read(first)
  group.crash(first)
  if (harness.supports?.failover === false) group.restart(first)
  const up = group.ids.filter((id) => group.replica(id).up)
  applied(group, elected(group, up), ['z'], up)
  if (!group.replica(first).up) group.restart(first)
  until(group, 'no catching up', () => group.replica(first).appliedIndex === group.history.length)
  return { group, steps, messages }
}

/** Effects as text, bytes and all. */
function textOf(effects: Effects): string {
  return JSON.stringify(effects, (_key, value: unknown) =>
    value instanceof Uint8Array
      ? `bytes ${value.join()}`
      : value instanceof Map
        ? [...value]
        : value,
  )
}

/** Checks of one core by itself. */
export const coreChecks: readonly ConsensusCheck[] = [
  {
    name: 'the same inputs, times and seed give the same effects',
    run(harness) {
      const [one, same] = [lifeOf(harness, 3), lifeOf(harness, 3)]
      equal(same.steps.map(textOf), one.steps.map(textOf), 'a second run differs')
    },
  },
  {
    name: 'effects are not modified after they were returned',
    run(harness) {
      const group = groupOf(harness)
      const kept: { readonly effects: Effects; readonly text: string }[] = []
      group.watch = (event) => {
        if (event.type === 'step')
          kept.push({ effects: event.effects, text: textOf(event.effects) })
      }
      applied(group, elected(group), ['x', 'y', 'z'])
      for (const { effects, text } of kept) {
        check(textOf(effects) === text, `effects were changed: ${text} became ${textOf(effects)}`)
      }
    },
  },
  {
    name: 'every message is the same after its codec, and cut short it is malformed',
    run(harness) {
      const { codec } = harness.consensus
      const { messages } = lifeOf(harness, 1)
      check(messages.length > 10, 'hardly anything was said')
      for (const message of messages) {
        const bytes = encode(codec, message)
        const again = encode(codec, decode(codec, bytes))
        equal([again.join()], [bytes.join()], 'a message came back as another')
        for (let length = 0; length < bytes.length; length++) {
          checkMalformed(() => decode(codec, bytes.subarray(0, length)))
        }
      }
    },
  },
  {
    name: 'nothing that a peer may send makes a step throw',
    run(harness) {
      const { group, messages } = lifeOf(harness, 2)
      const { codec } = harness.consensus
      const received = new Map(messages.map((message) => [encode(codec, message).join(), message]))
      for (const message of received.values()) {
        for (const id of group.ids) {
          for (const from of ['stranger', id, ...group.ids]) {
            group
              .replica(id)
              .running.step({ type: 'receive', from, message }, group.replica(id).now)
          }
        }
      }
    },
  },
  {
    name: 'a tick before its time, and news of peers, are harmless',
    run(harness) {
      const group = groupOf(harness)
      const hints = (): void => {
        for (const id of group.ids) {
          group.step(id, { type: 'tick' })
          for (const peer of [...group.ids, 'stranger']) {
            group.step(id, { type: 'peerUnreachable', peer })
            group.step(id, { type: 'peerReachable', peer })
          }
        }
      }
      hints()
      elected(group)
      hints()
      // Such news may cost a leader its place, and a proposal with it: what is proposed again is applied.
      let call: number | undefined
      until(group, 'not applied', () => {
        const leader = group.leader()
        const state = call === undefined ? 'none' : group.calls.get(call).state
        if (leader !== undefined && state !== 'open' && state !== 'done') {
          call = group.propose(leader, encodeUtf8('x'))
        }
        return state === 'done'
      })
      hints()
      until(group, 'not level', () => level(group))
    },
  },
  {
    name: 'a replica that joins stays silent until it is addressed',
    run(harness) {
      const group = groupOf(harness)
      group.join('d')
      for (let count = 0; count < 200; count++) {
        group.advance(50)
        check(
          group.matching({ from: 'd' }).length === 0,
          'a replica that knows no group speaks to somebody',
        )
      }
      const { role } = group.replica('d').running.status()
      check(role !== 'leader' && role !== 'candidate', `it has become ${role}`)
    },
  },
  {
    name: 'its status is told anew each time, and true',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['x'])
      until(group, 'not level', () =>
        group.ids.every((id) => group.replica(id).appliedIndex === group.history.length),
      )
      for (const id of group.ids) {
        const core = group.replica(id).running
        check(core.status() !== core.status(), 'the same object was returned twice')
        const status = core.status()
        check(status.id === id && core.id === id, `${id} goes by another name`)
        check(status.leader === leader, `${id} takes ${status.leader ?? 'nobody'} for the leader`)
        check(status.appliedIndex === group.replica(id).appliedIndex, 'another applied index')
        check(core.appliedPosition().index === status.appliedIndex, 'another applied position')
        check(status.membership.voters.join() === 'a,b,c', 'other members')
      }
    },
  },
]

function checkMalformed(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    check(isQuorateError(error, 'MALFORMED'), `a message cut short: ${String(error)}`)
    return
  }
  check(false, 'a message cut short was read')
}
