// A history file is input like any other: what is wrong with it is reported with its line, and
// never half read.

/** What is wrong with a history file. A program tells it by `code`. */
export class HistoryError extends Error {
  /** Always `'HISTORY_INVALID'`. */
  readonly code = 'HISTORY_INVALID'
  /** The line, counted from 1. */
  readonly line: number

  constructor(line: number, message: string, options?: ErrorOptions) {
    super(`line ${line}: ${message}`, options)
    this.name = 'HistoryError'
    this.line = line
  }
}

/** The lines of a text, with their numbers, without empty ones. */
export function* linesOf(text: string): Generator<readonly [number: number, line: string]> {
  let number = 0
  for (const line of text.split('\n')) {
    number += 1
    const trimmed = line.trim()
    if (trimmed !== '') yield [number, trimmed]
  }
}
