// Work that runs soon but never inside the call that asked for it. Where the platform defers to
// the end of a job only, a timer now and then lets the rest of the program run too.
import type { Clock, Timer } from '@quorate/core'

/** Deferred rounds in a row before the next one waits for a timer. */
const ROUNDS_MAX = 256

/** Calls one function soon after it is asked to, once however often it was asked. */
export class Turn {
  readonly #clock: Clock
  readonly #run: () => void
  #timer: Timer | undefined
  #rounds = 0
  #scheduled = false
  #cancelled = false

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  schedule(): void {
    if (this.#scheduled || this.#cancelled) return
    this.#scheduled = true
    if (this.#rounds < ROUNDS_MAX) this.#clock.defer(this.#fire)
  }

  /** Nothing runs any more, and no timer is left. */
  cancel(): void {
    this.#cancelled = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #fire = (): void => {
    if (this.#cancelled) return
    this.#scheduled = false
    this.#rounds++
    this.#timer ??= this.#clock.setTimer(0, this.#nextTurn)
    this.#run()
  }

  readonly #nextTurn = (): void => {
    const waiting = this.#scheduled && this.#rounds >= ROUNDS_MAX
    this.#timer = undefined
    this.#rounds = 0
    if (waiting) this.#fire()
  }
}
