// Read barriers of one replica: readers of one turn share one round of the core, and wait until
// the state machine has caught up with the index that came back.
import type { CallId, CallOptions, Clock, Limits, LogIndex, ReadMode, Timer } from '@quorate/core'
import { abortError, QuorateError, offAbort, onAbort } from '@quorate/core'
import type { Meters } from './metrics.ts'
import { DEFAULT_TIMEOUT_MS } from './waiting.ts'

interface Waiter {
  resolve(index: LogIndex): void
  reject(error: QuorateError): void
}

/** Readers that share a round; it is forgotten with the last of them, wherever it stands. */
interface Round {
  readonly mode: Exclude<ReadMode, 'local'>
  readonly waiters: Set<Waiter>
  /** The core's answer, once there is one. */
  index: LogIndex
  forget(): void
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
  readonly #waiting = new Map<string, Round>()
  readonly #rounds = new Map<CallId, Round>()
  readonly #passed = new Set<Round>()
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

  /** How many rounds they share, at whichever stage. */
  get rounds(): number {
    return this.#waiting.size + this.#rounds.size + this.#passed.size
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
        round.waiters.delete(waiter)
        if (round.waiters.size === 0) round.forget()
        return true
      }
      const waiter: Waiter = {
        resolve: (index) => void (release() && resolve(index)),
        reject: (error) => void (release() && reject(error)),
      }
      this.#size++
      meters.readsPending.add(1)
      if (signal !== undefined) onAbort(signal, aborted)
      const round = this.#join(mode, waiter)
    })
  }

  /** The rounds to begin: one input each. */
  take(nextId: () => CallId): readonly { readonly id: CallId; readonly mode: ReadMode }[] {
    if (this.#waiting.size === 0) return []
    const begun = [...this.#waiting.values()].map((round) => {
      const id = nextId()
      this.#rounds.set(id, round)
      round.forget = () => void this.#rounds.delete(id)
      return { id, mode: round.mode }
    })
    this.#waiting.clear()
    return begun
  }

  /** The core has passed a round. */
  ready(id: CallId, index: LogIndex): void {
    const round = this.#rounds.get(id)
    if (round === undefined) return
    this.#rounds.delete(id)
    const applied = this.#appliedIndex()
    round.index = index
    round.forget = () => void this.#passed.delete(round)
    if (index <= applied) for (const waiter of round.waiters) waiter.resolve(applied)
    else this.#passed.add(round)
  }

  /** The core refused a round; tells whether there is one of that id. */
  rejectRound(id: CallId, error: QuorateError): boolean {
    const round = this.#rounds.get(id)
    if (round === undefined) return false
    for (const waiter of round.waiters) waiter.reject(error)
    return true
  }

  /** The state machine contains everything up to `index`. */
  applied(index: LogIndex): void {
    for (const round of this.#passed) {
      if (round.index > index) continue
      for (const waiter of round.waiters) waiter.resolve(index)
    }
  }

  /** Ends all. */
  rejectAll(error: QuorateError): void {
    const rounds = [...this.#waiting.values(), ...this.#rounds.values(), ...this.#passed]
    for (const { waiters } of rounds) for (const waiter of waiters) waiter.reject(error)
  }

  #join(mode: Exclude<ReadMode, 'local'>, waiter: Waiter): Round {
    const key = typeof mode === 'string' ? mode : `${mode.maxStalenessMs}`
    let round = this.#waiting.get(key)
    if (round === undefined) {
      const forget = (): void => void this.#waiting.delete(key)
      round = { mode, waiters: new Set(), index: 0, forget }
      this.#waiting.set(key, round)
      this.#onWaiting()
    }
    round.waiters.add(waiter)
    return round
  }
}
