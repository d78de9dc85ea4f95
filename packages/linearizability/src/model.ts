// A model is the object as one client alone would see it: a state and a step. Everything the
// checker knows about registers, queues or locks comes through this interface.
import type { Operation } from './history.ts'

/** What {@link Model.step} answers where the operation cannot have had that output in that state. */
export const impossible: unique symbol = Symbol('impossible')

/**
 * What {@link Model.step} answers where the model itself gave up (a bound of its own was hit).
 * The part of the history under search then ends as `'Unknown'`.
 */
export const undecided: unique symbol = Symbol('undecided')

/** A value that identifies a state: equal keys mean equal states, and the reverse. */
export type StateKey = string | number | boolean | null

/** The sequential specification of an object. States are immutable values. */
export interface Model<State = unknown, Input = unknown, Output = unknown> {
  /** Name of the model, as used in reports and on the command line. */
  readonly name: string
  /** The state before the first operation. */
  init(): State
  /**
   * The state after `input` was applied to `state` and answered `output`, or
   * {@link impossible}. An `output` of `undefined` means that the answer is not known: the
   * step then does what the object would do, whatever it would have answered.
   */
  step(
    state: State,
    input: Input,
    output: Output | undefined,
  ): State | typeof impossible | typeof undecided
  /** Identifies a state. Two states with one key must be interchangeable for ever. */
  key(state: State): StateKey
  /**
   * The independent objects that an operation touches, or `'*'` for all of them. Operations
   * that share no object, directly or through others, are checked apart: a history is
   * linearizable if its parts are (Herlihy and Wing 1990, locality). Default: one object.
   */
  keys?(input: Input): readonly string[] | '*'
  /**
   * Whether this operation leaves the state as it is in *every* state in which it is possible
   * (a read; a compare-and-set that answered false). Such an operation never needs to be
   * tried late, and one with an unknown outcome needs no place at all. Asked with `output`
   * `undefined` for unknown outcomes. Default: never.
   */
  readOnly?(input: Input, output: Output | undefined): boolean
  /**
   * What is wrong with the shape of an operation, or `undefined`. `completed` is false where
   * the outcome is unknown and no output is expected. Called for every operation before the search.
   */
  validate?(input: unknown, output: unknown, completed: boolean): string | undefined
  /** One line for a person, such as `get("x") → "1"`. Default: JSON. */
  describe?(input: Input, output: Output | undefined): string
  /** One line for a person, such as `"1"`. Default: the key. */
  describeState?(state: State): string
  /**
   * The same model with knowledge of what is in one part of a history: it may refuse early what
   * cannot lead to an order of all of `completed` (an append that contradicts a later read). It
   * must have the same states, and change no verdict. `others` are operations that may or may not
   * have happened, with outputs that are not known. Default: the model itself.
   */
  forPart?(
    completed: readonly Operation<Input, Output>[],
    others: readonly Operation<Input, Output>[],
  ): Model<State, Input, Output>
  /**
   * The same object without locality, every key in one state, for checks that must not split
   * a history (sequential consistency). Default: the model itself.
   */
  readonly joint?: Model<unknown, Input, Output> | undefined
}

/** The state of a {@link Model.joint} model: one state for each object touched so far. */
export type JointState<State> = ReadonlyMap<string, State>

/**
 * Many independent copies of one object, told apart by a key in the input: the history is
 * checked key by key.
 *
 * @param single The object under one key. Its own `keys` and `joint` are not used.
 * @param keyOf The key that an input names.
 */
export function keyed<State, Input, Output>(
  single: Model<State, Input, Output>,
  keyOf: (input: Input) => string,
): Model<State, Input, Output> {
  const { keys: _keys, forPart: _forPart, joint: _joint, ...rest } = single
  const joint: Model<JointState<State>, Input, Output> = {
    ...rest,
    init: () => new Map(),
    step: (state, input, output) => {
      const key = keyOf(input)
      const before = state.get(key) ?? single.init()
      const after = single.step(before, input, output)
      if (after === impossible) return impossible
      if (after === undecided) return undecided
      if (single.key(after as State) === single.key(before)) return state
      return new Map(state).set(key, after as State)
    },
    key: (state) => JSON.stringify(presentEntries(single, state)),
    describeState: (state) =>
      [...state]
        .map(
          ([key, value]) => `${key}: ${single.describeState?.(value) ?? String(single.key(value))}`,
        )
        .join(', '),
  }
  return { ...single, keys: (input) => [keyOf(input)], joint }
}

/** Entries that differ from the initial state, sorted, so that touching a key leaves no trace. */
function presentEntries<State>(
  single: Model<State>,
  state: JointState<State>,
): [string, StateKey][] {
  const initial = single.key(single.init())
  const entries: [string, StateKey][] = []
  for (const [key, value] of state) {
    const stateKey = single.key(value)
    if (stateKey !== initial) entries.push([key, stateKey])
  }
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

/** An operation in one line, by the model's own words where it has some. */
export function describeOperation<State, Input, Output>(
  model: Model<State, Input, Output>,
  input: Input,
  output: Output | undefined,
): string {
  if (model.describe !== undefined) return model.describe(input, output)
  const answer = output === undefined ? '' : ` → ${JSON.stringify(output)}`
  return `${JSON.stringify(input)}${answer}`
}

/** A state in one line, by the model's own words where it has some. */
export function describeState<State, Input, Output>(
  model: Model<State, Input, Output>,
  state: State,
): string {
  return model.describeState?.(state) ?? String(model.key(state))
}
