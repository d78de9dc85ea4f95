// The suite passes what is right, and each broken core fails the check that names its fault.
import { describe, expect, it } from 'vitest'
import {
  brokenCores,
  consensusChecks,
  consensusConformance,
  runConsensusCheck,
} from '@quorate/conformance/consensus'
import type { ConsensusHarness } from '@quorate/conformance/consensus'
import { toy } from '../../sim/test/fixtures/toy.ts'

const supports = { membership: false, logWindow: false, limits: false }
const sound: ConsensusHarness = { consensus: toy(), supports }

consensusConformance({ ...sound, name: 'a sound core', test: { describe, it } })

function failures(harness: ConsensusHarness): string[] {
  return consensusChecks
    .filter((check) => {
      try {
        runConsensusCheck(check, harness)
        return false
      } catch {
        return true
      }
    })
    .map(({ name }) => name)
}

describe('a core that', () => {
  const applicable = brokenCores.filter(({ fails }) => {
    const { needs } = consensusChecks.find(({ name }) => name === fails) ?? {}
    return needs === undefined || !Object.hasOwn(supports, needs)
  })
  it.each(applicable)('$name', ({ fails, only, breaks }) => {
    const failed = failures({ ...sound, consensus: breaks(toy()) })
    expect(only ? failed : failed.filter((name) => name === fails)).toEqual([fails])
  })

  it('is broken in one way is found by each check', () => {
    const found = new Set(brokenCores.map(({ fails }) => fails))
    expect(consensusChecks.filter(({ name }) => !found.has(name))).toEqual([])
  })
})
