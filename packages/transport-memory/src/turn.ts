// Work that runs soon but never inside the call that asked for it. Microtasks keep a hop cheap;
// a timer now and then lets the rest of the program run while hosts answer each other at once.
import type { Clock, Timer } from '@quorate/core'

/** Rounds of microtasks in a row before the next one waits for a timer. */
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
    if (this.#rounds < ROUNDS_MAX) queueMicrotask(this.#fire)
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
