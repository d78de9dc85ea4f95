// When a process should stop: on the signals that ask for it, or when the parent that started it
// has gone. Asking again after a moment does not wait any longer.

/** A terminal's ctrl-C can reach a process twice, once by itself and once through its parent. */
const SAME_REQUEST_MS = 1_000

/** Resolves when the process is asked to stop. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = Number.POSITIVE_INFINITY
    const stop = (): void => {
      if (performance.now() > asked + SAME_REQUEST_MS) process.exit(130)
      asked = Math.min(asked, performance.now())
      resolve()
    }
    const hasParent = process.channel !== undefined
    process.on('SIGTERM', stop)
    // With a parent, the terminal's signal is the parent's affair: it stops its hosts in order.
    process.on('SIGINT', hasParent ? () => {} : stop)
    if (hasParent) process.once('disconnect', stop)
  })
}

/** A signal that is aborted by ctrl-C or SIGTERM, until it is forgotten; asked twice, the process ends at once. */
export function untilInterrupted(): { readonly signal: AbortSignal; forget(): void } {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return {
    signal: controller.signal,
    forget() {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
    },
  }
}
