// Many seeds of chaos, in groups of different shapes. A failure prints its seed; running with
// PAXOS_SEED repeats one, PAXOS_SEEDS makes more of them.
import { describe, expect, test } from 'vitest'
import type { ChaosOptions } from './chaos.ts'
import { chaos } from './chaos.ts'

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

const tight = {
  messageBytesMax: 4,
  inflightMessagesMax: 2,
  inflightBytesMax: 8,
  applyBytesMax: 4,
  logWindowBytesMax: 128,
  uncommittedBytesMax: 24,
}

describe('every promise holds, and the group works again afterwards', () => {
  test.each<[string, Omit<ChaosOptions, 'seed' | 'steps'>]>([
    ['three voters', {}],
    ['reads that ask a quorum', { paxos: { quorumReads: true } }],
    ['five voters', { members: { voters: ['a', 'b', 'c', 'd', 'e'] } }],
    ['members that change', { changes: true }],
    ['tight limits', { limits: tight }],
    ['a group that sleeps when idle', { paxos: { hibernateAfterMs: 300 } }],
    ['priorities and hand-over', { paxos: { priority: 3 } }],
    [
      'five voters of which two accept and four promise',
      {
        members: { voters: ['a', 'b', 'c', 'd', 'e'] },
        paxos: { quorums: { prepare: 4, accept: 2 } },
        commitQuorum: () => 2,
      },
    ],
  ])('%s', (_name, options) => expectAll(options))
})
