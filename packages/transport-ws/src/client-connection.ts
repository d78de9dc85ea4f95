// One end of a client's connection, the same in a server, in a program and in a browser: frames
// of one turn travel in one message, and everything that waits is bounded.
import {
  isQuorateError,
  type Connection,
  type ConnectionHandlers,
  type SendOutcome,
} from '@quorate/core'
import { readFrames } from './batch.ts'
import { SendQueue } from './send-queue.ts'

/** Frames are gathered into messages of about this many bytes. */
const MESSAGE_BYTES = 131_072
/** No more is handed to the socket while it holds this many bytes. */
const SOCKET_BYTES_MAX = 1_048_576

/** Bounds of one connection. */
export interface ConnectionLimits {
  /** Largest frame, in both directions. */
  readonly frameBytesMax: number
  /** Most bytes that wait to be sent. */
  readonly queueBytesMax: number
}

/** The socket under a connection. */
export interface ClientSocket {
  /** Bytes that were handed over and that the system has not taken. */
  readonly bufferedAmount: number
  /** Sends one binary message; `written` runs when there may be room for more. */
  send(message: Uint8Array<ArrayBuffer>, written: () => void): void
  /** Says goodbye. */
  close(code: number, reason: string): void
  /** Runs `flush` at the end of this turn. */
  defer(flush: () => void): void
}

/** A connection over a socket. Its owner feeds it what the socket tells. */
export class ClientConnection implements Connection {
  readonly #socket: ClientSocket
  readonly #limits: ConnectionLimits
  readonly #queue: SendQueue
  #handlers: ConnectionHandlers | undefined
  #scheduled = false
  #closing = false
  #ended = false

  constructor(socket: ClientSocket, limits: ConnectionLimits) {
    this.#socket = socket
    this.#limits = limits
    this.#queue = new SendQueue(limits.queueBytesMax)
  }

  /** Begins to tell. */
  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
  }

  send(frame: Uint8Array): SendOutcome {
    if (this.#closing || frame.length > this.#limits.frameBytesMax) return 'dropped'
    if (!this.#queue.offer(frame, 'fast')) return 'dropped'
    this.#schedule()
    return 'queued'
  }

  close(reason = 'closed'): void {
    if (this.#closing) return
    this.#flush(Number.POSITIVE_INFINITY)
    this.#closing = true
    this.#socket.close(1000, reason)
    this.#socket.defer(() => this.ended(reason))
  }

  /** A message came. Returns why the connection must end, where it must. */
  receive(message: Uint8Array): string | undefined {
    if (this.#closing) return undefined
    try {
      const frames = readFrames(message, 0, message.length, this.#limits.frameBytesMax)
      for (const frame of frames) {
        if (this.#closing) break
        this.#handlers?.onFrame(frame)
      }
      return undefined
    } catch (error) {
      if (isQuorateError(error, 'MALFORMED')) return error.message
      throw error
    }
  }

  /** The socket is gone. */
  ended(reason: string): void {
    this.#closing = true
    if (this.#ended) return
    this.#ended = true
    this.#handlers?.onClose(reason)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#socket.defer(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    this.#flush(SOCKET_BYTES_MAX)
  }

  readonly #onWritten = (): void => {
    if (!this.#closing && this.#queue.waits('fast')) this.#schedule()
  }

  #flush(socketBytesMax: number): void {
    let room = socketBytesMax - this.#socket.bufferedAmount
    while (!this.#closing && room > 0 && this.#queue.waits('fast')) {
      const message = this.#queue.take('fast', MESSAGE_BYTES, 0, 0)
      room -= message.length
      this.#socket.send(message, this.#onWritten)
    }
  }
}
