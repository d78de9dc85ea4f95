// A history is what clients saw: who called what, when, and what came back. Two forms are
// accepted, operations with a closed interval and events in order; the checker works on the first.

/** What a client knows about the end of an operation. */
export type Outcome = 'ok' | 'failed' | 'unknown'

/** One operation of one client: a call, and what the client learned of its end. */
export interface Operation<Input = unknown, Output = unknown> {
  /** Who called. Used for lanes in pictures, and for program order in session checks. */
  readonly client: string | number
  /** What was asked, in the shape the model expects. */
  readonly input: Input
  /** When the call was made, in any unit, as long as the whole history uses one clock. */
  readonly call: number
  /**
   * When the answer arrived, on the same clock. The interval is closed: an operation that
   * returns at 20 and one called at 20 are concurrent. Absent where no answer came.
   */
  readonly return?: number | undefined
  /** What was answered. Ignored unless the outcome is `'ok'`. */
  readonly output?: Output | undefined
  /**
   * `'ok'`: answered. `'failed'`: certain not to have happened, so it is left out.
   * `'unknown'`: it may take effect at any moment after its call, or never.
   * Default: `'ok'` where `return` is given, else `'unknown'`.
   */
  readonly outcome?: Outcome | undefined
}

/** The event form: the start of an operation. */
export interface CallEvent<Input = unknown> {
  /** Tells the two kinds of event apart. */
  readonly kind: 'call'
  /** Joins this call to its return; unique among the calls of a history. */
  readonly id: string | number
  /** Who called. */
  readonly client: string | number
  /** What was asked. */
  readonly input: Input
}

/** The event form: the end of an operation. An operation without one has an unknown outcome. */
export interface ReturnEvent<Output = unknown> {
  /** Tells the two kinds of event apart. */
  readonly kind: 'return'
  /** The `id` of the call that ends here. */
  readonly id: string | number
  /** What was answered. */
  readonly output?: Output | undefined
  /** As in {@link Operation.outcome}. Default `'ok'`. */
  readonly outcome?: Outcome | undefined
}

/** An event of a history, in the order in which it was observed. */
export type HistoryEvent<Input = unknown, Output = unknown> = CallEvent<Input> | ReturnEvent<Output>

/**
 * The outcome of an operation with the default filled in.
 *
 * @throws TypeError if the operation says `'ok'` and has no return time, or a time is not a number.
 */
export function outcomeOf(operation: Operation): Outcome {
  const { call, return: end } = operation
  const outcome = operation.outcome ?? (end === undefined ? 'unknown' : 'ok')
  if (typeof call !== 'number' || !Number.isFinite(call)) {
    throw new TypeError(`call must be a finite number, not ${String(call)}`)
  }
  if (end !== undefined && (typeof end !== 'number' || !(end >= call))) {
    throw new TypeError(`return must be a number not before the call ${call}, not ${String(end)}`)
  }
  if (outcome === 'ok' && end === undefined) {
    throw new TypeError(`an operation called at ${call} has outcome 'ok' but no return time`)
  }
  if (outcome !== 'ok' && outcome !== 'failed' && outcome !== 'unknown') {
    throw new TypeError(`outcome must be 'ok', 'failed' or 'unknown', not ${String(outcome)}`)
  }
  return outcome
}

/**
 * Turns a sequence of events into operations. The position of an event is its time.
 *
 * @throws TypeError if an id is called twice, returned twice, or returned before it is called.
 */
export function operationsFromEvents<Input, Output>(
  events: Iterable<HistoryEvent<Input, Output>>,
): Operation<Input, Output>[] {
  const operations: Operation<Input, Output>[] = []
  const open = new Map<string | number, number>()
  const seen = new Set<string | number>()
  let time = 0
  for (const event of events) {
    if (event.kind === 'call') {
      if (seen.has(event.id)) throw new TypeError(`event id ${event.id} is called twice`)
      seen.add(event.id)
      open.set(event.id, operations.length)
      operations.push({ client: event.client, input: event.input, call: time })
    } else {
      const position = open.get(event.id)
      const started = position === undefined ? undefined : operations[position]
      if (position === undefined || started === undefined) {
        throw new TypeError(`event id ${event.id} returns without an open call`)
      }
      open.delete(event.id)
      operations[position] = {
        ...started,
        return: time,
        output: event.output,
        outcome: event.outcome ?? 'ok',
      }
    }
    time += 1
  }
  return operations
}
