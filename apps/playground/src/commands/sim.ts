// sim: clusters on a virtual clock, network and disk, from a seed: many seeds, or one again.
import type { Command } from 'commander'
import { randomSeed } from '@quorate/core'
import type { SimulateOptions } from '@quorate/sim'
import {
  diagram,
  failureReport,
  minimise,
  registerMap,
  registerWorkload,
  simulate,
  sweep,
} from '@quorate/sim'
import { choose, simulatedConsensus, simulatedStorage } from '../choices.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { createProgress } from '../output/progress.ts'
import type { OutputOptions } from '../output/report.ts'
import { printResult, writePicture } from '../output/report.ts'
import { integer, withOutput } from './options.ts'

/** Clocks of two hosts may differ by twice as much, which is less than leases allow for. */
const DRIFT_MAX = 0.04
const SEED_MAX = 0xffffffff

interface Choice {
  readonly consensus: string
  readonly storage: string
}

interface RunOptions extends OutputOptions, Choice {
  readonly seeds: number
  readonly seed?: number
}

interface ReplayOptions extends OutputOptions, Choice {
  readonly seed: number
  readonly picture?: string
  readonly minimise?: true
}

/** Adds the commands. */
export function addSim(program: Command): void {
  const sim = program.command('sim').description('simulate clusters with faults, from a seed')
  withChoice(sim.command('run').description('run many seeds; exit code 1 where one fails'))
    .option('--seeds <count>', 'how many', integer(1, 10_000_000), 100)
    .option('--seed <seed>', 'the first one (default: a fresh one)', integer(0, SEED_MAX))
    .action(run)
  withChoice(sim.command('replay').description('run one seed again; exit code 1 where it fails'))
    .requiredOption('--seed <seed>', 'which one', integer(0, SEED_MAX))
    .option(
      '--picture <file>',
      'write a page: messages, crashes and elections of the last two simulated seconds, or of those before it failed',
    )
    .option('--minimise', 'take away every fault without which it fails as well')
    .action(replay)
}

function withChoice(command: Command): Command {
  return withOutput(command)
    .option(
      '--consensus <name>',
      `the algorithm: ${Object.keys(simulatedConsensus).join(', ')}`,
      'raft',
    )
    .option(
      '--storage <name>',
      `the log: ${Object.keys(simulatedStorage).join(', ')}, both with the faults of a disk`,
      'memory',
    )
}

function settings({ consensus, storage }: Choice): Omit<SimulateOptions, 'seed'> {
  return {
    ...choose(simulatedConsensus, consensus, '--consensus'),
    ...choose(simulatedStorage, storage, '--storage'),
    stateMachine: registerMap,
    workload: registerWorkload(),
    canonicalSnapshots: true,
    driftMax: DRIFT_MAX,
    reads: ['quorum', 'lease'],
  }
}

async function run(options: RunOptions): Promise<void> {
  const { consensus, storage } = options
  const firstSeed = options.seed ?? randomSeed()
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1_000
  const progress = createProgress(options.json !== true)
  let seeds = 0
  let simulatedMs = 0
  const result = await sweep({
    ...settings(options),
    firstSeed,
    seeds: options.seeds,
    replay: (seed) =>
      `npx quorate sim replay --seed ${seed} --consensus ${consensus} --storage ${storage}`,
    onSeed(one) {
      seeds++
      simulatedMs += one.simulatedMs
      progress.update(
        () =>
          `${seeds} of ${options.seeds} seeds, ${(seeds / seconds()).toFixed(1)} a second, ${Math.round(simulatedMs / 1_000 / seconds())} simulated seconds a second`,
      )
    },
  })
  progress.end()
  const { failures, marks: _marks, ...totals } = result
  const rate = {
    secondsTaken: seconds(),
    seedsPerSecond: result.seeds / seconds(),
    simulatedPerSecond: result.simulatedMs / 1_000 / seconds(),
  }
  printResult(options, { consensus, storage, firstSeed, ...totals, ...rate, failures }, () =>
    [
      ...failures,
      `${consensus} over ${storage}: ${result.seeds} seeds from ${firstSeed}, ${failures.length} failed; ${Math.round(result.simulatedMs / 1_000)} simulated seconds in ${rate.secondsTaken.toFixed(1)} s (${rate.seedsPerSecond.toFixed(1)} seeds, ${Math.round(rate.simulatedPerSecond)} simulated seconds a second)`,
      `faults: ${Object.entries(result.faults)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', ')}`,
    ].join('\n'),
  )
  if (failures.length > 0) throw new CommandEnd('failed')
}

async function replay(options: ReplayOptions): Promise<void> {
  const whole = { ...settings(options), seed: options.seed }
  const result = await simulate(whole)
  const minimised =
    options.minimise === true && result.failure !== undefined
      ? await minimise(whole, result)
      : undefined
  if (options.picture !== undefined) {
    const shown = await simulate({ ...(minimised?.options ?? whole), record: true })
    if (shown.recording !== undefined) await writePicture(options.picture, diagram(shown.recording))
  }
  const { traceHash, events, simulatedMs, committed, faults, failure } = result
  const summary = {
    seed: options.seed,
    consensus: options.consensus,
    storage: options.storage,
    traceHash,
    events,
    simulatedMs,
    committed,
    faults,
    failed: failure !== undefined,
  }
  printResult(options, summary, () =>
    failure === undefined
      ? `seed ${options.seed}: nothing failed; ${events} events, ${committed} commits, trace hash ${traceHash}`
      : failureReport(result, { minimised }),
  )
  if (failure !== undefined) throw new CommandEnd('failed')
}
