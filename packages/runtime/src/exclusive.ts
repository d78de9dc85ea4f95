// One job at a time, in the order in which they came: a promise and no queue of its own.
const SETTLED: Promise<unknown> = Promise.resolve()

/** Runs jobs one after the other. */
export class Exclusive {
  #last: Promise<unknown> = SETTLED

  /** Runs a job once those before it have ended, however they did. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job, job)
    const settled: Promise<unknown> = result
      .catch(() => undefined)
      .then(() => {
        // The shared promise again, once nobody waits: an idle replica keeps none of its own.
        if (this.#last === settled) this.#last = SETTLED
      })
    this.#last = settled
    return result
  }
}
