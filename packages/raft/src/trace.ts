// A protocol's events as lines of JSON, in a stable form: one object a line, its keys in a fixed
// order, so that two runs can be compared byte for byte and a model can be checked against one.
/**
 * The events of a protocol as lines of JSON.
 *
 * @packageDocumentation
 */
import type { LogFields, Tracer } from '@quorate/core'

/**
 * A tracer that hands on each event as one line of JSON without a line break:
 * `{"v":1,"n":12,"event":"become-leader","id":"a","term":3,"index":7}`.
 *
 * `v` is the version of the form, `n` counts the lines of this tracer from 1, `event` names what
 * happened; what follows depends on it and keeps its order. Coverage marks are lines whose event is
 * `mark`, where asked for.
 *
 * @param write - takes a line; must not throw
 * @param options - `marks`: whether coverage marks are written, default `false`
 */
export function ndjsonTracer(
  write: (line: string) => void,
  options: { readonly marks?: boolean | undefined } = {},
): Tracer {
  let n = 0
  const line = (event: string, fields: LogFields): void => {
    n += 1
    write(JSON.stringify({ v: 1, n, event, ...fields }))
  }
  return {
    enabled: true,
    event: line,
    mark: options.marks === true ? (name) => line('mark', { name }) : () => {},
  }
}
