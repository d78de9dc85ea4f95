// The check that looks for what nobody thought of: random schedules in which messages are lost, doubled
// and reordered and replicas crash at any write, and then a calm in which the group must recover.
import type { NodeId, Random } from '@quorate/core'
import { createRandom, encodeUtf8, majority } from '@quorate/core'
import type { ConsensusCheck, ConsensusHarness, Group } from './harness.ts'
import { applied, elected, groupOf, loseDisk, three, until } from './harness.ts'

const SEEDS = 30
const STEPS = 1_500
/** Of runs in which disks are lost. */
const LOST_SEEDS = 60

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

/** Ends all faults and waits until the group serves and replicas that kept their disks have everything. */
function calm(group: Group, forgetful: readonly NodeId[]): void {
  group.heal()
  for (const id of group.ids) if (!group.replica(id).up) group.restart(id)
  applied(group, elected(group), ['calm'])
  const counted = group.ids.filter((id) => !forgetful.includes(id))
  until(group, 'not level', () =>
    counted.every((id) => group.replica(id).appliedIndex === group.history.length),
  )
}

/** One group whose `c` loses its disk again and again, at any moment. */
function forgetting(harness: ConsensusHarness, seed: number): void {
  const random = createRandom(seed).fork('lost disks')
  // What it had acknowledged may commit when it has lost it: one disk of three is then enough.
  const commitQuorum = (voters: number): number =>
    Math.max(1, (harness.promises?.commitQuorum ?? majority)(voters) - 1)
  const promises = { ...harness.promises, commitQuorum }
  const group = groupOf({ ...harness, promises }, three, undefined, seed)
  for (let count = 0; count < STEPS; count++) {
    disturb(group, random, count)
    if (random.below(100) === 0) loseDisk(group, 'c')
  }
  calm(group, harness.supports?.rejoin === false ? ['c'] : [])
}

/** Checks by chance. */
export const chaosChecks: readonly ConsensusCheck[] = [
  {
    name: 'every promise holds though a voter loses its disk, again and again',
    run(harness) {
      for (let seed = 1; seed <= LOST_SEEDS; seed++) {
        try {
          forgetting(harness, seed)
        } catch (cause) {
          throw new Error(`seed ${seed}: ${String(cause)}`, { cause })
        }
      }
    },
  },
  {
    name: 'every promise holds whatever happens, and the group recovers when it ends',
    run(harness) {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const random = createRandom(seed).fork('chaos')
        const group = groupOf(harness, three, undefined, seed)
        try {
          for (let count = 0; count < STEPS; count++) disturb(group, random, count)
          calm(group, [])
        } catch (cause) {
          throw new Error(`seed ${seed}: ${String(cause)}`, { cause })
        }
      }
    },
  },
]
