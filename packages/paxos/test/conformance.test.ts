// The suite that every consensus core must pass, and broken cores that it must find here too.
import {
  brokenCores,
  consensusChecks,
  consensusConformance,
  runConsensusCheck,
} from '@quorate/conformance/consensus'
import type { ConsensusHarness } from '@quorate/conformance/consensus'
import { describe, expect, it } from 'vitest'
import { paxos } from '../src/index.ts'

const sound: ConsensusHarness = { consensus: paxos() }

consensusConformance({ ...sound, name: 'paxos', test: { describe, it } })

describe('Paxos that', () => {
  it.each(brokenCores)('$name fails the check for it', ({ fails, breaks }) => {
    const check = consensusChecks.find(({ name }) => name === fails)
    if (check === undefined) throw new Error(`no check ${fails}`)
    expect(() => runConsensusCheck(check, { consensus: breaks(paxos()) })).toThrow(/\S/)
  })
})
