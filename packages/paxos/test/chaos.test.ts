// Many seeds of chaos, in groups of different shapes. A failure prints its seed; running with
// PAXOS_SEED repeats one, PAXOS_SEEDS makes more of them.
import { describe, expect, test } from 'vitest'
import type { ChaosOptions } from './chaos.ts'
import { chaos, chaosGroups } from './chaos.ts'

const count = Number(process.env['PAXOS_SEEDS'] ?? 60)
const only = process.env['PAXOS_SEED']

function expectAll(options: Omit<ChaosOptions, 'seed' | 'steps'>): void {
  const all = only === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [Number(only)]
  const broken: string[] = []
  for (const seed of all) {
    try {
      chaos({ ...options, seed, steps: 1_500 })
    } catch (error) {
      broken.push(`PAXOS_SEED=${seed}: ${String(error)}`)
      break
    }
  }
  expect(broken).toEqual([])
}

describe('every promise holds, and the group works again afterwards', () => {
  test.each(Object.entries(chaosGroups))('%s', (_name, options) => expectAll(options))
})
