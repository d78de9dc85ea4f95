// The one queue of everything that waits to become durable: while one sync is under way, what
// arrives meanwhile is gathered for the next one, as on a real disk.
import type { Clock, Timer } from '@quorate/core'
import type { DiskChange } from './memory-disk.ts'

interface Waiting {
  readonly change: DiskChange
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Makes changes of the disk durable, in order, several at a time. */
export class SyncQueue {
  readonly #clock: Clock
  readonly #syncMs: () => number
  readonly #fault: () => Error | undefined
  #waiting: Waiting[] = []
  #inFlight: Waiting[] = []
  #timer: Timer | undefined
  #failure: Error | undefined
  #unplugged = false
  readonly #idle: (() => void)[] = []

  constructor(clock: Clock, syncMs: () => number, fault: () => Error | undefined) {
    this.#clock = clock
    this.#syncMs = syncMs
    this.#fault = fault
  }

  /** The failure after which nothing is written any more. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves once `change` has been applied to the disk; rejects for good after a failed sync. */
  submit(change: DiskChange): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject })
      if (this.#inFlight.length === 0) this.#start()
    })
  }

  /** Fails everything under way and everything to come. */
  poison(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#timer?.cancel()
    const lost = [...this.#inFlight, ...this.#waiting]
    this.#inFlight = []
    this.#waiting = []
    for (const { reject } of lost) reject(error)
    this.#settleIdle()
  }

  /** Resolves once nothing is under way. */
  idle(): Promise<void> {
    if (this.#inFlight.length === 0 || this.#unplugged) return Promise.resolve()
    return new Promise((resolve) => void this.#idle.push(resolve))
  }

  /** Forgets what is under way without an answer, and returns it in order. */
  unplug(): readonly DiskChange[] {
    this.#unplugged = true
    this.#timer?.cancel()
    const lost = [...this.#inFlight, ...this.#waiting].map(({ change }) => change)
    this.#waiting = []
    this.#settleIdle()
    return lost
  }

  #start(): void {
    this.#inFlight = this.#waiting
    this.#waiting = []
    const delayMs = this.#syncMs()
    const complete = (): void => this.#complete()
    if (delayMs > 0) this.#timer = this.#clock.setTimer(delayMs, complete)
    else queueMicrotask(complete)
  }

  #complete(): void {
    if (this.#unplugged || this.#failure !== undefined) return
    const fault = this.#fault()
    if (fault !== undefined) return this.poison(fault)
    const done = this.#inFlight
    this.#inFlight = []
    for (const { change, resolve } of done) {
      change()
      resolve()
    }
    if (this.#waiting.length > 0) this.#start()
    else this.#settleIdle()
  }

  #settleIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
