// Prints the trace hash of some simulated runs of each algorithm, one line each: a program of its own,
// so that it can be run by several versions of Node and the lines compared.
import { simulate } from '@quorate/sim'
import type { AlgorithmName } from './sim-sweep.ts'
import { settingsOf } from './sim-sweep.ts'

const seeds = Number(process.argv[2] ?? 20)
const names: readonly AlgorithmName[] = ['raft', 'paxos']

for (const name of names) {
  for (let seed = 1; seed <= seeds; seed++) {
    const { traceHash, events, failure } = await simulate({
      ...settingsOf(name),
      durationMs: 5_000,
      everything: seed % 2 === 0,
      seed,
    })
    const end = failure === undefined ? 'ok' : String(failure.error)
    console.log(`${name} ${seed} ${traceHash} ${events} ${end}`)
  }
}
