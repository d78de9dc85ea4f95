// A store knows itself and counts its starts, so that peers can tell a replaced disk and an older
// copy of a disk from the one that they have known.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isId, noMetrics, silentLogger, systemClock } from '@quorate/core'
import type { StorageIdentity } from '@quorate/core'
import { afterEach, describe, expect, it } from 'vitest'
import { fsStorage } from '@quorate/storage-fs'
import type { FsStorage } from '@quorate/storage-fs'
import { encodeMetaSlot, META_SLOT_BYTES, readMeta } from '../src/meta-file.ts'
import { nodeFs } from '../src/node-fs.ts'

const context = {
  cluster: 'c',
  host: 'a',
  clock: systemClock(),
  logger: silentLogger,
  metrics: noMetrics,
}
const directories: string[] = []
const running: FsStorage[] = []

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'quorate-identity-'))
  directories.push(made)
  return made
}

async function open(path: string): Promise<FsStorage> {
  const storage = fsStorage(path, { segmentBytes: 65_536 })
  running.push(storage)
  await storage.open(context)
  return storage
}

async function startOnce(path: string): Promise<StorageIdentity> {
  const storage = await open(path)
  const identity = storage.identity()
  await storage.close()
  return identity
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((storage) => storage.close()))
  for (const made of directories.splice(0)) rmSync(made, { recursive: true, force: true })
})

describe('the identity of a store', () => {
  it('is a name that stays and a count that grows with every start', async () => {
    const path = directory()
    const starts = [await startOnce(path), await startOnce(path), await startOnce(path)]
    expect(starts.map(({ epoch }) => epoch)).toEqual([1, 2, 3])
    const store = starts[0]?.store as string
    expect(isId(store)).toBe(true)
    expect(starts.every((start) => start.store === store)).toBe(true)
  })

  it('is another one in another directory', async () => {
    const a = await startOnce(directory())
    const b = await startOnce(directory())
    expect(b.store).not.toBe(a.store)
    expect(b.epoch).toBe(1)
  })

  it('is counted durably before open resolves: a crash right after it does not repeat the count', async () => {
    const path = directory()
    await startOnce(path)
    const running = await open(path)
    expect(running.identity().epoch).toBe(2)
    // What a crash at this moment would leave.
    const left = directory()
    cpSync(path, left, { recursive: true })
    const after = await startOnce(left)
    expect(after).toEqual({ store: running.identity().store, epoch: 3 })
  })

  it('shows an older copy by a count that was there before', async () => {
    const path = directory()
    await startOnce(path)
    const copy = directory()
    cpSync(path, copy, { recursive: true })
    await startOnce(path)
    const current = await startOnce(path)
    const restored = await startOnce(copy)
    expect(restored.store).toBe(current.store)
    expect(restored.epoch).toBeLessThan(current.epoch)
  })

  it('is told by an open store only', async () => {
    const path = directory()
    const storage = await open(path)
    await storage.close()
    expect(() => storage.identity()).toThrow('closed')
  })
})

describe('the count in the two-slot file', () => {
  it('starts at 0 where a store was last written before starts were counted', () => {
    const store = new Uint8Array(16).fill(7)
    const hardStates = [{ group: 1, position: 4_096, bytes: Uint8Array.of(1, 2, 3) }]
    const slot = encodeMetaSlot({ store, seq: 2, durable: 9, hardStates, starts: 0 })
    expect(slot.bytes.length).toBe(META_SLOT_BYTES)
    const path = join(directory(), 'meta')
    const file = nodeFs.open(path, 'wx+')
    file.writev([slot.bytes, new Uint8Array(META_SLOT_BYTES)], 0)
    expect(readMeta(file)).toEqual({ store, seq: 2, durable: 9, hardStates, starts: 0 })
    file.close()
  })

  it('finds room behind as many hard states as fit', () => {
    const hardStates = Array.from({ length: 400 }, (_, group) => ({
      group,
      position: Number.MAX_SAFE_INTEGER,
      bytes: new Uint8Array(group % 7),
    }))
    const slot = { store: new Uint8Array(16), seq: 1, durable: 1, hardStates, starts: 77 }
    const { bytes, position } = encodeMetaSlot(slot)
    const file = nodeFs.open(join(directory(), 'meta'), 'wx+')
    file.writev([new Uint8Array(META_SLOT_BYTES)], 0)
    file.writev([bytes], position)
    expect(readMeta(file)?.starts).toBe(77)
    file.close()
  })
})
