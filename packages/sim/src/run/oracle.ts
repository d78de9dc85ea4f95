// Judges what clients saw. The log gives every command its place and every answer the place at which
// it looked, so that linearizability is a comparison of places with times, and results a replay.
import type { ErrorCode, GroupId, LogIndex, NodeId, ReadMode, StateMachine } from '@quorate/core'
import { equalBytes } from '@quorate/core'
import { hold } from '../model/violation.ts'

/** One operation of a client. */
export interface OperationRecord {
  /** The client. */
  readonly client: number
  /** Counts the client's operations. */
  readonly sequence: number
  /** The group. */
  readonly group: GroupId
  /** What kind. */
  readonly kind: 'command' | 'query'
  /** What the state machine was given. */
  readonly input: Uint8Array
  /** The barrier of a query. */
  readonly mode: ReadMode | undefined
  /** The host that was asked. */
  readonly host: NodeId
  /** When it was sent, in simulated milliseconds. */
  readonly invokedMs: number
  /** When the answer came. `undefined` while there is none. */
  returnedMs: number | undefined
  /** `ok`: it has a result. `failed`: it certainly had no effect. `unknown`: it may have one, or yet get one. */
  outcome: 'ok' | 'failed' | 'unknown'
  /** The result of one that is `ok`. */
  result: Uint8Array | undefined
  /** Where in the log it was applied, or how much a query saw. */
  index: LogIndex | undefined
  /** Why it failed or is unknown. */
  code: ErrorCode | undefined
}

/** A command as the log has it. */
export interface AppliedCommand {
  /** The client. */
  readonly client: number
  /** Which of its operations. */
  readonly sequence: number
  /** Its result. */
  readonly result: Uint8Array
}

/** The commands of one group, by index. */
export type AppliedLog = ReadonlyMap<LogIndex, AppliedCommand>

/**
 * Holds the records of one group against its log.
 *
 * @throws InvariantViolation `call-outcome` for a result, failure or repetition that the log does not
 * bear out, `read-freshness` for an operation that does not see what had finished before it began,
 * `state-machine-safety` for a result that the reference does not give
 */
export async function judgeGroup(
  records: readonly OperationRecord[],
  log: AppliedLog,
  reference: StateMachine,
): Promise<void> {
  checkOutcomes(records, log)
  checkOrder(records, log)
  await checkResults(records, log, reference)
}

function nameOf({
  client,
  sequence,
}: {
  readonly client: number
  readonly sequence: number
}): string {
  return `${client}/${sequence}`
}

function checkOutcomes(records: readonly OperationRecord[], log: AppliedLog): void {
  const places = new Map<string, LogIndex>()
  for (const [index, command] of log) {
    const name = nameOf(command)
    const before = places.get(name)
    hold(
      before === undefined,
      'call-outcome',
      () => `operation ${name} was applied at ${before ?? 0} and at ${index}`,
    )
    places.set(name, index)
  }
  for (const record of records) {
    if (record.kind !== 'command') continue
    const name = nameOf(record)
    const place = places.get(name)
    if (record.outcome === 'failed') {
      hold(
        place === undefined,
        'call-outcome',
        () => `operation ${name} failed with ${record.code ?? ''} and was applied at ${place ?? 0}`,
      )
    }
    if (record.outcome !== 'ok') {
      record.index = place
      continue
    }
    const index = record.index ?? 0
    const applied = log.get(index)
    hold(
      applied !== undefined &&
        nameOf(applied) === name &&
        equalBytes(applied.result, record.result as Uint8Array),
      'call-outcome',
      () => `operation ${name} was answered with what was not applied at ${index}`,
    )
  }
}

/** Whatever began after something had finished must come after it in the log. */
function checkOrder(records: readonly OperationRecord[], log: AppliedLog): void {
  const judged = records.filter(
    ({ outcome, kind, mode, index }) =>
      (outcome === 'ok' || (kind === 'command' && index !== undefined)) &&
      (kind === 'command' || mode === 'quorum' || mode === 'lease'),
  )
  const begun = [...judged].sort((a, b) => a.invokedMs - b.invokedMs)
  const finished = judged
    .filter(({ outcome }) => outcome === 'ok')
    .sort((a, b) => (a.returnedMs as number) - (b.returnedMs as number))
  let at = 0
  let latest: OperationRecord | undefined
  for (const record of begun) {
    while (at < finished.length && (finished[at]?.returnedMs as number) < record.invokedMs) {
      const done = finished[at++] as OperationRecord
      if ((done.index as number) > (latest?.index ?? 0)) latest = done
    }
    if (latest === undefined) continue
    const index = record.index as number
    const floor = latest.index as number
    const behind = latest
    hold(
      index > floor || (index === floor && record.kind === 'query') || log.size === 0,
      'read-freshness',
      () =>
        `${record.kind} ${nameOf(record)}, begun at ${record.invokedMs} ms on ${record.host}, is placed at ${index} though ${behind.kind} ${nameOf(behind)} had finished at ${floor}`,
    )
  }
}

async function checkResults(
  records: readonly OperationRecord[],
  log: AppliedLog,
  reference: StateMachine,
): Promise<void> {
  const inputs = new Map(records.map((record) => [nameOf(record), record.input]))
  const queries = records
    .filter(({ kind, outcome }) => kind === 'query' && outcome === 'ok')
    .sort((a, b) => (a.index as number) - (b.index as number))
  let at = 0
  const answer = async (upTo: LogIndex): Promise<void> => {
    while (at < queries.length && (queries[at]?.index as number) < upTo) {
      const query = queries[at++] as OperationRecord
      const expected = await reference.query(query.input)
      hold(
        equalBytes(expected, query.result as Uint8Array),
        'state-machine-safety',
        () => `query ${nameOf(query)} saw another state at ${query.index ?? 0} than the reference`,
      )
    }
  }
  for (const index of [...log.keys()].sort((a, b) => a - b)) {
    await answer(index)
    const command = log.get(index) as AppliedCommand
    const payload = inputs.get(nameOf(command))
    hold(
      payload !== undefined,
      'call-outcome',
      () => `what was applied at ${index} was never proposed`,
    )
    const [result] = await reference.apply([{ index, payload: payload as Uint8Array }])
    hold(
      result !== undefined && equalBytes(result, command.result),
      'state-machine-safety',
      () => `the command at ${index} had another result than the reference gives`,
    )
  }
  await answer(Number.POSITIVE_INFINITY)
}
