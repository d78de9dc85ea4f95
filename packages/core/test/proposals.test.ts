// What is proposed: taken within the limits and refused beyond them, with a reason.
import { describe, expect, test } from 'vitest'
import type { Rejection } from '@quorate/core'
import { defaultLimits } from '@quorate/core'
import { commandEntries, hasRoom, outbox, proposedBytes } from '../src/algorithm/index.ts'

const limits = {
  ...defaultLimits,
  batchCommandsMax: 3,
  commandBytesMax: 10,
  pendingCallsMax: 5,
  uncommittedBytesMax: 20,
}

const commands = (...sizes: readonly number[]): Uint8Array[] =>
  sizes.map((size) => new Uint8Array(size))

/** What becomes of a call: the bytes of its commands, or why it is refused. */
function proposed(...sizes: readonly number[]): number | Pick<Rejection, 'code' | 'reason'>[] {
  const out = outbox<never>()
  const bytes = proposedBytes(limits, out, 7, commands(...sizes))
  const { rejected } = out.take(undefined, false)
  expect(rejected.every(({ id, leader }) => id === 7 && leader === undefined)).toBe(true)
  expect(rejected).toHaveLength(bytes === undefined ? 1 : 0)
  return bytes ?? rejected.map(({ code, reason }) => ({ code, reason }))
}

describe('commands that are proposed at once', () => {
  test('are taken up to the limits', () => {
    expect(proposed(0)).toBe(0)
    expect(proposed(10, 0, 10)).toBe(20)
  })

  test('are refused where there are none, too many, or one that is too large', () => {
    expect(proposed()).toEqual([
      { code: 'INVALID_ARGUMENT', reason: '0 commands, 1 to 3 can be proposed at once' },
    ])
    expect(proposed(1, 1, 1, 1)).toEqual([
      { code: 'LIMIT_EXCEEDED', reason: '4 commands, 1 to 3 can be proposed at once' },
    ])
    expect(proposed(1, 11)).toEqual([
      { code: 'LIMIT_EXCEEDED', reason: 'a command of 11 bytes, at most 10' },
    ])
  })
})

test('there is room while few entries and bytes wait, for what is empty, and where nothing waits', () => {
  const room = (waiting: number, waitingBytes: number, count: number, bytes: number): boolean =>
    hasRoom(limits, waiting, waitingBytes, count, bytes)
  expect([room(4, 10, 1, 10), room(5, 10, 1, 10)]).toEqual([true, false])
  expect([room(4, 10, 2, 10), room(0, 0, 6, 10)]).toEqual([false, true])
  expect([room(1, 10, 1, 11), room(1, 0, 1, 21)]).toEqual([false, true])
  expect([room(1, 25, 1, 0), room(5, 25, 1, 0)]).toEqual([true, false])
})

test('commands become entries in order, as the bytes that they are', () => {
  const [first, second] = commands(1, 2) as [Uint8Array, Uint8Array]
  const entries = commandEntries([first, second], 4, 9)
  expect(entries).toEqual([
    { index: 5, epoch: 9, kind: 'command', payload: first },
    { index: 6, epoch: 9, kind: 'command', payload: second },
  ])
  expect(entries[1]?.payload).toBe(second)
  expect(commandEntries([], 4, 9)).toEqual([])
})
