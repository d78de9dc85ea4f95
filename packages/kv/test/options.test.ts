// Options that nobody knows: each entry point refuses them by name, before it has done anything.
import type { Transport } from '@quorate/core'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { createHost } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, createKv, serveKv } from '../src/index.ts'
import type { ConnectOptions, KvOptions, ServeKvOptions } from '../src/index.ts'
import { testCluster } from './support/cluster.ts'
import type { TestCluster, TestHost } from './support/cluster.ts'

describe('options', () => {
  let cluster: TestCluster

  beforeAll(async () => {
    cluster = await testCluster({ shards: 1 })
  })
  afterAll(async () => {
    await cluster.close()
  })

  const refused = (option: string): object => ({
    code: 'INVALID_OPTIONS',
    message: expect.stringContaining(`"${option}"`),
  })

  test.each<[string, object]>([
    ['shards', { shards: 4 }],
    ['keepAll', { snapshots: { keepAll: true } }],
    ['changesMin', { history: { changesMin: 1 } }],
    ['replaceAfter', { managed: { replaceAfter: 1 } }],
    ['__proto__x', { __proto__x: 1 }],
  ])('createKv knows no "%s"', async (option, extra) => {
    const { host } = cluster.hosts.get('a') as TestHost
    const partitioner = hashRing({ members: ['a', 'b', 'c'], shards: 1 })
    const options = { host, consensus: raft(), partitioner, name: 'other', ...extra }
    await expect(createKv(options as KvOptions)).rejects.toMatchObject(refused(option))
    expect(host.replicas().filter(({ group }) => group.startsWith('other'))).toEqual([])
  })

  test.each<[string, object]>([
    ['the host', { host: undefined }],
    ['the consensus', { consensus: 'raft' }],
    ['the consensus', { consensus: raft }],
    ['the partitioner', { partitioner: undefined }],
    ['the partitioner', { partitioner: hashRing({ members: ['a', 'b', 'c'] }) }],
  ])('createKv says which part is none: %s', async (part, extra) => {
    const { host } = cluster.hosts.get('a') as TestHost
    const partitioner = hashRing({ members: ['a', 'b', 'c'], shards: 1 })
    const options = { host, consensus: raft(), partitioner, name: 'other', ...extra }
    const error = createKv(options as KvOptions)
    await expect(error).rejects.toThrow(TypeError)
    await expect(error).rejects.toThrow(`${part} of createKv is an object such as`)
  })

  test.each<[string, object]>([
    ['placed by itself', { managed: {} }],
    ['placed by its partitioner', {}],
  ])('a store that founds shards on a host that rejoins is refused: %s', async (_, extra) => {
    const network = memoryNetwork()
    const transport = network.transport() as Transport
    const host = await createHost({ id: 'a', transport, storage: memoryStorage(), rejoin: true })
    const partitioner = hashRing({ members: ['a', 'b', 'c'], shards: 1 })
    const options = { host, consensus: raft(), partitioner, ...extra }
    await expect(createKv(options)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('createKv: with rejoin') as string,
    })
    expect(host.replicas()).toEqual([])
    const kv = await createKv({ ...options, rejoin: true })
    await kv.close()
    await host.close()
  })

  test('connect and serveKv know no other either', async () => {
    const network = memoryNetwork()
    const options = { addresses: ['client:a'], dialer: network.dialer(), adress: 'x' }
    await expect(connect(options as ConnectOptions)).rejects.toMatchObject(refused('adress'))
    const serve = { kv: cluster.kv('a'), listener: network.listener('x'), port: 1 }
    await expect(serveKv(serve as ServeKvOptions)).rejects.toMatchObject(refused('port'))
  })

  test('operations know no others, and none that is not a list or an object', async () => {
    const kv = cluster.kv('a') as unknown as Record<string, (...args: unknown[]) => unknown>
    const first = (name: string, ...args: unknown[]): unknown => {
      const made = (kv[name] as (...given: unknown[]) => unknown).apply(kv, args)
      return made instanceof Promise ? made : (made as AsyncGenerator).next()
    }
    await kv['put']?.('k', 'v', { ttlMs: 60_000, timeoutMs: 5_000, signal: undefined })
    for (const [option, call] of [
      ['ttl', first('put', 'k', 'w', { ttl: 1 })],
      ['level', first('get', 'k', { level: 'local' })],
      ['consistency', first('delete', 'k', { consistency: 'local' })],
      ['Atomic', first('batch', [], { Atomic: true })],
      ['orElse', first('transact', { orElse: [] })],
      ['prefx', first('scan', { prefx: 'u' })],
      ['from', first('watch', { from: 'token' })],
    ] as const)
      await expect(call).rejects.toMatchObject(refused(option))
    const slow = first('get', 'k', { timeoutMs: 'soon' })
    await expect(slow).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    for (const call of [
      first('scan', 'user:'),
      first('get', 'k', null),
      first('getMany', 'k'),
      first('batch', { type: 'delete', key: 'k' }),
      first('transact', 'k'),
      first('compareAndSet', 'k', 'v', 'w'),
    ])
      await expect(call).rejects.toThrow(TypeError)
    expect((await cluster.kv('a').get('k'))?.text()).toBe('v')
  })

  test('an option that is there and undefined is no unknown option', async () => {
    const dialer = cluster.network.dialer()
    const client = await connect({ addresses: ['client:a'], dialer, callsMax: undefined })
    expect(client.lifecycle).toBe('open')
    await client.close()
  })
})
