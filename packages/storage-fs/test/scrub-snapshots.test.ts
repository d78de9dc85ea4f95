// Snapshots are read again in the background too: one that rots is told, with the way out, and the one
// before stands in for it until there is another, whatever crashes meanwhile.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Entry, LogStorage, SnapshotMeta } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs, FsCall } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { verifyStoreOn } from '../src/inspect.ts'
import type { FsStorageOptions } from '../src/options.ts'
import { contextWith, storageOver } from './fs/crash-run.ts'
import { forEachCrashState } from './fs/crash-states.ts'
import { SteppedClock } from './fs/stepped-clock.ts'
import { Watch } from './fs/watch.ts'

const ALGORITHM = { name: 'test', format: 1 }
const RATE = 65_536
/** Long enough for everything to be read again. */
const ROUND_MS = 120_000
const SNAPSHOT_BYTES = 300_000
const FOLDER = '/data/snapshots'
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}
const entry = (index: number): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(200).fill(index),
})

async function snapshotAt(log: LogStorage, index: number): Promise<SnapshotMeta> {
  const writer = await log.snapshotWriter({ index, epoch: 1, membership: MEMBERSHIP })
  await writer.write(new Uint8Array(SNAPSHOT_BYTES).fill(index))
  return writer.finish()
}

async function opened(fs: CrashFs, options: FsStorageOptions = {}) {
  const clock = new SteppedClock()
  const watch = new Watch()
  const storage = storageOver(fs, createRandom(1), { scrubBytesPerSecond: RATE, ...options })
  await storage.open({ ...contextWith(clock), logger: watch.logger, metrics: watch.metrics })
  return { fs, clock, watch, storage }
}

/** A group of forty entries with two snapshots, or one, in use. */
async function inUse(snapshots: 1 | 2 = 2, options: FsStorageOptions = {}) {
  const open = await opened(crashFs(), options)
  const log = open.storage.group('g', ALGORITHM)
  await log.write({ seq: 1, append: Array.from({ length: 40 }, (_, at) => entry(at + 1)) })
  const older = await snapshotAt(log, 10)
  await log.write({ seq: 2, append: [], snapshot: older, compactTo: 10 })
  const newer = snapshots === 2 ? await snapshotAt(log, 20) : older
  if (snapshots === 2) await log.write({ seq: 3, append: [], snapshot: newer, compactTo: 20 })
  return { ...open, log, older, newer, seq: snapshots === 2 ? 4 : 3 }
}

function fileOf(fs: CrashFs, { id }: SnapshotMeta): string {
  return `${FOLDER}/${fs.readdir(FOLDER).find((name) => name.endsWith(`.${id}.snap`))}`
}

function flip(fs: CrashFs, meta: SnapshotMeta, at: number): void {
  const file = fs.open(fileOf(fs, meta), 'r+')
  const byte = new Uint8Array(1)
  const position = at < 0 ? file.size() + at : at
  file.read(byte, position)
  file.writev([Uint8Array.of(byte[0]! ^ 16)], position)
  file.sync()
  file.close()
}

/** What a start makes of the directory: the snapshot in force, and the entries after it. */
async function started(fs: CrashFs): Promise<string> {
  fs.endProcess()
  const { storage } = await opened(fs, { scrubBytesPerSecond: 0 })
  const log = storage.group('g', ALGORITHM)
  const { snapshot, firstIndex, lastIndex } = await log.load()
  let bytes = 0
  if (snapshot !== undefined)
    for await (const chunk of log.readSnapshot(snapshot.id)) bytes += chunk.length
  expect(bytes).toBe(SNAPSHOT_BYTES)
  const { length } = await log.read({ first: firstIndex, last: lastIndex, bytesMax: 1e9 })
  await storage.close()
  return `${snapshot?.index} and ${length} entries from ${firstIndex}`
}

const errors = (watch: Watch) => watch.lines.filter(({ level }) => level === 'error')

describe('verifyStore', () => {
  it('checks both snapshots of a group, and says what a start makes of each', async () => {
    const { fs, storage, log, older, newer } = await inUse()
    await log.close()
    await storage.close()
    const messages = (state: CrashFs) =>
      verifyStoreOn(state, '/data').findings.map(({ message }) => message)
    expect(messages(fs)).toEqual([])
    for (const [meta, said] of [
      [newer, 'the one before is used if it is sound'],
      [older, 'it is kept in case the newest proves bad'],
    ] as const) {
      const state = fs.afterCrash([])
      flip(state, meta, 5000)
      expect(messages(state)).toEqual([expect.stringContaining(`chunk 0 is damaged; ${said}`)])
    }
  })
})

describe('the scrubber', () => {
  it('reads snapshots again and again, at the same pace as the log', async () => {
    const { clock, watch, storage, log, fs } = await inUse()
    await clock.pass(ROUND_MS)
    const read = watch.sum('quorate_storage_scrubbed_bytes_total')
    expect(read).toBeGreaterThan(4 * 2 * SNAPSHOT_BYTES)
    expect(read).toBeLessThanOrEqual((ROUND_MS / 1000) * RATE)
    expect(errors(watch)).toEqual([])
    expect(storage.damagedSnapshots).toEqual([])
    await log.close()
    await storage.close()
    expect([clock.pending, fs.openFiles]).toEqual([0, 0])
  })

  it.each([
    ['header', 9],
    ['first chunk', 70],
    ['last chunk', 290_000],
    ['footer', -14],
  ])('sets a newest snapshot aside whose %s is damaged, and tells it once', async (_, at) => {
    const { fs, clock, watch, storage, log, older, newer, seq } = await inUse()
    flip(fs, newer, at)
    await clock.pass(2 * ROUND_MS)
    const told = { group: 'g', damaged: newer.id, used: older.id }
    expect(storage.damagedSnapshots).toMatchObject([told])
    expect(errors(watch)).toMatchObject([
      {
        message:
          'a snapshot is damaged: until its group takes another, a start uses the one before it',
        fields: told,
      },
    ])
    expect(watch.sum('quorate_storage_damage_total')).toBe(1)
    expect(watch.last('quorate_storage_faulty_snapshots')).toBe(1)
    expect(fs.readdir(FOLDER).filter((name) => name.endsWith('.corrupt'))).toHaveLength(1)
    // Everything else goes on, and a start has what the older one needs.
    await log.write({ seq, append: [entry(41)] })
    expect(await started(fs.afterCrash(fs.effects))).toBe('10 and 31 entries from 11')
    await storage.close()
    expect(fs.openFiles).toBe(0)
  })

  it('keeps the older one until there is another, and does not take the damaged one for a spare', async () => {
    const { fs, clock, watch, storage, log, newer, seq } = await inUse()
    flip(fs, newer, 5000)
    await clock.pass(ROUND_MS)
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [entry(41)], snapshot: next, compactTo: 30 })
    expect(storage.damagedSnapshots).toEqual([])
    expect(watch.last('quorate_storage_faulty_snapshots')).toBe(0)
    // Each after a start, too: what was noted in the log counts there as it did here.
    for (const at of [undefined, 5000]) {
      const state = fs.afterCrash(fs.effects)
      if (at !== undefined) flip(state, next, at)
      const expected = at === undefined ? '30 and 11 entries from 31' : '10 and 31 entries from 11'
      expect(await started(state)).toBe(expected)
      expect(await started(state)).toBe(expected)
    }
    await storage.close()
  })

  it('gives up a damaged spare, and the next snapshot has a sound one again', async () => {
    const { fs, clock, watch, storage, log, older, newer, seq } = await inUse()
    flip(fs, older, 5000)
    await clock.pass(2 * ROUND_MS)
    expect(storage.damagedSnapshots).toEqual([])
    expect(errors(watch)).toMatchObject([{ fields: { group: 'g', damaged: older.id } }])
    expect(errors(watch)[0]?.message).toContain('the newest is sound as far as is known')
    expect(await started(fs.afterCrash(fs.effects))).toBe('20 and 20 entries from 21')
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [], snapshot: next, compactTo: 30 })
    const state = fs.afterCrash(fs.effects)
    flip(state, next, 5000)
    expect(await started(state)).toBe('20 and 20 entries from 21')
    await storage.close()
    expect(fs.readdir(FOLDER).join()).toContain(newer.id)
  })

  it('says that nothing stands in for the only one, and leaves it for a person to look at', async () => {
    const { fs, clock, watch, storage, log, newer, seq } = await inUse(1)
    flip(fs, newer, 5000)
    await clock.pass(2 * ROUND_MS)
    expect(storage.damagedSnapshots).toMatchObject([
      { group: 'g', damaged: newer.id, used: undefined },
    ])
    expect(errors(watch)).toHaveLength(1)
    expect(errors(watch)[0]?.message).toContain('cannot start again before its group has taken')
    expect(fs.readdir(FOLDER)).toEqual([expect.stringContaining(`${newer.id}.snap`)])
    expect(fileOf(fs, newer)).toMatch(/\.snap$/)
    const refused = await started(fs.afterCrash(fs.effects)).catch((error: unknown) => error)
    expect(isQuorateError(refused, 'STORAGE_CORRUPT')).toBe(true)
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [], snapshot: next, compactTo: 30 })
    expect(storage.damagedSnapshots).toEqual([])
    expect(await started(fs.afterCrash(fs.effects))).toBe('30 and 10 entries from 31')
    await storage.close()
  })

  it.each([
    ['open', 'ENOENT', 'damaged', 1],
    ['read', 'EIO', 'damaged', 1],
    ['open', 'EMFILE', 'not there to be judged now', 0],
  ] as const)('takes one whose %s fails with %s for %s', async (name, code, _, damaged) => {
    const { fs, clock, storage, newer } = await inUse()
    const path = fileOf(fs, newer)
    fs.hook = (call: FsCall) => {
      if (call.name === name && call.path === path) throw Object.assign(new Error(code), { code })
    }
    await clock.pass(ROUND_MS)
    fs.hook = undefined
    expect(storage.damagedSnapshots).toHaveLength(damaged)
    await storage.close()
  })

  it('says nothing of what is replaced or dropped while it is read', async () => {
    const { fs, clock, watch, storage, log, older, seq } = await inUse()
    flip(fs, older, 299_000)
    // The first chunk of it has been read.
    await clock.pass(7_000)
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [], snapshot: next, compactTo: 30 })
    flip(fs, next, 5000)
    await log.close()
    await storage.drop('g')
    await clock.pass(ROUND_MS)
    expect(errors(watch)).toEqual([])
    expect(storage.damagedSnapshots).toEqual([])
    await storage.close()
    expect(fs.openFiles).toBe(0)
  })

  it('leaves a store that starts, whatever crashes while a snapshot is set aside', async () => {
    for (const which of ['newer', 'older'] as const) {
      const use = await inUse()
      const { fs, clock, storage } = use
      flip(fs, use[which], 5000)
      const states: CrashFs[] = []
      fs.hook = ({ name }: FsCall) => {
        if (!['sync', 'datasync', 'syncDir'].includes(name)) return
        forEachCrashState(fs, createRandom(7), 12, (state) => void states.push(state))
      }
      await clock.pass(ROUND_MS)
      fs.hook = undefined
      expect(states.length).toBeGreaterThan(8)
      for (const state of states) {
        const expected = which === 'newer' ? /^10 and 30 entries/ : /^20 and 20 entries/
        expect(await started(state)).toMatch(expected)
        expect(await started(state)).toMatch(expected)
      }
      await storage.close()
    }
  })

  it('comes back to it where the disk was too full to note it', async () => {
    const { fs, clock, watch, storage, log, newer, seq } = await inUse()
    flip(fs, newer, 5000)
    const { freeBytes } = fs
    fs.hook = ({ name, path }: FsCall) => {
      if (name === 'writev' && path.startsWith('/data/log'))
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    }
    fs.freeBytes = 0
    await clock.pass(ROUND_MS)
    fs.hook = undefined
    fs.freeBytes = freeBytes
    await clock.pass(2 * ROUND_MS)
    expect(watch.lines.map(({ message }) => message)).toContain(
      'a damaged snapshot could not be set aside',
    )
    expect(watch.sum('quorate_storage_damage_total')).toBe(1)
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [], snapshot: next, compactTo: 30 })
    const state = fs.afterCrash(fs.effects)
    flip(state, next, 5000)
    expect(await started(state)).toBe('10 and 30 entries from 11')
    await storage.close()
  })

  it('is remembered where the segment that said so is collected', async () => {
    const { fs, clock, storage, log, newer, seq } = await inUse(2, { segmentBytes: 32_768 })
    flip(fs, newer, 5000)
    await clock.pass(ROUND_MS)
    const busy = storage.group('busy', ALGORITHM)
    for (let index = 1; index <= 1000; index++) {
      const compactTo = index % 50 === 0 ? index - 1 : undefined
      if (compactTo === undefined) await busy.write({ seq: index, append: [entry(index)] })
      else {
        const writer = await busy.snapshotWriter({
          index: compactTo,
          epoch: 1,
          membership: MEMBERSHIP,
        })
        const snapshot = await writer.finish()
        await busy.write({ seq: index, append: [entry(index)], snapshot, compactTo })
      }
    }
    expect(fs.readdir('/data/log')).not.toContain('0000000001.seg')
    const next = await snapshotAt(log, 30)
    await log.write({ seq, append: [], snapshot: next, compactTo: 30 })
    const state = fs.afterCrash(fs.effects)
    flip(state, next, 5000)
    expect(await started(state)).toBe('10 and 30 entries from 11')
    await storage.close()
  })
})
