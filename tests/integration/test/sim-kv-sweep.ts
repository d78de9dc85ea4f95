// Many schedules of one algorithm: how many, what they print, which are run twice, and how one that
// fails is run again.
import { createRandom } from '@quorate/core'
import type { AlgorithmName, DrawOptions, Schedule } from './sim-kv-plan.ts'
import { drawRanged, drawSchedule } from './sim-kv-plan.ts'
import type { ScheduleResult } from './sim-kv-run.ts'
import { runSchedule } from './sim-kv-run.ts'
import type { SimKvOptions } from './sim-kv-store.ts'

/** How a store's keys are in shards. */
export type Layout = 'slots' | 'ranges'

/** Decides a schedule. */
export function draw(
  name: AlgorithmName,
  layout: Layout,
  seed: number,
  options: DrawOptions = {},
): Schedule {
  return (layout === 'slots' ? drawSchedule : drawRanged)(name, seed, options)
}

/** What many schedules came to. */
export interface KvSweepResult {
  readonly schedules: number
  /** Schedules run twice, with the same trace. */
  readonly rechecked: number
  /** Schedules whose whole history was decided. */
  readonly decided: number
  /** What happened in all of them, by kind. */
  readonly happened: Readonly<Record<string, number>>
  /** What is wrong, in words. */
  readonly failures: readonly string[]
}

/** Runs the schedules that the environment asks for: `SIM_KV_SEEDS`, from `SIM_KV_FIRST_SEED` on. */
export async function kvSweep(
  name: AlgorithmName,
  layout: Layout,
  usual: number,
  storage?: SimKvOptions['storage'],
): Promise<KvSweepResult> {
  const count = Number(process.env.SIM_KV_SEEDS ?? usual)
  const first = Number(process.env.SIM_KV_FIRST_SEED ?? 1)
  const total = { schedules: 0, rechecked: 0, decided: 0, simulatedMs: 0, events: 0, operations: 0 }
  const happened: Record<string, number> = {}
  const failures: string[] = []
  const started = process.cpuUsage()
  for (let seed = first; seed < first + count && failures.length < 3; seed++) {
    const result = await runSchedule(draw(name, layout, seed), storage)
    total.schedules++
    total.simulatedMs += result.simulatedMs
    total.events += result.events
    total.operations += result.operations.ok
    if (result.decided) total.decided++
    for (const [what, times] of Object.entries(result.happened))
      happened[what] = (happened[what] ?? 0) + times
    if (result.failure !== undefined) failures.push(report(name, result, storage !== undefined))
    else if (createRandom(seed).fork('recheck').fraction() < 0.05) {
      const again = await runSchedule(draw(name, layout, seed), storage)
      if (again.traceHash === result.traceHash) total.rechecked++
      else failures.push(`seed ${seed} gave ${result.traceHash}, then ${again.traceHash}`)
    }
  }
  const { user, system } = process.cpuUsage(started)
  console.log(
    `kv over ${name}, ${layout}: seeds ${first} to ${first + total.schedules - 1} in ${((user + system) / 1e6).toFixed(1)} s of processor time, ` +
      `${(total.simulatedMs / 1_000).toFixed(0)} simulated seconds, ${total.events} events, ${total.operations} operations, ` +
      `${total.decided} histories decided, ${JSON.stringify(happened)}`,
  )
  return { ...total, happened, failures }
}

/** A failed schedule in words, with the command that runs it again. */
export function report(name: AlgorithmName, result: ScheduleResult, onFiles = false): string {
  const { schedule, failure, traceHash, events } = result
  if (failure === undefined) return ''
  const kind = schedule.ranges === undefined ? 'sim-kv' : 'sim-kv-ranges'
  const test = onFiles ? `sim-kv-files.test.ts -t ${name}` : `${kind}-${name}.test.ts`
  const { faults, orders, algorithm: _algorithm, ...rest } = schedule
  const plan = [...faults, ...orders].toSorted((a, b) => a.atMs - b.atMs)
  const text = String(failure.error instanceof Error ? failure.error.stack : failure.error)
  return [
    `seed ${schedule.seed} failed at ${failure.atMs.toFixed(3)} simulated ms, trace ${traceHash} after ${events} events:`,
    `  ${text.slice(0, 20_000)}`,
    `setup ${JSON.stringify(rest)}`,
    ...plan.map((each) => `  ${JSON.stringify(each)}`),
    `replay: SIM_KV_FIRST_SEED=${schedule.seed} SIM_KV_SEEDS=1 npx vitest run tests/integration/test/${test}`,
  ].join('\n')
}
