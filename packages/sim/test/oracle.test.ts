// The oracle: a history that the log bears out passes, and each way of lying is refused.
import { describe, expect, it } from 'vitest'
import type { StateMachine } from '@quorate/core'
import { registerMap } from '../src/index.ts'
import type { AppliedCommand, OperationRecord } from '../src/run/oracle.ts'
import { judgeGroup } from '../src/run/oracle.ts'

const SET_1_TO_5 = Uint8Array.of(1, 1, 5)
const SET_1_TO_6 = Uint8Array.of(1, 1, 6)
const GET_1 = Uint8Array.of(1)

function record(given: Partial<OperationRecord>): OperationRecord {
  return {
    client: 1,
    sequence: 1,
    group: 'g',
    kind: 'command',
    input: SET_1_TO_5,
    mode: undefined,
    host: 'a',
    invokedMs: 0,
    returnedMs: 10,
    outcome: 'ok',
    result: Uint8Array.of(1, 0),
    index: 2,
    code: undefined,
    ...given,
  }
}

function query(given: Partial<OperationRecord>): OperationRecord {
  return record({
    kind: 'query',
    input: GET_1,
    mode: 'quorum',
    sequence: 2,
    result: Uint8Array.of(5),
    ...given,
  })
}

function log(
  ...commands: readonly (readonly [number, AppliedCommand])[]
): Map<number, AppliedCommand> {
  return new Map(commands)
}

const first = [2, { client: 1, sequence: 1, result: Uint8Array.of(1, 0) }] as const
const judge = (
  records: readonly OperationRecord[],
  applied = log(first),
  machine: StateMachine = registerMap(),
): Promise<void> => judgeGroup(records, applied, machine)

describe('the oracle', () => {
  const good: readonly (readonly [
    string,
    readonly OperationRecord[],
    Map<number, AppliedCommand>,
  ])[] = [
    ['a read after a write', [record({}), query({ invokedMs: 11, returnedMs: 12 })], log(first)],
    [
      'a read beside a write',
      [record({}), query({ invokedMs: 5, index: 0, result: Uint8Array.of(0) })],
      log(first),
    ],
    ['an unknown that was applied', [record({ outcome: 'unknown', index: undefined })], log(first)],
    ['an unknown that was not', [record({ outcome: 'unknown', index: undefined })], log()],
    ['a refusal', [record({ outcome: 'failed', code: 'NOT_LEADER', index: undefined })], log()],
  ]
  it.each(good)('accepts %s', async (_name, records, applied) => {
    await expect(judge(records, applied)).resolves.toBeUndefined()
  })

  it('refuses a result that was not applied', async () => {
    await expect(judge([record({})], log())).rejects.toThrow('call-outcome')
    await expect(judge([record({ result: Uint8Array.of(0, 0) })])).rejects.toThrow('call-outcome')
    await expect(judge([record({ index: 3 })])).rejects.toThrow('call-outcome')
  })

  it('refuses a failure that was applied, and a command applied twice', async () => {
    const failed = record({ outcome: 'failed', code: 'NOT_LEADER', index: undefined })
    await expect(judge([failed])).rejects.toThrow('failed with NOT_LEADER and was applied at 2')
    const twice = log(first, [3, first[1]])
    await expect(judge([record({})], twice)).rejects.toThrow('applied at 2 and at 3')
  })

  it('refuses what was never proposed', async () => {
    await expect(judge([])).rejects.toThrow('never proposed')
  })

  it('refuses a read that misses what had finished', async () => {
    const stale = query({ invokedMs: 11, returnedMs: 12, index: 0, result: Uint8Array.of(0) })
    await expect(judge([record({}), stale])).rejects.toThrow('read-freshness')
    await judge([record({}), { ...stale, mode: 'local' }])
    await judge([record({}), { ...stale, invokedMs: 9 }])
  })

  it('refuses a write placed before one that had finished', async () => {
    const later = record({
      sequence: 2,
      input: SET_1_TO_6,
      invokedMs: 20,
      returnedMs: 30,
      index: 1,
    })
    const applied = log(first, [1, { client: 1, sequence: 2, result: Uint8Array.of(1, 0) }])
    await expect(judge([record({}), later], applied)).rejects.toThrow('read-freshness')
  })

  it('refuses an answer that the state does not give', async () => {
    const wrong = query({ invokedMs: 11, returnedMs: 12, result: Uint8Array.of(6) })
    await expect(judge([record({}), wrong])).rejects.toThrow('another state')
    const odd = log([2, { client: 1, sequence: 1, result: Uint8Array.of(1, 9) }])
    await expect(judge([record({ result: Uint8Array.of(1, 9) })], odd)).rejects.toThrow(
      'another result',
    )
  })
})
