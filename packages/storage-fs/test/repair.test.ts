// Entries that the disk has lost, where peers are to replace them: told at the start, told again when
// the last one is replaced, and no damage to anybody after that.
import { createRandom } from '@quorate/core'
import type { Entry } from '@quorate/core'
import { expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { verifyStoreOn } from '../src/inspect.ts'
import type { FsStorageOptions } from '../src/options.ts'
import { HandClock, contextWith, recovered, storageOver } from './fs/crash-run.ts'
import { Watch } from './fs/watch.ts'

const ALGORITHM = { name: 'test', format: 1 }
const entry = (index: number, epoch = 1): Entry => ({
  index,
  epoch,
  kind: 'command',
  payload: new Uint8Array(200).fill(index),
})

async function opened(fs: CrashFs, options: FsStorageOptions) {
  const watch = new Watch()
  const storage = storageOver(fs, createRandom(1), options)
  const context = contextWith(new HandClock())
  await storage.open({ ...context, logger: watch.logger, metrics: watch.metrics })
  return { storage, watch }
}

/** A store of which entries 4 and 6 cannot be read. */
async function damagedStore(): Promise<CrashFs> {
  const fs = crashFs()
  const { storage } = await opened(fs, {})
  const log = storage.group('g', ALGORITHM)
  for (let index = 1; index <= 9; index++) await log.write({ seq: index, append: [entry(index)] })
  await storage.close()
  const positions = recovered(fs, ({ groups }) => {
    const [image] = groups.byNumber.values()
    return [4, 6].map((index) => image!.table.position(index))
  })
  const file = fs.open('/data/log/0000000001.seg', 'r+')
  for (const position of positions) file.writev([Uint8Array.of(0xff)], 4096 + position + 32 + 9)
  file.close()
  return fs.afterCrash(fs.effects)
}

const kinds = (fs: CrashFs) => verifyStoreOn(fs, '/data').findings.map(({ kind }) => kind)

it('tells what is lost at the start, and when the last of it has been replaced', async () => {
  const fs = await damagedStore()
  expect(kinds(fs)).toEqual(['damage', 'damage'])
  await expect(opened(fs, { onDamage: 'halt' })).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
  fs.endProcess()
  const { storage, watch } = await opened(fs, { onDamage: 'repair' })
  const faults = [
    { group: 'g', first: 4, last: 4 },
    { group: 'g', first: 6, last: 6 },
  ]
  expect(storage.faults).toEqual(faults)
  expect(watch.lines).toMatchObject([{ level: 'error', fields: { entries: 2, faults } }])
  const log = storage.group('g', ALGORITHM)
  expect((await log.load()).faulty).toEqual([
    { first: 4, last: 4 },
    { first: 6, last: 6 },
  ])
  await log.write({ seq: 1, truncateFrom: 6, append: [entry(6, 2)] })
  expect(watch.lines).toHaveLength(1)
  expect(watch.last('quorate_storage_faulty_entries')).toBe(2)
  await log.write({ seq: 2, truncateFrom: 4, append: [entry(4, 2), entry(5, 2)] })
  expect(watch.lines.slice(1)).toMatchObject([
    {
      level: 'warn',
      message: 'entries that were damaged have been replaced',
      fields: { group: 'g' },
    },
  ])
  expect(watch.last('quorate_storage_faulty_entries')).toBe(0)
  expect(storage.faults).toEqual([])
  await storage.close()
  // The bytes are still there, and nobody needs them: a start does not mind.
  expect(kinds(fs)).toEqual(['replaced', 'replaced'])
  const again = await opened(fs, { onDamage: 'halt' })
  expect(again.watch.lines).toEqual([])
  await again.storage.close()
})

it('names no more places in one line of the log than a person can read', async () => {
  const fs = crashFs()
  const { storage } = await opened(fs, { segmentBytes: 65_536 })
  const log = storage.group('g', ALGORITHM)
  for (let index = 1; index <= 99; index++) await log.write({ seq: index, append: [entry(index)] })
  await storage.close()
  const positions = recovered(fs, ({ groups }) => {
    const [image] = groups.byNumber.values()
    return Array.from({ length: 49 }, (_, at) => image!.table.position(2 * at + 1))
  })
  const file = fs.open('/data/log/0000000001.seg', 'r+')
  for (const position of positions) file.writev([Uint8Array.of(0xff)], 4096 + position + 32 + 9)
  file.close()
  fs.endProcess()
  const { storage: again, watch } = await opened(fs, { onDamage: 'repair' })
  expect(watch.lines[0]?.fields['entries']).toBe(49)
  expect(watch.lines[0]?.fields['faults']).toHaveLength(16)
  await again.close()
})
