// The simulated file system: what is there after a crash of the process, after the loss of power, and
// after a sync that failed.
import { describe, expect, it } from 'vitest'
import { createRandom } from '@quorate/core'
import type { CrashFs } from '../src/index.ts'
import { crashFs } from '../src/index.ts'

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

function content(fs: CrashFs, path: string): number[] | undefined {
  if (!fs.readdir('/').includes(path.slice(1))) return undefined
  const file = fs.open(path, 'r')
  const buffer = new Uint8Array(file.size())
  file.read(buffer, 0)
  file.close()
  return [...buffer]
}

/** A file system with one file of 1,024 ones, durable. */
function withFile(): CrashFs {
  const fs = crashFs()
  const file = fs.open('/a', 'wx+')
  file.writev([bytes(1_024, 1)], 0)
  file.sync()
  fs.syncDir('/')
  file.close()
  return fs
}

/** What is left of a change in many crashes. */
function outcomes(change: (fs: CrashFs) => void, look: (fs: CrashFs) => unknown): Set<string> {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const fs = withFile()
    change(fs)
    fs.losePower(createRandom(seed))
    seen.add(JSON.stringify(look(fs)))
  }
  return seen
}

describe('a simulated file system', () => {
  it('keeps everything when the process alone ends', async () => {
    const fs = withFile()
    await fs.lock('/lock')
    fs.open('/a', 'r+').writev([bytes(10, 2)], 0)
    fs.endProcess()
    expect(content(fs, '/a')?.slice(0, 11)).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1])
    expect(fs.openFiles).toBe(0)
    expect(await fs.lock('/lock')).toBeTypeOf('function')
    expect(await fs.lock('/lock')).toBeUndefined()
  })

  it('keeps what was synced when the power fails', () => {
    const synced = (fs: CrashFs): void => {
      const file = fs.open('/a', 'r+')
      file.writev([bytes(1_024, 2)], 0)
      file.datasync()
    }
    expect(outcomes(synced, (fs) => new Set(content(fs, '/a')).size)).toEqual(new Set(['1']))
  })

  it('keeps any sectors of what was not, each whole', () => {
    const write = (fs: CrashFs): void => void fs.open('/a', 'r+').writev([bytes(1_024, 2)], 0)
    const look = (fs: CrashFs): unknown => {
      const found = content(fs, '/a') ?? []
      return [0, 512].map((at) => [...new Set(found.slice(at, at + 512))])
    }
    const seen = outcomes(write, look)
    expect(seen).toEqual(new Set(['[[1],[1]]', '[[1],[2]]', '[[2],[1]]', '[[2],[2]]']))
  })

  it('may forget a name, or keep the old one, until the directory is synced', () => {
    const rename = (fs: CrashFs): void => fs.rename('/a', '/b')
    const names = (fs: CrashFs): unknown => [...fs.readdir('/')].sort()
    expect(outcomes(rename, names)).toEqual(new Set(['["a"]', '["b"]']))
    const durable = (fs: CrashFs): void => {
      fs.rename('/a', '/b')
      fs.syncDir('/')
    }
    expect(outcomes(durable, names)).toEqual(new Set(['["b"]']))
  })

  it('may keep a size without its data, which is then anything', () => {
    const grow = (fs: CrashFs): void => void fs.open('/a', 'r+').writev([bytes(512, 2)], 1_024)
    const look = (fs: CrashFs): unknown => {
      const tail = (content(fs, '/a') ?? []).slice(1_024)
      return tail.length === 0 ? 'short' : tail.every((byte) => byte === 2) ? 'data' : 'garbage'
    }
    expect(outcomes(grow, look)).toEqual(new Set(['"short"', '"data"', '"garbage"']))
  })

  it('reads well after a failed sync, and has lost it when the power fails', () => {
    const fs = withFile()
    const file = fs.open('/a', 'r+')
    file.writev([bytes(1_024, 2)], 0)
    fs.hook = ({ name }) => {
      if (name === 'datasync') throw new Error('EIO')
    }
    expect(() => file.datasync()).toThrow('EIO')
    fs.hook = undefined
    expect(content(fs, '/a')?.[0]).toBe(2)
    // What the system calls clean is written no more, however often it is synced.
    file.datasync()
    file.writev([bytes(1, 3)], 600)
    file.datasync()
    fs.losePower(createRandom(1))
    const left = content(fs, '/a')
    expect([left?.[0], left?.[600]]).toEqual([1, 3])
  })

  it('writes as much as fits on a full disk, and refuses when nothing does', () => {
    const fs = withFile()
    fs.freeBytes = 100
    const file = fs.open('/a', 'r+')
    expect(file.writev([bytes(60, 2), bytes(60, 2)], 1_024)).toBe(100)
    expect(() => file.writev([bytes(1, 2)], 1_124)).toThrow('ENOSPC')
    expect(file.writev([bytes(50, 3)], 0)).toBe(50)
    fs.unlink('/a')
    expect(fs.freeBytes).toBe(1_124)
  })

  it('lets a sector rot that was there before a process, and no other', () => {
    for (const how of ['bits', 'lost-write', 'misdirected'] as const) {
      const hit = new Set<number>()
      for (let seed = 0; seed < 40; seed++) {
        const fs = withFile()
        fs.process = 1
        const file = fs.open('/a', 'r+')
        file.writev([bytes(512, 2)], 512)
        file.writev([bytes(512, 3)], 2_048)
        file.datasync()
        const before = content(fs, '/a') ?? []
        expect(fs.rot(how, 0, createRandom(seed))).toBeUndefined()
        const path = fs.rot(how, 1, createRandom(seed))
        // A misdirected write has nowhere else to come from here.
        expect(path).toBe(how === 'misdirected' ? undefined : '/a')
        const seen = content(fs, '/a') ?? []
        expect(content(fs.afterCrash([]), '/a')).toEqual(seen)
        seen.forEach((byte, at) => {
          if (byte !== before[at]) hit.add(Math.floor(at / 512))
        })
        // Where all of it is old, all that is not empty may be hit.
        if (fs.rot(how, 2, createRandom(seed + 100)) === undefined) continue
        const later = content(fs, '/a') ?? []
        expect(later.slice(1_024, 2_048).every((byte) => byte === 0)).toBe(true)
      }
      expect([...hit]).toEqual(how === 'misdirected' ? [] : [0])
    }
  })

  it('lets nothing rot that a failed sync has kept from the disk', () => {
    const fs = withFile()
    const file = fs.open('/a', 'r+')
    file.writev([bytes(1_024, 2)], 0)
    fs.hook = ({ name }) => {
      if (name === 'datasync') throw new Error('EIO')
    }
    expect(() => file.datasync()).toThrow('EIO')
    fs.process = 1
    expect(fs.rot('bits', 1, createRandom(1))).toBeUndefined()
  })
})
