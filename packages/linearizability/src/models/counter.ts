// A counter: additions that were applied twice, or lost, show in what is read later.
import { impossible, type Model } from '../model.ts'
import { shaped } from './shape.ts'

/** Adds to the counter; answers the new value, or nothing. */
export interface CounterAdd {
  /** The operation. */
  readonly op: 'add'
  /** What to add; may be negative. */
  readonly delta: number
}

/** Reads the counter; answers its value. */
export interface CounterRead {
  /** The operation. */
  readonly op: 'read'
}

/** Operations of {@link counter}. */
export type CounterInput = CounterAdd | CounterRead

/** Options of {@link counter}. */
export interface CounterOptions {
  /** The value at the start. Default 0. */
  readonly initial?: number | undefined
}

const shapes = {
  add: { fields: { delta: 'integer' }, result: 'integer?' },
  read: { result: 'integer' },
} as const

/** A counter of safe integers: `add` and `read`. */
export function counter(options: CounterOptions = {}): Model<number, CounterInput, number | null> {
  const initial = options.initial ?? 0
  return {
    name: 'counter',
    init: () => initial,
    step: (state, input, output) => {
      const after = input.op === 'add' ? state + input.delta : state
      return typeof output !== 'number' || output === after ? after : impossible
    },
    key: (state) => state,
    readOnly: (input) => input.op === 'read' || input.delta === 0,
    describeState: (state) => String(state),
    ...shaped(shapes),
  }
}
