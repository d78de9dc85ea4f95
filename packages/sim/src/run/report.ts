// What a person needs when a run has failed: the seed, what it decided, how to run it again, and the
// faults that are left when everything unnecessary has been taken away.
import type { MinimisedRun } from './minimise.ts'
import type { SimulationResult } from './simulate.ts'

/** What a report is made with. */
export interface ReportOptions {
  /** The command that runs one seed again. */
  readonly replay?: ((seed: number) => string) | undefined
  /** What remained of the run. */
  readonly minimised?: MinimisedRun | undefined
}

/** A failure in words, for a terminal. */
export function failureReport(result: SimulationResult, options: ReportOptions = {}): string {
  const { failure, setup, seed } = result
  if (failure === undefined) return `seed ${seed}: nothing failed`
  const lines = [
    `seed ${seed} failed in the ${failure.phase} phase at ${failure.atMs.toFixed(3)} simulated ms:`,
    `  ${String(failure.error)}`,
    `trace hash ${result.traceHash} after ${result.events} events`,
    `setup ${JSON.stringify(describe(setup))}`,
  ]
  if (options.replay !== undefined) lines.push(`replay: ${options.replay(seed)}`)
  const { minimised } = options
  if (minimised === undefined) return lines.join('\n')
  const { plan = [], members, spares, groups, network, clients, durationMs } = minimised.options
  lines.push(
    `minimised in ${minimised.runs} runs to ${plan.length} of ${setup.plan.length} faults:`,
    ...plan.map((fault) => `  ${JSON.stringify(fault)}`),
    `with ${JSON.stringify({ members, spares, groups, network, clients, durationMs })}`,
  )
  return lines.join('\n')
}

function describe(setup: SimulationResult['setup']): unknown {
  const { consensus, plan, ...rest } = setup
  return { ...rest, consensus: consensus.name, faults: plan.length }
}
