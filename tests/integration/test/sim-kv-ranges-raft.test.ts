// A store of sorted ranges over Raft, simulated: they are split and merged while everything goes on that
// goes on in the other schedules. SIM_KV_SEEDS and SIM_KV_FIRST_SEED choose more, or other ones.
import { describe } from 'vitest'
import { simKvSuite } from './sim-kv-suite.ts'

describe('a store of sorted ranges over raft', () => {
  simKvSuite('raft', 'ranges')
})
