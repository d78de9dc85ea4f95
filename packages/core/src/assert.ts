// Assertions that stay on in production: a replica that finds its own state impossible must
// stop, because going on would let it acknowledge what it cannot keep.

/** Thrown when an invariant does not hold. It is a bug, carries no code and must not be caught. */
export class AssertionError extends Error {
  /** Always `'AssertionError'`. */
  override readonly name = 'AssertionError'
}

/**
 * Throws {@link AssertionError} unless `condition` holds.
 *
 * @param condition - the invariant
 * @param message - what was expected; a function where building the text is costly
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message())
}

/** Marks a branch that the type checker proves unreachable; throws {@link AssertionError} if reached. */
export function assertNever(value: never, message: string): never {
  throw new AssertionError(`${message}: ${String(value)}`)
}

/** Returns `value`, or throws {@link AssertionError} where it is `undefined`. */
export function defined<T>(value: T | undefined, message: string | (() => string)): T {
  assert(value !== undefined, message)
  return value
}
