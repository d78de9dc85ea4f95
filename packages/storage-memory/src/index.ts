// The public face: the storage, the disk that outlives it, and what can go wrong on purpose.
/**
 * Log storage in memory, with the semantics of a disk: writes become durable when their sync ends,
 * and a crash loses what was not durable.
 *
 * @packageDocumentation
 */
export type { MemoryDisk } from './memory-disk.ts'
export { memoryDisk } from './memory-disk.ts'
export type { MemoryOperation } from './memory-log.ts'
export type { MemoryStorage, MemoryStorageOptions } from './memory-storage.ts'
export { memoryStorage } from './memory-storage.ts'
