// A group sleeps, and the replica that leads it is lost while its host goes on: nobody misses it until
// a follower is asked for something, whatever that is, and then the group has another leader soon.
import type { ConsensusFactory, Replica } from '@quorate/core'
import type { Kv } from '@quorate/kv'
import { createKv } from '@quorate/kv'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import type { Promises, SimCluster } from '@quorate/sim'
import { simCluster } from '@quorate/sim'
import { describe, expect, it } from 'vitest'

const HOSTS = ['a', 'b', 'c']
const GROUP = 'kv-0'
const timing = { electionTimeoutMs: 300, heartbeatIntervalMs: 50, hibernateAfterMs: 500 }
const algorithms: readonly [string, ConsensusFactory, Promises | undefined][] = [
  ['raft', raft(timing), undefined],
  ['paxos', paxos(timing), { leaderPerEpoch: false, epochsAgree: false }],
]

/** Asks the store of a host whose replica follows; what comes of the request itself does not matter. */
const requests: readonly [string, (kv: Kv) => Promise<unknown> | undefined][] = [
  [
    'a change of membership',
    (kv) => kv.replica(0)?.changeMembership({ voters: ['a', 'b'], learners: ['c'] }),
  ],
  ['a transfer of leadership', (kv) => kv.replica(0)?.transferLeadership()],
  ['a read barrier', (kv) => kv.replica(0)?.readBarrier('quorum')],
  ['a read at the level follower', (kv) => kv.get('k', { consistency: 'follower' })],
  ['a write', (kv) => kv.put('k', 'v')],
]

interface Sleeping {
  readonly cluster: SimCluster
  /** Who has lost its replica, and led. */
  readonly lost: string
  /** The store of a host whose replica follows. */
  readonly follower: Kv
}

async function sleeping(consensus: ConsensusFactory, promises?: Promises): Promise<Sleeping> {
  const stores = new Map<string, Kv>()
  const partitioner = hashRing({ members: HOSTS, shards: 1, replicas: 3 })
  const cluster = await simCluster({
    seed: 7,
    hosts: HOSTS,
    promises,
    groups: [GROUP],
    async program(host) {
      stores.set(host.id, await createKv({ host, consensus, partitioner }))
    },
  })
  for (const id of HOSTS) cluster.start(id)
  await cluster.run(5_000, () => cluster.leaderOf(GROUP) !== undefined)
  await cluster.run(cluster.nowMs + 5_000)
  const before = cluster.network.sent
  await cluster.run(cluster.nowMs + 5_000)
  expect(cluster.network.sent).toBe(before)
  const lost = cluster.leaderOf(GROUP) as string
  const signal = AbortSignal.abort('nothing is handed over')
  const replica = cluster.host(lost)?.replica(GROUP)
  cluster.enter(lost, () => void replica?.close({ signal }).catch(cluster.fail))
  await cluster.run(cluster.nowMs + 2_000)
  const follower = stores.get(HOSTS.find((id) => id !== lost) as string) as Kv
  return { cluster, lost, follower }
}

describe.each(algorithms)('a follower of a sleeping group (%s)', (_name, consensus, promises) => {
  it.each(requests)('finds that its leader is gone by %s', async (_what, ask) => {
    const { cluster, lost, follower } = await sleeping(consensus, promises)
    try {
      const leader = (): string | undefined => follower.replica(0)?.consensus().leader
      expect(leader()).toBe(lost)
      const { id } = follower.replica(0) as Replica
      cluster.enter(id, () => void ask(follower)?.catch(() => undefined))
      await cluster.run(cluster.nowMs + 4_000)
      expect(cluster.failure).toBeUndefined()
      expect(leader()).not.toBe(lost)
      expect(HOSTS).toContain(leader())
    } finally {
      cluster.close()
    }
  })
})
