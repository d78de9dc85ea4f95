// Why a longest prefix cannot be longer: replays it, goes on where the model lets it, and names
// what it refuses. Works from the operations alone, so it also proves that the prefix is one.
import type { Operation } from '../history.ts'
import { describeState, impossible, undecided, type Model } from '../model.ts'
import type { ImpossibleStep } from '../result.ts'
import { isPending, type Part } from './prepare.ts'

/** A prefix that cannot be longer, and what stands after it. */
export interface Explanation {
  /** The sequence, as positions in the part. */
  readonly longest: readonly number[]
  /** What is impossible after it. */
  readonly impossible: ImpossibleStep
}

/**
 * Goes on from the longest prefix that the search found until the model itself refuses everything:
 * the search stops earlier where it knows that an order leads nowhere, but a person does not.
 */
export function explain<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  found: readonly number[],
): Explanation {
  const longest = found.slice()
  let state = replay(model, part, longest)
  const placed = new Set(longest)
  const open = [...part.operations.keys()].filter(
    (at) => !placed.has(at) && !isPending(part.operations[at] as Operation<Input, Output>),
  )
  for (;;) {
    const { first, candidates } = nextOperations(part, open)
    const next = candidates.find((at) => stepAt(model, part, state, at) !== impossible)
    if (next === undefined) {
      const refused = candidates
      return {
        longest,
        impossible: { operation: first, refused, state: describeState(model, state) },
      }
    }
    state = stepAt(model, part, state, next) as State
    longest.push(next)
    open.splice(open.indexOf(next), 1)
  }
}

function stepAt<State, Input, Output>(
  model: Model<State, Input, Output>,
  { operations }: Part<Input, Output>,
  state: State,
  at: number,
): State | typeof impossible | typeof undecided {
  const operation = operations[at] as Operation<Input, Output>
  return model.step(state, operation.input, isPending(operation) ? undefined : operation.output)
}

/** Of the operations without a place, the one that returned first, and those called before that. */
function nextOperations<Input, Output>(
  { operations }: Part<Input, Output>,
  open: readonly number[],
): { readonly first: number; readonly candidates: number[] } {
  let first = -1
  let firstReturn = Infinity
  for (const at of open) {
    const end = operations[at]?.return as number
    if (first === -1 || end < firstReturn) {
      first = at
      firstReturn = end
    }
  }
  const candidates = open.filter((at) => (operations[at]?.call as number) <= firstReturn)
  return { first, candidates }
}

/** The state after a sequence of operations that the model accepts. */
function replay<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  sequence: readonly number[],
): State {
  let state = model.init()
  for (const at of sequence) {
    const after = stepAt(model, part, state, at)
    if (after === impossible || after === undecided) {
      throw new TypeError(
        `model ${model.name} refuses a step that it took before: its step is not a function of its arguments`,
      )
    }
    state = after as State
  }
  return state
}
