// What a client may expect of its own reads even where they may be stale: the session guarantees
// of Terry et al. (1994), checked by versions, in time linear in the history.
import { outcomeOf, type Operation } from './history.ts'

/** What one operation tells about one object. Versions of an object only grow. */
export interface Observation {
  /** The object. */
  readonly key: string
  /** Whether the version was seen or made. */
  readonly kind: 'read' | 'write'
  /** The version: a revision, a log index, the length of a list that only grows. */
  readonly version: number
}

/** The four guarantees. */
export type SessionGuarantee =
  | 'monotonic-reads'
  | 'read-your-writes'
  | 'monotonic-writes'
  | 'writes-follow-reads'

/** A guarantee that was broken. */
export interface SessionViolation {
  /** Which one. */
  readonly guarantee: SessionGuarantee
  /** The client. */
  readonly client: string | number
  /** The object. */
  readonly key: string
  /** Position in the history of the operation that saw or made the newer version. */
  readonly earlier: number
  /** Position in the history of the later operation with the older version. */
  readonly later: number
  /** The version that the earlier operation saw or made. */
  readonly expected: number
  /** The version that the later operation saw or made. */
  readonly actual: number
}

/** Options of {@link checkSessions}. */
export interface SessionOptions<Input, Output> {
  /** What an operation that was answered tells about objects. */
  readonly observe: (operation: Operation<Input, Output>) => readonly Observation[]
  /** The guarantees to check. Default: all four. */
  readonly guarantees?: readonly SessionGuarantee[] | undefined
  /** Violations reported at most. Default 100. */
  readonly maxViolations?: number | undefined
}

interface Mark {
  version: number
  operation: number
}

/** The greatest versions of one client and one object. */
interface Seen {
  read?: Mark
  written?: Mark
}

const all: readonly SessionGuarantee[] = [
  'monotonic-reads',
  'read-your-writes',
  'monotonic-writes',
  'writes-follow-reads',
]

/**
 * Checks session guarantees, object by object, in the order in which each client called. Only
 * operations of one client whose intervals do not overlap are compared. Returns what was broken.
 *
 * @throws TypeError if a version is not a number, or a time is wrong.
 */
export function checkSessions<Input, Output>(
  history: readonly Operation<Input, Output>[],
  options: SessionOptions<Input, Output>,
): SessionViolation[] {
  const wanted = new Set(options.guarantees ?? all)
  const maxViolations = options.maxViolations ?? 100
  const violations: SessionViolation[] = []
  const sessions = new Map<string | number, Session<Input, Output>>()
  const answered = [...history.keys()].filter((at) => outcomeOf(history[at] as Operation) === 'ok')
  answered.sort((a, b) => (history[a]?.call ?? 0) - (history[b]?.call ?? 0) || a - b)
  for (const at of answered) {
    const operation = history[at] as Operation<Input, Output>
    let session = sessions.get(operation.client)
    if (session === undefined) {
      session = new Session(operation.client, options.observe)
      sessions.set(operation.client, session)
    }
    for (const violation of session.next(at, operation)) {
      if (!wanted.has(violation.guarantee)) continue
      violations.push(violation)
      if (violations.length >= maxViolations) return violations
    }
  }
  return violations
}

class Session<Input, Output> {
  readonly #client: string | number
  readonly #observe: SessionOptions<Input, Output>['observe']
  readonly #seen = new Map<string, Seen>()
  // Operations that had not returned when the last one was called: they do not count yet.
  #running: { readonly at: number; readonly operation: Operation<Input, Output> }[] = []

  constructor(client: string | number, observe: SessionOptions<Input, Output>['observe']) {
    this.#client = client
    this.#observe = observe
  }

  *next(at: number, operation: Operation<Input, Output>): Generator<SessionViolation> {
    const isOver = (other: Operation) => (other.return as number) < operation.call
    for (const one of this.#running.filter((other) => isOver(other.operation))) {
      for (const observation of this.#observations(one.operation)) this.#learn(one.at, observation)
    }
    this.#running = this.#running.filter((other) => !isOver(other.operation))
    this.#running.push({ at, operation })
    for (const observation of this.#observations(operation)) yield* this.#compare(at, observation)
  }

  #observations(operation: Operation<Input, Output>): readonly Observation[] {
    const observations = this.#observe(operation)
    const wrong = observations.find(({ version }) => !Number.isFinite(version))
    if (wrong === undefined) return observations
    throw new TypeError(`the version of ${wrong.key} must be a number, not ${wrong.version}`)
  }

  #learn(operation: number, { key, kind, version }: Observation): void {
    const seen = this.#seen.get(key) ?? {}
    this.#seen.set(key, seen)
    const mark = kind === 'read' ? seen.read : seen.written
    if (mark !== undefined && mark.version >= version) return
    if (kind === 'read') seen.read = { version, operation }
    else seen.written = { version, operation }
  }

  *#compare(later: number, { key, kind, version }: Observation): Generator<SessionViolation> {
    const seen = this.#seen.get(key)
    const [afterRead, afterWrite]: readonly SessionGuarantee[] =
      kind === 'read'
        ? ['monotonic-reads', 'read-your-writes']
        : ['writes-follow-reads', 'monotonic-writes']
    for (const [mark, guarantee] of [
      [seen?.read, afterRead],
      [seen?.written, afterWrite],
    ] as const) {
      // A write makes a version of its own, so it must be above; a read may see the same again.
      const isStale =
        mark !== undefined && (kind === 'read' ? version < mark.version : version <= mark.version)
      if (!isStale || guarantee === undefined) continue
      yield {
        guarantee,
        client: this.#client,
        key,
        earlier: mark.operation,
        later,
        expected: mark.version,
        actual: version,
      }
    }
  }
}
