// Waiting that can be ended: a pause on an injected clock, and calls that a core answers later.
import type { CallId, CallOptions, Clock, QuorateError, Timer } from '@quorate/core'
import { abortError, QuorateError as Failure } from '@quorate/core'

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer: Timer = clock.setTimer(delayMs, done)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Calls to a core that take longer than a step. */
export interface PendingCalls {
  /** Adds a call; `begin` is given its id. After the deadline or an abort it rejects with the given code. */
  add(
    what: string,
    begin: (id: CallId) => void,
    options: CallOptions,
    late: 'OUTCOME_UNKNOWN' | 'TIMEOUT',
  ): Promise<void>
  /** The call is done. */
  complete(id: CallId): void
  /** The call failed; tells whether there was one. */
  reject(id: CallId, error: QuorateError): boolean
  /** Ends all. */
  rejectAll(error: QuorateError): void
}

const DEFAULT_TIMEOUT_MS = 10_000

/** Makes a table of calls. */
export function createPendingCalls(clock: Clock, nextId: () => CallId): PendingCalls {
  const pending = new Map<CallId, { resolve(): void; reject(error: QuorateError): void }>()
  return {
    async add(what, begin, { signal, timeoutMs = DEFAULT_TIMEOUT_MS }, late) {
      if (signal?.aborted) throw abortError(signal, what)
      return new Promise<void>((resolve, reject) => {
        const id = nextId()
        const release = (): void => {
          pending.delete(id)
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
        }
        const fail = (error: QuorateError): void => {
          release()
          reject(error)
        }
        const onAbort = (): void =>
          fail(
            new Failure(late === 'TIMEOUT' ? 'ABORTED' : late, `${what} was aborted`, {
              cause: signal?.reason,
            }),
          )
        const timer: Timer = clock.setTimer(timeoutMs, () =>
          fail(new Failure(late, `${what} did not end in ${timeoutMs} ms`)),
        )
        signal?.addEventListener('abort', onAbort, { once: true })
        pending.set(id, {
          resolve() {
            release()
            resolve()
          },
          reject: fail,
        })
        begin(id)
      })
    },
    complete: (id) => pending.get(id)?.resolve(),
    reject(id, error) {
      const call = pending.get(id)
      call?.reject(error)
      return call !== undefined
    },
    rejectAll(error) {
      for (const call of pending.values()) call.reject(error)
    },
  }
}
