// A client and the host that serves it: handshakes, frames that are wrong, limits, hosts that a
// client cannot reach, and connections that are lost.
import type { Connection } from '@quorate/core'
import {
  ByteWriter,
  decodeUtf8,
  defaultLimits,
  encodeUtf8,
  noMetrics,
  QuorateError,
  silentLogger,
  systemClock,
} from '@quorate/core'
import { hashRing } from '@quorate/ring'
import { memoryNetwork } from '@quorate/transport-memory'
import type { MemoryNetwork } from '@quorate/transport-memory'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  FrameWriter,
  eachRecord,
  readReplyRecord,
  readRequestRecord,
} from '../src/client/frames.ts'
import { connect, serveKv } from '../src/index.ts'
import { encodeCommand } from '../src/machine/command.ts'
import { encodeQuery } from '../src/machine/query.ts'
import { beginResult } from '../src/machine/result.ts'
import { fingerprint } from '../src/routing/fingerprint.ts'
import { errorReply } from '../src/routing/wire.ts'
import type { KvReply, KvRequest } from '../src/routing/wire.ts'
import { testCluster } from './support/cluster.ts'
import type { TestCluster, TestHost } from './support/cluster.ts'

/** A connection whose every frame is the test's own. */
class RawClient {
  readonly replies = new Map<number, KvReply>()
  closed: string | undefined
  frames = 0
  connection!: Connection
  #wake = (): void => {}

  static async dial(cluster: TestCluster, host: string, hello = true): Promise<RawClient> {
    const client = new RawClient()
    client.connection = await cluster.network.dialer().dial(`client:${host}`, {
      onFrame(frame) {
        client.frames++
        eachRecord(frame, (record) => {
          const { id, reply } = readReplyRecord(record)
          client.replies.set(id, reply)
        })
        client.#wake()
      },
      onClose(reason) {
        client.closed = reason
        client.#wake()
      },
    })
    if (hello) {
      client.frame((writer) => writer.hello('kv'))
      await client.until(() => client.replies.has(0))
    }
    return client
  }

  frame(write: (writer: FrameWriter) => void): void {
    const writer = new FrameWriter()
    write(writer)
    this.connection.send(writer.take())
  }

  async until(enough: () => boolean): Promise<void> {
    while (!enough()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

const mapRequest: KvRequest = { kind: 'map', timeoutMs: 1_000 }

describe('a client', () => {
  let cluster: TestCluster

  beforeEach(async () => {
    cluster = await testCluster({ shards: 4 })
  })
  afterEach(async () => {
    await cluster.close()
  })

  test('that knows one host learns of the others and goes to the leaders', async () => {
    // Every host leads something, so that there is a reason to go to each.
    for (const [shard, id] of cluster.ids.entries()) {
      const from = await cluster.leader(shard)
      if (from !== id) await cluster.kv(from).replica(shard)?.transferLeadership(id)
    }
    const client = await cluster.client(['client:b'])
    for (let n = 0; client.hosts.length < 3; n++) await client.put(`k/${n}`, `${n}`)
    expect(client.hosts).toEqual(['a', 'b', 'c'])
  })

  test('that can reach one host alone is served through it', async () => {
    const listener = cluster.network.listener('lonely')
    const server = await serveKv({ kv: cluster.kv('a'), listener })
    // The others say where they are, but this client's network does not lead there.
    const dialer = cluster.network.dialer()
    const client = await connect({
      addresses: ['lonely'],
      dialer: {
        dial: (address, handlers, options) =>
          address === 'lonely'
            ? dialer.dial(address, handlers, options)
            : Promise.reject(new Error(`no way to ${address}`)),
      },
    })
    await Promise.all(Array.from({ length: 40 }, (_, n) => client.put(`k/${n}`, `${n}`)))
    const entries = await client.getMany(Array.from({ length: 40 }, (_, n) => `k/${n}`))
    expect(entries.map((entry) => entry?.text())).toEqual(
      Array.from({ length: 40 }, (_, n) => `${n}`),
    )
    expect(client.hosts).toEqual(['a'])
    await client.close()
    await server.close()
  })

  test('goes on after its connections were lost', async () => {
    const client = await cluster.client()
    await client.put('k', '1')
    for (const id of cluster.ids) {
      const { server } = cluster.hosts.get(id) as { server: { close(): Promise<void> } }
      await server.close()
    }
    const pending = client.increment('k')
    for (const id of cluster.ids) {
      const listener = cluster.network.listener(`client:${id}`)
      await serveKv({ kv: cluster.kv(id), listener, advertise: `client:${id}` })
    }
    expect(await pending).toBe(2)
  })

  test('is told where it wants another store, or sends keys elsewhere', async () => {
    await expect(cluster.client(undefined, 'other')).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })
    const dialer = cluster.network.dialer()
    const addresses = ['client:a']
    for (const wrong of [
      hashRing({ members: ['a'], shards: 8 }),
      hashRing({ members: ['a'], shards: 4, hashTags: false }),
    ]) {
      const connecting = connect({ addresses, dialer, partitioner: wrong })
      await expect(connecting).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    }
    const right = hashRing({ members: ['somebody'], shards: 4 })
    const client = await connect({ addresses, dialer, partitioner: right })
    await client.put('k', 'v')
    await client.close()
  })

  test('an address that is none is not tried again', async () => {
    const wrong = new QuorateError('INVALID_ARGUMENT', 'not the address of a host: x')
    const dialer = { dial: () => Promise.reject(wrong) }
    await expect(connect({ addresses: ['x'], dialer })).rejects.toBe(wrong)
  })

  test('without anybody there ends in time, or when it is aborted', async () => {
    const options = { addresses: ['nobody'], dialer: memoryNetwork().dialer() }
    await expect(connect({ ...options, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^no host answered within 50 ms: .*nobody/) as string,
      cause: { code: 'UNAVAILABLE' },
    })
    const controller = new AbortController()
    const connecting = connect({ ...options, signal: controller.signal })
    controller.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(connect({ ...options, addresses: [] })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })
  })

  test('that is closed refuses further calls and ends those under way', async () => {
    const client = await cluster.client()
    await client.put('k', 'v')
    for (const id of cluster.ids) cluster.network.cut(id)
    const write = client.put('k', 'w')
    const reading = client.get('k')
    await client.close()
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await expect(reading).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.get('k')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(client.lifecycle).toBe('closed')
    await client.close()
  })

  test('has a bound on calls under way', async () => {
    const dialer = cluster.network.dialer()
    const client = await connect({ addresses: ['client:a'], dialer, callsMax: 10 })
    const calls = Array.from({ length: 11 }, (_, n) => client.put(`k${n}`, 'v'))
    const settled = await Promise.allSettled(calls)
    expect(settled.map(({ status }) => status)).toEqual([
      ...Array(10).fill('fulfilled'),
      'rejected',
    ])
    expect(settled[10]).toMatchObject({ reason: { code: 'LIMIT_EXCEEDED', retryable: true } })
    await client.close()
  })
})

describe('a connection that is lost', () => {
  /** A host that welcomes clients and then does as the test says. */
  const impostor = async (
    onRequest: (id: number, request: KvRequest, connection: Connection) => void,
  ): Promise<{ network: MemoryNetwork; close(): Promise<void> }> => {
    const network = memoryNetwork()
    const listener = network.listener('it')
    const { shards, shardOf } = { shards: 1, shardOf: () => 0 }
    const context = { clock: systemClock(), limits: defaultLimits }
    await listener.start({ ...context, logger: silentLogger, metrics: noMetrics }, (connection) => {
      let greeted = false
      return {
        onFrame: (frame) =>
          eachRecord(frame, (record) => {
            if (greeted) {
              const { id, request } = readRequestRecord(record)
              return onRequest(id, request, connection)
            }
            greeted = true
            const writer = new FrameWriter()
            writer.welcome({
              host: 'it',
              cluster: 'c',
              fingerprint: fingerprint({ shards, shardOf }),
              commandBytesMax: 1_000_000,
              inFlightMax: 10,
              map: {
                version: 1,
                shards: [{ epoch: 1, leader: 'it', members: ['it'] }],
                addresses: new Map([['it', 'it']]),
              },
            })
            connection.send(writer.take())
          }),
        onClose() {},
      }
    })
    return { network, close: () => listener.close() }
  }
  const partitioner = { shards: 1, shardOf: () => 0 }
  const opened = (id: number, connection: Connection): void => {
    const writer = new FrameWriter()
    const body = beginResult(5, true, 0).finish()
    writer.reply(id, { ok: true, mapVersion: 1, body })
    connection.send(writer.take())
  }

  test('leaves a write that had been sent unknown', async () => {
    let commands = 0
    const host = await impostor((id, request, connection) => {
      if (request.kind !== 'command') return
      if (++commands === 1) return opened(id, connection)
      connection.close('gone')
      void host.close()
    })
    const dialer = host.network.dialer()
    const client = await connect({ addresses: ['it'], dialer, partitioner })
    const write = client.put('k', 'v', { timeoutMs: 300 })
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(commands).toBe(2)
    await client.close()
  })

  test('is no reason not to ask again where the map is', async () => {
    let asked = 0
    const host = await impostor((id, request, connection) => {
      if (request.kind !== 'admin') return
      if (++asked === 1) return connection.close('gone')
      const writer = new FrameWriter()
      const refusal = new QuorateError('INVALID_ARGUMENT', 'enough')
      const where: KvReply = { ok: true, mapVersion: 1, body: encodeUtf8('["it"]') }
      writer.reply(id, asked === 2 ? where : errorReply(1, refusal))
      connection.send(writer.take())
    })
    const client = await connect({ addresses: ['it'], dialer: host.network.dialer(), partitioner })
    const placement = client.admin.placement({ timeoutMs: 5_000 })
    await expect(placement).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: 'enough' })
    expect(asked).toBe(3)
    await client.close()
    await host.close()
  })

  test('before anything was sent means that nothing was done', async () => {
    const host = await impostor(() => {})
    const dialer = host.network.dialer()
    const client = await connect({ addresses: ['it'], dialer, partitioner })
    await host.close()
    const write = client.put('k', 'v', { timeoutMs: 300 })
    await expect(write).rejects.toMatchObject({ code: 'TIMEOUT' })
    await client.close()
  })

  test('by answers that make no sense is dialled again', async () => {
    let connections = 0
    const host = await impostor((id, request, connection) => {
      if (request.kind !== 'command') return
      connections++
      if (connections === 1) connection.send(Uint8Array.of(1, 2, 3))
      else opened(id, connection)
    })
    const dialer = host.network.dialer()
    const client = await connect({ addresses: ['it'], dialer, partitioner })
    // The second connection answers as if everything were a session that was opened.
    const write = client.put('k', 'v', { timeoutMs: 2_000 })
    await expect(write).resolves.toEqual({ version: 5 })
    expect(connections).toBeGreaterThan(2)
    await client.close()
    await host.close()
  })
})

describe('a host that serves', () => {
  let cluster: TestCluster

  beforeEach(async () => {
    cluster = await testCluster({ shards: 2 })
  })
  afterEach(async () => {
    await cluster.close()
  })

  test('answers many requests of a frame in few frames', async () => {
    const client = await RawClient.dial(cluster, 'a')
    const before = client.frames
    client.frame((writer) => {
      for (let id = 1; id <= 200; id++) writer.request(id, '', mapRequest)
    })
    await client.until(() => client.replies.size === 201)
    expect([...client.replies.values()].every(({ ok }) => ok)).toBe(true)
    expect(client.frames - before).toBeLessThan(10)
  })

  test.each<[string, (client: RawClient) => void]>([
    ['an empty frame', (client) => void client.connection.send(new Uint8Array(0))],
    ['half a record', (client) => void client.connection.send(Uint8Array.of(9, 0, 0, 0, 1))],
    ['a length of 4 GiB', (client) => void client.connection.send(new Uint8Array(8).fill(255))],
    ['an empty record', (client) => void client.connection.send(new Uint8Array(4))],
    ['request 0', (client) => client.frame((writer) => writer.request(0, '', mapRequest))],
    ['no request', (client) => client.frame((writer) => writer.hello('kv'))],
  ])('ends a connection that sends %s, and no other', async (_name, send) => {
    const [good, bad] = [await RawClient.dial(cluster, 'a'), await RawClient.dial(cluster, 'a')]
    send(bad)
    await bad.until(() => bad.closed !== undefined)
    good.frame((writer) => writer.request(1, '', mapRequest))
    await good.until(() => good.replies.has(1))
    expect(good.closed).toBeUndefined()
  })

  test('speaks to nobody before the handshake', async () => {
    const client = await RawClient.dial(cluster, 'a', false)
    client.frame((writer) => writer.request(1, '', mapRequest))
    await client.until(() => client.closed !== undefined)
    expect(client.replies.size).toBe(0)
  })

  test('refuses a client of another version', async () => {
    const client = await RawClient.dial(cluster, 'a', false)
    const writer = new ByteWriter()
    writer.uint32(7)
    writer.uint32(0x43564b51)
    writer.raw(Uint8Array.of(99, 1, 1))
    client.connection.send(writer.finish())
    await client.until(() => client.closed !== undefined)
    expect(client.replies.size).toBe(0)
  })

  test('answers commands and queries that it cannot read with an error', async () => {
    const client = await RawClient.dial(cluster, 'a')
    const level = { mode: 'local', revisionMin: 0 } as const
    const hostile: KvRequest[] = [
      { kind: 'command', timeoutMs: 500, payload: new Uint8Array(0) },
      {
        kind: 'command',
        timeoutMs: 500,
        payload: Uint8Array.of(1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 99, 1),
      },
      { kind: 'query', timeoutMs: 500, shard: 99, epoch: 1, level, payload: new Uint8Array(0) },
      { kind: 'watch', timeoutMs: 500, shard: 99, epoch: 1, after: 0, prefix: new Uint8Array(0) },
      { kind: 'barrier', timeoutMs: 500, shard: 99, epoch: 1 },
      { kind: 'admin', timeoutMs: 500, payload: new Uint8Array(0) },
    ]
    client.frame((writer) => {
      for (const [at, request] of hostile.entries()) writer.request(at + 1, '', request)
    })
    await client.until(() => client.replies.size === hostile.length + 1)
    for (const at of hostile.keys()) expect(client.replies.get(at + 1)?.ok).toBe(false)
    expect(client.closed).toBeUndefined()
  })

  test('tells whoever names an older epoch of the one that is', async () => {
    const client = await RawClient.dial(cluster, await cluster.leader(0))
    const level = { mode: 'quorum', revisionMin: 0 } as const
    const payload = encodeCommand({ type: 'open', shard: 0, epoch: 0, timeMs: 0 })
    const stale: KvRequest[] = [
      { kind: 'command', timeoutMs: 500, payload },
      {
        kind: 'query',
        timeoutMs: 500,
        shard: 0,
        epoch: 0,
        level,
        payload: encodeQuery({ type: 'info' }),
      },
      { kind: 'barrier', timeoutMs: 500, shard: 0, epoch: 0 },
    ]
    client.frame((writer) => {
      for (const [at, request] of stale.entries()) writer.request(at + 1, '', request)
    })
    await client.until(() => client.replies.size === 4)
    for (const at of stale.keys()) {
      expect(client.replies.get(at + 1)).toMatchObject({
        error: { code: 'EPOCH_MISMATCH', epoch: 1 },
      })
    }
  })

  test('has a bound on what one connection has under way', async () => {
    const listener = cluster.network.listener('narrow')
    const server = await serveKv({ kv: cluster.kv('a'), listener, inFlightMax: 5 })
    const client = new RawClient()
    client.connection = await cluster.network.dialer().dial('narrow', {
      onFrame: (frame) =>
        eachRecord(frame, (record) => {
          const { id, reply } = readReplyRecord(record)
          client.replies.set(id, reply)
        }),
      onClose() {},
    })
    const { host } = cluster.hosts.get('a') as TestHost
    while (!host.reachable('b')) await new Promise((resolve) => setTimeout(resolve, 2))
    client.frame((writer) => {
      writer.hello('kv')
      for (let id = 1; id <= 8; id++) writer.request(id, 'b', mapRequest)
    })
    while (client.replies.size < 9) await new Promise((resolve) => setTimeout(resolve, 2))
    const refused = [...client.replies.values()].filter((reply) => !reply.ok)
    expect(refused).toHaveLength(3)
    for (const reply of refused) {
      expect(reply).toMatchObject({ error: { code: 'LIMIT_EXCEEDED', retryable: true } })
    }
    expect(server.inFlight).toBe(0)
    await server.close()
  })

  test('has a bound on connections', async () => {
    const listener = cluster.network.listener('few')
    const server = await serveKv({ kv: cluster.kv('a'), listener, connectionsMax: 1 })
    const dialer = cluster.network.dialer()
    const first = await connect({ addresses: ['few'], dialer })
    const second = connect({ addresses: ['few'], dialer, timeoutMs: 100 })
    await expect(second).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(server.connections).toBe(1)
    await first.close()
    await server.close()
    expect(server.status).toBe('closed')
  })

  test('tells a status that can be read as JSON', async () => {
    const client = await RawClient.dial(cluster, 'a')
    client.frame((writer) => writer.request(1, '', { kind: 'status', timeoutMs: 1_000 }))
    await client.until(() => client.replies.has(1))
    const reply = client.replies.get(1) as KvReply & { ok: true }
    expect(JSON.parse(decodeUtf8(reply.body))).toMatchObject({ name: 'kv', cluster: 'quorate' })
  })
})
