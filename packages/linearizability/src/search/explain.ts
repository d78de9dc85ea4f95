// Why a longest prefix cannot be longer: replays it and names the operations that the model
// refuses. Works from the operations alone, so it also proves that the prefix is one.
import { describeState, impossible, undecided, type Model } from '../model.ts'
import type { ImpossibleStep } from '../result.ts'
import { isPending, type Part } from './prepare.ts'

/** What stands after the longest prefix of an illegal part. */
export function impossibleStep<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  longest: readonly number[],
): ImpossibleStep {
  const { operations } = part
  const placed = new Set(longest)
  const open: number[] = []
  let first = -1
  let firstReturn = Infinity
  for (const [position, operation] of operations.entries()) {
    if (placed.has(position) || isPending(operation)) continue
    open.push(position)
    const end = operation.return as number
    if (first === -1 || end < firstReturn) {
      first = position
      firstReturn = end
    }
  }
  return {
    operation: first,
    refused: open.filter((position) => (operations[position]?.call as number) <= firstReturn),
    state: describeState(model, replay(model, part, longest)),
  }
}

/** The state after a sequence of operations that the model accepts. */
function replay<State, Input, Output>(
  model: Model<State, Input, Output>,
  { operations }: Part<Input, Output>,
  sequence: readonly number[],
): State {
  let state = model.init()
  for (const position of sequence) {
    const operation = operations[position] as (typeof operations)[number]
    const output = isPending(operation) ? undefined : operation.output
    const after = model.step(state, operation.input, output)
    if (after === impossible || after === undecided) {
      throw new TypeError(
        `model ${model.name} refuses a step that it took before: its step is not a function of its arguments`,
      )
    }
    state = after as State
  }
  return state
}
