// Storage in memory passes the suite that every storage must pass.
import { systemClock } from '@quorate/core'
import { storageConformance } from '@quorate/conformance/storage'
import type { StorageDisk, StorageFault } from '@quorate/conformance/storage'
import { memoryDisk, memoryStorage } from '@quorate/storage-memory'
import { describe, it } from 'vitest'

function create(syncMs: () => number): StorageDisk {
  const disk = memoryDisk()
  let active: StorageFault | undefined
  return {
    storage: () =>
      memoryStorage({
        disk,
        syncMs,
        fault: ({ type }) => {
          if (active === 'sync' && type === 'sync') return 'STORAGE_FAILED'
          return active === 'no-space' && type === 'write' ? 'NO_SPACE' : undefined
        },
      }),
    crash: async () => disk.crash(),
    faults: ['sync', 'no-space'],
    inject(fault) {
      active = fault
      return () => void (active = undefined)
    },
    damage: async (group, range) => disk.damage(group, range),
    close: async () => {},
  }
}

storageConformance({
  name: 'memoryStorage',
  test: { describe, it },
  create: async () => create(() => 0),
})

storageConformance({
  name: 'memoryStorage with syncs that take time',
  test: { describe, it },
  create: async () => create(() => (systemClock().now() % 2 < 1 ? 0 : 0.1)),
})
