// Storages that are each wrong in one way, with the check that notices. A suite that cannot fail
// proves nothing; these prove that each of these checks can.
import type { StorageHarness } from './harness.ts'
import type { Defect } from './reference.ts'
import { ReferenceDisk } from './reference.ts'

/** A storage that is wrong on purpose. */
export interface BrokenStorage {
  /** What is wrong with it. */
  readonly name: string
  /** The one check that it fails. */
  readonly fails: string
  /** Disks for it. */
  readonly harness: StorageHarness
}

const FAILS: readonly (readonly [Defect, string])[] = [
  ['status-stuck', 'the status tells where it is in its life'],
  ['close-once', 'close can be called again, and before open'],
  ['usable-after-close', 'nothing can be done before open and after close'],
  ['log-usable-after-close', 'a log that is closed refuses calls, and its group can be used again'],
  ['close-does-not-wait', 'closing waits for the writes under way'],
  ['any-cluster', 'data of another cluster or another host is refused'],
  ['any-algorithm', 'data of another algorithm, or of a newer format, is refused'],
  ['no-lock', 'one storage at a time uses a disk'],
  ['groups-unsorted', 'the groups that hold data are told in order'],
  ['space-always-low', 'free space is not low on an empty disk'],
  ['kind-lost', 'entries come back as they were'],
  ['hard-state-cleared', 'a hard state stays until it is replaced'],
  ['truncation-ignored', 'a truncation removes entries before new ones are added'],
  ['compaction-keeps-end', 'compaction removes entries up to the snapshot, also past the end'],
  ['epochs-only-grow', 'the epochs of all entries are told, also where they fall'],
  ['tail-unbounded', 'a load gives the newest entries within the bytes asked for'],
  [
    'membership-from-tail',
    'all membership entries of the log are told, however few bytes are asked for',
  ],
  ['read-unbounded', 'a read stops at the bytes asked for, and never before the first entry'],
  ['read-past-end', 'a read past the end of the log is refused'],
  ['read-durable-only', 'a read sees writes that have not resolved'],
  ['signal-ignored', 'a call whose signal is aborted does nothing'],
  ['large-cut', 'large entries and batches of many are kept whole'],
  ['groups-mixed', 'groups are kept apart'],
  ['out-of-order', 'a thousand batches at once become durable in order'],
  ['early-hard-state', 'a hard state that was acknowledged survives the loss of power'],
  ['torn-batch', 'a batch under way when the power goes is there whole or not at all'],
  ['undead-entries', 'what a crash removed stays removed'],
  ['early-truncation', 'a truncation that was acknowledged survives the loss of power'],
  ['undead-group', 'a dropped group stays away, whatever crashes'],
  ['inherited-state', 'a group made again under the same id sees nothing of the dropped one'],
  ['epoch-stuck', 'a store knows itself, and counts how often it was opened'],
  ['snapshot-not-durable', 'a snapshot that was finished survives the loss of power'],
  ['retries-sync', 'after a failed sync nothing is acknowledged any more'],
  ['gap-after-full', 'a full disk refuses a batch whole, and takes it when there is room again'],
  ['short-write-taken', 'a write that comes back short is finished'],
  ['faulty-absent', 'damaged entries are told as faulty, never as absent'],
  ['empty-snapshot-lost', 'a snapshot comes back byte for byte, whatever the sizes of its chunks'],
  ['wrong-offset', 'a snapshot can be read from any offset'],
  ['snapshot-at-once', 'a snapshot is the group’s only once a batch has named it'],
  ['checksum-unchecked', 'a snapshot of another size or checksum than announced is discarded'],
  ['unfinished-readable', 'a snapshot that is not there is unavailable'],
  [
    'reader-mixed',
    'a reader that has begun reads the right bytes or fails, when its snapshot is replaced',
  ],
  ['leftover-part', 'a writer that was closed leaves nothing behind'],
  ['resume-from-start', 'a transfer goes on where it stopped'],
]

/** Storages that are each wrong in one way. */
export const brokenStorages: readonly BrokenStorage[] = FAILS.map(([defect, fails]) => ({
  name: defect,
  fails,
  harness: { create: async () => new ReferenceDisk(defect) },
}))

/** The storage that the broken ones are made from, with nothing wrong. */
export const referenceHarness: StorageHarness = { create: async () => new ReferenceDisk() }
