// Hosts and replicas that come and go, with snapshots and changes of leader in between, again and
// again: heap and handles stay where they were.
//
// QUORATE_SOAK_ROUNDS enlarges it; by default it is short.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Replica } from '@quorate/core'
import { raft } from '@quorate/raft'
import type { Host } from '@quorate/runtime'
import { createHost, jsonCodec, typedStateMachine } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'

const ROUNDS = Number(process.env['QUORATE_SOAK_ROUNDS'] ?? 12)
const WARM_UP = 4
const GROUPS = 6
const IDS = ['a', 'b', 'c']
const consensus = raft({ electionTimeoutMs: 240, heartbeatIntervalMs: 40, hibernateAfterMs: 100 })

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function list() {
  let items: number[] = []
  return typedStateMachine({
    command: jsonCodec<number>(),
    result: jsonCodec<number>(),
    query: jsonCodec<null>(),
    answer: jsonCodec<number[]>(),
    apply: (item) => items.push(item),
    ask: () => items,
    snapshot: () => [new TextEncoder().encode(JSON.stringify(items))],
    async restore(chunks) {
      let text = ''
      for await (const chunk of chunks) text += new TextDecoder().decode(chunk)
      items = JSON.parse(text) as number[]
    },
  })
}

/** Resolves with the replica that leads, as soon as one does. */
function leaderOf(replicas: readonly Replica[]): Promise<Replica> {
  return new Promise((resolve) => {
    for (const replica of replicas) {
      if (replica.consensus().role === 'leader') resolve(replica)
      replica.on('leadership', ({ role }) => role === 'leader' && resolve(replica))
    }
  })
}

/** Proposes at whoever leads: elections on a busy machine may come at any time. */
async function propose(
  members: readonly { readonly replica: Replica; readonly machine: ReturnType<typeof list> }[],
  value: number,
): Promise<Replica> {
  for (;;) {
    const leader = await leaderOf(members.map(({ replica }) => replica))
    const member = members.find(({ replica }) => replica === leader)
    try {
      await member?.machine.on(leader).propose(value, { timeoutMs: 2_000 })
      return leader
    } catch {
      // Lost its leadership meanwhile; an item applied twice does no harm here.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

async function group(hosts: readonly Host[], name: string): Promise<void> {
  const members = await Promise.all(
    hosts.map(async (host) => {
      const machine = list()
      const replica = await host.createReplica({
        group: name,
        consensus,
        stateMachine: machine,
        members: { voters: IDS },
        snapshots: { everyEntries: 8, keepEntries: 2 },
      })
      return { replica, machine }
    }),
  )
  let leader: Replica | undefined
  for (let value = 0; value < 20; value++) leader = await propose(members, value)
  await leader?.takeSnapshot()
  await leader?.transferLeadership(undefined, { timeoutMs: 2_000 }).catch(() => undefined)
  await propose(members, 20)
  await leader?.query(new Uint8Array([4, 110, 117, 108, 108]), { mode: 'local' })
}

async function round(): Promise<void> {
  const network = memoryNetwork()
  const hosts = await Promise.all(
    IDS.map((id) => createHost({ id, transport: network.transport(), storage: memoryStorage() })),
  )
  const names = Array.from({ length: GROUPS }, (_, at) => `g${at}`)
  await Promise.all(names.map((name) => group(hosts, name)))
  await hosts[2]?.dropReplica('g0')
  await Promise.all(hosts.map((host) => host.close()))
}

describe('hosts that come and go', () => {
  it('leave heap and handles as they were', { timeout: 60_000 + ROUNDS * 10_000 }, async () => {
    const heap: number[] = []
    let handles: readonly string[] = []
    for (let count = 0; count < WARM_UP + ROUNDS; count++) {
      await round()
      await new Promise((resolve) => setImmediate(resolve))
      if (count < WARM_UP) handles = process.getActiveResourcesInfo().sort()
      else {
        collect()
        heap.push(process.memoryUsage().heapUsed)
      }
    }
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length).toBe(
      handles.filter((kind) => kind === 'Timeout').length,
    )
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(handles.length)
    // Each round would leave hundreds of kilobytes, did anything keep its hosts.
    const third = Math.ceil(heap.length / 3)
    const least = (of: readonly number[]): number => Math.min(...of)
    const growth = least(heap.slice(-third)) - least(heap.slice(0, third))
    expect(growth / (heap.length - third)).toBeLessThan(50_000)
  })
})
