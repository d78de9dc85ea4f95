// When a process should stop: on the signals that ask for it, or when the parent that started it
// has gone. A second signal does not wait any longer.

/** Resolves when the process is asked to stop. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      resolve()
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.once(signal, () => process.exit(130))
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    if (process.channel !== undefined) process.once('disconnect', stop)
  })
}
