// What is replicated: the program that every replica runs over the same commands. It must end in
// the same state everywhere, so everything that could differ reaches it inside a command.
import type { LogIndex } from './ids.ts'

/** A committed command. */
export interface Command {
  /** Its position in the log. */
  readonly index: LogIndex
  /** Its bytes, as proposed. */
  readonly payload: Uint8Array
}

/** Results of commands or a query: at once, or later where state lives on disk. */
export type MaybePromise<T> = T | Promise<T>

/**
 * A deterministic state machine over bytes.
 *
 * Contract. `apply`, `restore` and `snapshot` are called one after the other, never at once, and
 * `apply` in the order of the log without omission or repetition. It must be deterministic: no
 * clock, randomness, environment or iteration order that could differ between replicas. It must not
 * throw for any command: an invalid one gives a result that says so. If it throws, the replica stops
 * with `STATE_MACHINE_FAILED`, since its state is then unknown.
 */
export interface StateMachine {
  /**
   * The last command that the state already contains, for a state machine that keeps its state on
   * disk and can start from it. Default 0: the state starts empty.
   */
  readonly appliedIndex?: LogIndex | undefined
  /** Applies commands and returns their results, one for each, in order. */
  apply(commands: readonly Command[]): MaybePromise<readonly Uint8Array[]>
  /** Answers a question about the state and must not change it. */
  query(query: Uint8Array): MaybePromise<Uint8Array>
  /**
   * The state as bytes.
   *
   * Contract. The state is captured when `snapshot` returns; commands applied while the chunks are
   * read must not show. Chunks may have any size above 0. An iteration that is not finished is ended
   * by its `return`.
   */
  snapshot(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** Replaces the state by what a snapshot of any replica holds. If it throws, the replica stops. */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<void>
}
