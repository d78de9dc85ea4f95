// A run is its seed, everywhere and for ever: the trace hashes of some runs are pinned, and nothing of
// the platform that could make two runs differ is touched while they go on.
// After a change that is meant to alter what happens: QUORATE_REWRITE=1, and read the difference.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { registerMap, registerWorkload, simulate } from '../src/index.ts'
import { toy } from './fixtures/toy.ts'

const file = new URL('./testdata/hashes.tsv', import.meta.url)

async function hashes(): Promise<string> {
  const lines: string[] = []
  for (let seed = 1; seed <= 12; seed++) {
    const { traceHash, events } = await simulate({
      consensus: toy(),
      stateMachine: registerMap,
      workload: registerWorkload(),
      durationMs: 4_000,
      limits: {},
      everything: seed % 2 === 0,
      seed,
    })
    lines.push(`${seed} ${traceHash} ${events}`)
  }
  return `${lines.join('\n')}\n`
}

afterEach(() => vi.restoreAllMocks())

describe('a trace hash', () => {
  it('is the one that it always was', async () => {
    const seen = await hashes()
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(file, seen)
    expect(seen).toBe(readFileSync(file, 'utf8'))
  })

  it('owes nothing to the clock or the randomness of the platform', async () => {
    const trap = (what: string) => (): never => {
      throw new Error(`a simulated run used ${what}`)
    }
    vi.spyOn(Date, 'now').mockImplementation(trap('Date.now'))
    vi.spyOn(Math, 'random').mockImplementation(trap('Math.random'))
    vi.spyOn(performance, 'now').mockImplementation(trap('performance.now'))
    vi.spyOn(crypto, 'getRandomValues').mockImplementation(trap('crypto.getRandomValues'))
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(trap('setTimeout') as never)
    vi.spyOn(globalThis, 'setInterval').mockImplementation(trap('setInterval') as never)
    const result = await simulate({
      consensus: toy(),
      stateMachine: registerMap,
      workload: registerWorkload(),
      durationMs: 4_000,
      limits: {},
      everything: true,
      seed: 7,
    })
    expect(result.failure).toBeUndefined()
    expect(result.committed).toBeGreaterThan(0)
  })
})
