// Calls between hosts, snapshots that travel between them, and the one timer that wakes them all.
import { describe, expect, it } from 'vitest'
import type { SnapshotMeta } from '@quorate/core'
import {
  ByteWriter,
  crc32c,
  decodeUtf8,
  encodeUtf8,
  membershipOf,
  QuorateError,
} from '@quorate/core'
import { createHost } from '@quorate/runtime'
import { writeResult } from '../src/frame.ts'
import type { HostedReplica } from '../src/hosted-replica.ts'
import { createTicker } from '../src/ticker.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import type { ScriptedCore } from './fixtures/scripted-core.ts'
import { scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

async function cluster(ids: readonly string[]) {
  const clock = manualClock()
  const wires = createWires(clock)
  const consensus = scriptedConsensus()
  const hosts = await Promise.all(
    ids.map(async (id) => {
      const storage = scriptedStorage()
      const machine = listMachine()
      const limits = { snapshotChunkBytes: 10 }
      const host = await createHost({ id, clock, storage, limits, transport: wires.transport(id) })
      return { id, storage, machine, host }
    }),
  )
  await clock.settle()
  return {
    clock,
    wires,
    consensus,
    hosts,
    get: (id: string) => hosts.find((host) => host.id === id) as (typeof hosts)[number],
  }
}

describe('calls', () => {
  it('bring back the answer, or the error with its code and details', async () => {
    const { clock, get } = await cluster(['a', 'b'])
    get('b').host.serve('echo', (request, { from }) => {
      const text = decodeUtf8(request)
      if (text === 'no')
        throw new QuorateError('NOT_LEADER', 'c leads', { details: { leader: 'c' } })
      if (text === 'bug') throw new TypeError('a bug')
      if (text === 'busy') throw new QuorateError('UNAVAILABLE', 'nothing was done')
      return encodeUtf8(`${from}: ${text}`)
    })
    const { host } = get('a')
    const ask = (text: string) => host.call('b', 'echo', encodeUtf8(text))
    const results = Promise.allSettled([
      ask('hi'),
      ask('no'),
      ask('bug'),
      ask('busy'),
      host.call('b', 'other', new Uint8Array(0)),
    ])
    await clock.settle()
    expect(await results).toMatchObject([
      { status: 'fulfilled', value: encodeUtf8('a: hi') },
      { reason: { code: 'NOT_LEADER', details: { leader: 'c' }, retryable: true } },
      // The handler may have done anything before it failed, unless it says that it has not.
      { reason: { code: 'OUTCOME_UNKNOWN', message: 'a bug', retryable: false } },
      { reason: { code: 'UNAVAILABLE', message: 'nothing was done', retryable: true } },
      { reason: { code: 'UNAVAILABLE', message: expect.stringContaining('no service') as string } },
    ])
  })

  it('of the host itself stay in the process', async () => {
    const { wires, get } = await cluster(['a'])
    get('a').host.serve('echo', (request) => request)
    expect(await get('a').host.call('a', 'echo', encodeUtf8('x'))).toEqual(encodeUtf8('x'))
    expect(wires.sent).toEqual([])
  })

  it('say whether they may have run', async () => {
    const { clock, wires, get } = await cluster(['a', 'b'])
    get('b').host.serve('slow', () => new Promise(() => {}))
    const { host } = get('a')
    await expect(host.call('c', 'slow', new Uint8Array(0))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    const abort = new AbortController()
    const checks = [
      expectRejection(host.call('b', 'slow', new Uint8Array(0), { timeoutMs: 50 }), {
        code: 'OUTCOME_UNKNOWN',
      }),
      expectRejection(host.call('b', 'slow', new Uint8Array(0), { signal: abort.signal }), {
        code: 'OUTCOME_UNKNOWN',
      }),
    ]
    await clock.settle()
    abort.abort()
    await clock.advance(100)
    await Promise.all(checks)
    const lost = expectRejection(host.call('b', 'slow', new Uint8Array(0)), {
      code: 'OUTCOME_UNKNOWN',
    })
    await clock.settle()
    wires.tell('a', 'b', 'unreachable')
    await clock.settle()
    await lost
    await expect(host.call('b', 'slow', new Uint8Array(0))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    expect(clock.timers).toBe(0)
  })

  it('take no answer from a host that was not asked', async () => {
    const { clock, wires, get } = await cluster(['a', 'b', 'c'])
    get('b').host.serve('slow', () => new Promise(() => {}))
    let settled = false
    const call = get('a')
      .host.call('b', 'slow', new Uint8Array(0))
      .finally(() => void (settled = true))
    await clock.settle()
    const writer = new ByteWriter()
    writer.uint8(1)
    writeResult(writer, 1, encodeUtf8('forged'))
    wires.inject('c', 'a', writer.finish())
    await clock.settle()
    expect(settled).toBe(false)
    wires.inject('b', 'a', writer.finish())
    await clock.settle()
    expect(await call).toEqual(encodeUtf8('forged'))
  })

  it('are bounded, and one service has one handler', async () => {
    const { get } = await cluster(['a'])
    const { host } = get('a')
    const stop = host.serve('one', (request) => request)
    expect(() => host.serve('one', (request) => request)).toThrow(
      expect.objectContaining({ code: 'CONFLICT' }),
    )
    stop()
    host.serve('one', (request) => request)
    expect(() => host.serve('no/slash', (request) => request)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('snapshots', () => {
  const text = Array.from({ length: 20 }, (_, at) => `line ${at}`).join('\n')
  const bytes = encodeUtf8(text)
  const meta: SnapshotMeta = {
    id: 'snap',
    index: 20,
    epoch: 3,
    membership: membershipOf({ voters: ['a', 'b', 'c'] }),
    sizeBytes: bytes.length,
    checksum: crc32c(bytes),
  }

  async function fetching(from: readonly string[]) {
    const world = await cluster(['a', 'b', 'c'])
    for (const { host, machine } of world.hosts) {
      await host.createReplica({
        group: 'g',
        consensus: world.consensus,
        stateMachine: machine,
        members: { voters: ['a', 'b', 'c'] },
      })
    }
    const core = world.consensus.cores.get('a')
    if (core === undefined) throw new Error('no core')
    core.wakeAt = world.clock.now()
    core.on('tick', () => {
      core.wakeAt = Number.POSITIVE_INFINITY
      return { fetchSnapshot: { snapshot: meta, from } }
    })
    const replica = world.get('a').host.replica('g') as unknown as { wake(): void }
    const ends = () => core.inputs.filter(({ type }) => type.startsWith('snapshotFetch'))
    return { ...world, begin: () => replica.wake(), ends }
  }

  it('are pulled chunk by chunk over the bulk lane', async () => {
    const { clock, wires, get, begin, ends } = await fetching(['b'])
    get('b').storage.snapshots.set('snap', { meta, bytes })
    begin()
    await clock.advance(1_000)
    expect(ends()).toEqual([{ type: 'snapshotFetched', snapshot: meta }])
    expect(get('a').storage.snapshots.get('snap')?.bytes).toEqual(bytes)
    expect(wires.sent.filter(({ lane }) => lane === 'bulk').length).toBe(
      Math.ceil(bytes.length / 10),
    )
  })

  it('come from the next host where one does not have them', async () => {
    const { clock, get, begin, ends } = await fetching(['b', 'c'])
    get('c').storage.snapshots.set('snap', { meta, bytes })
    begin()
    await clock.advance(1_000)
    expect(ends()).toEqual([{ type: 'snapshotFetched', snapshot: meta }])
  })

  it('go on where they stood after lost frames, asking for nothing twice that has arrived', async () => {
    const { clock, wires, get, begin, ends } = await fetching(['b'])
    get('b').storage.snapshots.set('snap', { meta, bytes })
    let bulk = 0
    wires.lose = ({ lane }) => lane === 'bulk' && ++bulk === 4
    begin()
    await clock.advance(20_000)
    expect(ends()).toEqual([{ type: 'snapshotFetched', snapshot: meta }])
    expect(get('a').storage.snapshots.get('snap')?.bytes).toEqual(bytes)
    // One chunk was lost; the one that travelled beside it is the only one asked for again.
    expect(bulk).toBeLessThanOrEqual(Math.ceil(bytes.length / 10) + 2)
  })

  it('that nobody has are given up, with what arrived kept for later', async () => {
    const { clock, wires, get, begin, ends } = await fetching(['b'])
    get('b').storage.snapshots.set('snap', { meta, bytes })
    let bulk = 0
    wires.lose = ({ lane }) => lane === 'bulk' && ++bulk > 3
    begin()
    await clock.advance(300_000)
    expect(ends()).toEqual([{ type: 'snapshotFetchFailed', snapshot: meta }])
    expect(get('a').storage.partial.get('snap')).toEqual(bytes.subarray(0, 30))
    wires.lose = () => false
    begin()
    await clock.advance(10_000)
    expect(ends().at(-1)).toEqual({ type: 'snapshotFetched', snapshot: meta })
  })

  it('that are gone where they were offered are given up for what is offered next', async () => {
    const { clock, wires, get, begin, ends } = await fetching(['b', 'c'])
    get('b').storage.snapshots.set('snap', { meta, bytes })
    let bulk = 0
    wires.lose = ({ lane }) => lane === 'bulk' && ++bulk > 3
    begin()
    await clock.advance(2_000)
    get('b').storage.snapshots.delete('snap')
    wires.lose = () => false
    await clock.advance(10_000)
    expect(ends()).toEqual([{ type: 'snapshotFetchFailed', snapshot: meta }])
    expect(get('a').storage.partial.get('snap')).toEqual(bytes.subarray(0, 30))
  })

  it('are waited for while who offered them is silent, though others do not have them', async () => {
    const { clock, wires, get, begin, ends } = await fetching(['b', 'c'])
    get('b').storage.snapshots.set('snap', { meta, bytes })
    wires.lose = ({ from, to }) => from === 'b' || to === 'b'
    begin()
    await clock.advance(20_000)
    expect(ends()).toEqual([])
    wires.lose = () => false
    await clock.advance(10_000)
    expect(ends()).toEqual([{ type: 'snapshotFetched', snapshot: meta }])
  })

  it('with other bytes than announced are refused and fetched anew', async () => {
    const { clock, get, begin, ends } = await fetching(['b', 'c'])
    get('b').storage.snapshots.set('snap', { meta, bytes: bytes.map((byte) => byte ^ 1) })
    begin()
    await clock.advance(1_000)
    expect(ends()).toEqual([{ type: 'snapshotFetchFailed', snapshot: meta }])
    expect(get('a').storage.snapshots.has('snap')).toBe(false)
    expect(get('a').storage.partial.has('snap')).toBe(false)
  })

  it('end with the host, leaving no timer', async () => {
    const { clock, hosts, begin } = await fetching(['b'])
    begin()
    await clock.settle()
    const closed = Promise.all(hosts.map(({ host }) => host.close()))
    await clock.advance(1_000)
    await closed
    expect(clock.timers).toBe(0)
  })
})

describe('the ticker', () => {
  it('wakes each sleeper at or after its time, those of one slot in one turn, with one timer', async () => {
    const clock = manualClock(0)
    const ticker = createTicker(clock, 10)
    const woken: string[] = []
    const sleeper = (name: string, at: number) => {
      const made = {
        wakeAt: at,
        wake(now: number) {
          expect(now).toBeGreaterThanOrEqual(made.wakeAt)
          woken.push(`${name}@${now}`)
          made.wakeAt = Number.POSITIVE_INFINITY
        },
      }
      ticker.reschedule(made)
      return made
    }
    sleeper('x', 11)
    sleeper('y', 19)
    const late = sleeper('z', 25)
    expect(clock.timers).toBe(1)
    late.wakeAt = 95
    ticker.reschedule(late)
    await clock.advance(60)
    expect(woken).toEqual(['x@20', 'y@20'])
    await clock.advance(60)
    expect(woken).toEqual(['x@20', 'y@20', 'z@100'])
    expect(clock.timers).toBe(0)
  })

  it('takes an earlier wish at once, and forgets who is removed', async () => {
    const clock = manualClock(0)
    const ticker = createTicker(clock, 10)
    const woken: number[] = []
    const sleeper = {
      wakeAt: 1_000,
      wake: (now: number) => void (woken.push(now), (sleeper.wakeAt = now + 30)),
    }
    ticker.reschedule(sleeper)
    sleeper.wakeAt = 20
    ticker.reschedule(sleeper)
    await clock.advance(90)
    expect(woken).toEqual([20, 50, 80])
    ticker.remove(sleeper)
    await clock.advance(500)
    expect(woken).toHaveLength(3)
    ticker.close()
    ticker.reschedule(sleeper)
    expect(clock.timers).toBe(0)
  })
})

describe('many groups on one host', () => {
  it('put what they have for one peer at a time into one frame, heartbeats included', async () => {
    const { clock, wires, consensus, get } = await cluster(['a', 'b'])
    const { host } = get('a')
    const cores: ScriptedCore[] = []
    for (let group = 0; group < 100; group++) {
      await host.createReplica({
        group: `g${group}`,
        consensus,
        stateMachine: listMachine(),
        members: { voters: ['a', 'b'] },
      })
      const core = consensus.cores.get('a') as ScriptedCore
      core.on('tick', () => {
        core.wakeAt += 100
        return { send: [{ to: 'b', message: 'heartbeat' }] }
      })
      core.wakeAt = clock.now() + 100 - (group % 7)
      ;(host.replica(`g${group}`) as HostedReplica).receive('b', 'reschedule')
      cores.push(core)
    }
    await clock.settle()
    wires.sent.length = 0
    await clock.advance(1_000)
    const beats = cores.reduce(
      (sum, core) => sum + core.inputs.filter(({ type }) => type === 'tick').length - 1,
      0,
    )
    expect(beats).toBe(1_000)
    expect(wires.sent).toHaveLength(10)
  })
})
