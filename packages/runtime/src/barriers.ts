// Read barriers of one replica: readers of one turn share one round of the core, and wait until
// the state machine has caught up with the index that came back.
import type { CallId, CallOptions, Clock, LogIndex, ReadMode, Timer } from '@quorate/core'
import { abortError, QuorateError } from '@quorate/core'

const DEFAULT_TIMEOUT_MS = 10_000

interface Waiter {
  resolve(index: LogIndex): void
  reject(error: QuorateError): void
}

/** The readers that wait. */
export interface Barriers {
  /** Adds a reader to the next round of its mode. */
  add(mode: Exclude<ReadMode, 'local'>, options: CallOptions): Promise<LogIndex>
  /** The rounds to begin: one input each. */
  take(nextId: () => CallId): readonly { readonly id: CallId; readonly mode: ReadMode }[]
  /** The core has passed a round. */
  ready(id: CallId, index: LogIndex): void
  /** The core refused a round. */
  rejectRound(id: CallId, error: QuorateError): boolean
  /** The state machine contains everything up to `index`. */
  applied(index: LogIndex): void
  /** Ends all. */
  rejectAll(error: QuorateError): void
  /** How many readers wait. */
  readonly size: number
}

/** Makes the barriers of one replica; `onWaiting` is told when a round begins to fill. */
export function createBarriers(
  clock: Clock,
  max: number,
  appliedIndex: () => LogIndex,
  onWaiting: () => void,
): Barriers {
  const waiting = new Map<string, { readonly mode: ReadMode; readonly waiters: Set<Waiter> }>()
  const rounds = new Map<CallId, Set<Waiter>>()
  let passed: { readonly index: LogIndex; readonly waiters: Set<Waiter> }[] = []
  let size = 0

  const rejectSet = (waiters: Set<Waiter>, error: QuorateError): void => {
    for (const waiter of waiters) waiter.reject(error)
  }

  return {
    get size() {
      return size
    },
    async add(mode, { signal, timeoutMs = DEFAULT_TIMEOUT_MS }) {
      if (signal?.aborted) throw abortError(signal, 'the read')
      if (size >= max) {
        throw new QuorateError('LIMIT_EXCEEDED', 'too many reads are pending', { retryable: true })
      }
      return new Promise<LogIndex>((resolve, reject) => {
        const key = typeof mode === 'string' ? mode : `${mode.maxStalenessMs}`
        const onAbort = (): void => waiter.reject(abortError(signal as AbortSignal, 'the read'))
        const timer: Timer = clock.setTimer(timeoutMs, () =>
          waiter.reject(
            new QuorateError('TIMEOUT', `the read was not confirmed in ${timeoutMs} ms`),
          ),
        )
        let open = true
        const release = (): boolean => {
          if (!open) return false
          open = false
          size--
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
          return true
        }
        const waiter: Waiter = {
          resolve: (index) => void (release() && resolve(index)),
          reject: (error) => void (release() && reject(error)),
        }
        size++
        signal?.addEventListener('abort', onAbort, { once: true })
        const round = waiting.get(key)
        if (round !== undefined) round.waiters.add(waiter)
        else {
          waiting.set(key, { mode, waiters: new Set([waiter]) })
          onWaiting()
        }
      })
    },
    take(nextId) {
      const begun = [...waiting.values()].map(({ mode, waiters }) => {
        const id = nextId()
        rounds.set(id, waiters)
        return { id, mode }
      })
      waiting.clear()
      return begun
    },
    ready(id, index) {
      const waiters = rounds.get(id)
      if (waiters === undefined) return
      rounds.delete(id)
      if (index <= appliedIndex()) for (const waiter of waiters) waiter.resolve(appliedIndex())
      else passed.push({ index, waiters })
    },
    rejectRound(id, error) {
      const waiters = rounds.get(id)
      if (waiters === undefined) return false
      rounds.delete(id)
      rejectSet(waiters, error)
      return true
    },
    applied(index) {
      if (passed.length === 0) return
      const due = passed.filter((round) => round.index <= index)
      passed = passed.filter((round) => round.index > index)
      for (const { waiters } of due) for (const waiter of waiters) waiter.resolve(index)
    },
    rejectAll(error) {
      for (const { waiters } of waiting.values()) rejectSet(waiters, error)
      for (const waiters of rounds.values()) rejectSet(waiters, error)
      for (const { waiters } of passed) rejectSet(waiters, error)
      waiting.clear()
      rounds.clear()
      passed = []
    },
  }
}
