// The factory that a user calls: a directory on the system's file system, written by a thread
// of its own.
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { FsStorage } from './fs-storage.ts'
import { createFsStorage } from './fs-storage.ts'
import { nodeFs } from './node-fs.ts'
import type { FsStorageOptions } from './options.ts'
import { workerPipe } from './worker-pipe.ts'

/**
 * Storage of one host in a directory, which is made where it is missing.
 *
 * @param directory - used by one process at a time
 */
export function fsStorage(directory: string, options: FsStorageOptions = {}): FsStorage {
  return createFsStorage(resolve(directory), options, {
    fs: nodeFs,
    pipe: workerPipe,
    newStore: () => new Uint8Array(randomBytes(16)),
  })
}
