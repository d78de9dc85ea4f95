// The suite for storages: every check by itself, and one call that registers them all with a test
// runner.
/**
 * What every storage must do, as checks that any test runner can run, and broken storages that
 * prove that the checks can fail.
 *
 * @packageDocumentation
 */
import { durabilityChecks } from './durability-checks.ts'
import type { ConformanceOptions } from '../test-runner.ts'
import type { StorageCheck, StorageHarness } from './harness.ts'
import { lifeChecks } from './life-checks.ts'
import { logChecks } from './log-checks.ts'
import { snapshotChecks } from './snapshot-checks.ts'

export type { ConformanceOptions, TestRunner } from '../test-runner.ts'
export type { StorageCheck, StorageDisk, StorageFault, StorageHarness } from './harness.ts'
export { brokenStorages, referenceHarness, type BrokenStorage } from './broken.ts'

/** Every check. */
export const storageChecks: readonly StorageCheck[] = Object.freeze([
  ...lifeChecks,
  ...logChecks,
  ...durabilityChecks,
  ...snapshotChecks,
])

/** What {@link storageConformance} is given. */
export interface StorageConformanceOptions extends ConformanceOptions, StorageHarness {}

/**
 * Registers every check as a test. A check of a capability that the storage does not declare in its
 * `supports`, or of a fault that the disk cannot make, passes without running.
 */
export function storageConformance(options: StorageConformanceOptions): void {
  const { name, test } = options
  test.describe(name, () => {
    for (const check of storageChecks) {
      test.it(check.name, async () => {
        await runStorageCheck(check, options)
      })
    }
  })
}

/** Runs one check where it applies; returns whether it did. */
export async function runStorageCheck(
  check: StorageCheck,
  harness: StorageHarness,
): Promise<boolean> {
  const disk = await harness.create()
  const { supports } = disk.storage()
  await disk.close()
  if (check.needs !== undefined && !supports[check.needs]) return false
  if (check.fault !== undefined && !disk.faults.includes(check.fault)) return false
  await check.run(harness)
  return true
}
