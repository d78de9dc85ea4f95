// The turns of a host: what arrives from several sockets at about the same time is worked off in
// one go, so that all groups share one write to the disk and one frame to each peer.
import type { Clock } from '@quorate/core'

/** Runs what is deferred in turns. */
export interface Turns {
  /** The clock that it was made with, except that what is deferred on it runs in these turns. */
  readonly clock: Clock
  /**
   * Runs `job` once, after everything else of the turn under way; of the next turn where none is.
   * What the turn's jobs send is sent from here.
   */
  atEnd(job: () => void): void
}

/** Makes the turns of a host. What is deferred during a turn belongs to the next one. */
export function createTurns(clock: Clock): Turns {
  let jobs: (() => void)[] = []
  let last: (() => void)[] = []
  let scheduled = false
  let running = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    clock.defer(run)
  }
  const run = (): void => {
    scheduled = false
    running = true
    const due = jobs
    jobs = []
    try {
      all(due)
    } finally {
      running = false
      const closing = last
      last = []
      all(closing)
    }
  }

  return {
    clock: {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      defer(job) {
        jobs.push(job)
        schedule()
      },
    },
    atEnd(job) {
      last.push(job)
      if (!running) schedule()
    },
  }
}

/** Runs jobs in order; one that throws ends the turn for none of the others. */
function all(jobs: readonly (() => void)[]): void {
  let at = 0
  try {
    for (; at < jobs.length; at++) (jobs[at] as () => void)()
  } finally {
    if (at < jobs.length) all(jobs.slice(at + 1))
  }
}
