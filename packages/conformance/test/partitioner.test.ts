// The suites prove themselves: sound subjects pass every check, and each broken one fails the
// check that names its fault.
import { describe, expect, test } from 'vitest'
import {
  brokenPartitioners,
  brokenPlacements,
  partitionerChecks,
  placementChecks,
  soundPartitioner,
  soundPlacement,
  partitionerConformance,
  placementConformance,
} from '../src/partitioner/index.ts'

partitionerConformance({ ...soundPartitioner, test: { describe, it: test } })
placementConformance({ ...soundPlacement, test: { describe, it: test } })

describe('a partitioner that', () => {
  test.each(brokenPartitioners)('$name', ({ fails: name, subject }) => {
    const check = partitionerChecks.find((each) => each.name === name)!
    expect(() => check.run(soundPartitioner)).not.toThrow()
    expect(() => check.run(subject)).toThrow(/./)
  })

  test('is broken in one way is found by each check', () => {
    const found = new Set(brokenPartitioners.map((each) => each.fails))
    expect(partitionerChecks.filter((check) => !found.has(check.name))).toEqual([])
  })
})

describe('a placement that', () => {
  test.each(brokenPlacements)('$name', ({ fails: name, subject }) => {
    const check = placementChecks.find((each) => each.name === name)!
    expect(() => check.run(soundPlacement)).not.toThrow()
    expect(() => check.run(subject)).toThrow(/./)
  })

  test('is broken in one way is found by each check', () => {
    const found = new Set(brokenPlacements.map((each) => each.fails))
    expect(placementChecks.filter((check) => !found.has(check.name))).toEqual([])
  })
})
