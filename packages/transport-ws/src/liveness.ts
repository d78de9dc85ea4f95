// Whether the other side of a socket is still there and still reads. It counts checks, not time:
// a process that was stopped for a while must first hear what came meanwhile.
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'

/** Bad checks in a row before the connection ends. */
const BAD_CHECKS_MAX = 3

/** Watches one socket. */
export class Liveness {
  readonly #ws: WebSocket
  readonly #socket: Socket
  #bytesRead = 0
  #silent = 0
  #pending = 0
  #stuck = 0

  constructor(ws: WebSocket, socket: Socket) {
    this.#ws = ws
    this.#socket = socket
  }

  /** One check, at even intervals; returns why the connection must end, where it must. */
  check(): string | undefined {
    const { bytesRead, bytesWritten } = this.#socket
    this.#silent = bytesRead === this.#bytesRead ? this.#silent + 1 : 0
    this.#bytesRead = bytesRead
    // What was handed over, less what still waits, is what the system has taken.
    const taken = bytesWritten - this.#socket.writableLength
    const stuck = this.#socket.writableLength > 0 && taken === this.#pending
    this.#stuck = stuck ? this.#stuck + 1 : 0
    this.#pending = taken
    if (this.#silent >= BAD_CHECKS_MAX) return 'the other side is silent'
    if (this.#stuck >= BAD_CHECKS_MAX) return 'the other side does not read'
    if (this.#silent > 0) this.#ping()
    return undefined
  }

  /** Asks for a sign of life at once; without one, the next check ends the connection. */
  doubt(): void {
    this.#silent = Math.max(this.#silent, BAD_CHECKS_MAX - 1)
    this.#bytesRead = this.#socket.bytesRead
    this.#ping()
  }

  #ping(): void {
    if (this.#ws.readyState === WebSocket.OPEN && !this.#socket.writableNeedDrain) this.#ws.ping()
  }
}
