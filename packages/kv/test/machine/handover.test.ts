// Keys on their way from one shard to another, step by step: every step is made to fail, before and
// after it was done, and late copies of steps arrive when others have gone on.
import { createRandom, randomSeed } from '@quorate/core'
import type { Random } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { rawKey } from '../../src/key.ts'
import { encodeCommand } from '../../src/machine/command.ts'
import type { Op } from '../../src/machine/command.ts'
import type { HandoverCommand } from '../../src/machine/handover-command.ts'
import { hexOf } from '../../src/machine/key-range.ts'
import type { KeyRange } from '../../src/machine/key-range.ts'
import { decodeAnswer, encodeQuery } from '../../src/machine/query.ts'
import type { KvQuery } from '../../src/machine/query.ts'
import { decodeResult } from '../../src/machine/result.ts'
import { shardMachine } from '../../src/machine/shard-machine.ts'
import type { ShardMachine } from '../../src/machine/shard-machine.ts'
import { runHandover, forgetGiven } from '../../src/placement/handover-run.ts'
import type { HandoverRunContext } from '../../src/placement/handover-run.ts'
import type { ShardPlacement } from '../../src/placement/state.ts'
import type { Router } from '../../src/routing/router.ts'
import { EVERYTHING, bytes, inChunks, put, remove, snapshotBytes } from '../support/machine.ts'

const seed = Number(process.env['KV_SEED'] ?? randomSeed())
const GIVER = 0
const TAKER = 1

/** Two shards, a client that writes to whichever serves a key, and a router that can fail. */
class World {
  readonly machines: ShardMachine[]
  readonly logs: number[] = [0, 0]
  readonly model = new Map<string, string>()
  /** Versions that clients have seen, by key: none may come twice, or go back. */
  readonly versions = new Map<string, number>()
  readonly sessions: number[] = []
  readonly seqs: number[] = [0, 0]
  readonly random: Random
  /** Steps until a failure; negative: none. */
  failAt = -1
  /** Whether the step that fails is done all the same. */
  doneAnyway = false
  calls = 0
  late: (() => void)[] = []
  timeMs = 1_000

  constructor(random: Random, ranges: readonly (KeyRange | 'none')[]) {
    this.random = random
    this.machines = ranges.map((range, shard) => shardMachine({ shard, range }))
    this.sessions = this.machines.map((_, shard) => this.#open(shard))
  }

  apply(shard: number, payload: Uint8Array): ReturnType<typeof decodeResult> {
    const index = ++(this.logs as number[])[shard]!
    return decodeResult((this.machines[shard] as ShardMachine).apply([{ index, payload }])[0]!)
  }

  /** One write of a client, to the shard that serves the key, if one does. */
  write(): void {
    const key = `k${String(this.random.below(60)).padStart(2, '0')}`
    const serving = this.machines.filter(({ range }) => inside(range, key))
    if (serving.length > 1) throw new Error('two shards serve one key')
    const machine = serving[0]
    if (machine === undefined) return
    const value = `${this.random.below(1_000)}`
    const gone = this.random.below(4) === 0
    const { shard, epoch } = machine
    const session = this.sessions[shard] as number
    const seq = ++(this.seqs as number[])[shard]!
    const ops = [gone ? remove(key) : put(key, value)]
    const payload = transaction({ shard, epoch, session, seq }, ops)
    const result = this.apply(shard, payload)
    if (!result.ok) throw new Error(result.message)
    if (result.revision <= (this.versions.get(key) ?? 0)) throw new Error('a version comes again')
    this.versions.set(key, result.revision)
    if (gone) this.model.delete(key)
    else this.model.set(key, value)
  }

  /** The router that a handover works with. */
  router(): Router {
    const step = async <T>(act: () => T): Promise<T> => {
      for (let left = this.random.below(3); left > 0; left--) this.write()
      // A copy of something that was sent long ago arrives now.
      if (this.late.length > 0 && this.random.below(3) === 0) this.late.shift()?.()
      if (this.calls++ === this.failAt) {
        if (this.doneAnyway) act()
        throw new Error('crash')
      }
      await Promise.resolve()
      return act()
    }
    return {
      routes: { route: (shard: number) => ({ shard }) },
      propose: (command: HandoverCommand, { shard }: { shard: number }) => {
        const payload = encodeCommand({ shard, epoch: 99, timeMs: this.timeMs, ...command })
        if (this.random.below(4) === 0) this.late.push(() => this.apply(shard, payload))
        return step(() => {
          const result = this.apply(shard, payload)
          if (!result.ok) throw new Error(result.message)
          return result
        })
      },
      query: (shard: number, query: KvQuery) =>
        step(() => {
          const small = 'limit' in query ? { ...query, limit: 5 } : query
          const answer = (this.machines[shard] as ShardMachine).query(encodeQuery(small))
          return decodeAnswer(answer)
        }),
    } as unknown as Router
  }

  /** What both shards serve, together. */
  served(): Map<string, string> {
    const all = new Map<string, string>()
    for (const machine of this.machines) {
      if (machine.range === undefined) continue
      const { start, end } = machine.range
      const query = {
        type: 'range',
        ...EVERYTHING,
        start: bytes(start),
        end: bytes(end ?? ''),
      } as const
      const answer = decodeAnswer(machine.query(encodeQuery(query)))
      if (answer.type !== 'range') throw new Error(answer.type)
      for (const { key, value } of answer.entries) {
        if (!inside(machine.range, rawKey(key))) throw new Error('a key is not served there')
        all.set(rawKey(key), rawKey(value))
      }
    }
    return all
  }

  /** Both shards start again from what they would have kept. */
  async restart(): Promise<void> {
    for (const [shard, machine] of this.machines.entries()) {
      const next = shardMachine({ shard, range: 'none' })
      await next.restore(inChunks(await snapshotBytes(machine), 100))
      this.machines[shard] = next
    }
  }

  #open(shard: number): number {
    const { epoch } = this.machines[shard] as ShardMachine
    const opened = this.apply(shard, encodeCommand({ type: 'open', shard, epoch, timeMs: 1 }))
    if (!opened.ok) throw new Error(opened.message)
    return opened.revision
  }
}

/** A command of a session that waits for no earlier answer. */
function transaction(
  at: {
    readonly shard: number
    readonly epoch: number
    readonly session: number
    readonly seq: number
  },
  success: readonly Op[],
): Uint8Array {
  const rest = { timeMs: 1_000, floor: at.seq, comparisons: [], success, failure: [] }
  return encodeCommand({ type: 'transaction', ...at, ...rest })
}

function inside(range: KeyRange | undefined, key: string): boolean {
  return range !== undefined && key >= range.start && (range.end === undefined || key < range.end)
}

const held = (at: string): [ShardPlacement, ShardPlacement] => [
  { epoch: 1, voters: ['a'], handover: { id: 7, to: TAKER, start: hexOf(at) } },
  { epoch: 1, voters: ['a'], receiving: 7 },
]

/** Runs a handover to its end, beginning anew after each failure; resolves with how many calls it took. */
async function toTheEnd(world: World, at: string): Promise<number> {
  const context: HandoverRunContext = {
    router: world.router(),
    pace: () => Promise.resolve(),
    change: () => Promise.resolve(),
    isStopped: () => false,
  }
  const [giver, taker] = held(at)
  for (let attempt = 0; ; attempt++) {
    try {
      await runHandover(context, GIVER, giver, taker)
      await forgetGiven(context, GIVER, 7)
      return world.calls
    } catch (error) {
      // Late copies of what has been done since can make it begin anew, but not for ever.
      if (attempt > 40) throw error
      await world.restart()
    }
  }
}

async function check(world: World, at: string): Promise<void> {
  const calls = await toTheEnd(world, at)
  for (const arrive of world.late.splice(0)) arrive()
  for (let left = 20; left > 0; left--) world.write()
  expect(world.served(), `seed ${seed}`).toEqual(world.model)
  const [giver, taker] = world.machines as [ShardMachine, ShardMachine]
  expect(giver.range).toEqual(at === '' ? undefined : { start: '', end: at })
  expect(taker.range?.end).toBe(undefined)
  expect(giver.info().ownership.outgoing).toBe(undefined)
  const kept = [...world.model.keys()].filter((key) => key < at).length
  expect(giver.info().keys).toBe(kept)
  expect(taker.info().keys).toBe(world.model.size - kept)
  expect(calls).toBeGreaterThan(4)
}

describe('keys on their way from one shard to another', () => {
  const split = [{ start: '', end: undefined }, 'none'] as const
  const fresh = (number: number, ranges: readonly (KeyRange | 'none')[] = split): World => {
    const world = new World(createRandom(seed + number), ranges)
    for (let left = 100; left > 0; left--) world.write()
    return world
  }

  test(`are all there whatever fails, before or after it was done, seed ${seed}`, async () => {
    const steps = await toTheEnd(fresh(0), 'k30')
    for (let failAt = 0; failAt < steps + 10; failAt++) {
      for (const doneAnyway of [false, true]) {
        const world = fresh(failAt)
        Object.assign(world, { failAt, doneAnyway })
        await check(world, 'k30')
      }
    }
  })

  test(`all go where a shard is merged into the one before it, seed ${seed}`, async () => {
    for (let number = 0; number < 30; number++) {
      const world = fresh(number, [
        { start: 'k30', end: undefined },
        { start: '', end: 'k30' },
      ])
      world.failAt = world.random.below(40)
      world.doneAnyway = world.random.below(2) === 0
      await toTheEnd(world, 'k30')
      for (const arrive of world.late.splice(0)) arrive()
      for (let left = 20; left > 0; left--) world.write()
      expect(world.served()).toEqual(world.model)
      const [giver, taker] = world.machines as [ShardMachine, ShardMachine]
      expect([giver.range, taker.range]).toEqual([undefined, { start: '', end: undefined }])
      expect(giver.info().keys).toBe(0)
    }
  })

  test('a shard says that keys are elsewhere, but still what it has answered before', () => {
    const world = fresh(1)
    const machine = world.machines[GIVER] as ShardMachine
    const session = world.sessions[GIVER] as number
    const seq = ++world.seqs[GIVER]!
    const put50 = (epoch: number): Uint8Array =>
      transaction({ shard: GIVER, epoch, session, seq }, [put('k50', 'v')])
    const first = world.apply(GIVER, put50(1))
    const given = { type: 'yield', handover: 7, to: TAKER, next: 2 } as const
    const range = { start: bytes('k30'), end: bytes('') }
    const step = encodeCommand({ shard: GIVER, epoch: 1, timeMs: 1, ...given, ...range })
    expect(world.apply(GIVER, step).ok).toBe(true)
    expect(world.apply(GIVER, put50(1))).toEqual(first)
    expect(world.apply(GIVER, put50(2))).toEqual(first)
    const at = { shard: GIVER, epoch: 2, session, seq: seq + 1 }
    const other = transaction(at, [put('k50', 'w')])
    expect(world.apply(GIVER, other)).toMatchObject({ ok: false, code: 'CROSS_SHARD' })
    const query = encodeQuery({ type: 'get', keys: [bytes('k10'), bytes('k50')] })
    expect(decodeAnswer(machine.query(query)).type).toBe('elsewhere')
  })

  test('a piece that comes twice, or too early, is refused', () => {
    const world = fresh(1)
    const send = (command: HandoverCommand): ReturnType<World['apply']> =>
      world.apply(TAKER, encodeCommand({ shard: TAKER, epoch: 1, timeMs: 1, ...command }))
    const range = { start: bytes('k30'), end: bytes('') }
    const receive = send({ type: 'receive', handover: 7, ...range })
    const token = receive.ok ? receive.revision : 0
    const stored = { version: 5, expiresMs: 0, value: bytes('v') }
    const install = { type: 'install', handover: 7, token } as const
    const first = { ...install, piece: 1, entries: [{ key: bytes('k40'), stored }] }
    expect(send({ ...first, piece: 2 }).ok).toBe(false)
    expect(send(first).ok).toBe(true)
    const gone = { key: bytes('k40'), stored: undefined }
    expect(send({ ...install, piece: 2, entries: [gone] }).ok).toBe(true)
    expect(send(first)).toMatchObject({ ok: false, code: 'CONFLICT' })
    // Whoever began anew has taken over from the one who began before.
    expect(send({ type: 'receive', handover: 7, ...range }).ok).toBe(true)
    expect(send(first)).toMatchObject({ ok: false, code: 'CONFLICT' })
    expect((world.machines[TAKER] as ShardMachine).info().keys).toBe(0)
  })
})
