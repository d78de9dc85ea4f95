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
/** Operations between two looks at the heap of hosts that stay. */
const STRETCH = 400
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

function timeouts(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
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

/** One stretch of the life of hosts that stay: proposals, forwarded ones, reads, calls, some given up. */
async function stretch(hosts: readonly Host[], members: readonly Living[]): Promise<void> {
  for (let count = 0; count < STRETCH; count++) {
    const member = members[count % members.length] as Living
    const options = { forward: true, timeoutMs: 5_000 }
    const giveUp = new AbortController()
    const given = member.machine
      .on(member.replica)
      .propose(0, { ...options, signal: giveUp.signal })
      .catch(() => undefined)
    const work = [
      member.machine.on(member.replica).propose(1, options),
      member.replica.readBarrier('quorum', { timeoutMs: 5_000 }),
      member.replica.readBarrier({ maxStalenessMs: 1_000 }, { timeoutMs: 5_000 }),
      hosts[count % 3]?.call(IDS[(count + 1) % 3] as string, 'echo', new Uint8Array(8)),
    ]
    giveUp.abort()
    // Elections on a busy machine may refuse some: what is counted is what is left of them.
    await Promise.allSettled([...work, given])
  }
}

/** A number that stays small, however many commands there were. */
function counter() {
  let total = 0
  return typedStateMachine({
    command: jsonCodec<number>(),
    result: jsonCodec<number>(),
    query: jsonCodec<null>(),
    answer: jsonCodec<number>(),
    apply: (by) => (total += by),
    ask: () => total,
    snapshot: () => [new TextEncoder().encode(String(total))],
    async restore(chunks) {
      for await (const chunk of chunks) total = Number(new TextDecoder().decode(chunk))
    },
  })
}

interface Living {
  readonly replica: Replica
  readonly machine: ReturnType<typeof counter>
}

async function live(host: Host): Promise<Living> {
  host.serve('echo', (request) => request)
  const machine = counter()
  const replica = await host.createReplica({
    group: 'g',
    consensus,
    stateMachine: machine,
    members: { voters: IDS },
    snapshots: { everyEntries: 200, keepEntries: 50 },
  })
  return { replica, machine }
}

describe('hosts that stay', () => {
  it('keep nothing of what they have done', { timeout: 60_000 + ROUNDS * 10_000 }, async () => {
    const network = memoryNetwork()
    const hosts = await Promise.all(
      IDS.map((id) => createHost({ id, transport: network.transport(), storage: memoryStorage() })),
    )
    try {
      const members = await Promise.all(hosts.map(live))
      await leaderOf(members.map(({ replica }) => replica))
      const heap: number[] = []
      const timers: number[] = []
      for (let count = 0; count < WARM_UP + ROUNDS; count++) {
        await stretch(hosts, members)
        // The log is as short as it gets, so that its length makes no difference.
        for (const { replica } of members) await replica.takeSnapshot()
        if (count < WARM_UP) continue
        collect()
        heap.push(process.memoryUsage().heapUsed)
        timers.push(timeouts())
      }
      const third = Math.ceil(heap.length / 3)
      const least = (of: readonly number[]): number => Math.min(...of)
      const growth = least(heap.slice(-third)) - least(heap.slice(0, third))
      const perOperation = growth / ((heap.length - third) * STRETCH)
      console.log(`${perOperation.toFixed(1)} bytes kept of an operation, timers ${timers.join()}`)
      // Each makes a dozen objects at three hosts; one of them that stayed would be more than this.
      expect(perOperation).toBeLessThan(60)
      expect(least(timers.slice(-third))).toBeLessThanOrEqual(least(timers.slice(0, third)) + 2)
    } finally {
      await Promise.all(hosts.map((host) => host.close()))
    }
  })
})

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
