// Our own form of a history: one JSON object a line, so that a test can append to it while it
// runs, a crash loses at most the last line, and a shell can filter it.
import { outcomeOf, type Operation, type Outcome } from '../history.ts'
import type { Model } from '../model.ts'
import { isModelName, type ModelName } from '../models/by-name.ts'
import type { PlainInput } from './edn-history.ts'
import { HistoryError, linesOf } from './history-error.ts'

/** What {@link readNdjson} found. */
export interface NdjsonHistory {
  /** The operations, in order of their first lines. */
  readonly operations: Operation<PlainInput>[]
  /** The line of the file on which each operation starts, counted from 1. */
  readonly lines: number[]
  /** The model that the header names, if there is a header and it names one. */
  readonly model?: ModelName | undefined
}

/** Options of {@link writeNdjson}. */
export interface WriteNdjsonOptions {
  /** The model to name in the header. Default: no header. */
  readonly model?: ModelName | undefined
}

const format = 'quorate-history'
const version = 1
const ownFields = new Set(['client', 'id', 'call', 'return', 'outcome', 'result'])

/**
 * Reads a history in NDJSON.
 *
 * A line is an operation: `{"client":"a","call":3,"return":7,"op":"put","key":"x","value":"1"}`.
 * `client`, `call` and the fields of the model's input are required; `return` is the time of the
 * answer and `result` what it said; `outcome` is `"ok"`, `"failed"` or `"unknown"`. Without
 * `return`, the outcome is unknown. A writer that logs calls at once gives the line an `id`, and a
 * later line `{"id":9,"return":7,"result":"1"}` ends it. The first line may be a header,
 * `{"format":"quorate-history","version":1,"model":"kv"}`.
 *
 * @throws {@link HistoryError} (code `HISTORY_INVALID`) with the line that is wrong.
 */
export function readNdjson(text: string): NdjsonHistory {
  const operations: Operation<PlainInput>[] = []
  const lines: number[] = []
  const byId = new Map<unknown, number>()
  let model: ModelName | undefined
  for (const [line, content] of linesOf(text)) {
    const record = recordOf(line, content)
    if ('format' in record && !('op' in record)) {
      if (operations.length > 0) throw new HistoryError(line, 'a header must come first')
      model = headerModel(line, record)
    } else if ('op' in record) {
      const operation = operationOf(line, record)
      if ('id' in record) {
        if (byId.has(record['id'])) throw new HistoryError(line, `id ${String(record['id'])} again`)
        byId.set(record['id'], operations.length)
      }
      operations.push(operation)
      lines.push(line)
    } else {
      endOf(line, record, operations, byId)
    }
  }
  return { operations, lines, ...(model === undefined ? {} : { model }) }
}

/**
 * Writes a history in NDJSON, an operation a line, as {@link readNdjson} reads it.
 *
 * @throws TypeError if an input is not an object with `op`, uses a field of the format, or an
 * operation returns at infinity.
 */
export function writeNdjson(
  history: readonly Operation[],
  options: WriteNdjsonOptions = {},
): string {
  const header = options.model === undefined ? [] : [{ format, version, model: options.model }]
  const records = history.map((operation, index) => {
    const { client, input, call, return: end, output } = operation
    const outcome = outcomeOf(operation)
    if (typeof input !== 'object' || input === null || !('op' in input)) {
      throw new TypeError(`operation ${index}: the input must be an object with op`)
    }
    const taken = Object.keys(input).find((field) => ownFields.has(field))
    if (taken !== undefined) {
      throw new TypeError(`operation ${index}: ${taken} is a field of the format, not of an input`)
    }
    if (end === Infinity) throw new TypeError(`operation ${index} returns at infinity`)
    return {
      client,
      call,
      ...(end === undefined ? {} : { return: end }),
      ...(outcome === (end === undefined ? 'unknown' : 'ok') ? {} : { outcome }),
      ...input,
      ...(outcome === 'ok' && output !== undefined ? { result: output } : {}),
    }
  })
  return [...header, ...records].map((record) => `${JSON.stringify(record)}\n`).join('')
}

/** Checks every operation by the model, so that a mistake is reported with its line. */
export function validateLines(model: Model, { operations, lines }: NdjsonHistory): void {
  for (const [at, operation] of operations.entries()) {
    const completed = outcomeOf(operation) === 'ok'
    const complaint = model.validate?.(operation.input, operation.output, completed)
    if (complaint !== undefined) throw new HistoryError(lines[at] ?? 0, complaint)
  }
}

type JsonRecord = Readonly<Record<string, unknown>>

function recordOf(line: number, content: string): JsonRecord {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (error) {
    throw new HistoryError(line, 'not JSON', { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HistoryError(line, 'not a JSON object')
  }
  return value as JsonRecord
}

function headerModel(line: number, record: JsonRecord): ModelName | undefined {
  if (record['format'] !== format) {
    throw new HistoryError(
      line,
      `format must be "${format}", not ${JSON.stringify(record['format'])}`,
    )
  }
  if (record['version'] !== version) {
    throw new HistoryError(
      line,
      `version must be ${version}, not ${JSON.stringify(record['version'])}`,
    )
  }
  const model = record['model']
  if (model === undefined || isModelName(model)) return model
  throw new HistoryError(line, `unknown model ${JSON.stringify(model)}`)
}

function operationOf(line: number, record: JsonRecord): Operation<PlainInput> {
  const { client, id: _, call, return: end, outcome, result, ...input } = record
  if (typeof client !== 'string' && typeof client !== 'number') {
    throw new HistoryError(line, 'client must be a string or a number')
  }
  if (typeof input['op'] !== 'string') throw new HistoryError(line, 'op must be a string')
  return checked(line, {
    client,
    input: input as PlainInput,
    call: call as number,
    ...endFields(end, outcome, result),
  })
}

function endOf(
  line: number,
  record: JsonRecord,
  operations: Operation<PlainInput>[],
  byId: Map<unknown, number>,
): void {
  const { id, return: end, outcome, result } = record
  const at = byId.get(id)
  const started = at === undefined ? undefined : operations[at]
  if (at === undefined || started === undefined) {
    throw new HistoryError(line, 'neither an operation (no op) nor the end of one (no such id)')
  }
  if (started.return !== undefined || started.outcome !== undefined) {
    throw new HistoryError(line, `id ${String(id)} ends twice`)
  }
  if (end === undefined && outcome === undefined) {
    throw new HistoryError(line, 'an end needs return or outcome')
  }
  operations[at] = checked(line, { ...started, ...endFields(end, outcome, result) })
}

function endFields(
  end: unknown,
  outcome: unknown,
  result: unknown,
): Partial<Operation<PlainInput>> {
  return {
    ...(end === undefined ? {} : { return: end as number }),
    ...(outcome === undefined ? {} : { outcome: outcome as Outcome }),
    ...(result === undefined ? {} : { output: result }),
  }
}

function checked(line: number, operation: Operation<PlainInput>): Operation<PlainInput> {
  try {
    outcomeOf(operation)
  } catch (error) {
    throw new HistoryError(line, (error as Error).message, { cause: error })
  }
  return operation
}
