// Linearizability by its definition: every order that real time allows, one after the other, with
// no memory, no parts and no shortcuts. Only for a handful of operations.
import { impossible, type Model, type Operation } from '../src/index.ts'

/** Whether some order of all completed and any unknown operations is one that the model accepts. */
export function linearizableByBruteForce(model: Model, history: readonly Operation[]): boolean {
  const whole = model.joint ?? model
  const happened = history.filter((operation) => operation.outcome !== 'failed')
  return extend(whole, whole.init(), happened)
}

function extend(model: Model, state: unknown, remaining: readonly Operation[]): boolean {
  if (remaining.every(isUnknown)) return true
  return remaining.some((operation) => {
    const tooLate = remaining.some(
      (other) => !isUnknown(other) && (other.return as number) < operation.call,
    )
    if (tooLate) return false
    const output = isUnknown(operation) ? undefined : operation.output
    const after = model.step(state, operation.input, output)
    return (
      after !== impossible &&
      extend(
        model,
        after,
        remaining.filter((other) => other !== operation),
      )
    )
  })
}

/** Whether the end of an operation was not seen. */
export function isUnknown(operation: Operation): boolean {
  return operation.outcome === 'unknown' || operation.return === undefined
}
