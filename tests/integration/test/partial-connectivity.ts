// How long a group is without service when links fail and hosts do not, for any algorithm: from the
// moment of the fault until an entry that was proposed after it is committed, in simulated time.
import type { ConsensusFactory, NodeId } from '@quorate/core'
import { createRandom, encodeUtf8 } from '@quorate/core'
import type { Promises } from '@quorate/sim'
import { CoreCluster } from '@quorate/sim'

const STEP_MS = 10
const GIVE_UP_MS = 60_000

/** Which links fail. */
export type Pattern = 'quorum-loss' | 'constrained-election' | 'chained'

/** What came of one run. */
export interface Outage {
  /** Until the first commit after the fault; `undefined` where there was none within a minute. */
  readonly ms: number | undefined
  /** How often leadership changed in the twenty seconds after the fault. */
  readonly changes: number
}

/** Runs one pattern once. The seed chooses the replicas' randomness, and when the fault happens. */
export function outageOf(
  consensus: ConsensusFactory,
  promises: Promises,
  pattern: Pattern,
  seed: number,
): Outage {
  const voters = pattern === 'chained' ? ['a', 'b', 'c'] : ['a', 'b', 'c', 'd', 'e']
  const group = new CoreCluster({ consensus, members: { voters }, seed, promises })
  lead(group, 'a')
  put(group, 'a')
  live(group, 500 + createRandom(seed).below(200))
  fail[pattern](group)
  return watch(group)
}

const fail: Readonly<Record<Pattern, (group: CoreCluster<unknown>) => void>> = {
  /** The leader keeps one follower, and only that one reaches a quorum. */
  'quorum-loss': (group) => star(group, 'c'),
  /** The leader is gone, and only one reaches a quorum, whose log is behind. */
  'constrained-election'(group) {
    group.cut('a', 'c')
    group.cut('c', 'a')
    put(group, 'a')
    group.crash('a')
    star(group, 'c')
  },
  /** The leader and another lose sight of each other; the third sees both. */
  chained(group) {
    group.cut('a', 'c')
    group.cut('c', 'a')
  },
}

/** Nobody hears anybody but through one. */
function star(group: CoreCluster<unknown>, center: NodeId): void {
  for (const one of group.ids) {
    for (const two of group.ids) {
      if (one !== two && one !== center && two !== center) group.cut(one, two)
    }
  }
}

function lead(group: CoreCluster<unknown>, id: NodeId): void {
  for (let n = 0; n < 100 && group.leader() !== id; n++) {
    group.campaign(id)
    group.stabilize()
  }
  if (group.leader() !== id) throw new Error(`${id} does not come to lead`)
}

function put(group: CoreCluster<unknown>, id: NodeId): void {
  group.propose(id, encodeUtf8('before'))
  group.stabilize()
}

function live(group: CoreCluster<unknown>, ms: number): void {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    group.advance(STEP_MS)
    group.stabilize()
  }
}

/** Proposes again and again at whoever leads, as clients would, until one is committed. */
function watch(group: CoreCluster<unknown>): Outage {
  const before = encodeUtf8('after')
  const start = group.now
  let ms: number | undefined
  let changes = 0
  let led: NodeId | undefined = 'a'
  for (let passed = 0; passed < GIVE_UP_MS; passed += STEP_MS) {
    if (ms !== undefined && passed >= 20_000) break
    for (const id of group.ids) {
      const { core } = group.replica(id)
      if (ms !== undefined || core?.status().role !== 'leader') continue
      const call = group.propose(id, before)
      group.stabilize()
      if (group.calls.get(call).state === 'done') ms = group.now - start
    }
    live(group, STEP_MS)
    const leader = group.leader()
    if (leader !== undefined && leader !== led) {
      changes++
      led = leader
    }
  }
  return { ms, changes }
}
