// A store that places its shards itself, under load: replicas move, hosts join, are drained and
// fail, and clients notice nothing but time.
import { isQuorateError } from '@quorate/core'
import { afterEach, describe, expect, test } from 'vitest'
import type { Kv, KvOperations, ManagedOptions, Placement, ShardStatus } from '../../src/index.ts'
import { testCluster } from '../support/cluster.ts'
import type { TestCluster } from '../support/cluster.ts'

const SPARE = ['d', 'e']

describe('a managed placement', () => {
  let cluster: TestCluster

  afterEach(async () => {
    await cluster.close()
  })

  const open = async (shards: number, managed: ManagedOptions = {}): Promise<Kv> => {
    const options = { intervalMs: 30, balanceLeaders: false, ...managed }
    cluster = await testCluster({ shards, spare: SPARE, kv: { managed: options } })
    return cluster.kv('a')
  }

  /** Looks at the map until it is as wanted. */
  const until = async (
    kv: Pick<Kv, 'admin'>,
    enough: (placement: Placement) => boolean,
  ): Promise<Placement> => {
    for (let looks = 0; ; looks++) {
      const placement = await kv.admin.placement()
      if (enough(placement)) return placement
      if (looks > 600) throw new Error(`it stays ${JSON.stringify(placement)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const settled = ({ shards }: Placement): boolean => shards.every(({ move }) => move === undefined)
  const load = ({ shards }: Placement, id: string): number =>
    shards.filter(({ voters }) => voters.includes(id)).length
  /** Resolves once a host has exactly the replicas that the map gives it. */
  const asMapped = async (id: string, shards: number): Promise<void> => {
    for (;;) {
      const { shards: wanted } = await cluster.kv('a').admin.placement()
      const has = Array.from({ length: shards }, (_, shard) => cluster.kv(id).replica(shard))
      if (has.every((replica, at) => (replica !== undefined) === wanted[at]?.voters.includes(id)))
        return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Counts in keys of every shard until it is stopped. */
  const counting = (stores: readonly KvOperations[]): (() => Promise<Map<string, number>>) => {
    const counts = new Map<string, number>()
    let stop = false
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      const store = stores[writer % stores.length] as KvOperations
      for (let turn = 0; !stop; turn++) {
        const key = `n/${writer}/${turn % 7}`
        await store.increment(key, 1, { timeoutMs: 20_000 })
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    })
    return async () => {
      stop = true
      await Promise.all(writers)
      return counts
    }
  }
  const expectCounts = async (store: KvOperations, counts: Map<string, number>): Promise<void> => {
    for (const [key, count] of counts) expect((await store.get(key))?.text()).toBe(`${count}`)
  }

  test('moves a replica while clients write, and everything counts once', async () => {
    const kv = await open(2)
    const client = await cluster.client()
    await cluster.start('d')
    const stop = counting([kv, cluster.kv('b'), client])
    await kv.admin.pause()
    await client.admin.join('d')
    await client.admin.move(0, 'a', 'd')
    await client.admin.move(1, 'b', 'd')
    const placement = await until(client, (now) => settled(now) && load(now, 'd') === 2)
    expect(placement.shards.map(({ epoch }) => epoch)).toEqual([2, 2])
    expect(placement.shards.map(({ voters }) => voters)).toEqual([
      ['b', 'c', 'd'],
      ['a', 'c', 'd'],
    ])
    for (const id of ['a', 'b', 'c', 'd']) await asMapped(id, 2)
    const counts = await stop()
    for (const store of [kv, cluster.kv('d'), client, await cluster.client(['client:d'])]) {
      await expectCounts(store, counts)
    }
    const status = await client.status()
    expect(status.shards[0]).toMatchObject({ epoch: 2, voters: ['b', 'c', 'd'], learners: [] })
    expect(status.hosts.map(({ id, replicas }) => [id, replicas])).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 2],
      ['d', 2],
    ])
  })

  test('a host that has lost a shard never founds it anew', async () => {
    const seen: string[] = []
    const managed = { intervalMs: 30, balanceLeaders: false }
    cluster = await testCluster({
      shards: 1,
      spare: SPARE,
      kv: { managed },
      onReplica: (host, event) => void (host === 'a' && seen.push(event)),
    })
    const client = await cluster.client()
    await cluster.start('d')
    await client.admin.pause()
    await client.admin.join('d')
    await client.put('k', 'v')
    await client.admin.move(0, 'a', 'd')
    await until(client, settled)
    await asMapped('a', 1)
    // The map that a host starts from must know of the move before the data that knew of it is gone.
    expect(seen.slice(0, 2)).toEqual(['found kv-map', 'found kv-0'])
    expect(seen.slice(-2)).toEqual(['taken kv-map', 'drop kv-0'])
    seen.length = 0
    await cluster.kill('a')
    await cluster.start('a')
    await client.admin.move(0, 'd', 'a')
    await until(client, settled)
    await asMapped('a', 1)
    // The map may be kept again meanwhile, since the move is planned in it.
    const opened = seen.filter((event) => !event.startsWith('taken'))
    expect(opened.slice(0, 2)).toEqual(['found kv-map', 'join kv-0'])
    expect((await cluster.kv('a').get('k', { consistency: 'local' }))?.text()).toBe('v')
  })

  test('a learner that came after its move had been given up does not stay', async () => {
    const kv = await open(2)
    await cluster.start('d')
    await kv.admin.pause()
    await kv.admin.join('d')
    // Whoever leads the map has no replica of one of the two.
    await kv.admin.move(0, 'a', 'd')
    await kv.admin.move(1, 'b', 'd')
    const { shards } = await until(kv, settled)
    for (const [shard, { voters }] of shards.entries()) {
      const { leader = '' } = (await kv.status()).shards[shard] as ShardStatus
      const learner = shard === 0 ? 'a' : 'b'
      const added = await cluster
        .kv(leader)
        .replica(shard)
        ?.changeMembership({ voters, learners: [learner] })
      expect(added?.learners).toEqual([learner])
      const learners = async (): Promise<readonly string[]> =>
        (await kv.status()).shards[shard]?.learners ?? []
      for (let looks = 0; (await learners()).length > 0; looks++) {
        expect(looks, `${learner} still learns shard ${shard}`).toBeLessThan(600)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    expect((await kv.admin.placement()).shards.map(({ voters }) => voters)).toEqual(
      shards.map(({ voters }) => voters),
    )
  })

  test('refuses what was planned against something older, and moves to where it cannot', async () => {
    const kv = await open(2)
    await kv.admin.pause()
    await expect(kv.admin.move(0, 'a', 'b')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(kv.admin.move(0, 'z', 'd')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(kv.admin.move(0, 'a', 'd')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(kv.admin.leave('a')).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('a host that joins gets its share, and then nothing moves any more', async () => {
    const kv = await open(8)
    await cluster.start('d')
    await kv.put('k', 'v')
    await kv.admin.join('d')
    const placement = await until(kv, (now) => settled(now) && load(now, 'd') >= 6)
    for (const id of ['a', 'b', 'c', 'd']) expect(load(placement, id)).toBe(6)
    for (const id of ['a', 'b', 'c', 'd']) await asMapped(id, 8)
    expect(await kv.admin.plan()).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await kv.admin.placement()).version).toBe(placement.version)
    expect((await cluster.kv('d').get('k'))?.text()).toBe('v')
  })

  test('a move waits until what was copied before it is paid for', async () => {
    const kv = await open(4, { moveBytesPerSecond: 1 })
    const keys = Array.from({ length: 64 }, (_, n) => `k/${n}`)
    await kv.batch(keys.map((key) => ({ type: 'put', key, value: 'v'.repeat(200) })))
    await cluster.start('d')
    await kv.admin.join('d')
    const first = await until(kv, (now) => load(now, 'd') === 1)
    expect(first.shards.filter(({ move }) => move !== undefined).length).toBeGreaterThan(0)
    // Those that are planned do not even begin to learn.
    for (let look = 0; look < 12; look++) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      const { shards } = await kv.status()
      expect(shards.flatMap(({ learners }) => learners)).toEqual([])
    }
    expect(load(await kv.admin.placement(), 'd')).toBe(1)
  })

  test('a host that is drained ends empty and can leave', async () => {
    const kv = await open(4)
    await cluster.start('d')
    await kv.admin.join('d')
    await until(kv, (now) => settled(now) && load(now, 'd') === 3)
    const stop = counting([kv, cluster.kv('d')])
    await kv.admin.drain('c')
    await until(kv, (now) => settled(now) && load(now, 'c') === 0)
    await asMapped('c', 4)
    await expectCounts(cluster.kv('c'), await stop())
    await kv.admin.leave('c')
    expect(Object.keys((await kv.admin.placement()).hosts)).toEqual(['a', 'b', 'd'])
  })

  test('a host that has failed for good is replaced, and writes go on', async () => {
    const kv = await open(4, { replaceAfterMs: 400 })
    await cluster.start('d')
    await kv.admin.cordon('d')
    const client = await cluster.client(['client:a', 'client:b', 'client:d'])
    const stop = counting([client])
    await cluster.kill('c')
    expect((await client.status()).shards.every((shard) => shard.underReplicated)).toBe(true)
    await client.admin.join('d')
    const placement = await until(client, (now) => settled(now) && load(now, 'c') === 0)
    expect((await client.status()).shards.some((shard) => shard.underReplicated)).toBe(false)
    expect(placement.shards.every(({ voters }) => voters.join() === 'a,b,d')).toBe(true)
    await expectCounts(client, await stop())
    // It comes back as somebody who holds nothing, and takes nothing from anybody.
    await cluster.start('c')
    await asMapped('c', 4)
    expect(await cluster.kv('c').put('back', 'again')).toMatchObject({
      version: expect.any(Number),
    })
  })

  test('a repair is given up when the host comes back before it was needed', async () => {
    // Nothing is ever near enough to become a voter, so that the repair waits at its learner.
    const kv = await open(1, { replaceAfterMs: 250, lagEntriesMax: -1 })
    await cluster.start('d')
    await cluster.kill('c')
    await kv.admin.join('d')
    await until(kv, ({ shards }) => shards.some(({ move }) => move?.dead === 'c'))
    const group = async (): Promise<ShardStatus> => (await kv.status()).shards[0] as ShardStatus
    while ((await group()).learners.join() !== 'd') {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (let look = 0; look < 8; look++) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect((await group()).voters).toEqual(['a', 'b', 'c'])
    }
    await cluster.start('c')
    const { shards } = await until(kv, settled)
    expect(shards).toEqual([{ epoch: 1, voters: ['a', 'b', 'c'] }])
    for (const id of ['a', 'b', 'c', 'd']) await asMapped(id, 1)
    expect((await group()).learners).toEqual([])
  })

  test('hosts that hold the map are replaced like any other, and known after a restart', async () => {
    const kv = await open(2, { replaceAfterMs: 300 })
    await cluster.start('d')
    await kv.admin.join('d')
    const client = await cluster.client()
    expect((await kv.admin.placement()).map?.hosts).toEqual(['a', 'b', 'c'])
    await cluster.kill('c')
    await until(client, (now) => settled(now) && now.map?.hosts.join() === 'a,b,d')
    expect(cluster.hosts.get('d')?.host.replica('kv-map')?.consensus().membership.voters).toEqual([
      'a',
      'b',
      'd',
    ])
    // The one that is back has no say any more, and the new one needs nobody to tell it.
    await cluster.start('c')
    for (const id of ['a', 'b', 'c', 'd']) await cluster.kill(id)
    for (const id of ['a', 'b', 'c', 'd']) await cluster.start(id)
    await client.admin.drain('a')
    const emptied = (now: Placement): boolean =>
      settled(now) && load(now, 'a') === 0 && now.map?.hosts.includes('a') === false
    const placement = await until(client, emptied)
    expect(placement.map).toEqual({ hosts: ['b', 'c', 'd'] })
    await client.admin.leave('a')
    await cluster.kill('a')
    while (cluster.hosts.get('c')?.host.replica('kv-map')?.consensus().leader === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await client.put('k', 'v')
    await client.admin.cordon('d')
    expect(Object.keys((await client.admin.placement()).hosts)).toEqual(['b', 'c', 'd'])
  })

  test('a host that was replaced and dropped everything founds nothing when it starts again', async () => {
    const seen: string[] = []
    cluster = await testCluster({
      shards: 1,
      spare: SPARE,
      kv: { managed: { intervalMs: 30, balanceLeaders: false } },
      onReplica: (host, event) => void (host === 'a' && seen.push(event)),
    })
    const client = await cluster.client()
    await cluster.start('d')
    await client.put('k', 'v')
    await client.admin.join('d')
    await client.admin.drain('a')
    await until(
      client,
      (now) => settled(now) && load(now, 'a') === 0 && now.map?.hosts.includes('a') === false,
    )
    await asMapped('a', 1)
    await cluster.kill('a')
    seen.length = 0
    await cluster.start('a')
    await client.admin.cordon('a')
    await asMapped('a', 1)
    expect(seen.filter((event) => event === 'found kv-0')).toEqual([])
    expect((await cluster.kv('a').get('k'))?.text()).toBe('v')
  })

  test('those who have left the map drop it, and never found another', async () => {
    const seen: string[] = []
    const next = ['d', 'e', 'f']
    cluster = await testCluster({
      shards: 1,
      spare: next,
      kv: { managed: { intervalMs: 30, balanceLeaders: false, mapHosts: ['a', 'b', 'c'] } },
      onReplica: (host, event) => void seen.push(`${host}: ${event}`),
    })
    for (const id of next) await cluster.start(id)
    const client = await cluster.client(next.map((id) => `client:${id}`))
    for (const id of next) await client.admin.join(id)
    for (const id of ['a', 'b', 'c']) await client.admin.drain(id)
    await until(client, (now) => settled(now) && now.map?.hosts.join() === 'd,e,f')
    const keeps = (id: string): boolean => cluster.hosts.get(id)?.host.stores('kv-map') === true
    while (['a', 'b', 'c'].some(keeps)) await new Promise((resolve) => setTimeout(resolve, 10))
    const { version } = await client.admin.placement()
    for (const id of ['a', 'b', 'c', ...next]) await cluster.kill(id)
    seen.length = 0
    for (const id of ['a', 'b', 'c']) await cluster.start(id)
    for (const id of ['a', 'b', 'c']) expect(keeps(id)).toBe(false)
    for (const id of next) await cluster.start(id)
    const after = await (await cluster.client(['client:a'])).admin.placement()
    expect(after.version).toBeGreaterThanOrEqual(version)
    expect(after.map).toEqual({ hosts: next })
    expect(seen.filter((event) => /^[abc]: (found|join) kv-map/.test(event))).toEqual([])
    // It can hold the map again, and is brought up for that.
    await client.admin.join('a')
    await client.admin.drain('d')
    await until(client, (now) => now.map?.move === undefined && now.map?.hosts.join() === 'a,e,f')
    expect(keeps('a')).toBe(true)
  })

  test('every host that a store was founded with is one of its hosts', async () => {
    const managed = { intervalMs: 30, balanceLeaders: false }
    cluster = await testCluster({
      hosts: ['a', 'b', 'c', 'd', 'e'],
      shards: 1,
      replicas: 1,
      kv: { managed },
    })
    const client = await cluster.client()
    const { hosts, shards, map } = await client.admin.placement()
    expect(Object.entries(hosts)).toEqual(['a', 'b', 'c', 'd', 'e'].map((id) => [id, 'active']))
    expect(shards[0]?.voters).toHaveLength(1)
    expect(map?.hosts).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect((await client.status()).hosts.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'e'])
    // One that holds nothing can get something without joining first.
    const from = shards[0]?.voters[0] ?? ''
    const to = ['a', 'b', 'c', 'd', 'e'].find((id) => id !== from) as string
    await client.admin.move(0, from, to)
    await until(client, (now) => settled(now) && now.shards[0]?.voters.join() === to)
  })

  test('a store that begins on one host grows to three at once, and its map with it', async () => {
    const managed = { intervalMs: 30, balanceLeaders: false }
    cluster = await testCluster({ hosts: ['a'], spare: ['b', 'c'], shards: 1, kv: { managed } })
    const kv = cluster.kv('a')
    await kv.put('k', 'v')
    await cluster.start('b')
    await kv.admin.join('b')
    expect(await kv.admin.plan()).toEqual([])
    await cluster.start('c')
    await kv.admin.join('c')
    const grown = await until(kv, (now) => settled(now) && now.map?.hosts.length === 3)
    const all = ['a', 'b', 'c']
    await until(kv, (now) => settled(now) && now.shards.every(({ voters }) => voters.length === 3))
    expect(grown.map?.hosts).toEqual(all)
    const { shards } = await kv.admin.placement()
    expect(shards).toEqual([{ epoch: 2, voters: all }])
    const client = await cluster.client(['client:b', 'client:c'])
    await cluster.kill('a')
    expect((await client.get('k'))?.text()).toBe('v')
    await client.admin.cordon('b')
  })

  test('a watch survives the moves of all its replicas', async () => {
    const kv = await open(1)
    await cluster.start('d')
    await cluster.start('e')
    await kv.admin.pause()
    for (const id of SPARE) await kv.admin.join(id)
    const client = await cluster.client()
    const seen: string[] = []
    const stop = new AbortController()
    let started = false
    const watching = (async () => {
      const watch = client.watch({ signal: stop.signal, onStart: () => (started = true) })
      for await (const event of watch) {
        seen.push(event.keyText())
        if (event.keyText() === 'end') stop.abort()
      }
    })()
    while (!started) await new Promise((resolve) => setTimeout(resolve, 1))
    const put = async (round: number): Promise<void> => {
      for (let n = 0; n < 20; n++) await client.put(`${round}/${n}`, 'v')
    }
    const moves = [
      ['a', 'd'],
      ['b', 'e'],
      ['c', 'a'],
    ] as const
    for (const [round, [from, to]] of moves.entries()) {
      await put(round)
      await client.admin.move(0, from, to)
      await put(round + 10)
      await until(client, settled)
    }
    await client.put('end', 'v')
    await watching
    const wanted = [0, 10, 1, 11, 2, 12].flatMap((round) =>
      Array.from({ length: 20 }, (_, n) => `${round}/${n}`),
    )
    expect(seen).toEqual([...wanted, 'end'])
  })

  test('moves go on when whoever leads them is killed at any point', async () => {
    await open(6, { movesMax: 2 })
    await cluster.start('d')
    const client = await cluster.client()
    const stop = counting([client])
    await client.admin.join('d')
    for (let round = 0; round < 3; round++) {
      const before = (await client.admin.placement()).version
      await until(client, (now) => now.version > before || (settled(now) && load(now, 'd') >= 4))
      // The map's leader is one of three; each is killed once.
      const victim = ['a', 'b', 'c'][round] as string
      await cluster.kill(victim)
      await cluster.start(victim)
    }
    const placement = await until(client, (now) => settled(now) && load(now, 'd') >= 4)
    expect(placement.shards.every(({ voters }) => voters.length === 3)).toBe(true)
    await expectCounts(client, await stop())
  })

  test('a restart of every host leaves everything where it was moved', async () => {
    const kv = await open(4)
    await cluster.start('d')
    await kv.admin.join('d')
    const moved = await until(kv, (now) => settled(now) && load(now, 'd') === 3)
    for (const id of ['a', 'b', 'c', 'd']) await asMapped(id, 4)
    const keys = Array.from({ length: 100 }, (_, n) => `k/${n}`)
    await kv.batch(keys.map((key) => ({ type: 'put', key, value: key })))
    for (const id of ['a', 'b', 'c', 'd']) await cluster.kill(id)
    for (const id of ['a', 'b', 'c', 'd']) await cluster.start(id)
    const placement = await cluster.kv('b').admin.placement()
    expect(placement.shards).toEqual(moved.shards)
    for (const id of ['a', 'b', 'c', 'd']) await asMapped(id, 4)
    const entries = await cluster.kv('d').getMany(keys)
    expect(entries.map((entry) => entry?.text())).toEqual(keys)
  })

  test('leaders are spread evenly', async () => {
    const kv = await open(6, { balanceLeaders: true })
    const spread = async (): Promise<boolean> => {
      const { hosts, shards } = await kv.status()
      const leads = hosts.map((host) => host.leads)
      return (
        shards.every(({ leader }) => leader !== undefined) &&
        Math.max(...leads) - Math.min(...leads) <= 1
      )
    }
    while (!(await spread())) await new Promise((resolve) => setTimeout(resolve, 30))
    const { hosts } = await kv.status()
    expect(hosts.map((host) => host.leads)).toEqual([2, 2, 2])
  })

  test('a store that is not managed hands over leadership and nothing else', async () => {
    cluster = await testCluster({ shards: 2 })
    const client = await cluster.client()
    const leader = await cluster.leader(1)
    const to = ['a', 'b', 'c'].find((id) => id !== leader) as string
    await client.admin.transferLeader(1, to)
    expect(await cluster.leader(1)).toBe(to)
    for (const store of [client, cluster.kv('a')]) {
      const failure: unknown = await store.admin.placement().catch((error: unknown) => error)
      expect(isQuorateError(failure, 'NOT_SUPPORTED')).toBe(true)
    }
  })
})
