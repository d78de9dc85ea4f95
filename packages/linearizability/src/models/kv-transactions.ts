// A key-value store with transactions over several keys: each is one step, so a history that
// only serializes (write skew, long fork, a read between two writes) is told from an atomic one.
import { impossible, type Model } from '../model.ts'
import { absentValue, kvShapes, readsOnly, stepCell, type KvInput, type KvOptions } from './kv.ts'
import { complaint, inWords, isValue, shaped, type Value } from './shape.ts'

/** A step of a transaction that fails the transaction unless a key holds a value. */
export interface ExpectStep {
  /** The step. */
  readonly op: 'expect'
  /** The key. */
  readonly key: string
  /** The value it must hold at this step. */
  readonly value: Value
}

/** A step of a transaction. Steps see what earlier ones of the same transaction wrote. */
export type TransactionStep = Exclude<KvInput, { op: 'cas' }> | ExpectStep

/** All of its steps at one instant, or none where an `expect` fails. */
export interface Transaction {
  /** The operation. */
  readonly op: 'txn'
  /** The steps, in order. */
  readonly steps: readonly TransactionStep[]
}

/** What a transaction answers. */
export interface TransactionResult {
  /** Whether every `expect` held. */
  readonly committed: boolean
  /** What the `get` steps saw, in order. Needed where the transaction committed. */
  readonly reads?: readonly Value[] | undefined
}

/** Operations of {@link kvTransactions}: transactions, and single operations among them. */
export type KvTransactionInput = KvInput | Transaction

/** Answers of {@link kvTransactions}. */
export type KvTransactionOutput = Value | TransactionResult

/** The keys that hold a value. */
export type KvState = ReadonlyMap<string, Value>

const { get, put, append, delete: remove } = kvShapes
const stepShapes = {
  get: { ...get, result: 'nothing' },
  put,
  append,
  delete: { ...remove, result: 'nothing' },
  expect: { fields: { key: 'string', value: 'value' }, result: 'nothing' },
} as const

/**
 * A key-value store with transactions of `get`, `put`, `append`, `delete` and `expect` steps,
 * beside the operations of {@link kv}. Keys that no transaction joins are checked apart.
 */
export function kvTransactions(
  options: KvOptions = {},
): Model<KvState, KvTransactionInput, KvTransactionOutput> {
  const absent = absentValue(options)
  const single = shaped(kvShapes)
  return {
    name: 'kv-transactions',
    init: () => new Map(),
    step: (state, input, output) =>
      input.op === 'txn'
        ? stepTransaction(absent, state, input, output as TransactionResult | undefined)
        : stepSingle(absent, state, input, output as Value | undefined),
    key: (state) => JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))),
    keys: (input) =>
      input.op === 'txn' ? [...new Set(input.steps.map(({ key }) => key))] : [input.key],
    readOnly: (input, output) =>
      input.op === 'txn'
        ? (output as TransactionResult | undefined)?.committed === false ||
          input.steps.every(({ op }) => op === 'get' || op === 'expect')
        : readsOnly(input, output as Value | undefined),
    validate: (input, output, completed) =>
      isTransaction(input)
        ? transactionComplaint(input, output, completed)
        : single.validate(input, output, completed),
    describe: (input, output) =>
      input.op === 'txn' ? transactionInWords(input, output) : single.describe(input, output),
    describeState: (state) =>
      `{${[...state].map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')}}`,
  }
}

function stepSingle(
  absent: Value,
  state: KvState,
  input: KvInput,
  output: Value | undefined,
): KvState | typeof impossible {
  const before = state.get(input.key) ?? absent
  const after = stepCell(absent, before, input, output)
  if (after === impossible) return impossible
  return after === before ? state : withValue(absent, state, input.key, after)
}

function stepTransaction(
  absent: Value,
  state: KvState,
  { steps }: Transaction,
  output: TransactionResult | undefined,
): KvState | typeof impossible {
  let after = state
  let read = 0
  for (const step of steps) {
    const value = after.get(step.key) ?? absent
    if (step.op === 'expect') {
      if (value !== step.value) return output?.committed === true ? impossible : state
    } else if (step.op === 'get') {
      if (output?.committed === true && output.reads?.[read] !== value) return impossible
      read += 1
    } else {
      after = stepSingle(absent, after, step, undefined) as KvState
    }
  }
  return output?.committed === false ? impossible : after
}

function withValue(absent: Value, state: KvState, key: string, value: Value): KvState {
  const after = new Map(state)
  if (value === absent) after.delete(key)
  else after.set(key, value)
  return after
}

function isTransaction(input: unknown): input is { readonly steps: unknown } {
  return typeof input === 'object' && input !== null && 'op' in input && input.op === 'txn'
}

function transactionComplaint(
  { steps }: { readonly steps: unknown },
  output: unknown,
  completed: boolean,
): string | undefined {
  if (!Array.isArray(steps)) return 'txn: steps must be an array'
  for (const [at, step] of steps.entries()) {
    const wrong = complaint(stepShapes, step, undefined, false)
    if (wrong !== undefined) return `txn: step ${at}: ${wrong}`
  }
  if (!completed) return undefined
  if (typeof output !== 'object' || output === null || !('committed' in output)) {
    return 'txn: the result must be an object with committed'
  }
  if (typeof output.committed !== 'boolean') return 'txn: committed must be a boolean'
  if (!output.committed) return undefined
  const reads = 'reads' in output ? output.reads : []
  const gets = steps.filter(({ op }: TransactionStep) => op === 'get').length
  return Array.isArray(reads) && reads.every(isValue) && reads.length === gets
    ? undefined
    : `txn: reads must be an array of ${gets} values, one for each get`
}

function transactionInWords(
  { steps }: Transaction,
  output: KvTransactionOutput | undefined,
): string {
  const result = output as TransactionResult | undefined
  let read = 0
  const words = steps.map((step) =>
    inWords(
      { ...stepShapes, get: kvShapes.get },
      step,
      step.op === 'get' ? result?.reads?.[read++] : undefined,
    ),
  )
  return `txn[${words.join('; ')}]${result?.committed === false ? ' → aborted' : ''}`
}
