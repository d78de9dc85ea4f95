// Progress of a long command on standard error: at most ten times a second on a terminal, once
// every five seconds elsewhere, never with --json.

/** Shows how far something is. */
export interface Progress {
  /** Says how far it is now. */
  update(text: () => string): void
  /** Clears the line. */
  end(): void
}

/** Makes progress for a stream, by default standard error. */
export function createProgress(
  enabled: boolean,
  stream: { isTTY?: boolean | undefined; write(text: string): unknown } = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  const terminal = stream.isTTY === true
  const everyMs = terminal ? 100 : 5_000
  let last = now()
  let shown = false
  return {
    update(text) {
      if (!enabled || now() - last < everyMs) return
      last = now()
      stream.write(terminal ? `\r\u001b[K${text()}` : `${text()}\n`)
      shown = terminal
    },
    end() {
      if (shown) stream.write('\r\u001b[K')
    },
  }
}
