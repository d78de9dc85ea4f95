// A first-in first-out queue: what goes in comes out once, in order.
import { impossible, type Model } from '../model.ts'
import { shaped, type Value } from './shape.ts'

/** Puts a value (not null) at the end; answers nothing. */
export interface Enqueue {
  /** The operation. */
  readonly op: 'enqueue'
  /** The value. */
  readonly value: Value
}

/** Takes the first value; answers it, or null where the queue is empty. */
export interface Dequeue {
  /** The operation. */
  readonly op: 'dequeue'
}

/** Operations of {@link queue}. */
export type QueueInput = Enqueue | Dequeue

const shapes = {
  enqueue: { fields: { value: 'value' }, result: 'nothing' },
  dequeue: { result: 'value' },
} as const

/** A FIFO queue: `enqueue` and `dequeue`. */
export function queue(): Model<readonly Value[], QueueInput, Value> {
  const { validate, describe } = shaped(shapes)
  return {
    name: 'queue',
    init: () => [],
    step: (state, input, output) => {
      if (input.op === 'enqueue') return [...state, input.value]
      const first = state[0]
      if (output !== undefined && output !== (first ?? null)) return impossible
      return first === undefined ? state : state.slice(1)
    },
    key: (state) => JSON.stringify(state),
    readOnly: (input, output) => input.op === 'dequeue' && output === null,
    validate: (input, output, completed) =>
      validate(input, output, completed) ??
      ((input as QueueInput).op === 'enqueue' && (input as Enqueue).value === null
        ? 'enqueue: value must not be null, which is how dequeue says empty'
        : undefined),
    describe,
    describeState: (state) => JSON.stringify(state),
  }
}
