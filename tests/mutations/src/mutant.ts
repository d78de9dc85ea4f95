// What a mutant is: a bug put into one source file on purpose, and the tests that have to find it.
// The lists in `../mutants` are written against these types.

/** A change of one file. */
export interface Edit {
  /** The file, from the root of the repository. */
  readonly file: string
  /** Text that occurs in it exactly once. */
  readonly find: string
  /** What stands there instead. */
  readonly replace: string
}

/** A test that has to fail. */
export interface Killer {
  /** A test file, from the root of the repository. */
  readonly file: string
  /** A pattern for the names of the tests in it, as of vitest's `-t`. Default: all of them. */
  readonly name?: string
  /** Variables for it, such as how many seeds it tries. */
  readonly env?: Readonly<Record<string, string>>
}

/** A bug put in on purpose. */
export interface Mutant extends Edit {
  /** Its name: kebab-case, and beginning with the list that it is in. */
  readonly id: string
  /** Further changes that belong to it. */
  readonly also?: readonly Edit[]
  /** What is wrong then, in one sentence. */
  readonly breaks: string
  /** Tests, each of which has to fail, the quickest first. A string names a whole file. */
  readonly killedBy: readonly (Killer | string)[]
  /** Whether a killer that never ends counts as one that failed. */
  readonly hangs?: true
  /** Why nothing can kill it: it is then expected to survive. */
  readonly survives?: string
}

/** A well-known bug that cannot be put into these sources. */
export interface NotApplicable {
  /** What the bug is. */
  readonly bug: string
  /** Why there is no such place here. */
  readonly why: string
}
