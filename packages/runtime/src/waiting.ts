// Waiting that can be ended: pauses and deadlines on an injected clock, and calls that a core
// answers later.
import type { AbortOptions, CallId, CallOptions, Clock, QuorateError, Timer } from '@quorate/core'
import { abortError, QuorateError as Failure, offAbort, onAbort } from '@quorate/core'

/** How long anything is waited for where nobody says it. */
export const DEFAULT_TIMEOUT_MS = 10_000

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      timer.cancel()
      offAbort(signal, done)
      resolve()
    }
    const timer: Timer = clock.setTimer(delayMs, done)
    onAbort(signal, done)
  })
}

/**
 * Waits for `work` at most so long, and no longer once `signal` is aborted; what becomes of it later
 * goes to `onLate` where it is a failure.
 *
 * @returns how the wait ended; it rejects where `work` does in time
 */
export function within(
  clock: Clock,
  work: Promise<unknown>,
  timeoutMs: number,
  { signal }: AbortOptions = {},
  onLate: (error: unknown) => void = ignore,
): Promise<'done' | 'late' | 'aborted'> {
  return new Promise((resolve, reject) => {
    let over = false
    const end = (how: 'done' | 'late' | 'aborted'): void => {
      if (over) return
      over = true
      timer.cancel()
      if (signal !== undefined) offAbort(signal, aborted)
      resolve(how)
    }
    const aborted = (): void => end('aborted')
    const timer: Timer = clock.setTimer(timeoutMs, () => end('late'))
    if (signal !== undefined) onAbort(signal, aborted)
    work.then(
      () => end('done'),
      (error: unknown) => {
        if (over) return onLate(error)
        reject(error)
        end('done')
      },
    )
    if (signal?.aborted) aborted()
  })
}

/** What became of it does not matter. */
export function ignore(): void {}

/** Calls to a core that take longer than a step. */
export class PendingCalls {
  readonly #clock: Clock
  readonly #nextId: () => CallId
  readonly #pending = new Map<CallId, { resolve(): void; reject(error: QuorateError): void }>()

  /** An empty table. */
  constructor(clock: Clock, nextId: () => CallId) {
    this.#clock = clock
    this.#nextId = nextId
  }

  /** Adds a call; `begin` is given its id. After the deadline or an abort it rejects with the given code. */
  async add(
    what: string,
    begin: (id: CallId) => void,
    { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: CallOptions,
    late: 'OUTCOME_UNKNOWN' | 'TIMEOUT',
  ): Promise<void> {
    if (signal?.aborted) throw abortError(signal, what)
    return new Promise<void>((resolve, reject) => {
      const id = this.#nextId()
      const release = (): void => {
        this.#pending.delete(id)
        timer.cancel()
        if (signal !== undefined) offAbort(signal, aborted)
      }
      const fail = (error: QuorateError): void => {
        release()
        reject(error)
      }
      const aborted = (): void =>
        fail(
          new Failure(late === 'TIMEOUT' ? 'ABORTED' : late, `${what} was aborted`, {
            cause: signal?.reason,
          }),
        )
      const timer: Timer = this.#clock.setTimer(timeoutMs, () =>
        fail(new Failure(late, `${what} did not end in ${timeoutMs} ms`)),
      )
      if (signal !== undefined) onAbort(signal, aborted)
      this.#pending.set(id, {
        resolve() {
          release()
          resolve()
        },
        reject: fail,
      })
      begin(id)
    })
  }

  /** The call is done. */
  complete(id: CallId): void {
    this.#pending.get(id)?.resolve()
  }

  /** The call failed. */
  reject(id: CallId, error: QuorateError): void {
    this.#pending.get(id)?.reject(error)
  }

  /** Ends all. */
  rejectAll(error: QuorateError): void {
    for (const call of this.#pending.values()) call.reject(error)
  }
}
