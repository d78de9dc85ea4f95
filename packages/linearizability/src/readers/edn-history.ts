// Histories as Clojure test harnesses store them: one EDN map for each call and each end, with
// :process, :type, :f and :value (and :key, or a [key value] pair, where there are several objects).
import type { Operation } from '../history.ts'
import type { ModelName } from '../models/by-name.ts'
import { isValue, type Value } from '../models/shape.ts'
import { isEdnName, readEdn, wordOf, type Edn } from './edn.ts'
import { HistoryError, linesOf } from './history-error.ts'
import { ProcessLog } from './process-log.ts'

/** An operation as a file says it: an input of the model, without types. */
export type PlainInput = Readonly<Record<string, unknown>> & { readonly op: string }

/** One line of such a history. */
interface EdnEvent {
  readonly type: string
  readonly process: string
  readonly f: string
  readonly key: string | undefined
  readonly value: Edn
}

/**
 * Reads an EDN history, a map a line (or one vector of maps a line), for one of the models.
 *
 * Understood are `:read :write :cas` (registers), `:get :put :append :cas :delete` with `:key`
 * (kv), `:txn` with `[:r k v] [:w k v] [:append k v]` steps (kv-transactions), `:add :remove :has :read` (set; counter), `:enqueue :dequeue` (queue),
 * `:acquire :release :guard` (lock). A `:fail` of `:cas` counts as answered `false`, a `:fail` of
 * `:dequeue` with no value as an empty queue; any other `:fail` did not happen. `:info` leaves
 * the outcome unknown. Events of processes that are no numbers, such as `:nemesis`, are
 * skipped. The time of an event is its place in the file.
 *
 * @throws {@link HistoryError} (code `HISTORY_INVALID`) on text that cannot be understood.
 */
export function readEdnHistory(text: string, model: ModelName): Operation<PlainInput>[] {
  const log = new ProcessLog<PlainInput, unknown>()
  for (const [line, content] of linesOf(text)) {
    for (const value of ednOf(line, content)) {
      for (const item of Array.isArray(value) ? (value as readonly Edn[]) : [value]) {
        const event = eventOf(line, item)
        if (event !== undefined) record(log, line, event, model)
      }
    }
  }
  return log.operations()
}

function ednOf(line: number, content: string): Edn[] {
  try {
    return readEdn(content)
  } catch (error) {
    throw new HistoryError(line, (error as Error).message, { cause: error })
  }
}

function eventOf(line: number, value: Edn): EdnEvent | undefined {
  if (!(value instanceof Map)) throw new HistoryError(line, 'an event must be a map')
  const map = value as ReadonlyMap<string, Edn>
  const process = map.get('process')
  if (typeof process !== 'number') return undefined
  const raw = map.get('value') ?? null
  const keyField = map.get('key')
  return {
    type: wordOf(map.get('type')),
    process: String(process),
    f: wordOf(map.get('f')),
    key: keyField === undefined ? undefined : textOf(keyField),
    value: raw,
  }
}

function record(
  log: ProcessLog<PlainInput, unknown>,
  line: number,
  event: EdnEvent,
  model: ModelName,
): void {
  const { type, process, value } = event
  if (type === 'invoke') return log.call(line, process, inputOf(line, event, model))
  const input = log.openInput(process)
  if (input === undefined) {
    throw new HistoryError(line, `process ${process} ends a call that it did not make`)
  }
  if (type === 'info') {
    log.end(line, process, 'unknown')
  } else if (type === 'fail') {
    const answered = failedAnswer(input, value)
    if (answered === undefined) log.end(line, process, 'failed')
    else log.end(line, process, 'ok', answered.output)
  } else if (type === 'ok') {
    log.end(line, process, 'ok', outputOf(line, input, value))
  } else {
    throw new HistoryError(line, `:type must be :invoke, :ok, :fail or :info, not ${type}`)
  }
}

/** The answer that a `:fail` stands for, where it stands for one. */
function failedAnswer(input: PlainInput, value: Edn): { readonly output: unknown } | undefined {
  const refused = Array.isArray(value) || value === null
  if (input.op === 'cas' && refused) return { output: false }
  if (input.op === 'dequeue' && value === null) return { output: null }
  if (input.op === 'acquire' && value === null) return { output: null }
  return undefined
}

function inputOf(line: number, event: EdnEvent, model: ModelName): PlainInput {
  const { f } = event
  if (f === 'txn') return transactionOf(line, event.value, model)
  const usesKeys = model === 'kv' || model === 'kv-transactions' || model === 'append-list'
  const { key, value } = usesKeys ? keyAndValue(line, event) : event
  const keyField = usesKeys ? { key } : {}
  switch (f) {
    case 'cas': {
      const pair = Array.isArray(value) ? (value as readonly Edn[]) : []
      if (pair.length !== 2) throw new HistoryError(line, ':cas needs [old new]')
      return { op: f, ...keyField, from: plain(line, pair[0]), to: plain(line, pair[1]) }
    }
    case 'write':
    case 'put':
    case 'append': {
      const op = usesKeys && f === 'write' ? 'put' : f
      return { op, ...keyField, value: plain(line, value) }
    }
    case 'read':
    case 'get':
      return { op: usesKeys && model !== 'append-list' ? 'get' : 'read', ...keyField }
    case 'add':
      if (model === 'counter') return { op: f, delta: plain(line, value) }
      return { op: f, value: plain(line, value) }
    case 'acquire':
      return { op: f, lock: key ?? 'lock' }
    case 'release':
    case 'guard':
      return { op: f, lock: key ?? 'lock', token: plain(line, value) }
    case 'delete':
    case 'dequeue':
      return { op: f, ...keyField }
    default:
      return { op: f, ...keyField, value: plain(line, value) }
  }
}

function outputOf(line: number, input: PlainInput, value: Edn): unknown {
  switch (input.op) {
    case 'read':
    case 'get': {
      // A read of one object among several may repeat the key: [key value].
      const inner =
        Array.isArray(value) &&
        value.length === 2 &&
        'key' in input &&
        textOf(value[0]) === input['key']
          ? (value[1] as Edn)
          : value
      if (Array.isArray(inner)) return (inner as readonly Edn[]).map((item) => plain(line, item))
      return input.op === 'read' && 'key' in input && inner === null ? [] : plain(line, inner)
    }
    case 'cas':
      return true
    case 'dequeue':
    case 'acquire':
      return plain(line, value)
    case 'has':
    case 'release':
    case 'guard':
      return typeof value === 'boolean' ? value : true
    case 'txn': {
      const steps = Array.isArray(value) ? (value as readonly Edn[]) : []
      const reads = steps.filter((step) => Array.isArray(step) && wordOf(step[0]) === 'r')
      return {
        committed: true,
        reads: reads.map((step) => plain(line, (step as readonly Edn[])[2])),
      }
    }
    default:
      return null
  }
}

function transactionOf(line: number, value: Edn, model: ModelName): PlainInput {
  const items = Array.isArray(value) ? (value as readonly Edn[]) : []
  const steps = items.map((item) => {
    if (!Array.isArray(item)) throw new HistoryError(line, 'a step must be [f key value]')
    const [f, key, argument] = item as readonly (Edn | undefined)[]
    const name = wordOf(f)
    if (name === 'r') return { op: 'get', key: textOf(key) }
    const op = name === 'w' ? 'put' : name
    return { op, key: textOf(key), value: plain(line, argument) }
  })
  if (model === 'append-list') {
    throw new HistoryError(line, 'append-list has no transactions; use single appends and reads')
  }
  return { op: 'txn', steps }
}

function keyAndValue(line: number, { key, value }: EdnEvent): { key: string; value: Edn } {
  if (key !== undefined) return { key, value }
  if (Array.isArray(value) && value.length === 2) {
    return { key: textOf((value as readonly Edn[])[0]), value: value[1] as Edn }
  }
  throw new HistoryError(line, 'which object? An event needs :key, or [key value] as its value')
}

function textOf(value: Edn | undefined): string {
  return isEdnName(value)
    ? wordOf(value)
    : typeof value === 'string'
      ? value
      : JSON.stringify(value)
}

function plain(line: number, value: Edn | undefined): Value {
  if (value === undefined) return null
  if (isEdnName(value)) return wordOf(value)
  if (isValue(value)) return value
  throw new HistoryError(line, 'a value must be nil, a boolean, a number, a string or a keyword')
}
