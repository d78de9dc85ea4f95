// Objects that may do one of several things are checked by following all of them at once: the
// power-set construction makes a deterministic model whose state is a set of states.
import { impossible, undecided, type Model, type StateKey } from './model.ts'

/** A specification in which one step may lead to several states. */
export interface NondeterministicModel<State = unknown, Input = unknown, Output = unknown> {
  /** As in {@link Model.name}. */
  readonly name: string
  /** Every state the object may start in; at least one. */
  init(): readonly State[]
  /** Every state the object may be in afterwards; none where the output is impossible. */
  step(state: State, input: Input, output: Output | undefined): readonly State[]
  /** As in {@link Model.key}. */
  key(state: State): StateKey
  /** As in {@link Model.keys}. */
  keys?(input: Input): readonly string[] | '*'
  /** As in {@link Model.validate}. */
  validate?(input: unknown, output: unknown, completed: boolean): string | undefined
  /** As in {@link Model.describe}. */
  describe?(input: Input, output: Output | undefined): string
  /** As in {@link Model.describeState}. */
  describeState?(state: State): string
}

/** Options of {@link powerSet}. */
export interface PowerSetOptions {
  /** States followed at once before the answer is `'Unknown'`. Default 1024. */
  readonly maxStates?: number | undefined
}

/**
 * A deterministic model that follows every choice of a nondeterministic one. An operation is
 * impossible where no choice explains it.
 */
export function powerSet<State, Input, Output>(
  model: NondeterministicModel<State, Input, Output>,
  options: PowerSetOptions = {},
): Model<readonly State[], Input, Output> {
  const maxStates = options.maxStates ?? 1024
  const describe = (state: State) => model.describeState?.(state) ?? String(model.key(state))
  const { keys, validate } = model
  return {
    name: model.name,
    init: () => canonical(model, model.init()),
    step: (states, input, output) => {
      const after = new Map<StateKey, State>()
      for (const state of states) {
        for (const next of model.step(state, input, output)) after.set(model.key(next), next)
        if (after.size > maxStates) return undecided
      }
      return after.size === 0 ? impossible : canonical(model, after.values())
    },
    key: (states) => JSON.stringify(states.map((state) => tagged(model.key(state)))),
    // No readOnly: a read narrows the set of states, so its place matters even if it changes none.
    ...(keys === undefined ? {} : { keys: (input: Input) => keys.call(model, input) }),
    ...(validate === undefined
      ? {}
      : {
          validate: (input: unknown, output: unknown, completed: boolean) =>
            validate.call(model, input, output, completed),
        }),
    ...(model.describe === undefined
      ? {}
      : {
          describe: (input: Input, output: Output | undefined) =>
            model.describe?.(input, output) ?? '',
        }),
    describeState: (states) => `one of {${states.map(describe).join(', ')}}`,
  }
}

/** The same set always in the same order, so that equal sets have equal keys. */
function canonical<State>(
  model: NondeterministicModel<State>,
  states: Iterable<State>,
): readonly State[] {
  const byKey = new Map<string, State>()
  for (const state of states) byKey.set(tagged(model.key(state)), state)
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, state]) => state)
}

function tagged(key: StateKey): string {
  return `${typeof key}:${String(key)}`
}
