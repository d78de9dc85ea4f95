// Simulated time: takes one event after the other, lets everything that it causes come to rest, and
// folds what happened into a hash by which two runs are compared.
import type { Hash64 } from '../model/hash.ts'
import { emptyHash, hashBytes, hashNumber, hashText } from '../model/hash.ts'
import { InvariantViolation } from '../model/violation.ts'
import type { SimEvent } from './event-queue.ts'
import { EventQueue } from './event-queue.ts'
import type { Turn } from './turn.ts'

const US_PER_MS = 1_000
const US_PER_SECOND = 1_000_000
/** Ordinary runs have some hundreds of events in a second, bad ones some thousands. */
const EVENTS_PER_SECOND_MAX = 100_000

/** The time of one run. */
export class Timeline {
  readonly #queue = new EventQueue()
  readonly #turn: Turn
  #nowUs = 0
  #events = 0
  #second = 0
  #eventsBefore = 0
  #trace: Hash64 = emptyHash
  #deferred: (() => void)[] = []
  #failure: { readonly error: unknown } | undefined

  /** Time 0, with nothing scheduled. */
  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** Milliseconds since the start of the run. */
  get nowMs(): number {
    return this.#nowUs / US_PER_MS
  }

  /** How many events have happened. */
  get events(): number {
    return this.#events
  }

  /** The hash of everything that was traced, as 16 hexadecimal digits. */
  get traceHash(): string {
    return hashText(this.#trace)
  }

  /** What ended the run, where something did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Schedules something `delayMs` from now, in whole microseconds. */
  after(delayMs: number, run: () => void): SimEvent {
    const delay = Math.max(0, Math.ceil(delayMs * US_PER_MS))
    return this.#queue.push(this.#nowUs + delay, run)
  }

  /** Schedules something for the end of this turn, when all that has arrived was handed over. */
  defer(run: () => void): void {
    this.#deferred.push(run)
  }

  /** Ends the run: the first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Folds a number into the trace hash. */
  trace(kind: number, value: number): void {
    this.#trace = hashNumber(value, hashNumber(kind, this.#trace))
  }

  /** Folds bytes into the trace hash. */
  traceBytes(bytes: Uint8Array): void {
    this.#trace = hashBytes(bytes, this.#trace)
  }

  /**
   * Lets time pass until `untilMs`, until `done` says so, or until something fails.
   *
   * @param done - asked after every event
   */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    const untilUs = untilMs * US_PER_MS
    while (this.#failure === undefined && this.#queue.nextAt() <= untilUs) {
      const event = this.#queue.pop() as SimEvent
      this.#nowUs = event.at
      this.#events++
      this.#calm()
      this.trace(0, event.at)
      const { run } = event
      event.run = undefined
      await this.#settle(run as () => void)
      if (done()) return
    }
    if (this.#failure === undefined) this.#nowUs = Math.max(this.#nowUs, untilUs)
  }

  /** Messages that cause ever more messages would otherwise keep a run from ending. */
  #calm(): void {
    const second = Math.floor(this.#nowUs / US_PER_SECOND)
    if (second !== this.#second) {
      this.#second = second
      this.#eventsBefore = this.#events
    }
    const count = this.#events - this.#eventsBefore
    if (count < EVENTS_PER_SECOND_MAX) return
    this.fail(new InvariantViolation('storm', `${count} events in one simulated second`))
  }

  /** Runs something now and lets everything that it causes come to rest. */
  async settle(run: () => void): Promise<void> {
    await this.#settle(run)
  }

  async #settle(run: () => void): Promise<void> {
    this.#guard(run)
    await this.#turn()
    while (this.#deferred.length > 0) {
      const batch = this.#deferred
      this.#deferred = []
      for (const each of batch) this.#guard(each)
      await this.#turn()
    }
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(error)
    }
  }
}
