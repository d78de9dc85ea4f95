// Many seeds of chaos, in groups of different shapes. A failure prints its seed; running with
// RAFT_SEED repeats one, RAFT_SEEDS makes more of them.
import { describe, test } from 'vitest'
import type { ChaosOptions } from './chaos.ts'
import { chaos } from './chaos.ts'

const count = Number(process.env['RAFT_SEEDS'] ?? 60)
const only = process.env['RAFT_SEED']

function seeds(options: Omit<ChaosOptions, 'seed' | 'steps'>): void {
  const all = only === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [Number(only)]
  for (const seed of all) {
    try {
      chaos({ ...options, seed, steps: 1_500 })
    } catch (error) {
      throw new Error(`RAFT_SEED=${seed}: ${String(error)}`, { cause: error })
    }
  }
}

describe('every promise holds, and the group works again afterwards', () => {
  test('three voters', () => seeds({}))
  test('three voters without pre-vote and check-quorum', () =>
    seeds({ raft: { preVote: false, checkQuorum: false } }))
  test('five voters', () => seeds({ members: { voters: ['a', 'b', 'c', 'd', 'e'] } }))
  test('members that change', () => seeds({ changes: true }))
  test('tight limits', () =>
    seeds({
      limits: {
        messageBytesMax: 4,
        inflightMessagesMax: 2,
        inflightBytesMax: 8,
        applyBytesMax: 4,
        logWindowBytesMax: 128,
        uncommittedBytesMax: 24,
      },
    }))
})
