// The check that looks for what nobody thought of: random schedules in which messages are lost, doubled
// and reordered and replicas crash at any write, and then a calm in which the group must recover.
import type { Random } from '@quorate/core'
import { createRandom, encodeUtf8 } from '@quorate/core'
import type { ConsensusCheck, Group } from './harness.ts'
import { applied, elected, groupOf, level, until } from './harness.ts'

const SEEDS = 30
const STEPS = 1_500

/** One thing that can happen at any time. */
function disturb(group: Group, random: Random, count: number): void {
  const id = group.ids[random.below(group.ids.length)] as string
  const replica = group.replica(id)
  const flights = group.messages
  const flight = flights[random.below(Math.max(1, flights.length))]
  const dice = random.below(1_000)
  if (dice < 450) {
    if (flight !== undefined) group.deliver(flight)
  } else if (dice < 700) {
    if (replica.up) group.persist(id, 1)
  } else if (dice < 780) group.advance(random.below(60))
  else if (dice < 860) {
    if (flight !== undefined) group.drop(flight)
  } else if (dice < 900) {
    if (flight !== undefined && flights.length < 200) group.duplicate(flight)
  } else if (dice < 950) {
    const leader = group.leader()
    if (leader !== undefined) group.propose(leader, encodeUtf8(`c${count}`))
  } else if (dice < 960) {
    if (replica.up) group.read(id, 'quorum')
  } else if (dice < 970) {
    if (replica.up) group.crash(id)
    else group.restart(id)
  } else if (dice < 985) {
    if (!replica.up) group.restart(id)
    else if (replica.wish !== undefined) group.fetchSnapshot(id)
  } else if (dice < 990) {
    if (replica.up && replica.appliedIndex > (replica.written.snapshot?.index ?? 0)) {
      group.snapshot(id, random.below(4))
    }
  } else if (dice < 995) group.cut(id, group.ids[random.below(group.ids.length)] as string)
  else group.heal()
}

/** Checks by chance. */
export const chaosChecks: readonly ConsensusCheck[] = [
  {
    name: 'every promise holds whatever happens, and the group recovers when it ends',
    run(harness) {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const random = createRandom(seed).fork('chaos')
        const group = groupOf(harness, { voters: ['a', 'b', 'c'] }, undefined, seed)
        try {
          for (let count = 0; count < STEPS; count++) disturb(group, random, count)
          group.heal()
          for (const id of group.ids) if (!group.replica(id).up) group.restart(id)
          applied(group, elected(group), ['calm'])
          until(group, 'not level', () => level(group))
        } catch (cause) {
          throw new Error(`seed ${seed}: ${String(cause)}`, { cause })
        }
      }
    },
  },
]
