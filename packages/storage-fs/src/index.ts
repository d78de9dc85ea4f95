// The public face: the storage, its options, and what it reports of a start.
/**
 * Log storage on disk: one segmented, checksummed log for all groups of a host.
 *
 * @packageDocumentation
 */
export type { FsStorage } from './fs-storage.ts'
export type { FsStorageOptions } from './options.ts'
export type { FaultyRange } from './scrubber.ts'
export type { RecoveryReport } from './recovery.ts'
export type { DamagedSnapshot, SnapshotFallback } from './snapshot-sweep.ts'
export type { DumpedRecord, Finding, RepairReport, StoreReport, VerifiedGroup } from './inspect.ts'
export type { SalvageReport } from './salvage.ts'
export type { LostStretch, SalvagedGroup } from './salvage-scan.ts'
export { dumpStore, fsStorage, repairStore, salvageStore, verifyStore } from './storage.ts'
