// Read barriers of one replica: readers of one turn share one round of the core, and wait until
// the state machine has caught up with the index that came back.
import type { CallId, CallOptions, Clock, Limits, LogIndex, ReadMode, Timer } from '@quorate/core'
import { abortError, QuorateError, offAbort, onAbort } from '@quorate/core'
import type { Meters } from './metrics.ts'

const DEFAULT_TIMEOUT_MS = 10_000

interface Waiter {
  resolve(index: LogIndex): void
  reject(error: QuorateError): void
}

/** What the barriers share with the others of their host. */
export interface BarriersContext {
  /** Deadlines. */
  readonly clock: Clock
  /** How many may wait. */
  readonly limits: Limits
  /** Where they are counted. */
  readonly meters: Pick<Meters, 'readsPending'>
}

/** The readers of a replica that wait. */
export class Barriers {
  readonly #context: BarriersContext
  readonly #appliedIndex: () => LogIndex
  readonly #onWaiting: () => void
  readonly #waiting = new Map<string, { readonly mode: ReadMode; readonly waiters: Set<Waiter> }>()
  readonly #rounds = new Map<CallId, Set<Waiter>>()
  #passed: { readonly index: LogIndex; readonly waiters: Set<Waiter> }[] = []
  #size = 0

  /** Without readers; `onWaiting` is told when a round begins to fill. */
  constructor(context: BarriersContext, appliedIndex: () => LogIndex, onWaiting: () => void) {
    this.#context = context
    this.#appliedIndex = appliedIndex
    this.#onWaiting = onWaiting
  }

  /** How many readers wait. */
  get size(): number {
    return this.#size
  }

  /** Adds a reader to the next round of its mode. */
  async add(
    mode: Exclude<ReadMode, 'local'>,
    { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: CallOptions,
  ): Promise<LogIndex> {
    if (signal?.aborted) throw abortError(signal, 'the read')
    const { clock, limits, meters } = this.#context
    if (this.#size >= limits.pendingCallsMax) {
      throw new QuorateError('LIMIT_EXCEEDED', 'too many reads are pending', { retryable: true })
    }
    return new Promise<LogIndex>((resolve, reject) => {
      const aborted = (): void => waiter.reject(abortError(signal as AbortSignal, 'the read'))
      const timer: Timer = clock.setTimer(timeoutMs, () =>
        waiter.reject(new QuorateError('TIMEOUT', `the read was not confirmed in ${timeoutMs} ms`)),
      )
      let open = true
      const release = (): boolean => {
        if (!open) return false
        open = false
        this.#size--
        meters.readsPending.add(-1)
        timer.cancel()
        if (signal !== undefined) offAbort(signal, aborted)
        return true
      }
      const waiter: Waiter = {
        resolve: (index) => void (release() && resolve(index)),
        reject: (error) => void (release() && reject(error)),
      }
      this.#size++
      meters.readsPending.add(1)
      if (signal !== undefined) onAbort(signal, aborted)
      this.#join(mode, waiter)
    })
  }

  /** The rounds to begin: one input each. */
  take(nextId: () => CallId): readonly { readonly id: CallId; readonly mode: ReadMode }[] {
    if (this.#waiting.size === 0) return []
    const begun = [...this.#waiting.values()].map(({ mode, waiters }) => {
      const id = nextId()
      this.#rounds.set(id, waiters)
      return { id, mode }
    })
    this.#waiting.clear()
    return begun
  }

  /** The core has passed a round. */
  ready(id: CallId, index: LogIndex): void {
    const waiters = this.#rounds.get(id)
    if (waiters === undefined) return
    this.#rounds.delete(id)
    const applied = this.#appliedIndex()
    if (index <= applied) for (const waiter of waiters) waiter.resolve(applied)
    else this.#passed.push({ index, waiters })
  }

  /** The core refused a round; tells whether there is one of that id. */
  rejectRound(id: CallId, error: QuorateError): boolean {
    const waiters = this.#rounds.get(id)
    if (waiters === undefined) return false
    this.#rounds.delete(id)
    rejectSet(waiters, error)
    return true
  }

  /** The state machine contains everything up to `index`. */
  applied(index: LogIndex): void {
    if (this.#passed.length === 0) return
    const due = this.#passed.filter((round) => round.index <= index)
    this.#passed = this.#passed.filter((round) => round.index > index)
    for (const { waiters } of due) for (const waiter of waiters) waiter.resolve(index)
  }

  /** Ends all. */
  rejectAll(error: QuorateError): void {
    for (const { waiters } of this.#waiting.values()) rejectSet(waiters, error)
    for (const waiters of this.#rounds.values()) rejectSet(waiters, error)
    for (const { waiters } of this.#passed) rejectSet(waiters, error)
    this.#waiting.clear()
    this.#rounds.clear()
    this.#passed = []
  }

  #join(mode: Exclude<ReadMode, 'local'>, waiter: Waiter): void {
    const key = typeof mode === 'string' ? mode : `${mode.maxStalenessMs}`
    const round = this.#waiting.get(key)
    if (round !== undefined) {
      round.waiters.add(waiter)
      return
    }
    this.#waiting.set(key, { mode, waiters: new Set([waiter]) })
    this.#onWaiting()
  }
}

function rejectSet(waiters: Set<Waiter>, error: QuorateError): void {
  for (const waiter of waiters) waiter.reject(error)
}
