// A shard with fewer replicas than it should have is never so in silence: status and metrics say it.
import { afterEach, describe, expect, test } from 'vitest'
import { prometheusMetrics } from '@quorate/runtime'
import type { PrometheusMetrics } from '@quorate/runtime'
import { testCluster } from './support/cluster.ts'
import type { TestCluster, TestHost } from './support/cluster.ts'

describe('a shard with too few replicas', () => {
  let cluster: TestCluster
  const all = new Map<string, PrometheusMetrics>()

  afterEach(async () => {
    await cluster.close()
  })

  const open = async (options: Parameters<typeof testCluster>[0] = {}): Promise<void> => {
    all.clear()
    const metrics = (id: string): PrometheusMetrics => {
      const made = prometheusMetrics()
      all.set(id, made)
      return made
    }
    cluster = await testCluster({ shards: 4, metrics, ...options })
    for (const shard of [0, 1, 2, 3]) await cluster.leader(shard)
  }
  const metric = (id: string, name: string): number => {
    const text = (all.get(id) as PrometheusMetrics).text()
    return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)$`, 'm').exec(text)?.[1])
  }
  const short = (id: string): number => metric(id, 'kv_shards_under_replicated_count')
  const until = async (enough: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await enough())) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  test('is told of in the turn in which the loss of a host is noticed, and after it is back', async () => {
    await open()
    await until(() => short('a') === 0 && short('b') === 0)
    const { host } = cluster.hosts.get('a') as TestHost
    const lost = new Promise<number>((resolve) => {
      const stop = host.on('peer', ({ peer, state }) => {
        if (peer !== 'c' || state !== 'unreachable') return
        stop()
        resolve(short('a'))
      })
    })
    await cluster.kill('c')
    expect(await lost).toBe(4)
    const { shards } = await cluster.kv('a').status()
    expect(shards.map(({ underReplicated }) => underReplicated)).toEqual([true, true, true, true])
    await cluster.start('c')
    await until(() => short('a') === 0 && short('b') === 0)
    await until(async () => {
      const status = await cluster.kv('b').status()
      return status.shards.every(({ underReplicated }) => !underReplicated)
    })
  })

  test('comes with a suspicion of its host, which ends with it and replaces nothing', async () => {
    const managed = { intervalMs: 20, suspectAfterMs: 60, replaceAfterMs: 3_600_000 }
    await open({ spare: ['d'], kv: { managed } })
    await cluster.start('d')
    const kv = cluster.kv('a')
    await kv.admin.join('d')
    // One map in which nothing is under way and nothing is to be done.
    const settled = async (): Promise<boolean> => {
      const { version: before, shards } = await kv.admin.placement()
      const isCalm = shards.every(({ move }) => move === undefined)
      const planned = await kv.admin.plan()
      const { version: after } = await kv.admin.placement()
      return isCalm && planned.length === 0 && before === after
    }
    while (!(await settled())) await new Promise((resolve) => setTimeout(resolve, 20))
    const suspects = async (): Promise<string> =>
      (await kv.status()).hosts.flatMap(({ id, suspect }) => (suspect ? [id] : [])).join()
    await until(() => metric('a', 'kv_hosts_suspect_count') === 0)
    expect(await suspects()).toBe('')
    const { version } = await kv.admin.placement()
    await cluster.kill('c')
    await until(() => metric('a', 'kv_hosts_suspect_count') === 1)
    await until(() => metric('b', 'kv_hosts_suspect_count') === 1)
    expect(await suspects()).toBe('c')
    expect(short('a')).toBeGreaterThan(0)
    await cluster.start('c')
    await until(() => metric('a', 'kv_hosts_suspect_count') === 0)
    expect(await suspects()).toBe('')
    expect((await kv.admin.placement()).version).toBe(version)
  })

  test('is told of by its leader where a host is there and its disk is not', async () => {
    let failing = 'nobody'
    await open({ fault: (host) => (host === failing ? 'STORAGE_FAILED' : undefined) })
    await until(() => short('a') === 0 && short('b') === 0 && short('c') === 0)
    failing = 'c'
    const keys = Array.from({ length: 40 }, (_, n) => `k/${n}`)
    await cluster.kv('a').batch(keys.map((key) => ({ type: 'put', key, value: 'v' })))
    await until(() => short('a') + short('b') > 0)
    const { shards } = await cluster.kv('a').status()
    expect(shards.some(({ underReplicated }) => underReplicated)).toBe(true)
  })
})
