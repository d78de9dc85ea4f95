// Looking at a directory from outside: a store in order has no findings, a damaged one tells where,
// and a cut makes it open again.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noMetrics, silentLogger, systemClock } from '@quorate/core'
import type { StorageContext } from '@quorate/core'
import type { DumpedRecord } from '@quorate/storage-fs'
import { dumpStore, fsStorage, repairStore, verifyStore } from '@quorate/storage-fs'
import { afterEach, beforeEach, expect, it } from 'vitest'

const context: StorageContext = {
  cluster: 'c',
  host: 'a',
  clock: systemClock(),
  logger: silentLogger,
  metrics: noMetrics,
}
let directory: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-inspect-'))
  const storage = fsStorage(directory, { segmentBytes: 65_536 })
  await storage.open(context)
  const log = storage.group('g', { name: 'raft', format: 1 })
  for (let index = 1; index <= 9; index++) {
    const payload = new Uint8Array(100).fill(index)
    await log.write({ seq: index, append: [{ index, epoch: 1, kind: 'command', payload }] })
  }
  await storage.close()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function entries(): Promise<DumpedRecord[]> {
  const records: DumpedRecord[] = []
  await dumpStore(directory, (record) => records.push(record))
  return records.filter(({ type }) => type === 'entry')
}

it('leaves a store alone that a process uses', async () => {
  const storage = fsStorage(directory)
  await storage.open(context)
  await expect(verifyStore(directory)).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
  await storage.close()
})

it('finds nothing wrong with a store in order', async () => {
  const report = await verifyStore(directory)
  expect(report.findings).toEqual([])
  expect(report).toMatchObject({ cluster: 'c', host: 'a', segments: 1 })
  expect(report.groups).toEqual([{ id: 'g', firstIndex: 1, lastIndex: 9, snapshot: undefined }])
  expect((await entries()).map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

it('leaves nothing behind in a directory without a store', async () => {
  const empty = join(directory, 'empty')
  mkdirSync(empty)
  await expect(verifyStore(empty)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(readdirSync(empty)).toEqual([])
})

it('tells where a store is damaged, and cuts it there when told to', async () => {
  const [sixth] = (await entries()).filter(({ index }) => index === 6)
  const path = join(directory, 'log', '0000000001.seg')
  const bytes = readFileSync(path)
  bytes[4096 + sixth!.position + 40]! ^= 1
  writeFileSync(path, bytes)
  const { findings } = await verifyStore(directory)
  expect(findings).toMatchObject([{ kind: 'damage', position: sixth!.position }])
  const refused = fsStorage(directory)
  await expect(refused.open(context)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
  const report = await repairStore(directory, { truncateAt: sixth!.position })
  expect(report.kept).toEqual([`${path}.broken`])
  expect(readFileSync(`${path}.broken`).equals(bytes)).toBe(true)
  const storage = fsStorage(directory)
  await storage.open(context)
  const { lastIndex } = await storage.group('g', { name: 'raft', format: 1 }).load()
  expect(lastIndex).toBe(5)
  await storage.close()
})
