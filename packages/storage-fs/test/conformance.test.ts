// Storage on disk passes the suite that every storage must pass: over a file system that loses
// what was not synced, and over the system's own with its threads.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '@quorate/core'
import type { GroupId, HostStorage, IndexRange } from '@quorate/core'
import { storageConformance } from '@quorate/conformance/storage'
import type { StorageDisk, StorageFault } from '@quorate/conformance/storage'
import { fsStorage } from '@quorate/storage-fs'
import { describe, it } from 'vitest'
import { crashFs } from '@quorate/sim'
import { RECORD_HEADER_BYTES } from '../src/layout.ts'
import { offsetAt } from '../src/segment.ts'
import { DIRECTORY, recovered, storageOver } from './fs/crash-run.ts'

let disks = 0

class MemoryFsDisk implements StorageDisk {
  readonly faults: readonly StorageFault[] = ['sync', 'no-space', 'short-write']
  readonly #random = createRandom(7 + disks++)
  #fs = crashFs()

  storage(): HostStorage {
    return storageOver(this.#fs, this.#random, { onDamage: 'repair' })
  }

  async crash(): Promise<void> {
    const survived = this.#fs.effects.filter(() => this.#random.below(2) === 0)
    const old = this.#fs
    this.#fs = old.afterCrash(survived)
    // The process is gone: nothing that it still does reaches the disk that is left.
    old.hook = () => {
      throw Object.assign(new Error('the process has ended'), { code: 'EIO' })
    }
  }

  inject(fault: StorageFault): () => void {
    const fs = this.#fs
    const { freeBytes } = fs
    if (fault === 'no-space') fs.freeBytes = 0
    let short = 3
    fs.hook = ({ name }) => {
      if (fault === 'sync' && name === 'datasync')
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
      if (fault === 'short-write' && name === 'writev' && short > 0) return 7 * short--
      return undefined
    }
    return () => {
      fs.freeBytes = freeBytes
      fs.hook = undefined
    }
  }

  async damage(group: GroupId, range: IndexRange): Promise<void> {
    recovered(
      this.#fs,
      (log) => {
        const image = [...log.groups.byNumber.values()].find(
          ({ identity }) => identity?.id === group,
        )
        for (let index = range.first; index <= range.last; index++) {
          const position = image?.table.position(index) ?? 0
          const segment = log.segments.findLast(({ header }) => header.start <= position)
          const at = offsetAt(segment!.header, position) + RECORD_HEADER_BYTES
          segment!.file.writev([Uint8Array.of(0xee)], at)
          segment!.file.sync()
        }
      },
      { cluster: 'cluster', host: 'host' },
    )
  }

  async close(): Promise<void> {}
}

storageConformance({
  name: `fsStorage over a file system in memory, in ${DIRECTORY}`,
  test: { describe, it },
  create: async () => new MemoryFsDisk(),
})

class DirectoryDisk implements StorageDisk {
  readonly faults: readonly StorageFault[] = []
  readonly #root = mkdtempSync(join(tmpdir(), 'quorate-conformance-'))
  #life = 0
  #storage: HostStorage | undefined

  get #directory(): string {
    return join(this.#root, `life-${this.#life}`)
  }

  storage(): HostStorage {
    const storage = fsStorage(this.#directory, {
      segmentBytes: 262_144,
      ringBytes: 262_144,
      ballastBytes: 0,
    })
    this.#storage ??= storage
    if (this.#storage.status === 'closed') this.#storage = storage
    return storage
  }

  /** The files as they are at this moment are what the next life finds. */
  async crash(): Promise<void> {
    const before = this.#directory
    this.#life++
    cpSync(before, this.#directory, { recursive: true })
    await this.#storage?.close({ signal: AbortSignal.abort() })
    this.#storage = undefined
  }

  inject(): () => void {
    throw new Error('no faults')
  }

  async close(): Promise<void> {
    await this.#storage?.close()
    rmSync(this.#root, { recursive: true, force: true })
  }
}

storageConformance({
  name: 'fsStorage in a directory',
  test: { describe, it },
  create: async () => new DirectoryDisk(),
})
