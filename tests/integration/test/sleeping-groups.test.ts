// What sleeps wakes: in a cluster of real processes every group falls asleep, the host that leads most
// of them is killed, and writes to every shard succeed while it is gone. How soon, the simulator checks.
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KvClient } from '@quorate/kv'
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'
import { describe, expect, it } from 'vitest'
import { freePorts } from './processes.ts'

const PROGRAM = fileURLToPath(new URL('sleeping-host.mjs', import.meta.url))
const IDS = ['a', 'b', 'c']
const SHARDS = 8
const HIBERNATE_AFTER_MS = 500
const LOOK_EVERY_MS = 1_000

/** Hosts as processes. */
interface Hosts {
  start(id: string): Promise<void>
  kill(id: string): Promise<void>
  /** Resolves once no host that runs has sent anything to another for a second. */
  untilSilent(): Promise<void>
  client(): Promise<KvClient>
  remove(): Promise<void>
}

async function hostsOf(algorithm: string): Promise<Hosts> {
  const data = await mkdtemp(join(tmpdir(), 'quorate-test-'))
  const free = await freePorts(2 * IDS.length)
  const ports = Object.fromEntries(
    IDS.map((id, at) => [id, { peers: free[2 * at], clients: free[2 * at + 1] }]),
  )
  const running = new Map<string, ChildProcess>()
  const kill = async (id: string): Promise<void> => {
    const child = running.get(id)
    if (child === undefined || !running.delete(id) || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  const framesSent = async (): Promise<number> => {
    let sum = 0
    for (const child of running.values()) {
      const answer = once(child, 'message')
      child.send('frames')
      const [{ frames }] = (await answer) as [{ readonly frames: number }]
      sum += frames
    }
    return sum
  }
  return {
    kill,
    async start(id) {
      const store = { shards: SHARDS, hibernateAfterMs: HIBERNATE_AFTER_MS }
      const settings = { id, algorithm, ...store, directory: join(data, id), ports }
      const child = fork(PROGRAM, [JSON.stringify(settings)], { execArgv: [] })
      running.set(id, child)
      await new Promise<void>((resolve, reject) => {
        child.once('message', () => resolve())
        child.once('exit', (code, signal) => reject(new Error(`${id} ended: ${signal ?? code}`)))
      })
    },
    async untilSilent() {
      for (let before = -1; ;) {
        const frames = await framesSent()
        if (frames === before) return
        before = frames
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
    },
    client() {
      const addresses = IDS.map((id) => `ws://127.0.0.1:${ports[id]?.clients}`)
      return connect({ addresses, dialer: webSocketDialer() })
    },
    async remove() {
      for (const id of IDS) await kill(id)
      await rm(data, { recursive: true, force: true })
    },
  }
}

/** A key of each shard. */
function keysOf(client: KvClient): readonly string[] {
  const keys = new Map<number, string>()
  for (let n = 0; keys.size < SHARDS; n++) {
    const key = `key/${n}`
    if (!keys.has(client.shardOf(key))) keys.set(client.shardOf(key), key)
  }
  return [...keys.values()]
}

async function untilLed(client: KvClient): Promise<string> {
  for (;;) {
    const { shards, hosts } = await client.status({ timeoutMs: 10_000 })
    const [first] = hosts.toSorted((a, b) => b.leads - a.leads)
    if (first !== undefined && shards.every(({ leader }) => leader !== undefined)) return first.id
  }
}

async function checkFailover(hosts: Hosts): Promise<void> {
  await Promise.all(IDS.map((id) => hosts.start(id)))
  const client = await hosts.client()
  try {
    const keys = keysOf(client)
    for (const key of keys) await client.put(key, 'awake', { timeoutMs: 30_000 })
    const victim = await untilLed(client)
    await hosts.untilSilent()
    await hosts.kill(victim)
    // Who led is not back before this is done: each shard that slept has a new leader.
    await Promise.all(keys.map((key) => client.put(key, 'woken', { timeoutMs: 30_000 })))
    await hosts.start(victim)
    await hosts.untilSilent()
    for (const key of keys) {
      const entry = await client.get(key, { consistency: 'lease', timeoutMs: 10_000 })
      expect(entry?.text()).toBe('woken')
    }
  } finally {
    await client.close()
  }
}

describe('groups that sleep', () => {
  it.each(['raft', 'paxos'])(
    'have a new leader once the host of theirs was killed (%s)',
    { timeout: 120_000 },
    async (algorithm) => {
      const hosts = await hostsOf(algorithm)
      try {
        await checkFailover(hosts)
      } finally {
        await hosts.remove()
      }
    },
  )
})
