// The whole storage on the system's file system: what was acknowledged is there after a start.
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { membershipOf, noMetrics, silentLogger, systemClock } from '@quorate/core'
import type { Entry, StorageContext } from '@quorate/core'
import { afterEach, describe, expect, it } from 'vitest'
import { fsStorage } from '@quorate/storage-fs'

const context: StorageContext = {
  cluster: 'c',
  host: 'a',
  clock: systemClock(),
  logger: silentLogger,
  metrics: noMetrics,
}
const algorithm = { name: 'raft', format: 1 }
const entry = (index: number, bytes = 100): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(bytes).fill(index),
})

const directories: string[] = []
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'quorate-fs-'))
  directories.push(made)
  return made
}
afterEach(() => {
  for (const made of directories.splice(0)) rmSync(made, { recursive: true, force: true })
})

describe('what stands in the place of a file of the store', () => {
  const names = ['log/0000000001.seg', 'meta']

  async function madeStore(): Promise<string> {
    const path = directory()
    const storage = fsStorage(path, { segmentBytes: 65_536, ballastBytes: 0 })
    await storage.open(context)
    await storage.group('g', algorithm).write({ seq: 1, append: [entry(1)] })
    await storage.close()
    return path
  }

  it.each(names)('is refused, and not waited for: %s', async (name) => {
    for (const put of ['a link', 'a pipe', 'a directory']) {
      const path = await madeStore()
      const file = join(path, name)
      renameSync(file, join(path, 'elsewhere'))
      if (put === 'a link') symlinkSync(join(path, 'elsewhere'), file)
      else if (put === 'a directory') mkdirSync(file)
      else execFileSync('mkfifo', [file])
      const code = await fsStorage(path)
        .open(context)
        .then(
          () => 'opened',
          (error: unknown) => (error as { code?: string }).code,
        )
      expect([put, code]).toEqual([put, 'STORAGE_FAILED'])
    }
  })

  it('is this user’s alone', async () => {
    const path = await madeStore()
    const modes = readdirSync(path, { recursive: true }).map((name) => {
      const { mode } = statSync(join(path, String(name)))
      return mode & 0o777
    })
    expect(new Set(modes)).toEqual(new Set([0o600, 0o700]))
  })
})

describe('fsStorage', () => {
  it('keeps what was written over a close and over many segments', async () => {
    const path = directory()
    const first = fsStorage(path, { segmentBytes: 65_536 })
    await first.open(context)
    expect(first.recovery?.tail).toBe('new')
    const log = first.group('g', algorithm)
    const writes: Promise<void>[] = []
    for (let index = 1; index <= 3000; index++) {
      writes.push(
        log.write({
          seq: index,
          append: [entry(index)],
          hardState: index % 500 === 0 ? Uint8Array.of(index / 500) : undefined,
        }),
      )
    }
    await Promise.all(writes)
    expect((await log.read({ first: 1, last: 3000, bytesMax: 1e9 })).length).toBe(3000)
    await first.close()
    const second = fsStorage(path, { segmentBytes: 65_536 })
    await second.open(context)
    expect(second.recovery?.tail).toBe('closed')
    expect(second.groups()).toEqual([{ id: 'g', algorithm }])
    const state = await second.group('g', algorithm).load()
    expect(state.hardState).toEqual(Uint8Array.of(6))
    expect(state.tail).toEqual(Array.from({ length: 3000 }, (_, at) => entry(at + 1)))
    await second.close()
  })

  it('gives segments back, over and over', async () => {
    const path = directory()
    const options = { segmentBytes: 65_536, ballastBytes: 0 }
    const storage = fsStorage(path, options)
    await storage.open(context)
    const log = storage.group('g', algorithm)
    const membership = membershipOf({ voters: ['a'] })
    let seq = 0
    for (let index = 1; index <= 1200; index++) {
      await log.write({ seq: ++seq, append: [entry(index, 1000)] })
      if (index % 40 !== 0) continue
      const writer = await log.snapshotWriter({ index, epoch: 1, membership })
      await log.write({ seq: ++seq, append: [], snapshot: await writer.finish(), compactTo: index })
    }
    const names = readdirSync(join(path, 'log')).filter((name) => name.endsWith('.seg'))
    expect(names.length).toBeLessThan(8)
    await storage.close()
    const again = fsStorage(path, options)
    await again.open(context)
    expect((await again.group('g', algorithm).load()).lastIndex).toBe(1200)
    await again.close()
  })

  it('lets one storage use a directory at a time', async () => {
    const path = directory()
    const first = fsStorage(path)
    await first.open(context)
    const second = fsStorage(path)
    await expect(second.open(context)).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
    await second.close()
    await first.close()
    const third = fsStorage(path)
    await third.open(context)
    await third.close()
  })
})
