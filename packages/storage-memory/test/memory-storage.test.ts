// The crash model itself: what was acknowledged survives, and what was not may be gone.
import { createRandom, noMetrics, silentLogger, systemClock } from '@quorate/core'
import type { Entry, LogStorage, StorageContext } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import { memoryDisk, memoryStorage } from '@quorate/storage-memory'

const context: StorageContext = {
  cluster: 'c',
  host: 'a',
  clock: systemClock(),
  logger: silentLogger,
  metrics: noMetrics,
}
const algorithm = { name: 'raft', format: 1 }
const entry = (index: number): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: Uint8Array.of(index & 0xff),
})
const append = (log: LogStorage, index: number): Promise<void> =>
  log.write({ seq: index, append: [entry(index)] })

describe('memoryStorage', () => {
  it('keeps what was acknowledged and loses the rest when the power is cut', async () => {
    const disk = memoryDisk()
    const first = memoryStorage({ disk })
    await first.open(context)
    const log = first.group('g', algorithm)
    await append(log, 1)
    let settled = false
    void append(log, 2).finally(() => (settled = true))
    expect(await log.read({ first: 2, last: 2, bytesMax: 1 })).toEqual([entry(2)])
    void append(log, 3).finally(() => (settled = true))
    disk.crash()
    const second = memoryStorage({ disk })
    await second.open(context)
    const state = await second.group('g', algorithm).load()
    expect(state.lastIndex).toBe(2)
    expect(settled).toBe(true)
  })

  it('lets a prefix of what was under way survive, as the random source says', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const disk = memoryDisk()
      const storage = memoryStorage({ disk, syncMs: () => 1_000_000 })
      await storage.open(context)
      const log = storage.group('g', algorithm)
      for (let index = 1; index <= 4; index++) void append(log, index)
      disk.crash(createRandom(seed))
      const next = memoryStorage({ disk })
      await next.open(context)
      const state = await next.group('g', algorithm).load()
      expect(state.tail.map(({ index }) => index)).toEqual([1, 2, 3, 4].slice(0, state.lastIndex))
      lengths.add(state.lastIndex)
    }
    expect([...lengths].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4])
  })

  it('never answers a write whose power was cut, and refuses later calls', async () => {
    const disk = memoryDisk()
    const storage = memoryStorage({ disk, syncMs: () => 1_000_000 })
    await storage.open(context)
    const log = storage.group('g', algorithm)
    let answered = false
    void append(log, 1).finally(() => (answered = true))
    disk.crash()
    await expect(append(log, 2)).rejects.toMatchObject({ code: 'CLOSED' })
    await storage.close()
    expect(answered).toBe(false)
  })

  it('reports damaged entries as faulty, never as absent', async () => {
    const disk = memoryDisk()
    const storage = memoryStorage({ disk })
    await storage.open(context)
    const log = storage.group('g', algorithm)
    for (let index = 1; index <= 5; index++) await append(log, index)
    await storage.close()
    disk.damage('g', { first: 2, last: 3 })
    const next = memoryStorage({ disk })
    await next.open(context)
    const damaged = next.group('g', algorithm)
    const state = await damaged.load()
    expect(state.faulty).toEqual([{ first: 2, last: 3 }])
    expect(state.tail.map(({ index }) => index)).toEqual([4, 5])
    await expect(damaged.read({ first: 2, last: 5, bytesMax: 99 })).rejects.toMatchObject({
      code: 'STORAGE_CORRUPT',
    })
    expect((await damaged.read({ first: 1, last: 5, bytesMax: 99 })).length).toBe(1)
    await damaged.write({ seq: 1, truncateFrom: 2, append: [entry(2)] })
    expect((await damaged.read({ first: 1, last: 2, bytesMax: 99 })).length).toBe(2)
  })

  it('fails every later write once a sync failed', async () => {
    let fail = false
    const storage = memoryStorage({
      fault: ({ type }) => (fail && type === 'sync' ? 'STORAGE_FAILED' : undefined),
    })
    await storage.open(context)
    const log = storage.group('g', algorithm)
    await append(log, 1)
    fail = true
    await expect(append(log, 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    fail = false
    await expect(append(log, 3)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  })
})
