// What becomes of old segments and old snapshots: groups that lag are rewritten, those that were
// dropped stay away, and of two snapshots the sound one is used, loudly.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Entry, LogStorage, SnapshotMeta } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { HandClock, contextWith, storageOver } from './fs/crash-run.ts'
import { Watch } from './fs/watch.ts'

const ALGORITHM = { name: 'test', format: 1 }
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}
const entry = (index: number, bytes = 900): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(bytes).fill(index),
})

async function opened(fs: CrashFs, watch = new Watch()) {
  const storage = storageOver(fs, createRandom(1))
  const { logger, metrics } = watch
  await storage.open({ ...contextWith(new HandClock()), logger, metrics })
  return storage
}

async function snapshotAt(log: LogStorage, index: number): Promise<SnapshotMeta> {
  const writer = await log.snapshotWriter({ index, epoch: 1, membership: MEMBERSHIP })
  await writer.write(new Uint8Array(5000).fill(index))
  return writer.finish()
}

const segments = (fs: CrashFs): number[] =>
  fs
    .readdir('/data/log')
    .filter((name) => name.endsWith('.seg'))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b)

describe('collection', () => {
  /** One group writes and compacts; two wrote a little or only voted long ago; one is dropped. */
  async function run(fs: CrashFs, onDropped: () => void = () => {}): Promise<void> {
    const storage = await opened(fs)
    const [busy, idle, gone, vote] = ['busy', 'idle', 'gone', 'vote'].map((id) =>
      storage.group(id, ALGORITHM),
    )
    await vote!.write({ seq: 1, append: [], hardState: Uint8Array.of(43) })
    await idle!.write({ seq: 1, append: [1, 2, 3].map((index) => entry(index, 100)) })
    await idle!.write({ seq: 2, append: [], hardState: Uint8Array.of(42) })
    await gone!.write({ seq: 1, append: [entry(1), entry(2)], hardState: Uint8Array.of(7) })
    await gone!.close()
    await storage.drop('gone')
    onDropped()
    let seq = 0
    for (let index = 1; index <= 150; index++) {
      await busy!.write({ seq: ++seq, append: [entry(index)] })
      if (index % 15 !== 0) continue
      const snapshot = await snapshotAt(busy!, index - 3)
      await busy!.write({ seq: ++seq, append: [], snapshot, compactTo: index - 3 })
    }
    await storage.close()
  }

  async function check(fs: CrashFs): Promise<void> {
    const storage = await opened(fs)
    const ids = storage.groups().map(({ id }) => id)
    expect(ids.filter((id) => id !== 'busy')).toEqual(['idle', 'vote'])
    expect((await storage.group('vote', ALGORITHM).load()).hardState).toEqual(Uint8Array.of(43))
    const { tail, hardState } = await storage.group('idle', ALGORITHM).load()
    expect(tail).toEqual([1, 2, 3].map((index) => entry(index, 100)))
    expect(hardState).toEqual(Uint8Array.of(42))
    // A group of the same name is a new one.
    const again = await storage.group('gone', ALGORITHM).load()
    expect([again.lastIndex, again.hardState]).toEqual([0, undefined])
    await storage.close()
  }

  it('rewrites what lags, and gives the segments back', async () => {
    const fs = crashFs()
    await run(fs)
    const left = segments(fs)
    expect(left[0]).toBeGreaterThan(5)
    expect(left.length).toBeLessThan(6)
    await check(fs)
  })

  it('keeps what lags and brings nothing back, whenever the power goes', async () => {
    const fs = crashFs()
    const states: CrashFs[] = []
    await run(fs, () => {
      fs.hook = ({ name }) => {
        if (!['syncDir', 'unlink', 'datasync'].includes(name)) return
        // All that is not durable is gone, or the first half of it is not.
        const half = (states.length % 2) * (fs.effects.length >> 1)
        states.push(fs.afterCrash(fs.effects.slice(0, half)))
      }
    })
    fs.hook = undefined
    expect(states.length).toBeGreaterThan(200)
    for (const state of states) await check(state)
  })
})

describe('snapshots', () => {
  const path = (fs: CrashFs, id: string): string =>
    `/data/snapshots/${fs.readdir('/data/snapshots').find((name) => name.includes(id))}`

  async function withTwo(): Promise<{
    readonly fs: CrashFs
    readonly older: SnapshotMeta
    readonly newer: SnapshotMeta
  }> {
    const fs = crashFs()
    const storage = await opened(fs)
    const log = storage.group('g', ALGORITHM)
    await log.write({ seq: 1, append: Array.from({ length: 12 }, (_, at) => entry(at + 1, 50)) })
    const oldest = await snapshotAt(log, 2)
    await log.write({ seq: 2, append: [], snapshot: oldest, compactTo: 2 })
    const older = await snapshotAt(log, 5)
    await log.write({ seq: 3, append: [], snapshot: older, compactTo: 5 })
    const newer = await snapshotAt(log, 10)
    await log.write({ seq: 4, append: [], snapshot: newer, compactTo: 10 })
    await storage.close()
    return { fs: fs.afterCrash(fs.effects), older, newer }
  }

  function flip(fs: CrashFs, file: string, at: number): void {
    const open = fs.open(file, 'r+')
    const byte = new Uint8Array(1)
    open.read(byte, at)
    open.writev([Uint8Array.of(byte[0]! ^ 16)], at)
    open.close()
  }

  it('are kept in twos', async () => {
    const { fs, older, newer } = await withTwo()
    const names = fs.readdir('/data/snapshots').join()
    expect([names.includes(older.id), names.includes(newer.id)]).toEqual([true, true])
    expect(fs.readdir('/data/snapshots')).toHaveLength(2)
  })

  it('fall back to the older one with its log, wherever the newest is damaged, and say so', async () => {
    const { fs: sound, older, newer } = await withTwo()
    const file = sound.open(path(sound, newer.id), 'r')
    const size = file.size()
    file.close()
    for (let at = 0; at < size; at += at < 80 || at > size - 150 ? 1 : 97) {
      const fs = sound.afterCrash([])
      flip(fs, path(fs, newer.id), at)
      const watch = new Watch()
      const storage = await opened(fs, watch)
      expect(storage.fallbacks, `byte ${at}`).toMatchObject([
        { group: 'g', damaged: newer.id, used: older.id },
      ])
      expect(watch.lines).toMatchObject([
        { level: 'error', message: 'a snapshot is damaged, the one before it is used' },
      ])
      const log = storage.group('g', ALGORITHM)
      const { snapshot, firstIndex, lastIndex, tail } = await log.load()
      expect([snapshot?.id, firstIndex, lastIndex]).toEqual([older.id, 6, 12])
      expect(tail.map(({ index }) => index)).toEqual([6, 7, 8, 9, 10, 11, 12])
      let bytes = 0
      for await (const chunk of log.readSnapshot(older.id)) bytes += chunk.length
      expect(bytes).toBe(5000)
      await storage.close()
      expect(fs.readdir('/data/snapshots').some((name) => name.endsWith('.corrupt'))).toBe(true)
      // The next start finds it settled.
      const again = await opened(fs)
      expect(again.fallbacks).toEqual([])
      expect((await again.group('g', ALGORITHM).load()).snapshot?.id).toBe(older.id)
      await again.close()
    }
  })

  it('refuse to open rather than start empty, where both are damaged', async () => {
    const { fs, older, newer } = await withTwo()
    flip(fs, path(fs, newer.id), 1000)
    flip(fs, path(fs, older.id), 1000)
    const code = await opened(fs).then(
      () => 'opened',
      (error: unknown) => (isQuorateError(error) ? error.code : String(error)),
    )
    expect(code).toBe('STORAGE_CORRUPT')
    expect(fs.readdir('/data/snapshots')).toHaveLength(2)
    expect(fs.openFiles).toBe(0)
  })
})
