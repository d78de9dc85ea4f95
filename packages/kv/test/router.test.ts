// The router against hosts that the test plays itself, on a clock that it moves: what is asked of
// whom after each kind of answer, and what a caller is told in the end.
import { ByteWriter, createRandom, encodeUtf8 } from '@quorate/core'
import type { ErrorCode } from '@quorate/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { decodeCommand } from '../src/machine/command.ts'
import type { KvCommand } from '../src/machine/command.ts'
import { beginResult, errorResult } from '../src/machine/result.ts'
import { Moved } from '../src/routing/routed-call.ts'
import { createRouter } from '../src/routing/router.ts'
import type { Router } from '../src/routing/router.ts'
import { routeTable } from '../src/routing/routes.ts'
import type { RouteTable } from '../src/routing/routes.ts'
import { errorReply } from '../src/routing/wire.ts'
import type { KvReply, KvRequest } from '../src/routing/wire.ts'
import { put } from './support/machine.ts'
import { ManualClock } from './support/manual-clock.ts'

interface Sent {
  readonly to: string
  readonly request: KvRequest
  reply(reply: KvReply): void
}

const refusal = (
  code: ErrorCode,
  rest: { leader?: string; epoch?: number; retryable?: boolean } = {},
): KvReply => ({
  ok: false,
  mapVersion: 1,
  error: {
    code,
    message: code,
    leader: rest.leader,
    epoch: rest.epoch ?? 0,
    retryable: rest.retryable ?? false,
  },
})
const ok = (body: Uint8Array): KvReply => ({ ok: true, mapVersion: 1, body })
const result = (revision: number): KvReply => {
  const writer = beginResult(revision, true, 1)
  writer.uint8(0)
  return ok(writer.finish())
}

describe('the router', () => {
  let clock: ManualClock
  let routes: RouteTable
  let router: Router
  let sent: Sent[]
  let refreshes: number

  beforeEach(() => {
    clock = new ManualClock()
    sent = []
    refreshes = 0
    routes = routeTable({
      version: 1,
      shards: [{ epoch: 1, leader: 'a', members: ['a', 'b', 'c'] }],
      addresses: new Map(),
    })
    router = routerOf(routes)
  })

  const routerOf = (table: RouteTable): Router =>
    createRouter({
      clock,
      random: createRandom(1),
      routes: table,
      callsMax: 3,
      shardOf: () => 0,
      refresh: () => void refreshes++,
      exchange: {
        send: (to, request, reply) => void sent.push({ to, request, reply }),
        nearest: (hosts) => hosts[1],
      },
    })

  const next = (): Sent => {
    const one = sent.shift()
    if (one === undefined) throw new Error('nothing was sent')
    return one
  }
  const command = ({ request }: Sent): KvCommand => {
    if (request.kind !== 'command') throw new Error(`a ${request.kind}`)
    return decodeCommand(request.payload)
  }
  /** Opens the session and returns the first attempt of a write. */
  const write = (timeoutMs = 10_000): { outcome: Promise<unknown>; first: Sent } => {
    const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
    const outcome = router.transact(0, body, { timeoutMs }, 'put').catch((error: unknown) => error)
    const opening = sent[0]
    if (opening !== undefined && command(opening).type === 'open') next().reply(result(100))
    return { outcome, first: next() }
  }

  test('opens a session first and keeps it', async () => {
    const one = write()
    expect(command(one.first)).toMatchObject({
      type: 'transaction',
      session: 100,
      seq: 1,
      floor: 1,
    })
    const two = write()
    expect(command(two.first)).toMatchObject({ session: 100, seq: 2, floor: 1 })
    one.first.reply(result(101))
    const three = write()
    expect(command(three.first)).toMatchObject({ session: 100, seq: 3, floor: 2 })
    two.first.reply(result(102))
    three.first.reply(result(103))
    expect(await two.outcome).toMatchObject({ ok: true, revision: 102 })
    expect(router.calls).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('follows the hint of who leads, at once, and remembers it', async () => {
    const { outcome, first } = write()
    first.reply(refusal('NOT_LEADER', { leader: 'c' }))
    const second = next()
    expect(second.to).toBe('c')
    expect(command(second)).toEqual(command(first))
    second.reply(result(101))
    await outcome
    expect(write().first.to).toBe('c')
  })

  test('does not follow hints in circles', () => {
    const { first } = write()
    first.reply(refusal('NOT_LEADER', { leader: 'b' }))
    next().reply(refusal('NOT_LEADER', { leader: 'a' }))
    next().reply(refusal('NOT_LEADER', { leader: 'b' }))
    next().reply(refusal('NOT_LEADER', { leader: 'a' }))
    expect(sent).toEqual([])
    clock.advance(10)
    expect(sent).toHaveLength(1)
  })

  test('is not led back by maps to a leader that could not be asked', async () => {
    const { outcome, first } = write()
    expect(first.to).toBe('a')
    let one = first
    const asked: string[] = []
    // The map comes from hosts that have not heard yet that another leads.
    for (let round = 0; asked.length < 3 || one.to === 'a'; round++) {
      asked.push(one.to)
      one.reply(one.to === 'a' ? refusal('UNAVAILABLE') : refusal('NOT_LEADER'))
      const shards = [{ epoch: 1, leader: 'a', members: ['a', 'b', 'c'] }]
      routes.install({ version: 1 + round, shards, addresses: new Map() })
      while (sent.length === 0) clock.advance(1)
      one = next()
      if (round > 8) throw new Error(`only ${asked.join()} were asked`)
    }
    expect(asked).toContain('b')
    expect(asked).toContain('c')
    one.reply(result(101))
    await outcome
    expect(routes.route(0).leader).toBe(one.to)
    // Once it answers again it is believed in as before.
    routes.route(0).leader = undefined
    const shards = [{ epoch: 1, leader: 'a', members: ['a', 'b', 'c'] }]
    routes.install({ version: 20, shards, addresses: new Map() })
    expect(write().first.to).toBe('a')
  })

  test('asks all members where nobody is known to lead, with growing pauses', () => {
    const { first } = write()
    first.reply(refusal('NOT_LEADER'))
    const asked = new Set<string>()
    const pauses: number[] = []
    for (let round = 0; round < 14; round++) {
      const before = clock.time
      while (sent.length === 0) clock.advance(1)
      pauses.push(clock.time - before)
      const one = next()
      asked.add(one.to)
      one.reply(refusal('NOT_LEADER'))
    }
    expect(asked).toEqual(new Set(['a', 'b', 'c']))
    expect(pauses[0]).toBeLessThanOrEqual(4)
    expect(Math.max(...pauses)).toBeGreaterThan(100)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(250)
  })

  test('takes over an epoch and sends the same command with it', async () => {
    const { outcome, first } = write()
    first.reply(ok(errorResult('EPOCH_MISMATCH', 'newer', 5)))
    const second = next()
    expect(command(second)).toEqual({ ...command(first), epoch: 5 })
    expect(refreshes).toBe(1)
    second.reply(result(101))
    expect(await outcome).toMatchObject({ revision: 101 })
  })

  test('an unknown outcome is asked again under the same number, elsewhere', async () => {
    const { outcome, first } = write()
    first.reply(refusal('OUTCOME_UNKNOWN'))
    clock.advance(10)
    const second = next()
    expect(command(second)).toMatchObject({ session: 100, seq: 1 })
    expect(routes.route(0).leader).toBeUndefined()
    second.reply(result(101))
    expect(await outcome).toMatchObject({ revision: 101 })
  })

  test('a forgotten session is opened anew where nothing can have been done', async () => {
    const { outcome, first } = write()
    first.reply(ok(errorResult('SESSION_EXPIRED', 'forgotten', 1)))
    const opening = next()
    expect(command(opening).type).toBe('open')
    opening.reply(result(200))
    const second = next()
    expect(command(second)).toMatchObject({ session: 200, seq: 1, floor: 1 })
    second.reply(result(201))
    expect(await outcome).toMatchObject({ revision: 201 })
  })

  test('a forgotten session is told where an attempt may have been done', async () => {
    const { outcome, first } = write()
    first.reply(refusal('OUTCOME_UNKNOWN'))
    clock.advance(10)
    next().reply(ok(errorResult('SESSION_EXPIRED', 'forgotten', 1)))
    expect(await outcome).toMatchObject({ code: 'SESSION_EXPIRED' })
    expect(sent).toEqual([])
  })

  test('a refusal of one attempt does not speak for those before it', async () => {
    const { outcome, first } = write()
    first.reply(refusal('OUTCOME_UNKNOWN'))
    clock.advance(10)
    next().reply(refusal('NO_SPACE'))
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    const other = write()
    other.first.reply(refusal('NO_SPACE'))
    expect(await other.outcome).toMatchObject({ code: 'NO_SPACE' })
  })

  test('what the shard itself says of a request is said of all its attempts', async () => {
    const { outcome, first } = write()
    first.reply(refusal('OUTCOME_UNKNOWN'))
    clock.advance(10)
    next().reply(ok(errorResult('INVALID_ARGUMENT', 'no number', 101)))
    expect(await outcome).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test.each<ErrorCode>(['UNAVAILABLE', 'CLOSED', 'NO_QUORUM'])(
    '%s: another is asked',
    async (code) => {
      const { outcome, first } = write()
      first.reply(refusal(code))
      expect(refreshes).toBe(1)
      clock.advance(10)
      const second = next()
      second.reply(result(101))
      expect(await outcome).toMatchObject({ revision: 101 })
    },
  )

  test('what may be tried again is, and what may not is not', async () => {
    const retried = write()
    retried.first.reply(refusal('LIMIT_EXCEEDED', { retryable: true }))
    clock.advance(10)
    next().reply(result(101))
    expect(await retried.outcome).toMatchObject({ revision: 101 })
    const final = write()
    final.first.reply(refusal('NO_SPACE'))
    expect(await final.outcome).toMatchObject({ code: 'NO_SPACE' })
  })

  test('in time: without an answer the outcome is unknown', async () => {
    const { outcome } = write(300)
    clock.advance(300)
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  })

  test('in time: without a word from anybody it says where the shard is', async () => {
    const body = { comparisons: [], success: [], failure: [] }
    const call = router.transact(0, body, { timeoutMs: 300 }, 'put')
    clock.advance(300)
    await expect(call).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'put was not done within 300 ms; shard 0 is on a, b, c',
    })
  })

  test('in time: where every attempt was refused nothing was done', async () => {
    const { outcome, first } = write(300)
    first.reply(refusal('NOT_LEADER'))
    while (clock.time < 299) {
      clock.advance(1)
      if (sent.length > 0) next().reply(refusal('UNAVAILABLE'))
    }
    clock.advance(1)
    const error = (await outcome) as Error
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    expect(error.cause).toMatchObject({ code: 'UNAVAILABLE' })
    expect(router.calls).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('in time: one unknown attempt makes the whole unknown', async () => {
    const { outcome, first } = write(300)
    first.reply(refusal('OUTCOME_UNKNOWN'))
    while (clock.time < 300) {
      clock.advance(1)
      if (sent.length > 0) next().reply(refusal('NOT_LEADER'))
    }
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  })

  test('an error without a code may have come after the write: no other session repeats it', async () => {
    const { outcome, first } = write()
    first.reply(errorReply(1, new TypeError('a bug')))
    clock.advance(10)
    const second = next()
    expect(command(second)).toEqual(command(first))
    second.reply(refusal('SESSION_EXPIRED'))
    expect(sent).toEqual([])
    expect(await outcome).toMatchObject({ code: 'SESSION_EXPIRED' })
  })

  test('in time: a read is asked again whatever became of it, and is never unknown', async () => {
    const reading = router.query(0, { type: 'info' }, { timeoutMs: 300 }, 'info')
    next().reply(refusal('OUTCOME_UNKNOWN'))
    let asked = 0
    while (clock.time < 300) {
      clock.advance(1)
      for (; sent.length > 0; asked++) next().reply(refusal('OUTCOME_UNKNOWN'))
    }
    await expect(reading).rejects.toMatchObject({
      code: 'TIMEOUT',
      cause: { code: 'OUTCOME_UNKNOWN' },
    })
    expect(asked).toBeGreaterThan(3)
  })

  describe('an attempt that may have run, of keys that have moved since', () => {
    const shard = { leader: 'a', members: ['a', 'b', 'c'] }
    const all = { ...shard, epoch: 1, range: { start: '', end: undefined } }
    const addresses = new Map()
    let table: RouteTable
    let ranged: Router
    beforeEach(() => {
      table = routeTable({ version: 1, ranged: true, shards: [all], addresses })
      ranged = routerOf(table)
    })
    const move = (): void => {
      const left = { ...shard, epoch: 2, range: { start: '', end: 'h' } }
      const right = { ...shard, epoch: 1, range: { start: 'h', end: undefined } }
      table.install({ version: 2, ranged: true, shards: [left, right], addresses })
    }

    test('makes no difference to a read: it is made anew where they are', async () => {
      const query = { type: 'get', keys: [encodeUtf8('k')] } as const
      const reading = ranged.query(0, query, {}, 'get').catch((error: unknown) => error)
      next().reply(refusal('OUTCOME_UNKNOWN'))
      move()
      clock.advance(10)
      expect(sent).toEqual([])
      expect(await reading).toBeInstanceOf(Moved)
    })

    test('keeps a write with the shard that may have applied it', async () => {
      const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
      const writing = ranged.transact(0, body, {}, 'put').catch((error: unknown) => error)
      next().reply(result(100))
      const first = next()
      first.reply(refusal('OUTCOME_UNKNOWN'))
      move()
      clock.advance(10)
      const again = next()
      expect(command(again)).toMatchObject({ type: 'transaction', shard: 0, session: 100, seq: 1 })
      again.reply(result(101))
      expect(await writing).toMatchObject({ revision: 101 })
    })
  })

  test('an answer that cannot be read leaves a write unknown', async () => {
    const { outcome, first } = write()
    first.reply(ok(Uint8Array.of(99)))
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  })

  test('a late answer to an attempt that was given up is of no effect', async () => {
    const { outcome, first } = write(300)
    clock.advance(300)
    first.reply(result(101))
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  })

  test('a caller that gives up frees its number', async () => {
    const controller = new AbortController()
    const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
    const outcome = router
      .transact(0, body, { signal: controller.signal }, 'put')
      .catch((error: unknown) => error)
    next().reply(result(100))
    next()
    controller.abort()
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(command(write().first)).toMatchObject({ seq: 2, floor: 2 })
  })

  test('a caller that gives up before anything was sent knows that nothing was done', async () => {
    const controller = new AbortController()
    const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
    const outcome = router
      .transact(0, body, { signal: controller.signal }, 'put')
      .catch((error: unknown) => error)
    controller.abort()
    expect(await outcome).toMatchObject({ code: 'ABORTED' })
    next().reply(result(100))
    expect(sent).toEqual([])
  })

  test('calls under way have a bound', async () => {
    for (let call = 0; call < 3; call++) write()
    const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
    await expect(router.transact(0, body, {}, 'put')).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      retryable: true,
    })
  })

  test('closing ends all calls and refuses others', async () => {
    const { outcome } = write()
    router.close()
    expect(await outcome).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    const body = { comparisons: [], success: [put('k', 'v')], failure: [] }
    await expect(router.transact(0, body, {}, 'put')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(clock.pending).toBe(0)
  })

  test.each([
    ['linearizable', { mode: 'quorum', revisionMin: 0 }, 'a'],
    ['lease', { mode: 'lease', revisionMin: 0 }, 'a'],
    ['follower', { mode: 'follower', revisionMin: 0 }, 'b'],
    ['local', { mode: 'local', revisionMin: 0 }, 'b'],
    ['session', { mode: 'local', revisionMin: 101 }, 'b'],
    [{ maxStalenessMs: 7 }, { mode: { maxStalenessMs: 7 }, revisionMin: 0 }, 'b'],
  ] as const)('reads at level %j ask for %j of %s', async (consistency, level, to) => {
    const { outcome, first } = write()
    first.reply(result(101))
    await outcome
    const reading = router
      .query(0, { type: 'info' }, { consistency }, 'info')
      .catch(() => undefined)
    const one = next()
    expect(one.to).toBe(to)
    expect(one.request).toMatchObject({ kind: 'query', level })
    router.close()
    await reading
  })

  test('changes that one replica no longer has are asked of the others', async () => {
    const page = Uint8Array.of(7, 0)
    const watching = router.watch(0, 3, new Uint8Array(0), {})
    const first = next()
    expect(first.to).toBe('b')
    first.reply(refusal('COMPACTED'))
    for (const to of ['a', 'b', 'c']) {
      while (sent.length === 0) await Promise.resolve()
      const one = next()
      expect(one).toMatchObject({ to, request: { kind: 'watch', after: 3 } })
      one.reply(to === 'c' ? ok(page) : refusal('COMPACTED'))
    }
    expect(await watching).toBe(page)
  })

  test('changes that no replica has any more are COMPACTED', async () => {
    const watching = router.watch(0, 3, new Uint8Array(0), {}).catch((error: unknown) => error)
    for (let asked = 0; asked < 4; asked++) {
      while (sent.length === 0) await Promise.resolve()
      next().reply(refusal('COMPACTED'))
    }
    expect(await watching).toMatchObject({ code: 'COMPACTED' })
  })

  test('a newer map that a reply tells of is fetched', async () => {
    const { outcome, first } = write()
    const writer = new ByteWriter()
    writer.raw((result(101) as { body: Uint8Array }).body)
    first.reply({ ok: true, mapVersion: 9, body: writer.finish() })
    await outcome
    expect(refreshes).toBe(1)
  })
})
