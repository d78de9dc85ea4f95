// Many seeds of chaos, in groups of different shapes. A failure prints its seed; running with
// RAFT_SEED repeats one, RAFT_SEEDS makes more of them.
import { describe, expect, test } from 'vitest'
import type { ChaosOptions } from './chaos.ts'
import { chaos } from './chaos.ts'

const count = Number(process.env['RAFT_SEEDS'] ?? 60)
const only = process.env['RAFT_SEED']

function expectAll(options: Omit<ChaosOptions, 'seed' | 'steps'>): void {
  const all = only === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [Number(only)]
  const broken: string[] = []
  for (const seed of all) {
    try {
      chaos({ ...options, seed, steps: 1_500 })
    } catch (error) {
      broken.push(`RAFT_SEED=${seed}: ${String(error)}`)
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

/** What was acknowledged by one whose disk was lost since is on one disk fewer, and still not lost. */
const withoutOne = (voters: number): number => Math.max(1, Math.floor(voters / 2))

describe('every promise holds, and the group works again afterwards', () => {
  test.each<[string, Omit<ChaosOptions, 'seed' | 'steps'>]>([
    ['three voters', {}],
    ['three voters without polls and shields', { raft: { preVote: false, checkQuorum: false } }],
    ['five voters', { members: { voters: ['a', 'b', 'c', 'd', 'e'] } }],
    ['members that change', { changes: true }],
    [
      'a member that comes back without its data',
      { members: { voters: ['a', 'b', 'c', 'd', 'e'] }, returning: true },
    ],
    [
      'a member that comes back without its data, without polls and shields',
      { returning: true, raft: { preVote: false, checkQuorum: false } },
    ],
    [
      'a member that loses its disk at any moment',
      { members: { voters: ['a', 'b', 'c', 'd', 'e'] }, wiped: true, commitQuorum: withoutOne },
    ],
    [
      'a member of three that loses its disk at any moment, without polls and shields',
      { wiped: true, raft: { preVote: false, checkQuorum: false }, commitQuorum: withoutOne },
    ],
    ['tight limits', { limits: tight }],
    ['a group that sleeps when idle', { raft: { hibernateAfterMs: 300 } }],
    ['priorities and hand-over', { raft: { priority: 3 } }],
    [
      'five voters of which two commit and four elect',
      {
        members: { voters: ['a', 'b', 'c', 'd', 'e'] },
        raft: { commitSlack: 1 },
        commitQuorum: (voters) => Math.max(1, Math.floor(voters / 2)),
      },
    ],
  ])('%s', (_name, options) => expectAll(options))
})
