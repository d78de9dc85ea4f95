// A disk that is nearly full, with the log of production on it: its host gives up what it leads, so that
// the group goes on by a host that has room, and stays a member.
import { ByteWriter } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import type { CrashFs, SimCluster } from '@quorate/sim'
import { registerMap, simCluster } from '@quorate/sim'
import { fsStorageOn } from '@quorate/storage-fs/platform'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { describe, expect, it } from 'vitest'

const HOSTS = ['h1', 'h2', 'h3']
const LOW_WATER_BYTES = 1_048_576
const timing = { electionTimeoutMs: 300, heartbeatIntervalMs: 50 }
const algorithms = [
  { name: 'raft', consensus: raft(timing), promises: undefined },
  {
    name: 'paxos',
    consensus: paxos(timing),
    promises: { leaderPerEpoch: false, epochsAgree: false },
  },
]

/** Sets a register. */
function setRegister(value: number): Uint8Array {
  const writer = new ByteWriter(8)
  writer.uint8(1)
  writer.varint(1)
  writer.varint(value)
  return writer.finish()
}

/** Proposes at whoever leads, for a while; returns how many were applied, and the leaders' names. */
async function load(cluster: SimCluster, forMs: number): Promise<[number, readonly NodeId[]]> {
  const untilMs = cluster.nowMs + forMs
  const leaders: NodeId[] = []
  let applied = 0
  while (cluster.nowMs < untilMs) {
    const leader = cluster.leaderOf('g')
    if (leader !== undefined) {
      cluster.enter(leader, () => {
        const done = cluster
          .host(leader)
          ?.replica('g')
          ?.propose(setRegister(applied + 1))
        done?.then(
          () => {
            applied++
            if (leaders.at(-1) !== leader) leaders.push(leader)
          },
          () => {},
        )
      })
    }
    await cluster.run(cluster.nowMs + 50)
  }
  return [applied, leaders]
}

describe.each(algorithms)('on disks that are nearly full, $name', ({ consensus, promises }) => {
  it('is led by whoever has room', async () => {
    const disks = new Map<NodeId, CrashFs>()
    const cluster = await simCluster({
      seed: 3,
      hosts: HOSTS,
      promises,
      storage: ({ host, fs, pace, random }) => {
        disks.set(host, fs)
        const newStore = (): Uint8Array => Uint8Array.from({ length: 16 }, () => random.below(256))
        const options = { segmentBytes: 16_384, lowWaterBytes: LOW_WATER_BYTES, ballastBytes: 0 }
        return fsStorageOn({ fs, pace, newStore }, '/data', options)
      },
      async program(host) {
        const members = { voters: HOSTS }
        await host.createReplica({ group: 'g', consensus, stateMachine: registerMap(), members })
      },
    })
    for (const id of HOSTS) cluster.start(id)
    const [before] = await load(cluster, 4_000)
    expect(before).toBeGreaterThan(10)
    const first = cluster.leaderOf('g') as NodeId
    ;(disks.get(first) as CrashFs).freeBytes = LOW_WATER_BYTES - 1
    await load(cluster, 3_000)
    const [during, leaders] = await load(cluster, 4_000)
    expect(during).toBeGreaterThan(40)
    expect(leaders).not.toContain(first)
    // What it is sent it takes as before.
    expect(cluster.host(first)?.replica('g')?.consensus().role).toBe('follower')
    // Where nobody has room, nobody is any better, and no proposal is taken.
    for (const fs of disks.values()) fs.freeBytes = LOW_WATER_BYTES - 1
    await load(cluster, 3_000)
    expect((await load(cluster, 2_000))[0]).toBe(0)
    ;(disks.get(first) as CrashFs).freeBytes = 1e9
    await load(cluster, 8_000)
    const [after, last] = await load(cluster, 2_000)
    expect(after).toBeGreaterThan(20)
    expect(last).toEqual([first])
    expect(cluster.failure).toBeUndefined()
    cluster.close()
  })
})
