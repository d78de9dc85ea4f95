// The log on disk as a simulated host has it: the storage of production on files with a crash model,
// with sizes so small that segments come and go, and settings drawn anew at each start.
import type { Random } from '@quorate/core'
import type { SimulateOptions } from '@quorate/sim'
import type { FsStorageOptions } from '@quorate/storage-fs'
import { fsStorageOn } from '@quorate/storage-fs/platform'

const BLOCK = 4_096

function drawn(random: Random): FsStorageOptions {
  return {
    segmentBytes: BLOCK * (4 + random.below(13)),
    ringBytes: 1_048_576,
    lowWaterBytes: 0,
    ballastBytes: random.below(2) * 4 * BLOCK,
    scrubBytesPerSecond: random.below(2) * 65_536,
    markerIdleMs: random.below(100),
    onDamage: random.below(2) === 0 ? 'halt' : 'repair',
  }
}

/** The storages that simulations of clusters know: `undefined` is the simulator's own log. */
export const storages: Readonly<Record<'memory' | 'fs', SimulateOptions['storage']>> = {
  memory: undefined,
  fs: ({ fs, pace, random }) => {
    const newStore = (): Uint8Array => Uint8Array.from({ length: 16 }, () => random.below(256))
    return fsStorageOn({ fs, pace, newStore }, '/data', drawn(random.fork('options')))
  },
}
