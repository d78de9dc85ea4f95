// Orders whose answer is lost: whoever gave one gives it again, and what was ordered happens once.
import { decodeUtf8 } from '@quorate/core'
import type { Command } from '@quorate/core'
import { rangeTable } from '@quorate/ring'
import { afterEach, describe, expect, test } from 'vitest'
import type { Kv, KvAdmin, OrderOptions, Placement } from '../../src/index.ts'
import { initialPlacement } from '../../src/placement/keeper.ts'
import { decodeChangeResult, encodeChange, placementMachine } from '../../src/placement/state.ts'
import type { PlacementCommand, PlacementResult } from '../../src/placement/state.ts'
import { testCluster } from '../support/cluster.ts'
import type { TestCluster } from '../support/cluster.ts'

describe('an order', () => {
  let cluster: TestCluster
  /** How many orders are still to be cut off from their answers, and how many have been. */
  let toLose = 0
  let lost = 0

  afterEach(async () => {
    await cluster.close()
  })

  const leads = (id: string): boolean =>
    cluster.hosts.get(id)?.host.replica('kv-map')?.consensus().role === 'leader'

  /** Starts a cluster whose hosts are cut off between an order and its answer. */
  const open = async (ranged = false): Promise<Kv> => {
    toLose = 0
    lost = 0
    const partitioner = rangeTable({ members: ['a', 'b', 'c'], splits: ['m'], replicas: 3 })
    cluster = await testCluster({
      shards: 2,
      spare: ['d'],
      kv: {
        managed: { intervalMs: 20, balanceLeaders: false, ranges: false },
        ...(ranged ? { partitioner } : {}),
      },
      onDone(host, request) {
        const isOrder = Buffer.from(request).includes('"op":"change"')
        if (toLose === 0 || !isOrder || !leads(host)) return
        toLose--
        lost++
        cluster.network.cut(host)
        setTimeout(() => cluster.network.heal(host), 20)
      },
    })
    await cluster.start('d')
    await cluster.kv('a').admin.pause()
    await cluster.kv('a').admin.join('d')
    // Whoever does not lead the map has to ask over the network.
    const asking = ['a', 'b', 'c'].find((id) => !leads(id)) as string
    return cluster.kv(asking)
  }
  /** Gives an order, with the first answer to it lost. */
  const cutOff = async (order: () => Promise<void>): Promise<void> => {
    toLose = 1
    const before = lost
    await order()
    expect(lost).toBe(before + 1)
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

  test('to move is answered as if its first answer had come, while it goes on and afterwards', async () => {
    const kv = await open()
    await cutOff(() => kv.admin.move(0, 'a', 'd'))
    // Given anew by somebody who knows of no answer at all.
    await kv.admin.move(0, 'a', 'd')
    const { shards } = await until(kv, calm)
    expect(shards[0]).toMatchObject({ epoch: 2, voters: ['b', 'c', 'd'] })
    await kv.admin.move(0, 'a', 'd')
    expect((await kv.admin.placement()).shards).toEqual(shards)
    // What would be another move is none.
    await expect(kv.admin.move(0, 'a', 'c')).resolves.toBeUndefined()
    await expect(kv.admin.move(0, 'e', 'd')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(kv.admin.move(0, 'b', 'c')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('about a host or the plan is carried out once and answered', async () => {
    const kv = await open()
    for (const name of ['cordon', 'drain', 'join'] as const) {
      await cutOff(() => kv.admin[name]('d'))
      await kv.admin[name]('d')
    }
    expect((await kv.admin.placement()).hosts['d']).toBe('active')
    await cutOff(() => kv.admin.resume())
    expect((await kv.admin.placement()).paused).toBe(false)
    await cutOff(() => kv.admin.pause())
    expect((await kv.admin.placement()).paused).toBe(true)
    await kv.admin.resume()
    await cutOff(() => kv.admin.drain('d'))
    await until(kv, (now) => calm(now) && now.shards.every(({ voters }) => !voters.includes('d')))
    await cutOff(() => kv.admin.leave('d'))
    await kv.admin.leave('d')
    expect(Object.keys((await kv.admin.placement()).hosts)).toEqual(['a', 'b', 'c'])
    await expect(cutOff(() => kv.admin.leave('a'))).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('that is given late under its name does not undo what came after it', async () => {
    const kv = await open()
    const named = (operation: string): OrderOptions => ({ operation })
    await kv.admin.drain('d', named('one'))
    await kv.admin.join('d', named('two'))
    await kv.admin.drain('d', named('one'))
    expect((await kv.admin.placement()).hosts['d']).toBe('active')
    // A refusal stands as well, and both are known after everybody was started again.
    const refused = kv.admin.leave('a', named('three'))
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT' })
    for (const id of ['a', 'b', 'c']) {
      await cluster.hosts.get(id)?.host.replica('kv-map')?.takeSnapshot()
    }
    for (const id of ['a', 'b', 'c', 'd']) await cluster.kill(id)
    for (const id of ['a', 'b', 'c', 'd']) await cluster.start(id)
    const { admin } = await cluster.client()
    await admin.drain('d', named('one'))
    expect((await admin.placement()).hosts['d']).toBe('active')
    await expect(admin.leave('a', named('three'))).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(admin.drain('d', named('no name'))).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  test('to split or merge is carried out once and answered', async () => {
    const kv = await open(true)
    await cutOff(() => kv.admin.split('f'))
    await kv.admin.split('f')
    const starts = ({ shards }: Placement): string[] =>
      shards.flatMap(({ range }) => (range === undefined ? [] : [range.start])).toSorted()
    expect(starts(await until(kv, calm))).toEqual(['', '66', '6d'])
    await kv.admin.split('f')
    await cutOff(() => kv.admin.merge('f'))
    expect(starts(await until(kv, calm))).toEqual(['', '66'])
    // Only its name tells a merge that is given again from the next one.
    const merge = (admin: KvAdmin): Promise<void> => admin.merge('a', { operation: 'm' })
    await merge(kv.admin)
    await merge(kv.admin)
    expect(starts(await until(kv, calm))).toEqual([''])
    await merge((await cluster.client()).admin)
    await expect(kv.admin.merge('a')).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('to lead is answered where it is so already', async () => {
    const kv = await open()
    const leader = await cluster.leader(0)
    const to = ['a', 'b', 'c'].find((id) => id !== leader) as string
    await kv.admin.transferLeader(0, to)
    await kv.admin.transferLeader(0, to)
    expect(await cluster.leader(0)).toBe(to)
  })
})

describe('a map', () => {
  const hosts = ['a', 'b', 'c']
  const partitioner = rangeTable({ members: hosts, replicas: 3 })
  const machineOf = (): ReturnType<typeof placementMachine> =>
    placementMachine(initialPlacement(partitioner, hosts))
  let index = 0
  const apply = (
    machine: ReturnType<typeof placementMachine>,
    command: PlacementCommand,
    operation: string,
  ): PlacementResult => {
    const payload = encodeChange(command, operation)
    const one = { index: ++index, payload } as Command
    return decodeChangeResult((machine.apply([one]) as readonly Uint8Array[])[0] as Uint8Array)
  }

  test('remembers the last 128 orders, in its snapshot too, and tells nobody', async () => {
    const machine = machineOf()
    const results = Array.from({ length: 129 }, (_, n) =>
      apply(machine, { type: 'pause', paused: n % 2 === 0 }, `o${n}`),
    )
    const copy = machineOf()
    const chunks = [...(machine.snapshot() as Iterable<Uint8Array>)]
    await copy.restore(
      (async function* () {
        yield* chunks
      })(),
    )
    for (const one of [machine, copy]) {
      expect(one.outcome('o0')).toBeUndefined()
      expect(one.outcome('o1')).toEqual(results[1])
      expect(apply(one, { type: 'pause', paused: false }, 'o128')).toEqual(results[128])
      expect(one.placement.paused).toBe(true)
      expect(decodeUtf8((await one.query(new Uint8Array(0))) as Uint8Array)).not.toContain('o128')
    }
  })
})
