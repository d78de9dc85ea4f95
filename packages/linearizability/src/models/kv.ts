// A key-value store, one register with append and delete under each key; histories are checked
// key by key, which is what makes long ones feasible.
import type { Operation } from '../history.ts'
import { impossible, keyed, type Model } from '../model.ts'
import { isValue, shaped, type Value } from './shape.ts'

/** Reads a key; answers its value, or the store's word for absent. */
export interface KvGet {
  /** The operation. */
  readonly op: 'get'
  /** The key. */
  readonly key: string
}

/** Sets a key; answers nothing. */
export interface KvPut {
  /** The operation. */
  readonly op: 'put'
  /** The key. */
  readonly key: string
  /** The new value. */
  readonly value: Value
}

/** Adds text at the end of a key's value (absent counts as empty); answers nothing. */
export interface KvAppend {
  /** The operation. */
  readonly op: 'append'
  /** The key. */
  readonly key: string
  /** The text to add. */
  readonly value: string
}

/** Sets a key to `to` if it holds `from`; answers whether it did. */
export interface KvCas {
  /** The operation. */
  readonly op: 'cas'
  /** The key. */
  readonly key: string
  /** The value that is expected; the store's word for absent where there must be none. */
  readonly from: Value
  /** The new value. */
  readonly to: Value
}

/** Removes a key; answers whether there was one, or nothing. */
export interface KvDelete {
  /** The operation. */
  readonly op: 'delete'
  /** The key. */
  readonly key: string
}

/** Operations of {@link kv}. */
export type KvInput = KvGet | KvPut | KvAppend | KvCas | KvDelete

/** Options of {@link kv} and {@link kvTransactions}. */
export interface KvOptions {
  /** What a read of an absent key answers. Default `null`; some stores say `''`. */
  readonly absent?: Value | undefined
}

/** The table of operations, shared with the model of transactions. */
export const kvShapes = {
  get: { fields: { key: 'string' }, result: 'value' },
  put: { fields: { key: 'string', value: 'value' }, result: 'nothing' },
  append: { fields: { key: 'string', value: 'string' }, result: 'nothing' },
  cas: { fields: { key: 'string', from: 'value', to: 'value' }, result: 'boolean' },
  delete: { fields: { key: 'string' }, result: 'boolean?' },
} as const

/** One key as a model; `absent` is both the initial state and the answer for it. */
function kvCell(absent: Value): Model<Value, KvInput, Value> {
  return {
    name: 'kv',
    init: () => absent,
    step: (state, input, output) => stepCell(absent, state, input, output),
    key: (state) => state,
    readOnly: readsOnly,
    forPart: (completed, others) => growing(absent, completed, others) ?? kvCell(absent),
    describeState: (state) => JSON.stringify(state),
    ...shaped(kvShapes),
  }
}

/**
 * Where a key is only appended to and read, its value only grows, so it is at all times a prefix
 * of the longest read or the reverse. Refusing anything else at once makes such histories easy.
 */
function growing(
  absent: Value,
  completed: readonly Operation<KvInput, Value>[],
  others: readonly Operation<KvInput, Value>[],
): Model<Value, KvInput, Value> | undefined {
  const grows = [...completed, ...others].every(
    ({ input: { op } }) => op === 'get' || op === 'append',
  )
  const reads = completed.flatMap(({ input, output }) =>
    input.op === 'get' && output !== absent && output !== undefined ? [output] : [],
  )
  if (!grows || !reads.every((value) => typeof value === 'string')) return undefined
  const longest = reads.reduce((a, b) => (b.length > a.length ? b : a), '')
  return {
    ...kvCell(absent),
    step: (state, input, output) => {
      const after = stepCell(absent, state, input, output)
      if (input.op !== 'append' || typeof after !== 'string') return after
      return longest.startsWith(after) || after.startsWith(longest) ? after : impossible
    },
  }
}

/** Whether a key-value operation changes nothing wherever it is possible. */
export function readsOnly(input: KvInput, output: Value | undefined): boolean {
  return input.op === 'get' || ((input.op === 'cas' || input.op === 'delete') && output === false)
}

/** The value under one key after an operation. */
export function stepCell(
  absent: Value,
  state: Value,
  input: KvInput,
  output: Value | undefined,
): Value | typeof impossible {
  switch (input.op) {
    case 'get':
      return output === undefined || output === state ? state : impossible
    case 'put':
      return input.value
    case 'append':
      return state === absent ? input.value : `${state}${input.value}`
    case 'cas': {
      const matches = state === input.from
      if (output !== undefined && output !== matches) return impossible
      return matches ? input.to : state
    }
    case 'delete':
      return typeof output !== 'boolean' || output === (state !== absent) ? absent : impossible
  }
}

/** A key-value store: `get`, `put`, `append`, `cas` and `delete`, checked key by key. */
export function kv(options: KvOptions = {}): Model<Value, KvInput, Value> {
  return keyed(kvCell(absentValue(options)), (input) => input.key)
}

/** The option with its default. */
export function absentValue(options: KvOptions): Value {
  const absent = options.absent ?? null
  if (!isValue(absent)) throw new TypeError('absent must be a string, number, boolean or null')
  return absent
}
