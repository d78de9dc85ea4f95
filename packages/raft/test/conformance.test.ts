// The suite that every consensus core must pass, over Raft as it comes and with other options.
import { consensusConformance } from '@quorate/conformance/consensus'
import { describe, it } from 'vitest'
import { raft } from '../src/index.ts'

consensusConformance({ name: 'raft', consensus: raft(), test: { describe, it } })

consensusConformance({
  name: 'raft without polls and shields',
  consensus: raft({ preVote: false, checkQuorum: false }),
  test: { describe, it },
})
