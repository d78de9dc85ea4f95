// A disk that fills up: proposals are refused early, the reserve keeps the log changeable, and what
// was refused is nowhere, whatever happens next.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Entry, LogStorage } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import type { FsStorage } from '../src/fs-storage.ts'
import type { FsStorageOptions } from '../src/options.ts'
import { DIRECTORY, HandClock, contextWith, storageOver } from './fs/crash-run.ts'
import { Watch } from './fs/watch.ts'

const ALGORITHM = { name: 'test', format: 1 }
const SEGMENT = 16_384
const entry = (index: number, bytes = 1500): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(bytes).fill(index),
})

async function opened(fs: CrashFs, options: FsStorageOptions = {}, watch = new Watch()) {
  const clock = new HandClock()
  const storage = storageOver(fs, createRandom(1), options)
  const { logger, metrics } = watch
  await storage.open({ ...contextWith(clock), logger, metrics })
  return { storage, clock, watch, log: storage.group('g', ALGORITHM) }
}

/** Lets everything that waits for nothing but its turn happen. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

async function codeOf(write: Promise<void>): Promise<string> {
  return write.then(
    () => 'written',
    (error: unknown) => (isQuorateError(error) ? error.code : String(error)),
  )
}

/** Writes until a batch is refused; returns its index. */
async function fill(log: LogStorage, from: number): Promise<number> {
  for (let index = from; index < 1000; index++) {
    if ((await codeOf(log.write({ seq: index, append: [entry(index)] }))) === 'NO_SPACE')
      return index
  }
  throw new Error('the disk is never full')
}

describe('the reserve', () => {
  it('is made where there is room, outlives a restart, and is seen by its size', async () => {
    const fs = crashFs()
    const first = await opened(fs, { ballastBytes: 40_000 })
    await settled()
    expect(fs.readdir(DIRECTORY)).toContain('ballast')
    expect(first.watch.last('quorate_storage_ballast_bytes')).toBe(40_000)
    await first.storage.close()
    const free = fs.freeBytes
    const second = await opened(fs, { ballastBytes: 40_000 })
    expect(second.watch.last('quorate_storage_ballast_bytes')).toBe(40_000)
    await second.storage.close()
    expect(fs.freeBytes).toBe(free)
    expect(fs.openFiles).toBe(0)
  })

  it('is not made where it would take what must stay free', async () => {
    const fs = crashFs()
    fs.freeBytes = 200_000
    const { storage, watch } = await opened(fs, { ballastBytes: 80_000, lowWaterBytes: 100_000 })
    await settled()
    expect(fs.readdir(DIRECTORY)).not.toContain('ballast')
    expect(watch.last('quorate_storage_ballast_bytes')).toBe(0)
    await storage.close()
  })

  it('is given up for another segment when the disk is full, and made again when there is room', async () => {
    const fs = crashFs()
    const { storage, log, watch, clock } = await opened(fs, { ballastBytes: SEGMENT })
    await settled()
    fs.freeBytes = 0
    const refused = await fill(log, 1)
    // The segment in use, the one that was ready, and the one that the reserve made room for.
    expect(refused).toBeGreaterThan(2 * 7)
    expect(fs.readdir(DIRECTORY)).not.toContain('ballast')
    expect(watch.last('quorate_storage_ballast_bytes')).toBe(0)
    fs.freeBytes = 1e6
    await log.write({ seq: refused, append: [entry(refused)] })
    clock.fire()
    await settled()
    expect(watch.last('quorate_storage_ballast_bytes')).toBe(SEGMENT)
    await storage.close()
  })

  it('lets a snapshot be finished on a full disk', async () => {
    const fs = crashFs()
    const { storage, log } = await opened(fs, { ballastBytes: 600_000 })
    await log.write({ seq: 1, append: [entry(1)] })
    await settled()
    fs.freeBytes = 0
    const membership = {
      version: 1,
      voters: ['a'],
      learners: [],
      witnesses: [],
      outgoing: [],
      learnersNext: [],
    }
    const writer = await log.snapshotWriter({ index: 1, epoch: 1, membership }).catch(() => {
      fs.freeBytes = 100
      return log.snapshotWriter({ index: 1, epoch: 1, membership })
    })
    await writer.write(new Uint8Array(300_000).fill(7))
    const snapshot = await writer.finish()
    await log.write({ seq: 2, append: [], snapshot, compactTo: 1 })
    expect(snapshot.sizeBytes).toBe(300_000)
    await storage.close()
  })
})

describe('a disk that is nearly full', () => {
  it('says so below the mark, while writes, reads and votes go on', async () => {
    const fs = crashFs()
    const { storage, log, clock, watch } = await opened(fs, { lowWaterBytes: 50_000 })
    expect(storage.spaceLow).toBe(false)
    fs.freeBytes = 49_999
    await log.write({ seq: 1, append: [entry(1)] })
    clock.fire()
    expect(storage.spaceLow).toBe(true)
    expect(watch.last('quorate_storage_free_bytes')).toBe(49_999)
    expect(watch.lines.map(({ message }) => message)).toContain('the disk is nearly full')
    await log.write({ seq: 2, append: [], hardState: Uint8Array.of(1) })
    expect(await log.read({ first: 1, last: 1, bytesMax: 0 })).toEqual([entry(1)])
    fs.freeBytes = 1e6
    clock.fire()
    expect(storage.spaceLow).toBe(false)
    await storage.close()
  })
})

describe('a write that finds no room within a segment', () => {
  /** Lets writes fail until healed; other calls go on. */
  function full(fs: CrashFs, after: number): () => void {
    let seen = 0
    fs.hook = ({ name, path }) => {
      if (name === 'writev' && !path.endsWith('/meta') && ++seen > after)
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      return undefined
    }
    return () => void (fs.hook = undefined)
  }

  /** The first frame reaches the disk whole: it is valid, and void all the same. */
  function fullAfterOneFrame(fs: CrashFs): () => void {
    const heal = full(fs, 0)
    const hook = fs.hook!
    let first = true
    fs.hook = (call) => {
      if (!first || call.name !== 'writev') return hook(call)
      first = false
      return 48 + 32 + 1504
    }
    return heal
  }

  async function started(): Promise<{
    readonly fs: CrashFs
    readonly storage: FsStorage
    readonly log: LogStorage
    readonly clock: HandClock
  }> {
    const fs = crashFs()
    const { storage, log, clock } = await opened(fs)
    await log.write({ seq: 1, append: [entry(1)], hardState: Uint8Array.of(1) })
    await settled()
    return { fs, storage, log, clock }
  }

  it('is refused, with all that came after it, and nothing of it is there after a crash', async () => {
    const { fs, storage, log } = await started()
    const heal = fullAfterOneFrame(fs)
    const writes = [2, 3, 4].map((seq) => codeOf(log.write({ seq, append: [entry(seq)] })))
    await settled()
    heal()
    // Nobody is told before the log says that it ends before them.
    expect(await Promise.race([...writes, Promise.resolve('waits')])).toBe('waits')
    await storage.close()
    expect(await Promise.all(writes)).toEqual([
      'STORAGE_FAILED',
      'STORAGE_FAILED',
      'STORAGE_FAILED',
    ])
  })

  it('goes on in another segment as soon as there is room for one', async () => {
    const { fs, storage, log, clock } = await started()
    const heal = fullAfterOneFrame(fs)
    const writes = [2, 3].map((seq) => codeOf(log.write({ seq, append: [entry(seq)] })))
    await settled()
    expect(storage.spaceLow).toBe(true)
    heal()
    clock.fire()
    expect(await Promise.all(writes)).toEqual(['NO_SPACE', 'NO_SPACE'])
    const crashed = fs.afterCrash(fs.effects)
    const after = await opened(crashed)
    expect((await after.log.load()).lastIndex).toBe(1)
    await after.storage.close()
    expect(await codeOf(log.write({ seq: 3, append: [entry(3)] }))).toBe('NO_SPACE')
    await log.write({ seq: 2, append: [entry(2, 9)] })
    await log.write({ seq: 3, append: [entry(3, 9)] })
    await storage.close()
    const again = await opened(fs)
    const { tail, hardState } = await again.log.load()
    expect(tail).toEqual([entry(1), entry(2, 9), entry(3, 9)])
    expect(hardState).toEqual(Uint8Array.of(1))
    await again.storage.close()
  })

  it('does not keep a group from being closed', async () => {
    const { fs, storage, log } = await started()
    const heal = full(fs, 0)
    const write = codeOf(log.write({ seq: 2, append: [entry(2)] }))
    await log.close()
    heal()
    await storage.close()
    expect(await write).toBe('STORAGE_FAILED')
  })

  it('refuses a write that is larger than the ring as well', async () => {
    const fs = crashFs()
    const { storage, log, clock } = await opened(fs, { ringBytes: 4096, segmentBytes: 65_536 })
    await log.write({ seq: 1, append: [entry(1)] })
    const heal = full(fs, 0)
    const write = codeOf(log.write({ seq: 2, append: [entry(2, 9000)] }))
    await settled()
    heal()
    clock.fire()
    expect(await write).toBe('NO_SPACE')
    await log.write({ seq: 2, append: [entry(2, 9000)] })
    expect(await log.read({ first: 2, last: 2, bytesMax: 0 })).toEqual([entry(2, 9000)])
    await storage.close()
  })

  it('holds a vote back until its second place has room', async () => {
    const { fs, storage, log, clock } = await started()
    fs.hook = ({ name, path }) => {
      if (name === 'writev' && path.endsWith('/meta'))
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      return undefined
    }
    let done = false
    const vote = log.write({ seq: 2, append: [], hardState: Uint8Array.of(2) })
    const seen = vote.then(() => void (done = true))
    await settled()
    expect(done).toBe(false)
    fs.hook = undefined
    clock.fire()
    await seen
    await storage.close()
    const again = await opened(fs)
    expect((await again.log.load()).hardState).toEqual(Uint8Array.of(2))
    await again.storage.close()
  })
})
