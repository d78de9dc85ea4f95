// Finished segments are read again, at the rate that was asked for; what the disk has lost is told as
// faulty, once, while everything else goes on.
import { createRandom } from '@quorate/core'
import type { Entry } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs, FsCall } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import type { FsStorageOptions } from '../src/options.ts'
import { contextWith, storageOver } from './fs/crash-run.ts'
import { SteppedClock } from './fs/stepped-clock.ts'
import { Watch } from './fs/watch.ts'

const ALGORITHM = { name: 'test', format: 1 }
const RATE = 65_536
const PAYLOAD = 1000
const entry = (index: number): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(PAYLOAD).fill(index),
})

async function filled(options: FsStorageOptions = {}) {
  const fs = crashFs()
  const clock = new SteppedClock()
  const watch = new Watch()
  const storage = storageOver(fs, createRandom(1), { scrubBytesPerSecond: RATE, ...options })
  await storage.open({ ...contextWith(clock), logger: watch.logger, metrics: watch.metrics })
  const log = storage.group('g', ALGORITHM)
  for (let index = 1; index <= 60; index++) await log.write({ seq: index, append: [entry(index)] })
  return { fs, clock, watch, storage, log }
}

/** Changes a byte of an entry's record, `at` bytes after its header's start. */
function damage(fs: CrashFs, index: number, at: number): void {
  for (const name of fs.readdir('/data/log').filter((file) => file.endsWith('.seg'))) {
    const file = fs.open(`/data/log/${name}`, 'r+')
    const bytes = new Uint8Array(file.size())
    file.read(bytes, 0)
    const payload = bytes.indexOf(index, 4096 + 48 + 32)
    let start = payload
    while (start >= 0 && !bytes.subarray(start, start + PAYLOAD).every((byte) => byte === index))
      start = bytes.indexOf(index, start + 1)
    if (start >= 0) file.writev([Uint8Array.of(bytes[start - 32 + at]! ^ 1)], start - 32 + at)
    file.close()
  }
}

describe('the scrubber', () => {
  it('reads finished segments again and again, as many bytes a second as it may', async () => {
    const { fs, clock, watch, storage } = await filled()
    const size = 16_384
    const finished = fs.readdir('/data/log').filter((name) => name.endsWith('.seg')).length - 1
    expect(finished).toBeGreaterThan(3)
    const seconds = 60
    await clock.pass(seconds * 1000)
    const read = watch.sum('quorate_storage_scrubbed_bytes_total')
    expect(read).toBeGreaterThan(2 * finished * (size / 2))
    expect(read).toBeLessThanOrEqual(seconds * RATE)
    expect(watch.sum('quorate_storage_damage_total')).toBe(0)
    expect(storage.faults).toEqual([])
    await storage.close()
    expect(clock.pending).toBe(0)
    expect(fs.openFiles).toBe(0)
  })

  it.each([
    ['the payload of an entry', 32 + 500],
    ['the header of its record', 16],
    ['the header of its frame', -48 + 8],
  ])('notices damage of %s, and tells it once', async (_, at) => {
    const { fs, clock, watch, storage, log } = await filled()
    damage(fs, 5, at)
    await clock.pass(120_000)
    expect(watch.sum('quorate_storage_damage_total')).toBe(1)
    const told = watch.lines.filter(({ level }) => level === 'error')
    expect(told).toMatchObject([{ message: 'the log is damaged', fields: { segment: 1 } }])
    // Without the frame's header the entry can still be read; at the next start it cannot.
    const lost = at > 0 ? [{ group: 'g', first: 5, last: 5 }] : []
    expect(storage.faults).toEqual(lost)
    expect(watch.last('quorate_storage_faulty_entries')).toBe(lost.length)
    const read = await log.read({ first: 1, last: 60, bytesMax: 1e9 })
    expect(read.length).toBe(at > 0 ? 4 : 60)
    await log.write({ seq: 61, append: [entry(61)] })
    await storage.close()
  })

  it('takes what cannot be read for damaged', async () => {
    const { fs, clock, watch, storage } = await filled()
    fs.hook = ({ name, path }: FsCall) => {
      if (name === 'read' && path.endsWith('0000000002.seg'))
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
      return undefined
    }
    await clock.pass(60_000)
    fs.hook = undefined
    expect(watch.sum('quorate_storage_damage_total')).toBe(1)
    expect(watch.lines.at(-1)).toMatchObject({ fields: { segment: 2 } })
    await storage.close()
  })

  it('is not disturbed by segments that go', async () => {
    const { fs, clock, watch, storage, log } = await filled()
    const membership = {
      version: 1,
      voters: ['a'],
      learners: [],
      witnesses: [],
      outgoing: [],
      learnersNext: [],
    }
    for (let index = 61; index <= 160; index++) {
      await log.write({ seq: index, append: [entry(index)] })
      if (index % 20 !== 0) continue
      const writer = await log.snapshotWriter({ index: index - 5, epoch: 1, membership })
      const snapshot = await writer.finish()
      await clock.pass(700)
      await log.write({ seq: ++index, append: [entry(index)], snapshot, compactTo: index - 6 })
    }
    await clock.pass(30_000)
    expect(fs.readdir('/data/log')).not.toContain('0000000001.seg')
    expect(watch.sum('quorate_storage_damage_total')).toBe(0)
    await storage.close()
    expect(fs.openFiles).toBe(0)
  })

  it('reads nothing where it is turned off', async () => {
    const { clock, watch, storage } = await filled({ scrubBytesPerSecond: 0 })
    await clock.pass(60_000)
    expect(watch.sum('quorate_storage_scrubbed_bytes_total')).toBe(0)
    await storage.close()
  })
})

describe('the metrics', () => {
  it('have these names, which dashboards rely on', async () => {
    const { watch, storage } = await filled()
    expect([...watch.kinds].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ['quorate_storage_ballast_bytes', 'gauge'],
      ['quorate_storage_damage_total', 'counter'],
      ['quorate_storage_faulty_entries', 'gauge'],
      ['quorate_storage_faulty_snapshots', 'gauge'],
      ['quorate_storage_free_bytes', 'gauge'],
      ['quorate_storage_scrubbed_bytes_total', 'counter'],
      ['quorate_storage_sync_seconds', 'histogram'],
      ['quorate_storage_sync_writes', 'histogram'],
      ['quorate_storage_written_bytes_total', 'counter'],
    ])
    expect(watch.sum('quorate_storage_sync_writes')).toBe(60)
    expect(watch.values.get('quorate_storage_sync_seconds')?.length).toBe(60)
    expect(watch.sum('quorate_storage_written_bytes_total')).toBeGreaterThan(60 * (PAYLOAD + 80))
    await storage.close()
  })
})
