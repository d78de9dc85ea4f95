// What the storage tells an operator, kept so that a test can look at it.
import type { LogFields, Logger, Metrics } from '@quorate/core'

/** A logger and metrics that remember. */
export class Watch {
  readonly lines: {
    readonly level: string
    readonly message: string
    readonly fields: LogFields
  }[] = []
  readonly values = new Map<string, number[]>()
  readonly kinds = new Map<string, 'counter' | 'gauge' | 'histogram'>()

  readonly logger: Logger = {
    debug: (fields, message) => void this.lines.push({ level: 'debug', message, fields }),
    info: (fields, message) => void this.lines.push({ level: 'info', message, fields }),
    warn: (fields, message) => void this.lines.push({ level: 'warn', message, fields }),
    error: (fields, message) => void this.lines.push({ level: 'error', message, fields }),
  }

  readonly metrics: Metrics = {
    counter: (name) => ({ add: this.#series(name, 'counter') }),
    gauge: (name) => ({ set: this.#series(name, 'gauge') }),
    histogram: (name) => ({ record: this.#series(name, 'histogram') }),
  }

  #series(name: string, kind: 'counter' | 'gauge' | 'histogram'): (value?: number) => void {
    this.kinds.set(name, kind)
    const values: number[] = []
    this.values.set(name, values)
    return (value = 1) => void values.push(value)
  }

  /** The last value of a gauge. */
  last(name: string): number | undefined {
    return this.values.get(name)?.at(-1)
  }

  /** The sum of a counter or of a histogram's values. */
  sum(name: string): number {
    return (this.values.get(name) ?? []).reduce((sum, value) => sum + value, 0)
  }
}
