// The factory that a user calls: a directory on the system's file system, written by a thread
// of its own.
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ClusterId, NodeId } from '@quorate/core'
import { QuorateError } from '@quorate/core'
import type { FsStorage } from './fs-storage.ts'
import { createFsStorage } from './fs-storage.ts'
import type { DumpedRecord, RepairReport, StoreReport } from './inspect.ts'
import { dumpStoreOn, repairStoreOn, verifyStoreOn } from './inspect.ts'
import { LOCK_FILE } from './layout.ts'
import { nodeFs } from './node-fs.ts'
import type { SalvageReport } from './salvage.ts'
import { salvageStoreOn } from './salvage.ts'
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

/**
 * Checks every byte of a store, and changes nothing.
 *
 * @throws QuorateError `STORAGE_LOCKED` where a process uses it, `INVALID_ARGUMENT` where there is none
 */
export function verifyStore(directory: string): Promise<StoreReport> {
  return withLock(directory, (path) => verifyStoreOn(nodeFs, path))
}

/**
 * Tells every valid record of a store, in the order of the log.
 *
 * @throws QuorateError `STORAGE_LOCKED` where a process uses it, `STORAGE_CORRUPT` where a segment
 * is missing or has no valid header
 */
export function dumpStore(directory: string, visit: (record: DumpedRecord) => void): Promise<void> {
  return withLock(directory, (path) => dumpStoreOn(nodeFs, path, visit))
}

/**
 * Cuts the log of a store at a position, after renaming the files as they are. A last resort: what
 * this host had acknowledged after that position is lost to it.
 *
 * @throws QuorateError `STORAGE_LOCKED` where a process uses it, `INVALID_ARGUMENT` where the log
 * starts after the position
 */
export function repairStore(
  directory: string,
  options: { readonly truncateAt: number },
): Promise<RepairReport> {
  return withLock(directory, (path) => repairStoreOn(nodeFs, path, options.truncateAt))
}

/**
 * Makes a store that opens out of a damaged one. Everything that can be vouched for is written anew;
 * entries that are known to be lost are told as faulty from then on, so the storage has to be opened
 * with `onDamage: 'repair'`, by an algorithm that gets them from other hosts. The log as it was is
 * kept. A last resort, like a cut: where {@link SalvagedGroup.uncertain} is set and there are other
 * hosts, rebuild this one from them instead.
 *
 * @param options - `dryRun`: only tell what would be kept and lost; `cluster`, `host`: whose data it
 * is, needed only where no segment's header can be read
 * @throws QuorateError `STORAGE_LOCKED` where a process uses it, `INVALID_ARGUMENT` where there is
 * none, `STORAGE_CORRUPT` where not enough is left
 */
export function salvageStore(
  directory: string,
  options: {
    readonly dryRun: boolean
    readonly cluster?: ClusterId | undefined
    readonly host?: NodeId | undefined
  },
): Promise<SalvageReport> {
  return withLock(directory, (path) => salvageStoreOn(nodeFs, path, options))
}

async function withLock<T>(directory: string, body: (path: string) => T): Promise<T> {
  const path = resolve(directory)
  if (!existsSync(path)) throw new QuorateError('INVALID_ARGUMENT', `${path} does not exist`)
  const lock = join(path, LOCK_FILE)
  // Who looks into a directory that no storage was ever opened in leaves it as it was.
  const isFirst = !existsSync(lock)
  const unlock = await nodeFs.lock(lock)
  if (unlock === undefined) {
    throw new QuorateError('STORAGE_LOCKED', `another process uses ${path}; stop it first`)
  }
  try {
    return body(path)
  } finally {
    if (isFirst) rmSync(lock, { force: true })
    unlock()
  }
}
