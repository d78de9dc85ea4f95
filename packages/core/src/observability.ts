// What a program may want to watch: interfaces that pino, OpenTelemetry and Prometheus
// exporters fit without an adapter of any size, and the defaults that do nothing.

/** A log line's structured part. Never holds keys' values, secrets or certificates. */
export type LogFields = Readonly<Record<string, unknown>>

/** A structured logger; an instance of pino fits as it is. */
export interface Logger {
  /** Detail for someone who debugs. */
  debug(fields: LogFields, message: string): void
  /** A change of state that an operator may want to know. */
  info(fields: LogFields, message: string): void
  /** Something that needs attention, while the service goes on. */
  warn(fields: LogFields, message: string): void
  /** Something failed for good. */
  error(fields: LogFields, message: string): void
}

/** A logger that discards everything. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}

/** A value that only grows. */
export interface Counter {
  /** Adds `by`, default 1. */
  add(by?: number): void
}

/** A value that goes up and down. */
export interface Gauge {
  /** Sets the value. */
  set(value: number): void
}

/** A distribution of values. */
export interface Histogram {
  /** Adds one observation. */
  record(value: number): void
}

/** Labels of one series; resolve a series once and keep it. */
export type MetricLabels = Readonly<Record<string, string>>

/**
 * Makes metric series. Names are snake case and end in their unit (`_seconds`, `_bytes`,
 * `_total`); a second call with the same name and labels returns the same series.
 */
export interface Metrics {
  /** A counter; `name` ends in `_total`. */
  counter(name: string, help: string, labels?: MetricLabels): Counter
  /** A gauge. */
  gauge(name: string, help: string, labels?: MetricLabels): Gauge
  /** A histogram. */
  histogram(name: string, help: string, labels?: MetricLabels): Histogram
}

/** Metrics that nobody collects. */
export const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ record() {} }),
}

/**
 * Receives a protocol's events, for traces and for tests that tie a subtle branch to one case.
 * A tracer must not throw and must not call back into what it traces.
 */
export interface Tracer {
  /** Whether anybody listens; a core builds the fields of an event only then. */
  readonly enabled: boolean
  /** One event of the protocol: a name such as `become-leader`, and plain JSON values. */
  event(name: string, fields: LogFields): void
  /** A coverage mark: this branch ran. Names are `package/area/branch`. */
  mark(name: string): void
}

/** A tracer that nobody listens to. */
export const noTracer: Tracer = { enabled: false, event() {}, mark() {} }
