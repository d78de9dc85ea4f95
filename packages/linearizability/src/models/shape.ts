// The models describe their operations as a table; from it come the check of what a file or a
// caller handed in and the words in which a person reads it.

/** A value as histories hold it: what JSON can say in one word. */
export type Value = string | number | boolean | null

/** The kinds of field and result that the tables use. */
export type Kind =
  | 'value'
  | 'string'
  | 'integer'
  | 'boolean'
  | 'values'
  | 'value?'
  | 'integer?'
  | 'boolean?'
  | 'integer|null'
  | 'nothing'

/** The fields of one operation beside `op`, and its result. */
export interface OperationShape {
  /** The fields of the input, in the order in which they are read aloud. */
  readonly fields?: Readonly<Record<string, Kind>>
  /** What the operation answers. */
  readonly result: Kind
}

/** The operations of a model, by name. */
export type Shapes = Readonly<Record<string, OperationShape>>

const expected: Readonly<Record<Kind, string>> = {
  value: 'a string, number, boolean or null',
  string: 'a string',
  integer: 'a safe integer',
  boolean: 'a boolean',
  values: 'an array of strings, numbers, booleans and nulls',
  'value?': 'absent, or a string, number, boolean or null',
  'integer?': 'absent, or a safe integer',
  'boolean?': 'absent, or a boolean',
  'integer|null': 'a safe integer or null',
  nothing: 'absent or null',
}

/** Whether this is a {@link Value}. Numbers must be finite. */
export function isValue(value: unknown): value is Value {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value))
  )
}

/** Whether a value is of a kind. */
function isKind(kind: Kind, value: unknown): boolean {
  const absent = value === undefined || value === null
  switch (kind) {
    case 'value':
      return isValue(value)
    case 'string':
      return typeof value === 'string'
    case 'integer':
      return Number.isSafeInteger(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'values':
      return Array.isArray(value) && value.every(isValue)
    case 'value?':
      return value === undefined || isValue(value)
    case 'integer?':
      return absent || Number.isSafeInteger(value)
    case 'boolean?':
      return absent || typeof value === 'boolean'
    case 'integer|null':
      return value === null || Number.isSafeInteger(value)
    case 'nothing':
      return absent
  }
}

/** What is wrong with an operation by this table, or `undefined`. */
export function complaint(
  shapes: Shapes,
  input: unknown,
  output: unknown,
  completed: boolean,
): string | undefined {
  if (typeof input !== 'object' || input === null) return 'the input must be an object'
  const fields = input as Readonly<Record<string, unknown>>
  const name = fields['op']
  const shape = typeof name === 'string' && Object.hasOwn(shapes, name) ? shapes[name] : undefined
  if (shape === undefined) {
    return `op must be one of ${Object.keys(shapes).join(', ')}, not ${JSON.stringify(name)}`
  }
  for (const [field, kind] of Object.entries(shape.fields ?? {})) {
    if (!isKind(kind, fields[field])) {
      return `${String(name)}: ${field} must be ${expected[kind]}, not ${JSON.stringify(fields[field])}`
    }
  }
  if (completed && !isKind(shape.result, output)) {
    return `${String(name)}: the result must be ${expected[shape.result]}, not ${JSON.stringify(output)}`
  }
  return undefined
}

/** An operation in words: `cas("x", 1, 2) → true`. */
export function inWords(shapes: Shapes, input: object, output: unknown): string {
  const fields = input as Readonly<Record<string, unknown>>
  const name = String(fields['op'])
  const given = Object.keys(shapes[name]?.fields ?? {})
    .filter((field) => fields[field] !== undefined)
    .map((field) => JSON.stringify(fields[field]))
  const silent = output === undefined || (output === null && shapes[name]?.result === 'nothing')
  return `${name}(${given.join(', ')})${silent ? '' : ` → ${JSON.stringify(output)}`}`
}

/** The two model members that follow from a table. */
export function shaped(shapes: Shapes): {
  validate: (input: unknown, output: unknown, completed: boolean) => string | undefined
  describe: (input: object, output: unknown) => string
} {
  return {
    validate: (input, output, completed) => complaint(shapes, input, output, completed),
    describe: (input, output) => inWords(shapes, input, output),
  }
}
