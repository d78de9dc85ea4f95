// Runs many seeds, some of them twice, and stops to explain the ones that fail.
import { createRandom } from '@quorate/core'
import type { MinimisedRun } from './minimise.ts'
import { minimise } from './minimise.ts'
import type { SimulateOptions } from './options.ts'
import type { SimulationResult } from './simulate.ts'
import { simulate } from './simulate.ts'
import { failureReport } from './report.ts'

/** Which seeds are run, and how. */
export interface SweepOptions extends Omit<SimulateOptions, 'seed' | 'plan'> {
  /** The first seed. */
  readonly firstSeed: number
  /** How many. */
  readonly seeds: number
  /** The share of seeds that are run twice and compared. Default 0.05. */
  readonly recheck?: number | undefined
  /** Stop after so many failures. Default 1. */
  readonly failuresMax?: number | undefined
  /** How many runs may be spent to make a failure smaller. Default 100. */
  readonly minimiseRuns?: number | undefined
  /** The command that runs one seed again. */
  readonly replay?: ((seed: number) => string) | undefined
  /** Called after each seed. */
  readonly onSeed?: ((result: SimulationResult) => void) | undefined
  /** Called for each failure; returns a line to add to its report, such as where a picture is. */
  readonly onFailure?: ((failed: SweepFailure) => Promise<string | undefined>) | undefined
}

/** A seed that failed. */
export interface SweepFailure {
  /** How it failed. */
  readonly result: SimulationResult
  /** What remained when everything unnecessary had been taken away. */
  readonly minimised: MinimisedRun
}

/** What many runs came to. */
export interface SweepResult {
  /** Seeds run. */
  readonly seeds: number
  /** Seeds run twice with the same trace. */
  readonly rechecked: number
  /** Simulated milliseconds of all runs. */
  readonly simulatedMs: number
  /** Events of all runs. */
  readonly events: number
  /** Committed entries of all runs. */
  readonly committed: number
  /** Operations of all clients. */
  readonly operations: number
  /** Faults that took effect, by kind. */
  readonly faults: Readonly<Record<string, number>>
  /** Coverage marks that were hit, and how often. */
  readonly marks: ReadonlyMap<string, number>
  /** A report of each failure. */
  readonly failures: readonly string[]
}

/** Runs seeds one after the other. */
export async function sweep(options: SweepOptions): Promise<SweepResult> {
  const { firstSeed, seeds, recheck = 0.05, failuresMax = 1, minimiseRuns = 100 } = options
  const total = { seeds: 0, rechecked: 0, simulatedMs: 0, events: 0, committed: 0, operations: 0 }
  const faults: Record<string, number> = {}
  const marks = new Map<string, number>()
  const failures: string[] = []
  for (let at = 0; at < seeds && failures.length < failuresMax; at++) {
    const seed = (firstSeed + at) >>> 0
    const run: SimulateOptions = { ...options, seed }
    const result = await simulate(run)
    total.seeds++
    total.simulatedMs += result.simulatedMs
    total.events += result.events
    total.committed += result.committed
    total.operations += result.history.length
    for (const [kind, count] of Object.entries(result.faults)) {
      faults[kind] = (faults[kind] ?? 0) + count
    }
    for (const [mark, count] of result.marks) marks.set(mark, (marks.get(mark) ?? 0) + count)
    options.onSeed?.(result)
    if (result.failure !== undefined) {
      const minimised = await minimise(run, result, minimiseRuns)
      const report = failureReport(result, { replay: options.replay, minimised })
      const more = await options.onFailure?.({ result, minimised })
      failures.push(more === undefined ? report : `${report}\n${more}`)
    } else if (createRandom(seed).fork('recheck').fraction() < recheck) {
      const again = await simulate(run)
      if (again.traceHash === result.traceHash) total.rechecked++
      else failures.push(`seed ${seed} gave ${result.traceHash}, then ${again.traceHash}`)
    }
  }
  return { ...total, faults, marks, failures }
}
