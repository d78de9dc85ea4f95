// The suite for consensus cores: every check by itself, and one call that registers them all with a
// test runner.
/**
 * What every consensus core must do, as checks that any test runner can run, and broken cores that
 * prove that the checks can fail.
 *
 * @packageDocumentation
 */
import { chaosChecks } from './chaos-checks.ts'
import { coreChecks } from './core-checks.ts'
import { groupChecks, readChecks } from './group-checks.ts'
import type { ConformanceOptions } from '../test-runner.ts'
import type { ConsensusCheck, ConsensusHarness } from './harness.ts'
import { lawChecks } from './law-checks.ts'
import { lostDiskChecks } from './lost-disk-checks.ts'
import { membershipChecks } from './membership-checks.ts'
import { snapshotChecks } from './snapshot-checks.ts'

export type { ConformanceOptions, TestRunner } from '../test-runner.ts'
export type { ConsensusCheck, ConsensusHarness, ConsensusSupports } from './harness.ts'
export { brokenCores, type BrokenCore } from './broken.ts'

/** Every check. */
export const consensusChecks: readonly ConsensusCheck[] = Object.freeze([
  ...coreChecks,
  ...lawChecks,
  ...groupChecks,
  ...readChecks,
  ...snapshotChecks,
  ...membershipChecks,
  ...lostDiskChecks,
  ...chaosChecks,
])

/** What {@link consensusConformance} is given. */
export interface ConsensusConformanceOptions extends ConformanceOptions, ConsensusHarness {}

/** Registers every check as a test. A check of what the algorithm does not support passes without running. */
export function consensusConformance(options: ConsensusConformanceOptions): void {
  const { name, test } = options
  test.describe(name, () => {
    for (const check of consensusChecks) {
      test.it(check.name, () => void runConsensusCheck(check, options))
    }
  })
}

/** Runs one check where it applies; returns whether it did. */
export function runConsensusCheck(check: ConsensusCheck, harness: ConsensusHarness): boolean {
  if (check.needs !== undefined && harness.supports?.[check.needs] === false) return false
  check.run(harness)
  return true
}
