// Lists that only grow, by key: a read shows the whole order of appends before it, so a lost,
// repeated or reordered one cannot hide.
import type { Operation } from '../history.ts'
import { impossible, keyed, type Model } from '../model.ts'
import { shaped, type Value } from './shape.ts'

/** Adds a value at the end of a list; answers the new length, or nothing. */
export interface ListAppend {
  /** The operation. */
  readonly op: 'append'
  /** The name of the list. */
  readonly key: string
  /** The value. */
  readonly value: Value
}

/** Reads a list; answers its values in order. */
export interface ListRead {
  /** The operation. */
  readonly op: 'read'
  /** The name of the list. */
  readonly key: string
}

/** Operations of {@link appendList}. */
export type ListInput = ListAppend | ListRead

/** Answers of {@link appendList}. */
export type ListOutput = number | null | readonly Value[]

const shapes = {
  append: { fields: { key: 'string', value: 'value' }, result: 'integer?' },
  read: { fields: { key: 'string' }, result: 'values' },
} as const

/** Append-only lists: `append` and `read`, checked list by list. */
export function appendList(): Model<readonly Value[], ListInput, ListOutput> {
  return keyed(list([]), (input) => input.key)
}

type ListModel = Model<readonly Value[], ListInput, ListOutput>

/** One list. Appends that contradict `read`, which some read will see or has seen, are refused. */
function list(read: readonly Value[]): ListModel {
  return {
    name: 'append-list',
    init: () => [],
    step: (state, input, output) => {
      if (input.op === 'append') {
        const refused =
          (typeof output === 'number' && output !== state.length + 1) ||
          (state.length < read.length && read[state.length] !== input.value)
        return refused ? impossible : [...state, input.value]
      }
      if (output === undefined) return state
      const values = output as readonly Value[]
      const same = values.length === state.length && values.every((value, i) => value === state[i])
      return same ? state : impossible
    },
    forPart: (completed) => list(longestRead(completed)),
    key: (state) => JSON.stringify(state),
    readOnly: ({ op }) => op === 'read',
    describeState: (state) => JSON.stringify(state),
    ...shaped(shapes),
  }
}

/** A list only grows, so at all times it is a prefix of the longest read, or the reverse. */
function longestRead(completed: readonly Operation<ListInput, ListOutput>[]): readonly Value[] {
  let longest: readonly Value[] = []
  for (const { output } of completed) {
    if (Array.isArray(output) && output.length > longest.length)
      longest = output as readonly Value[]
  }
  return longest
}
