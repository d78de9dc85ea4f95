// The way in for whoever brings a file system of their own: a simulator, or a test that lets one fail.
/**
 * The storage over a file system that is handed in, instead of that of the machine: for simulations
 * and tests. Nothing here uses a thread, a file or the clock of the machine.
 *
 * @packageDocumentation
 */
import type { Fs } from './fs.ts'
import type { FsStorage } from './fs-storage.ts'
import { createFsStorage } from './fs-storage.ts'
import type { FsStorageOptions } from './options.ts'
import type { Pace } from './paced-pipe.ts'
import { pacedPipe } from './paced-pipe.ts'

export type { Fs, FsFile, FsSpace, Unlock } from './fs.ts'
export type { Pace, PaceStep } from './paced-pipe.ts'

/** What {@link fsStorageOn} stands on. */
export interface FsStoragePlatform {
  /** The file system. */
  readonly fs: Fs
  /** How long each step takes. */
  readonly pace: Pace
  /** The name of a new store: 16 random bytes. */
  readonly newStore: () => Uint8Array
}

/**
 * Storage of one host in a directory of a file system that is handed in. Everything but that file
 * system, and the threads that wait for it, is what `fsStorage` uses.
 *
 * @param directory - an absolute path; made where it is missing
 */
export function fsStorageOn(
  { fs, pace, newStore }: FsStoragePlatform,
  directory: string,
  options: FsStorageOptions = {},
): FsStorage {
  return createFsStorage(directory, options, {
    fs,
    pipe: (ringBytes) => pacedPipe(fs, ringBytes, pace),
    newStore,
  })
}
