// What a client that knows an old map is told, and how many round trips it takes until it knows better:
// two at most, for what has moved alone, and one question for all who wait for its answer.
import { createRandom } from '@quorate/core'
import type { ErrorCode } from '@quorate/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { rawKey } from '../src/key.ts'
import { decodeCommand } from '../src/machine/command.ts'
import { beginAnswer, decodeQuery, writeFound } from '../src/machine/query.ts'
import { beginResult } from '../src/machine/result.ts'
import { createRouter } from '../src/routing/router.ts'
import { encodeMap, routeTable } from '../src/routing/routes.ts'
import type { ClusterMap, RouteTable } from '../src/routing/routes.ts'
import type { KvReply, KvRequest } from '../src/routing/wire.ts'
import { plainValues } from '../src/store/entry.ts'
import { encodeWatchPage } from '../src/store/watch-page.ts'
import { Operations } from '../src/store/operations.ts'
import { ManualClock } from './support/manual-clock.ts'
import { bytes } from './support/machine.ts'

const whole = { epoch: 1, leader: 'a', members: ['a', 'b'], range: { start: '', end: undefined } }
const before: ClusterMap = { version: 1, ranged: true, shards: [whole], addresses: new Map() }
const after: ClusterMap = {
  version: 2,
  ranged: true,
  shards: [
    { epoch: 2, leader: 'a', members: ['a', 'b'], range: { start: '', end: 'm' } },
    { epoch: 2, leader: 'b', members: ['a', 'b'], range: { start: 'm', end: undefined } },
  ],
  addresses: new Map(),
}

describe('a client with an old map', () => {
  let clock: ManualClock
  let routes: RouteTable
  let store: Operations<Uint8Array | string, Uint8Array>
  let asked: string[]
  let map: ClusterMap

  beforeEach(() => {
    clock = new ManualClock()
    asked = []
    map = after
    routes = routeTable(before)
    const router = createRouter({
      clock,
      random: createRandom(1),
      routes,
      shardOf: () => 0,
      refresh: () => {},
      exchange: {
        nearest: (hosts) => hosts[0],
        // Every exchange takes a turn, so that what is under way at once is.
        send: (to, request, respond) =>
          void Promise.resolve().then(() => respond(answered(to, request))),
      },
    })
    store = new Operations(
      { router, status: () => Promise.reject(new Error('not asked')), commandBytesMax: 1e6 },
      plainValues,
    )
  })

  const refused = (code: ErrorCode, leader?: string): KvReply => ({
    ok: false,
    mapVersion: 2,
    error: { code, message: code, leader, epoch: 2, retryable: false },
  })

  /** What hosts say that have split the range at m. */
  const answered = (to: string, request: KvRequest): KvReply => {
    if (request.kind === 'map') {
      asked.push(`map of ${to}`)
      return { ok: true, mapVersion: 2, body: encodeMap(map) }
    }
    if (request.kind === 'watch') {
      asked.push(`watch of ${request.shard} from ${request.after ?? 'now'}`)
      // Nothing happens, so that the watch stays where it is.
      if (request.after !== undefined) return refused('CLOSED')
      return { ok: true, mapVersion: 2, body: encodeWatchPage(7, []) }
    }
    const [shard, epoch, what] = read(request)
    asked.push(`${what} at ${shard} of ${to}`)
    if (epoch < 2) return refused('EPOCH_MISMATCH')
    // Keys are looked at as well.
    if (
      what
        .split(' ')[1]
        ?.split(',')
        .some((key) => key >= 'm' !== (shard === 1)) === true
    ) {
      return refused('CROSS_SHARD')
    }
    const leader = shard === 0 ? 'a' : 'b'
    if (to !== leader) return refused('NOT_LEADER', leader)
    if (request.kind === 'command') {
      const writer = beginResult(7, true, 1)
      writer.uint8(0)
      return { ok: true, mapVersion: 2, body: writer.finish() }
    }
    const writer = beginAnswer('get', 7)
    writer.varint(1)
    writeFound(writer, { version: 3, value: bytes('v') })
    return { ok: true, mapVersion: 2, body: writer.finish() }
  }
  const read = (request: KvRequest): [number, number, string] => {
    if (request.kind === 'command') {
      const command = decodeCommand(request.payload)
      const keys =
        command.type === 'transaction' ? command.success.map(({ key }) => rawKey(key)) : []
      return [command.shard, command.epoch, `${command.type} ${keys.join()}`.trim()]
    }
    if (request.kind !== 'query') throw new Error(request.kind)
    const query = decodeQuery(request.payload)
    const keys = query.type === 'get' ? query.keys.map(rawKey) : []
    return [request.shard, request.epoch, `get ${keys.join()}`]
  }
  /** Lets time pass as far as it must for something to end. */
  const ended = async <T>(call: Promise<T>): Promise<T> => {
    let done = false
    const settled = call.finally(() => (done = true))
    settled.catch(() => {})
    for (let turn = 0; turn < 10_000 && !done; turn++) {
      await Promise.resolve()
      if (turn % 20 === 19) clock.advance(1)
    }
    return settled
  }

  test('reads after two more round trips, and after none once it knows better', async () => {
    expect((await ended(store.get('z')))?.text()).toBe('v')
    expect(asked).toEqual(['get z at 0 of a', 'map of a', 'get z at 1 of b'])
    asked.length = 0
    await ended(Promise.all([store.get('a'), store.get('y')]))
    expect(asked.toSorted()).toEqual(['get a at 0 of a', 'get y at 1 of b'])
  })

  test('sends again what has moved, and of a batch that alone', async () => {
    const ops = ['a', 'b', 'y', 'z'].map((key) => ({ type: 'put' as const, key, value: 'v' }))
    await ended(store.batch(ops))
    const writes = asked.filter((one) => one.startsWith('transaction'))
    expect(writes).toEqual(['transaction a,b at 0 of a', 'transaction y,z at 1 of b'])
    expect(asked.filter((one) => one.startsWith('map'))).toHaveLength(1)
  })

  test('asks for the map once, however many calls wait for it', async () => {
    const keys = Array.from({ length: 40 }, (_, n) => `z/${n}`)
    await ended(Promise.all(keys.map((key) => store.get(key))))
    expect(asked.filter((one) => one.startsWith('map'))).toEqual(['map of a'])
    expect(asked).toHaveLength(40 + 1 + 40)
  })

  test('does not begin to watch while keys are on their way, since nobody would tell of them', async () => {
    const [left, right] = after.shards
    if (left === undefined || right === undefined) throw new Error('two shards')
    // The one has given its keys away, and the other has not got them yet.
    map = { ...after, shards: [left, { ...right, range: undefined }] }
    routes.install(map)
    let begun: string | undefined
    const stop = new AbortController()
    const onStart = (token: string): void => void (begun = token)
    const watching = (async () => {
      for await (const _ of store.watch({ onStart, signal: stop.signal }));
    })()
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    expect(begun).toBeUndefined()
    map = after
    for (let turn = 0; begun === undefined && turn < 10_000; turn++) {
      await Promise.resolve()
      if (turn % 20 === 19) clock.advance(1)
    }
    stop.abort()
    expect(asked.filter((one) => one.endsWith('from now'))).toEqual([
      'watch of 0 from now',
      'watch of 1 from now',
    ])
    await ended(watching)
  })

  test('waits while keys are on their way, and says so where that takes too long', async () => {
    const [left] = after.shards
    map = { ...after, shards: left === undefined ? [] : [left] }
    const call = store.put('z', 'v', { timeoutMs: 200 })
    await expect(ended(call)).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('being moved'),
    })
    const waiting = store.get('z', { timeoutMs: 2_000 })
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    map = after
    expect((await ended(waiting))?.text()).toBe('v')
  })
})
