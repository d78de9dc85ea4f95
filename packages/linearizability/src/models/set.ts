// A set of values. Where nobody reads it whole, every element is an object of its own and the
// history is checked element by element.
import { impossible, type Model } from '../model.ts'
import { shaped, type Value } from './shape.ts'

/** Puts an element in; answers whether it was new, or nothing. */
export interface SetAdd {
  /** The operation. */
  readonly op: 'add'
  /** The element. */
  readonly value: Value
}

/** Takes an element out; answers whether it was there, or nothing. */
export interface SetRemove {
  /** The operation. */
  readonly op: 'remove'
  /** The element. */
  readonly value: Value
}

/** Asks for an element; answers whether it is there. */
export interface SetHas {
  /** The operation. */
  readonly op: 'has'
  /** The element. */
  readonly value: Value
}

/** Reads the whole set; answers its elements in any order, each once. */
export interface SetRead {
  /** The operation. */
  readonly op: 'read'
}

/** Operations of {@link set}. */
export type SetInput = SetAdd | SetRemove | SetHas | SetRead

/** Answers of {@link set}. */
export type SetOutput = boolean | null | readonly Value[]

const shapes = {
  add: { fields: { value: 'value' }, result: 'boolean?' },
  remove: { fields: { value: 'value' }, result: 'boolean?' },
  has: { fields: { value: 'value' }, result: 'boolean' },
  read: { result: 'values' },
} as const

/** A set: `add`, `remove`, `has` and `read`. The state is its elements as JSON, sorted. */
export function set(): Model<readonly string[], SetInput, SetOutput> {
  const sorted = sortedOnce()
  return {
    name: 'set',
    init: () => [],
    step: (state, input, output) => {
      if (input.op === 'read') {
        return output === undefined || sameElements(state, sorted(output)) ? state : impossible
      }
      const element = JSON.stringify(input.value)
      const present = state.includes(element)
      if (input.op === 'has') return answers(output, present) ? state : impossible
      if (input.op === 'add') {
        if (!answers(output, !present)) return impossible
        return present ? state : [...state, element].sort()
      }
      if (!answers(output, present)) return impossible
      return present ? state.filter((other) => other !== element) : state
    },
    key: (state) => state.join(','),
    keys: (input) => (input.op === 'read' ? '*' : [JSON.stringify(input.value)]),
    readOnly: (input, output) => input.op === 'read' || input.op === 'has' || output === false,
    describeState: (state) => `{${state.join(', ')}}`,
    ...shaped(shapes),
  }
}

function answers(output: SetOutput | undefined, truth: boolean): boolean {
  return typeof output !== 'boolean' || output === truth
}

function sameElements(state: readonly string[], elements: readonly string[]): boolean {
  return state.length === elements.length && state.every((value, at) => value === elements[at])
}

/** Reads are compared with many states; each is put in order once. */
function sortedOnce(): (output: SetOutput) => readonly string[] {
  const known = new WeakMap<object, readonly string[]>()
  return (output) => {
    if (typeof output !== 'object' || output === null) return []
    const before = known.get(output)
    if (before !== undefined) return before
    const elements = output.map((value) => JSON.stringify(value)).sort()
    known.set(output, elements)
    return elements
  }
}
