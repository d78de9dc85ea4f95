// A cluster under faults: leaders are killed and cut off while clients write, and in the end every
// acknowledged write is there, exactly once.
import { createRandom, isQuorateError, randomSeed } from '@quorate/core'
import { afterEach, describe, expect, test } from 'vitest'
import type { KvOperations } from '../src/index.ts'
import { testCluster } from './support/cluster.ts'
import type { TestCluster } from './support/cluster.ts'

const seed = Number(process.env['KV_SEED'] ?? randomSeed())
const rounds = Number(process.env['KV_FAULT_ROUNDS'] ?? 4)

/** Writers that count, each in keys of its own and in a few that all share. */
class Load {
  readonly #stores: readonly KvOperations[]
  readonly #stop = new AbortController()
  readonly acknowledged = new Map<string, string>()
  readonly counted = new Map<string, number>()
  readonly unsure = new Map<string, number>()
  readonly #writers: Promise<void>[]
  writes = 0

  constructor(stores: readonly KvOperations[], writers: number) {
    this.#stores = stores
    this.#writers = Array.from({ length: writers }, (_, writer) => this.#write(writer))
  }

  async #write(writer: number): Promise<void> {
    // Each keeps to one store: whoever is cut off waits, while the others go on.
    const store = this.#stores[writer % this.#stores.length] as KvOperations
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const counter = `count/${(writer * 31 + turn) % 12}`
      const key = `own/${writer}/${turn}`
      try {
        await store.increment(counter, 1, { timeoutMs: 20_000 })
        this.counted.set(counter, (this.counted.get(counter) ?? 0) + 1)
      } catch (error) {
        this.#note(error, counter)
      }
      try {
        await store.put(key, `${turn}`, { timeoutMs: 20_000 })
        this.acknowledged.set(key, `${turn}`)
      } catch (error) {
        this.#note(error, key)
      }
      this.writes += 2
    }
  }

  /** An unknown outcome may count; any other error is a definite no. */
  #note(error: unknown, key: string): void {
    if (!isQuorateError(error)) throw error
    if (error.code === 'OUTCOME_UNKNOWN' || error.code === 'SESSION_EXPIRED') {
      this.unsure.set(key, (this.unsure.get(key) ?? 0) + 1)
    } else if (!['TIMEOUT', 'UNAVAILABLE'].includes(error.code)) {
      throw error
    }
  }

  /** Resolves once so many more writes have ended. */
  async more(count: number): Promise<void> {
    const goal = this.writes + count
    while (this.writes < goal) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#writers)
  }
}

async function expectExactlyOnce(load: Load, store: KvOperations): Promise<void> {
  for (const [counter, count] of load.counted) {
    const held = Number((await store.get(counter))?.text())
    const unsure = load.unsure.get(counter) ?? 0
    expect(held, `${counter}, seed ${seed}`).toBeGreaterThanOrEqual(count)
    expect(held, `${counter}, seed ${seed}`).toBeLessThanOrEqual(count + unsure)
  }
  const keys = [...load.acknowledged.keys()]
  const found = await store.getMany(keys)
  for (const [at, entry] of found.entries()) {
    const key = keys[at] as string
    expect(entry?.text(), `${key}, seed ${seed}`).toBe(load.acknowledged.get(key))
  }
}

describe('a replaced disk', () => {
  test('has no vote until it has been brought up, so nothing acknowledged is lost', async () => {
    const cluster = await testCluster({ shards: 1 })
    try {
      await cluster.kill('c')
      await cluster.kv('a').put('k', 'v', { timeoutMs: 20_000 })
      await cluster.kill('a')
      await cluster.kill('b')
      cluster.replaceDisk('b')
      // c has not seen the write, and b has forgotten it: the two must not make a group of their own.
      const { kv } = await cluster.start('b', { rejoin: true })
      await cluster.start('c')
      await expect(kv.get('k', { timeoutMs: 1_500 })).rejects.toMatchObject({ code: 'TIMEOUT' })
      await cluster.start('a')
      expect((await kv.get('k', { timeoutMs: 20_000 }))?.text()).toBe('v')
      // Before a leader vouches for it, it cannot stand in for anybody, nor lead itself.
      while (kv.replica(0)?.consensus().role !== 'leader') {
        const handed = kv.admin.transferLeader(0, 'b', { timeoutMs: 1_000 })
        await handed.catch(() => new Promise((resolve) => setTimeout(resolve, 20)))
      }
      await cluster.kill('a')
      expect((await kv.get('k', { timeoutMs: 20_000 }))?.text()).toBe('v')
    } finally {
      await cluster.close()
    }
  })
})

describe('under faults', () => {
  let cluster: TestCluster | undefined

  afterEach(async () => {
    await cluster?.close()
    cluster = undefined
  })

  test(`every write counts once while leaders are killed, seed ${seed}`, async () => {
    cluster = await testCluster({ shards: 3, seed })
    const clients = [await cluster.client(), await cluster.client()]
    const load = new Load(clients, 12)
    await load.more(100)
    for (let round = 0; round < rounds; round++) {
      const leader = await cluster.leader(round % 3)
      await cluster.kill(leader)
      await load.more(150)
      await cluster.start(leader)
      await load.more(150)
    }
    await load.stop()
    expect(load.unsure).toEqual(new Map())
    for (const client of clients) await expectExactlyOnce(load, client)
  })

  test(`every write counts once while hosts are cut off, seed ${seed}`, async () => {
    cluster = await testCluster({ shards: 3, seed })
    const random = createRandom(seed)
    const stores = [
      ...cluster.ids.map((id) => (cluster as TestCluster).kv(id)),
      await cluster.client(),
    ]
    const load = new Load(stores, 12)
    await load.more(100)
    for (let round = 0; round < rounds * 2; round++) {
      const one = cluster.ids[random.below(3)] as string
      const other = cluster.ids[random.below(3)] as string
      // A whole host, or one connection only.
      if (random.below(2) === 0 || one === other) cluster.network.cut(one)
      else cluster.network.cut(one, other)
      await load.more(40)
      cluster.network.heal()
      await load.more(40)
    }
    await load.stop()
    for (const store of stores) await expectExactlyOnce(load, store)
  })

  test('all hosts killed at once start again with everything', async () => {
    cluster = await testCluster({ shards: 3, seed })
    const client = await cluster.client()
    await client.batch(
      Array.from({ length: 300 }, (_, at) => ({ type: 'put', key: `k/${at}`, value: `${at}` })),
    )
    await client.increment('n', 41)
    for (const id of cluster.ids) await cluster.kill(id)
    const pending = client.increment('n', 1, { timeoutMs: 30_000 })
    await Promise.all(cluster.ids.map((id) => (cluster as TestCluster).start(id)))
    expect(await pending).toBe(42)
    let count = 0
    for await (const entry of client.scan({ prefix: 'k/' })) {
      expect(entry.keyText()).toBe(`k/${entry.text()}`)
      count++
    }
    expect(count).toBe(300)
  })

  test('without a majority a write ends in time, and says that it may have been done', async () => {
    cluster = await testCluster({ shards: 1, seed })
    const client = await cluster.client()
    await client.put('k', 'before')
    const leader = await cluster.leader(0)
    for (const id of cluster.ids) if (id !== leader) await cluster.kill(id)
    const write = client.put('k', 'after', { timeoutMs: 600 })
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await expect(client.get('k', { timeoutMs: 600 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect((await client.get('k', { consistency: 'local' }))?.text()).toBe('before')
  })

  test('a host whose disk has failed is left, and clients go on', async () => {
    let failing = 'nobody'
    const fault = (host: string): 'STORAGE_FAILED' | undefined =>
      host === failing ? 'STORAGE_FAILED' : undefined
    cluster = await testCluster({ shards: 3, seed, fault })
    const clients = [await cluster.client(), await cluster.client()]
    const load = new Load(clients, 8)
    await load.more(50)
    failing = await cluster.leader(0)
    const failed: number[] = []
    cluster.kv(failing).on('replicaFailed', ({ shard }) => failed.push(shard))
    await load.more(200)
    await load.stop()
    for (const client of clients) await expectExactlyOnce(load, client)
    expect(failed.length).toBeGreaterThan(0)
    const { shards } = await (clients[0] as KvOperations).status()
    expect(shards.filter(({ underReplicated }) => underReplicated).length).toBe(failed.length)
    await expect(cluster.kv(failing).put('through', 'it')).resolves.toBeDefined()
  })

  test('an abort ends a call at once, with what is known of it', async () => {
    cluster = await testCluster({ shards: 1, seed })
    const kv = cluster.kv('a')
    const reason = new Error('enough')
    const aborted = AbortSignal.abort(reason)
    await expect(kv.put('k', 'v', { signal: aborted })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: reason,
    })
    await kv.put('k', 'v')
    for (const id of ['b', 'c']) await cluster.kill(id)
    const controller = new AbortController()
    const write = kv.put('k', 'w', { signal: controller.signal })
    await Promise.resolve()
    controller.abort(reason)
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: reason })
  })
})
