// What a check answers: a verdict, and for every part of the history how far an order of its
// operations goes and what stands in the way.
import type { Operation } from './history.ts'

/**
 * `'Ok'`: an order exists. `'Illegal'`: none exists. `'Unknown'`: a budget ran out, the check was
 * cancelled or the model gave up before either was certain.
 */
export type Verdict = 'Ok' | 'Illegal' | 'Unknown'

/**
 * Why a verdict is `'Unknown'`: `'steps'`, `'memory'` or `'time'` ran out; the check was
 * `'cancelled'`; the `'model'` gave up; or the part was `'skipped'`, since another was illegal.
 */
export type UnknownReason = 'steps' | 'memory' | 'time' | 'cancelled' | 'model' | 'skipped'

/** Why no order goes further than {@link PartResult.longest}. Numbers are positions in `operations`. */
export interface ImpossibleStep {
  /** The operation that returned first among those without a place: one must come before its return. */
  readonly operation: number
  /** The operations that may come next by real time and completed; the model refuses every one. */
  readonly refused: readonly number[]
  /** The state of the model after the longest prefix, in words. */
  readonly state: string
}

/** The answer for the operations on objects that no other part touches. */
export interface PartResult<Input = unknown, Output = unknown> {
  /** The names of the objects, as the model gives them; empty for a single object. */
  readonly key: string
  /** Whether an order exists. */
  readonly verdict: Verdict
  /** Present where the verdict is `'Unknown'`. */
  readonly reason?: UnknownReason | undefined
  /** The operations, by call, without those that failed or whose reads are unknown. */
  readonly operations: readonly Operation<Input, Output>[]
  /** Where each of `operations` stood in the history that was given. */
  readonly indices: readonly number[]
  /**
   * The longest order that was found, as positions in `operations`: all completed ones where
   * the verdict is `'Ok'`, and one that cannot be continued where it is `'Illegal'`.
   */
  readonly longest: readonly number[]
  /** Present where the verdict is `'Illegal'`. */
  readonly impossible?: ImpossibleStep | undefined
  /** Steps of the search spent on this part. */
  readonly steps: number
  /** Distinct configurations searched. */
  readonly configurations: number
}

/** The answer for a history. */
export interface CheckResult<Input = unknown, Output = unknown> {
  /** `'Illegal'` if any part is, else `'Unknown'` if any part is, else `'Ok'`. */
  readonly verdict: Verdict
  /** Present where the verdict is `'Unknown'`. */
  readonly reason?: UnknownReason | undefined
  /** Name of the model. */
  readonly model: string
  /** One for each set of objects that share operations, in order of first calls. */
  readonly parts: readonly PartResult<Input, Output>[]
  /** The part that was found illegal first. Present where the verdict is `'Illegal'`. */
  readonly illegal?: PartResult<Input, Output> | undefined
  /** Operations in the history that was given. */
  readonly operations: number
  /** Of these, left out since they certainly failed. */
  readonly failed: number
  /** Of these, left out since they read, and what they read is not known. */
  readonly unread: number
  /** Steps of the search: steps of the model tried, and steps taken back. Repeatable. */
  readonly steps: number
  /** The most memory that the search held at once, in bytes, as the search accounts for it. */
  readonly peakBytes: number
}
