// The check of options that are amounts, in a file of its own because pages take it too: nothing
// that it imports may need Node.
import { QuorateError } from '@quorate/core'

export function positive(name: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  if (Number.isFinite(value) && value > 0) return value
  throw new QuorateError('INVALID_OPTIONS', `${name} must be a positive number`)
}
