// The store over Paxos, simulated: every schedule of faults, moves and changes of hosts that its seed
// decides. SIM_KV_SEEDS and SIM_KV_FIRST_SEED choose more, or other ones; a failure prints its replay.
import { describe } from 'vitest'
import { simKvSuite } from './sim-kv-suite.ts'

describe('the store over paxos', () => {
  simKvSuite('paxos')
})
