// Whole runs: a correct algorithm survives every fault, equal seeds give equal runs, and every broken
// algorithm is found and explained.
import { describe, expect, it } from 'vitest'
import type { SimulateOptions, SimulationResult } from '../src/index.ts'
import {
  InvariantViolation,
  diagram,
  failureKind,
  failureReport,
  faultKinds,
  minimise,
  registerMap,
  registerWorkload,
  simulate,
  sweep,
} from '../src/index.ts'
import type { Fault } from './fixtures/toy.ts'
import { toy } from './fixtures/toy.ts'

const seeds = Number(process.env.SIM_SEEDS ?? 25)

function options(fault?: Fault): Omit<SimulateOptions, 'seed'> {
  return {
    consensus: toy({ fault }),
    stateMachine: registerMap,
    workload: registerWorkload(),
    durationMs: 6_000,
    clients: 2,
    canonicalSnapshots: true,
    // The toy keeps its log in memory, however long it gets.
    limits: {},
  }
}

async function firstFailure(fault: Fault, upTo: number): Promise<SimulationResult | undefined> {
  for (let seed = 1; seed <= upTo; seed++) {
    const result = await simulate({ ...options(fault), members: 3, spares: 0, seed })
    if (result.failure !== undefined) return result
  }
  return undefined
}

describe('a simulation', () => {
  it('survives every fault with an algorithm that is right', async () => {
    const result = await sweep({ ...options(), firstSeed: 1, seeds })
    expect(result.failures).toEqual([])
    expect(result.seeds).toBe(seeds)
    expect(result.rechecked).toBeGreaterThan(0)
    expect(result.committed).toBeGreaterThan(seeds * 5)
    expect(Object.keys(result.faults).sort()).toEqual(
      faultKinds.filter((kind) => kind !== 'rot').sort(),
    )
  })

  it('is the same run for the same seed, and another for another', async () => {
    const one = await simulate({ ...options(), everything: true, seed: 5 })
    const same = await simulate({ ...options(), everything: true, seed: 5 })
    const other = await simulate({ ...options(), everything: true, seed: 6 })
    expect(same.traceHash).toBe(one.traceHash)
    expect(same.events).toBe(one.events)
    expect(same.history).toEqual(one.history)
    expect(other.traceHash).not.toBe(one.traceHash)
  })

  it('changes nothing but what a fault does when the fault is left out', async () => {
    const one = await simulate({ ...options(), everything: true, seed: 5 })
    const same = await simulate({ ...options(), everything: true, seed: 5, plan: one.setup.plan })
    expect(same.traceHash).toBe(one.traceHash)
    const recorded = await simulate({ ...options(), everything: true, seed: 5, record: true })
    expect(recorded.traceHash).toBe(one.traceHash)
    expect(recorded.recording?.events.length).toBeGreaterThan(50)
  })

  it('asks the judge that it is given', async () => {
    const judge = (history: SimulationResult['history']): string | undefined =>
      history.length > 0 ? `${history.length > 1} history` : undefined
    const result = await simulate({ ...options(), judge, seed: 2 })
    expect(result.failure?.phase).toBe('verdict')
    expect(String(result.failure?.error)).toContain('history: true history')
  })

  it('reports what an operator would have to be told, as a failure', async () => {
    const broken = { ...registerMap(), apply: () => [] }
    const result = await simulate({ ...options(), stateMachine: () => broken, seed: 1, members: 3 })
    expect(String(result.failure?.error)).toContain('commands gave 0 results')
  })
})

describe('a broken algorithm', () => {
  const cases: readonly [Fault, string, number][] = [
    ['votes-twice', 'election-safety', 60],
    ['ignores-log-when-voting', 'leader-completeness', 20],
    ['counts-itself-before-durable', 'commit-durable', 20],
    ['acks-before-durable', 'commit-durable', 10],
    ['commits-on-one', 'commit-durable', 5],
    ['always-truncates', 'commit-(kept|durable)', 20],
    ['reads-without-round', 'read-freshness', 40],
    ['applies-twice', 'apply-order', 20],
    ['skips-a-batch-number', 'ordering-law', 5],
    ['commit-falls', 'commit-monotone', 60],
  ]
  it.each(cases)('that %s is found by %s', async (fault, invariant, upTo) => {
    const result = await firstFailure(fault, upTo)
    expect(result && failureKind(result)).toMatch(new RegExp(`^${invariant}$`))
  })

  it('is explained: seed, replay, fewest faults, and a picture', async () => {
    const found = (await firstFailure('always-truncates', 20)) as SimulationResult
    const run = { ...options('always-truncates'), members: 3, spares: 0, seed: found.seed }
    const small = await minimise(run, found, 60)
    expect(small.options.plan?.length).toBeLessThan(found.setup.plan.length)
    expect(small.options.plan?.length).toBeLessThanOrEqual(5)
    expect(failureKind(small.result)).toBe(failureKind(found))
    const text = failureReport(found, { replay: (seed) => `run ${seed}`, minimised: small })
    expect(text).toContain(`seed ${found.seed} failed in the safety phase`)
    expect(text).toContain(`replay: run ${found.seed}`)
    const { recording } = await simulate({ ...small.options, record: true })
    const page = diagram(recording as NonNullable<typeof recording>)
    expect(page).toContain(failureKind(found))
    expect(page).toContain('<svg')
    expect(page.match(/<line/g)?.length).toBeGreaterThan(20)
  })

  it('makes a sweep red', async () => {
    const result = await sweep({
      ...options('commits-on-one'),
      firstSeed: 1,
      seeds: 20,
      minimiseRuns: 5,
    })
    expect(result.failures).toHaveLength(1)
    expect(result.failures[0]).toContain(new InvariantViolation('commit-durable', '').message)
  })
})

describe('a failing run', () => {
  it('is made smaller in hosts and groups where it still fails so', async () => {
    const run = { ...options('commits-on-one'), members: 7, spares: 2, groups: 3, everything: true }
    for (let seed = 1; seed <= 20; seed++) {
      const failed = await simulate({ ...run, seed })
      if (failed.failure === undefined) continue
      const { result } = await minimise({ ...run, seed }, failed, 40)
      expect(failureKind(result)).toBe(failureKind(failed))
      expect(result.setup.groups).toHaveLength(1)
      expect(result.setup.hosts.length).toBeLessThanOrEqual(5)
      return
    }
    expect.fail('nothing failed')
  })
})
