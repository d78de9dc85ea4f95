// The suites for partitioners and placements: every check by itself, and one call each that
// registers all that apply with a test runner.
/**
 * Holds a `Partitioner`, or a placement of keys on members, to its contract. Which checks apply
 * follows from what the subject says that it supports. Broken subjects prove that the checks can
 * fail.
 *
 * @packageDocumentation
 */
export { brokenPartitioners, brokenPlacements, soundPartitioner, soundPlacement } from './broken.ts'
export type { BrokenSubject } from './broken.ts'
export { partitionerChecks, partitionerConformance } from './partitioner-suite.ts'
export type {
  PartitionerCheck,
  PartitionerConformanceOptions,
  PartitionerSubject,
  PartitionerSupport,
  SuiteMember,
} from './partitioner-suite.ts'
export { placementChecks, placementConformance } from './placement-suite.ts'
export type {
  PlacementCheck,
  PlacementConformanceOptions,
  PlacementPromises,
  PlacementSubject,
  PlacementUnderTest,
} from './placement-suite.ts'
export type { ConformanceOptions, TestRunner } from '../test-runner.ts'
