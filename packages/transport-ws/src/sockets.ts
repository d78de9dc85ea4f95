// Every WebSocket of one owner, from the moment it exists until the system has let go of it: what
// makes `close` able to promise that nothing is left.
import { WebSocket } from 'ws'
import type { Clock } from '@quorate/core'

/** Time that an orderly close has before the socket is destroyed. */
const GOODBYE_MS = 1_000

/** A set of sockets that empties itself. */
export class Sockets {
  readonly #open = new Set<WebSocket>()
  #idle: (() => void) | undefined

  get size(): number {
    return this.#open.size
  }

  add(ws: WebSocket): void {
    this.#open.add(ws)
    ws.once('close', () => {
      this.#open.delete(ws)
      if (this.#open.size === 0) this.#idle?.()
    })
  }

  /** Waits for all to close, and destroys those that take too long, or all once `signal` says so. */
  async drain(clock: Clock, code: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#open.size === 0) return
    const destroy = (): void => {
      for (const ws of this.#open) ws.terminate()
    }
    const timer = clock.setTimer(GOODBYE_MS, destroy)
    signal?.addEventListener('abort', destroy, { once: true })
    await new Promise<void>((resolve) => {
      this.#idle = resolve
      for (const ws of this.#open) {
        if (ws.readyState === WebSocket.OPEN) ws.close(code)
        else if (ws.readyState === WebSocket.CONNECTING) ws.terminate()
      }
      if (signal?.aborted === true) destroy()
    })
    timer.cancel()
    signal?.removeEventListener('abort', destroy)
  }
}
