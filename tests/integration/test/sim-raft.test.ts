// Raft under the simulator: every fault that must be survived, in every setting of the algorithm.
// SIM_SEEDS and SIM_FIRST_SEED choose more, or other, runs; a failure prints how to repeat it.
import { simSuite } from './sim-suite.ts'

simSuite('raft')
