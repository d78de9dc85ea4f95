// The suite for consensus cores proves itself: Raft passes, each broken Raft fails the check that names
// its fault, and where the fault is narrow, no other.
import { describe, expect, it } from 'vitest'
import type { ConsensusCheck } from '@quorate/conformance/consensus'
import { brokenCores, consensusChecks, runConsensusCheck } from '@quorate/conformance/consensus'
import { raft } from '@quorate/raft'

const sound = raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 50 })
/** Find nearly everything by chance, and take as long as all others. */
const byChance = consensusChecks.filter(({ name }) => name.startsWith('every promise holds'))

function failures(checks: readonly ConsensusCheck[], consensus: typeof sound): string[] {
  return checks
    .filter((check) => {
      try {
        runConsensusCheck(check, { consensus })
        return false
      } catch {
        return true
      }
    })
    .map(({ name }) => name)
}

describe('the suite for consensus cores', () => {
  it('passes a core that is right', () => {
    expect(failures(consensusChecks, sound)).toEqual([])
  })

  it.each(brokenCores)('finds one that $name', ({ fails, only, breaks }) => {
    const checks = consensusChecks.filter(
      (check) => check.name === fails || (only && !byChance.includes(check)),
    )
    expect(failures(checks, breaks(sound) as typeof sound)).toEqual([fails])
  })

  it('has a broken core for each check', () => {
    const found = new Set(brokenCores.map(({ fails }) => fails))
    expect(consensusChecks.filter(({ name }) => !found.has(name))).toEqual([])
  })
})
