// The code of the guide "Test your own state machine in the simulator", run as a reader would run it:
// what it shows passes, and each of the mistakes that it warns of is found.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { StateMachine } from '@quorate/core'
import { raft } from '@quorate/raft'
import type { OperationRecord, SimulateOptions, Workload } from '@quorate/sim'
import { failureKind, simulate } from '@quorate/sim'

interface Guide {
  readonly bank: () => StateMachine
  readonly traffic: Workload
  readonly survives: () => Promise<void>
  readonly noMoneyIsMade: (history: readonly OperationRecord[]) => string | undefined
  readonly draw: (seed: number) => Promise<void>
}

const guide = fileURLToPath(
  new URL('../../../docs/guides/test-your-state-machine.md', import.meta.url),
)
const module = fileURLToPath(new URL('./.guide.ts', import.meta.url))

async function load(): Promise<Guide> {
  const blocks = readFileSync(guide, 'utf8').matchAll(/^```ts\b.*\n([\s\S]*?)^```$/gm)
  writeFileSync(module, [...blocks].map(([, code]) => code).join('\n'))
  return (await import(/* @vite-ignore */ module)) as Guide
}

afterAll(() => rmSync(module, { force: true }))

describe('the guide', () => {
  it('tests a bank that is right', async () => {
    process.env.SEEDS = '5'
    const { bank, traffic, survives, noMoneyIsMade } = await load()
    await expect(survives()).resolves.toBeUndefined()
    const setup = { consensus: raft(), stateMachine: bank, workload: traffic, seed: 3 }
    const judged: string[] = []
    const judge: typeof noMoneyIsMade = (history) => {
      judged.push(`${history.length > 0}`)
      return noMoneyIsMade(history)
    }
    expect((await simulate({ ...setup, judge })).failure).toBeUndefined()
    expect(judged).toEqual(['true'])
  })

  it('warns of money that is made', async () => {
    const { bank, traffic, noMoneyIsMade } = await load()
    const generous: typeof noMoneyIsMade = (history) =>
      noMoneyIsMade(history.filter(({ kind }) => kind === 'query'))
    const setup = { consensus: raft(), stateMachine: bank, workload: traffic, seed: 3 }
    const { failure } = await simulate({ ...setup, judge: generous })
    expect(String(failure?.error)).toMatch(/an account held \d+ when 0 had been paid in/)
  })

  async function found(stateMachine: () => StateMachine): Promise<string | undefined> {
    const { traffic } = await load()
    for (let seed = 1; seed <= 20; seed++) {
      const options: SimulateOptions = {
        consensus: raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 50 }),
        stateMachine,
        workload: traffic,
        canonicalSnapshots: true,
        durationMs: 5_000,
        everything: true,
        seed,
      }
      const result = await simulate(options)
      if (result.failure !== undefined) return failureKind(result)
    }
    return undefined
  }

  it('warns of results that differ between replicas', async () => {
    const { bank } = await load()
    let made = 0
    const odd = (): StateMachine => {
      const inner = bank()
      const own = Uint8Array.of(++made)
      return { ...inner, apply: (commands) => commands.map(() => own) }
    }
    expect(await found(odd)).toBe('state-machine-safety')
  })

  it('warns of snapshots that leave something out', async () => {
    const { bank } = await load()
    const forgetful = (): StateMachine => ({ ...bank(), snapshot: () => [Uint8Array.of(0)] })
    expect(await found(forgetful)).toBe('state-machine-safety')
  })

  it('warns of exceptions in apply', async () => {
    const { bank } = await load()
    const throwing = (): StateMachine => ({
      ...bank(),
      apply() {
        throw new RangeError('overdrawn')
      },
    })
    expect(await found(throwing)).toBe('QuorateError')
  })
})
