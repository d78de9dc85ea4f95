// Options are refused when the factory is made, with a code and in words.
import { isQuorateError } from '@quorate/core'
import { expect, test } from 'vitest'
import type { RaftOptions } from '../src/index.ts'
import { raft } from '../src/index.ts'

test.each<[string, RaftOptions]>([
  ['an unknown one', { electionTimeout: 5 } as RaftOptions],
  ['a timeout that is no integer', { electionTimeoutMs: 1.5 }],
  [
    'heartbeats slower than a third of the timeout',
    { electionTimeoutMs: 300, heartbeatIntervalMs: 101 },
  ],
  ['a drift over a half', { clockDriftMax: 0.6 }],
  ['a drift that is no number', { clockDriftMax: Number.NaN }],
  ['a priority over 100', { priority: 101 }],
  ['a flag that is none', { preVote: 1 as unknown as boolean }],
  ['zones that are none', { zones: 'x' as unknown as Record<string, string> }],
  ['a zone of something that is no member', { zones: { 'a b': 'x' } }],
  ['no commit zone', { commitZones: 0 }],
  ['a negative slack', { commitSlack: -1 }],
])('refuses %s', (_what, options) => {
  expect(codeOf(() => raft(options))).toBe('INVALID_OPTIONS')
})

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    if (isQuorateError(error)) return error.code
    throw error
  }
  return undefined
}

test('takes undefined for the default', () => {
  expect(raft({ priority: undefined }).name).toBe('raft')
})
