// Checks of snapshots and of a log that does not fit into memory.
import { encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck, ConsensusHarness, Group } from './harness.ts'
import {
  applied,
  check,
  commandsOf,
  elected,
  equal,
  groupOf,
  level,
  others,
  three,
  until,
} from './harness.ts'

/** A group with one replica down, whose leader has dropped the log that it lacks. */
function lagging(harness: ConsensusHarness): { readonly group: Group; readonly down: string } {
  const group = groupOf(harness)
  const leader = elected(group)
  applied(group, leader, ['u'])
  const down = others(group, leader)[0] as string
  group.crash(down)
  const up = others(group, down)
  applied(group, leader, ['v', 'w', 'x'], up)
  for (const id of up) group.snapshot(id)
  group.stabilize(up)
  for (const flight of group.matching()) group.drop(flight)
  group.restart(down)
  return { group, down }
}

/** Checks of snapshots. */
export const snapshotChecks: readonly ConsensusCheck[] = [
  {
    name: 'a snapshot that was taken becomes the group’s, and the log before it goes',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['u', 'v', 'w'])
      const { index } = group.snapshot(leader, 1)
      group.stabilize()
      const { durable } = group.replica(leader)
      check(durable.snapshot?.index === index, 'no batch made the snapshot the group’s')
      check(durable.firstIndex > 1, 'no entry was dropped')
      check(durable.firstIndex <= index + 1, 'entries after the snapshot were dropped')
      applied(group, leader, ['x'])
    },
  },
  {
    name: 'a replica starts from its snapshot and the log behind it',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['u', 'v'])
      until(group, 'not level', () => level(group))
      for (const id of group.ids) group.snapshot(id)
      applied(group, leader, ['w'])
      for (const id of group.ids) group.crash(id)
      for (const id of group.ids) group.restart(id)
      applied(group, elected(group), ['x'])
      until(group, 'not level', () => level(group))
      equal(commandsOf(group), ['u', 'v', 'w', 'x'], 'other commands')
    },
  },
  {
    name: 'a replica too far behind fetches a snapshot and goes on from there',
    run(harness) {
      const { group, down } = lagging(harness)
      until(group, 'no catching up', () => level(group))
      check(group.replica(down).durable.snapshot !== undefined, 'no snapshot was installed')
      applied(group, elected(group), ['y'])
      until(group, 'not level', () => level(group))
    },
  },
  {
    name: 'a snapshot that could not be fetched is asked for again',
    run(harness) {
      const { group, down } = lagging(harness)
      for (let round = 0; round < 3; round++) {
        // Everybody else goes on; the wish is not granted.
        for (let waited = 0; group.replica(down).wish === undefined; waited++) {
          check(waited < 2_000, 'no snapshot is asked for')
          for (const id of group.ids) group.persist(id)
          for (const flight of group.matching()) group.deliver(flight)
          if (group.replica(down).wish === undefined) group.advance(25)
        }
        group.failFetch(down)
      }
      until(group, 'no catching up', () => level(group))
    },
  },
  {
    name: 'a replica that asks for it is refilled from a snapshot, and keeps what it acknowledged',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      applied(group, leader, ['u', 'v'])
      until(group, 'not level', () => level(group))
      const replica = others(group, leader)[0] as string
      const down = others(group, leader, replica)[0] as string
      let installs = 0
      group.watch = (event) => {
        if (event.type === 'installed' && event.id === replica) installs++
      }
      const call = group.refill(replica)
      if (group.rejection(call) === 'NOT_SUPPORTED') return
      // Nothing commits without it from here on.
      group.crash(down)
      const up = others(group, down)
      for (let count = 0; group.calls.get(call).state === 'open'; count++) {
        check(count < 200, 'the refill is never complete')
        applied(group, leader, [`w${count}`], up)
        if (count % 5 === 0) group.snapshot(leader)
        group.stabilize(up)
        group.advance(100)
      }
      check(group.calls.get(call).state === 'done', `it was ${group.calls.get(call).state}`)
      check(installs > 0, 'it is said to be complete, and no snapshot was installed')
      applied(group, elected(group, up), ['x'], up)
      group.restart(down)
      until(group, 'not level', () => level(group))
    },
  },
  {
    name: 'a leader is not refilled',
    run(harness) {
      const group = groupOf(harness)
      const leader = elected(group)
      const code = group.rejection(group.refill(leader))
      check(code === 'CONFLICT' || code === 'NOT_SUPPORTED', `it was ${code ?? 'taken'}`)
    },
  },
  {
    name: 'entries that have left memory are read back for those who lack them',
    needs: 'logWindow',
    run(harness) {
      const group = groupOf(harness, three, { logWindowBytesMax: 200, messageBytesMax: 300 })
      const leader = elected(group)
      const down = others(group, leader)[0] as string
      group.crash(down)
      for (let count = 0; count < 60; count++) {
        group.propose(leader, encodeUtf8(`${count}`.padEnd(50, '.')))
      }
      until(group, 'not applied', () => commandsOf(group).length === 60, others(group, down))
      let reads = 0
      group.watch = (event) => {
        if (event.type === 'step') reads += event.effects.readEntries.length
      }
      group.restart(down)
      until(group, 'no catching up', () => level(group))
      check(reads > 0, 'nothing was read back, though memory holds 200 bytes')
    },
  },
]
