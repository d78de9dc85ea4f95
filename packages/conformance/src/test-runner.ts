// What a suite needs of a test framework: two functions, so that none is preferred.

/** The two functions of a test runner that the suites need; those of vitest, jest and `node:test` fit. */
export interface TestRunner {
  /** Groups tests under a name. */
  describe(name: string, body: () => void): unknown
  /** Registers one test, which fails by throwing or rejecting. */
  it(name: string, body: () => void | Promise<void>): unknown
}

/** What every suite is given, besides what it tests. */
export interface ConformanceOptions {
  /** What is tested; the name of the group of tests. */
  readonly name: string
  /** The runner. */
  readonly test: TestRunner
}
