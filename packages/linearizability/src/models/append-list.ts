// Lists that only grow, by key: a read shows the whole order of appends before it, so a lost,
// repeated or reordered one cannot hide.
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
  const single: Model<readonly Value[], ListInput, ListOutput> = {
    name: 'append-list',
    init: () => [],
    step: (state, input, output) => {
      if (input.op === 'append') {
        const refused = typeof output === 'number' && output !== state.length + 1
        return refused ? impossible : [...state, input.value]
      }
      if (output === undefined) return state
      const values = output as readonly Value[]
      const same = values.length === state.length && values.every((value, i) => value === state[i])
      return same ? state : impossible
    },
    key: (state) => JSON.stringify(state),
    readOnly: ({ op }) => op === 'read',
    describeState: (state) => JSON.stringify(state),
    ...shaped(shapes),
  }
  return keyed(single, (input) => input.key)
}
