// A store of sorted ranges: it is used while its ranges are split, merged and moved, and what is
// found in it is what a map of one process would hold, whatever it is composed of.
import type { Partitioner } from '@quorate/core'
import { createRandom, isQuorateError, randomSeed } from '@quorate/core'
import { rangeTable } from '@quorate/ring'
import { afterEach, describe, expect, test } from 'vitest'
import type { Kv, KvClient, KvOperations, ManagedOptions, Placement } from '../../src/index.ts'
import { collect, keysOf } from './context.ts'

const seed = Number(process.env['KV_SEED'] ?? randomSeed())
const IDS = ['a', 'b', 'c']

/** Hosts of one store of sorted ranges. */
export interface RangeCluster {
  /** The store on a host that runs. */
  kv(id: string): Kv
  /** A client; of these hosts alone where they are named. */
  client(hosts?: readonly string[]): Promise<KvClient>
  /** Stops a host without ceremony; its disk stays. */
  kill(id: string): Promise<void>
  /** Starts a host that does not run. */
  start(id: string): Promise<unknown>
  /** Ends everything. */
  close(): Promise<void>
}

/** What a cluster is started with; its hosts are `a`, `b` and `c`. */
export interface RangeClusterOptions {
  readonly partitioner: Partitioner
  readonly managed: ManagedOptions
  /** Hosts that are started later. */
  readonly spare: readonly string[]
  readonly seed: number
}

/**
 * Registers the suite.
 *
 * @param start - starts a cluster; called for each case
 * @param rounds - how many splits and merges are drawn from the seed
 */
export function rangeSuite(
  name: string,
  start: (options: RangeClusterOptions) => Promise<RangeCluster>,
  rounds: number,
): void {
  describe(`a store of sorted ranges: ${name}`, () => {
    let cluster: RangeCluster

    afterEach(async () => {
      await cluster.close()
    })

    const open = async (
      splits: readonly string[] = [],
      managed: ManagedOptions = {},
      spare: readonly string[] = [],
    ): Promise<Kv> => {
      cluster = await start({
        spare,
        seed,
        partitioner: rangeTable({ members: IDS, splits, replicas: 3 }),
        managed: { intervalMs: 20, balanceLeaders: false, ...managed },
      })
      return cluster.kv('a')
    }
    const until = async (
      kv: Pick<Kv, 'admin'>,
      enough: (placement: Placement) => boolean,
    ): Promise<Placement> => {
      for (;;) {
        const placement = await kv.admin.placement()
        if (enough(placement)) return placement
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
    const calm = ({ shards }: Placement): boolean =>
      shards.every(({ move, handover, receiving, forgetting }) =>
        [move, handover, receiving, forgetting].every((one) => one === undefined),
      )
    const ranges = ({ shards }: Placement): number =>
      shards.filter(({ range }) => range !== undefined).length

    test('keeps keys where they belong, and scans them in order', async () => {
      const kv = await open(['k/3', 'k/6'])
      const client = await cluster.client()
      const keys = Array.from({ length: 90 }, (_, at) => `k/${at}`)
      await client.batch(keys.map((key) => ({ type: 'put', key, value: key })))
      expect(new Set(keys.map((key) => kv.shardOf(key)))).toEqual(new Set([0, 1, 2]))
      for (const store of [kv, client, cluster.kv('c')]) {
        expect(await keysOf(store.scan({ pageEntries: 7 }))).toEqual(keys.toSorted())
        expect(await keysOf(store.scan({ reverse: true, pageEntries: 7 }))).toEqual(
          keys.toSorted().reverse(),
        )
        expect(await keysOf(store.scan({ prefix: 'k/5', limit: 3 }))).toEqual([
          'k/5',
          'k/50',
          'k/51',
        ])
      }
      // Whatever has none of the keys is not asked.
      const asked = async (): Promise<number[]> =>
        (await kv.status()).shards.map(({ requests }) => requests)
      const [first, second, third] = (await asked()) as [number, number, number]
      await keysOf(client.scan({ prefix: 'k/5', pageEntries: 2 }))
      await keysOf(client.scan({ start: 'k/35', end: 'k/6', reverse: true }))
      expect(await asked()).toEqual([first, second + 7, third])
    })

    test('is split at a key, and nobody loses sight of anything', async () => {
      const kv = await open()
      const [client, stale] = [await cluster.client(), await cluster.client(['b'])]
      const keys = Array.from({ length: 300 }, (_, at) => `k/${String(at).padStart(3, '0')}`)
      await client.batch(keys.map((key) => ({ type: 'put', key, value: key })))
      const before = (await client.get('k/200'))?.version as number
      await client.admin.split('k/150')
      const placement = await until(kv, (now) => ranges(now) === 2 && calm(now))
      expect(placement.shards.map(({ epoch }) => epoch)).toEqual([2, 2])
      for (const store of [kv, client, stale, cluster.kv('c')]) {
        expect(await keysOf(store.scan())).toEqual(keys)
        expect(store === stale || store === client ? 1 : kv.shardOf('k/150')).toBe(1)
        const found = await store.getMany(keys)
        expect(found.map((entry) => entry?.text())).toEqual(keys)
      }
      expect(kv.shardOf('k/149')).toBe(0)
      // Versions go on from where they were, so that nobody takes an old one for a new one.
      expect((await client.get('k/200'))?.version).toBe(before)
      expect((await stale.put('k/200', 'new')).version).toBeGreaterThan(before)
      const stats = (await kv.status()).shards.map(({ keys: count }) => count)
      expect(stats).toEqual([150, 150])
      await expect(
        client.batch(
          ['k/1', 'k/2'].map((key) => ({ type: 'put', key, value: '' })),
          { atomic: true },
        ),
      ).rejects.toMatchObject({ code: 'CROSS_SHARD' })
      await client.admin.merge('k/000')
      await until(kv, (now) => ranges(now) === 1 && calm(now))
      await stale.put('k/299', 'last')
      expect((await client.get('k/299'))?.text()).toBe('last')
      expect((await client.get('k/200'))?.text()).toBe('new')
      expect((await keysOf(stale.scan())).length).toBe(300)
    })

    test(`what is counted while ranges come and go is counted once, seed ${seed}`, async () => {
      const kv = await open(['m'], {}, ['d'])
      await cluster.start('d')
      const client = await cluster.client()
      const counts = new Map<string, number>()
      const stores: readonly KvOperations[] = [kv, cluster.kv('b'), client, await cluster.client()]
      let stop = false
      const name = (n: number): string => String.fromCharCode(97 + (n % 26)) + (n % 7)
      const failures: unknown[] = []
      const writers = stores.map(async (store, writer) => {
        for (let turn = 0; !stop; turn++) {
          const key = name(writer * 31 + turn * 7)
          await store.increment(key, 1, { timeoutMs: 30_000 })
          counts.set(key, (counts.get(key) ?? 0) + 1)
          if (turn % 5 === 0) {
            const ops = Array.from({ length: 6 }, (_, n) => `w/${writer}/${n * 5}`)
            await store.batch(ops.map((op) => ({ type: 'put', key: op, value: `${turn}` })))
          }
        }
      })
      const scanner = (async () => {
        while (!stop) {
          const keys = await keysOf(client.scan({ pageEntries: 16 }))
          if (keys.join() !== [...new Set(keys)].toSorted().join()) failures.push(keys)
        }
      })()
      await kv.admin.join('d')
      const random = createRandom(seed)
      for (let round = 0; round < rounds; round++) {
        const key = name(random.below(180))
        const change = random.below(3) === 0 ? kv.admin.merge(key) : kv.admin.split(key)
        await change.catch((error: unknown) => {
          if (!isQuorateError(error, 'CONFLICT')) throw error
        })
        if (round % 4 === 3) await until(kv, calm)
      }
      await until(kv, calm)
      stop = true
      await Promise.all([...writers, scanner])
      expect(failures).toEqual([])
      for (const store of [...stores, cluster.kv('d')]) {
        for (const [key, count] of counts) {
          expect((await store.get(key))?.text(), `${key}, seed ${seed}`).toBe(`${count}`)
        }
      }
      const all = await collect(kv.scan({ keysOnly: true }))
      expect(all.length).toBe(counts.size + 24)
    })

    test('a watch goes on where keys go, in order and with nothing twice', async () => {
      const kv = await open()
      const client = await cluster.client()
      const seen: string[] = []
      const tokens: string[] = []
      const stop = new AbortController()
      let started = false
      const watching = (async () => {
        const watch = client.watch({ signal: stop.signal, onStart: () => (started = true) })
        for await (const event of watch) {
          seen.push(event.keyText())
          if (event.token !== undefined) tokens.push(event.token)
          if (event.keyText() === 'end') stop.abort()
        }
      })()
      while (!started) await new Promise((resolve) => setTimeout(resolve, 1))
      const expected = new Map<string, string[]>()
      const put = async (round: number): Promise<void> => {
        for (let n = 0; n < 20; n++) {
          const lane = String.fromCharCode(97 + (n % 10))
          const key = `${lane}/${round}/${String(n).padStart(2, '0')}`
          await kv.put(key, 'v')
          expected.set(lane, [...(expected.get(lane) ?? []), key])
        }
      }
      await put(0)
      await kv.admin.split('e')
      await put(1)
      await until(kv, calm)
      await put(2)
      await kv.admin.split('c')
      await kv.admin.split('g')
      await put(3)
      await until(kv, (now) => calm(now) && ranges(now) === 4)
      await put(4)
      await kv.admin.merge('a')
      await put(5)
      await until(kv, (now) => calm(now) && ranges(now) === 3)
      await kv.admin.merge('a')
      await put(6)
      await until(kv, (now) => calm(now) && ranges(now) === 2)
      await kv.put('end', 'v')
      await watching
      expect(seen.length).toBe(141)
      for (const [lane, keys] of expected) {
        expect(seen.filter((key) => key.startsWith(`${lane}/`))).toEqual(keys)
      }
      // From any point on, what follows is what the watch itself has shown.
      for (const at of [5, 45, 85, 110]) {
        const rest: string[] = []
        for await (const event of kv.watch({ after: tokens[at] as string })) {
          rest.push(event.keyText())
          if (event.keyText() === 'end') break
        }
        expect(rest.toSorted()).toEqual(seen.slice(at + 1).toSorted())
      }
    })

    test('keys that are due go once, wherever they are by then', async () => {
      const kv = await open()
      const events: string[] = []
      const stop = new AbortController()
      let started = false
      const watching = (async () => {
        const watch = kv.watch({ signal: stop.signal, onStart: () => (started = true) })
        for await (const event of watch) {
          if (event.type === 'delete') events.push(event.keyText())
          if (events.length === 20) stop.abort()
        }
      })()
      while (!started) await new Promise((resolve) => setTimeout(resolve, 1))
      for (let n = 0; n < 20; n++) await kv.put(`t/${n}`, 'v', { ttlMs: 300 })
      await kv.admin.split('t/2')
      await watching
      expect(events.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `t/${n}`).toSorted())
      expect(await keysOf(kv.scan())).toEqual([])
      await until(kv, calm)
    })

    test('a handover goes on when any host is killed and started again', async () => {
      // Nothing but what is asked for is split, however fast the writer is.
      const kv = await open([], { ranges: { splitRequestsPerSecond: 1e9 } }, [])
      const client = await cluster.client()
      const keys = Array.from({ length: 400 }, (_, at) => `k/${String(at).padStart(3, '0')}`)
      await kv.batch(keys.map((key) => ({ type: 'put', key, value: key })))
      let stop = false
      let count = 0
      // Given again it is carried out once, whatever became of it before.
      const isRefused = (error: unknown): boolean => isQuorateError(error)
      const writer = (async () => {
        while (!stop) {
          await client.increment('k/n', 1, { timeoutMs: 30_000 })
          count++
        }
      })()
      for (const [round, at] of ['k/300', 'k/100', 'k/200'].entries()) {
        // The one before may still be under way: it must not need whoever is killed.
        while (await client.admin.split(at).then(() => false, isRefused)) await until(client, calm)
        const victim = IDS[round] as string
        await cluster.kill(victim)
        await cluster.start(victim)
      }
      await until(client, (now) => calm(now) && ranges(now) === 4)
      for (const id of IDS) await cluster.kill(id)
      for (const id of IDS) await cluster.start(id)
      stop = true
      await writer
      expect(await keysOf(client.scan())).toEqual([...keys, 'k/n'])
      expect((await cluster.kv('b').get('k/n'))?.text()).toBe(`${count}`)
    })

    test('ranges that are too large are split, and merged once they are nearly empty', async () => {
      const kv = await open([], { ranges: { splitBytes: 20_000, mergeAfterMs: 200 } })
      const keys = Array.from({ length: 400 }, (_, at) => `k/${String(at).padStart(3, '0')}`)
      const value = 'v'.repeat(150)
      await kv.batch(keys.map((key) => ({ type: 'put', key, value })))
      await until(kv, (now) => calm(now) && ranges(now) >= 4)
      const { shards } = await kv.status()
      expect(Math.max(...shards.map(({ bytes }) => bytes))).toBeLessThanOrEqual(40_000)
      expect(await keysOf(kv.scan())).toEqual(keys)
      for (const key of keys.slice(5)) await kv.delete(key)
      await until(kv, (now) => calm(now) && ranges(now) === 1)
      expect(await keysOf(kv.scan())).toEqual(keys.slice(0, 5))
    })

    test('a range that is too busy is split between the keys that are asked for', async () => {
      const kv = await open([], { ranges: { splitRequestsPerSecond: 50 } })
      const keys = ['f', 'p'].flatMap((lane) =>
        Array.from({ length: 50 }, (_, n) => `${lane}/${n}`),
      )
      await kv.batch(keys.map((key) => ({ type: 'put', key, value: 'v' })))
      const client = await cluster.client()
      let stop = false
      const readers = Array.from({ length: 4 }, async (_, reader) => {
        for (let turn = 0; !stop; turn++)
          await client.get(`${reader % 2 === 0 ? 'f' : 'p'}/${turn % 50}`)
      })
      const placement = await until(kv, (now) => ranges(now) >= 2)
      stop = true
      await Promise.all(readers)
      const at = placement.shards[0]?.range?.end ?? ''
      // Somewhere from the first key that is asked for to the last.
      expect(at > Buffer.from('f/0').toString('hex')).toBe(true)
      expect(at <= Buffer.from('p/9').toString('hex')).toBe(true)
    })
  })
}
