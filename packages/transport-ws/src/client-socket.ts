// A client's connection over a socket of `ws`, at either end: what Node adds to the part that
// also runs in a browser.
import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { ClientConnection, type ConnectionLimits } from './client-connection.ts'
import { Liveness } from './liveness.ts'
import { printable } from './wire.ts'

/** A connection, and what its owner must call and do. */
export interface NodeConnection {
  readonly connection: ClientConnection
  /** One check of life, at even intervals. */
  check(): void
}

/** Puts a connection over an open socket. */
export function nodeConnection(
  ws: WebSocket,
  socket: Socket,
  limits: ConnectionLimits,
): NodeConnection {
  const connection = new ClientConnection(
    {
      get bufferedAmount() {
        return ws.bufferedAmount
      },
      send: (message, written) => ws.send(message, SEND, written),
      close: (code, reason) => ws.close(code, shortReason(reason)),
      defer: (flush) => void setImmediate(flush),
    },
    limits,
  )
  const liveness = new Liveness(ws, socket)
  const abort = (reason: string): void => {
    connection.ended(reason)
    ws.terminate()
  }
  socket.setNoDelay(true)
  ws.on('message', (data: RawData, isBinary: boolean) => {
    const fault = isBinary ? connection.receive(data as Buffer) : 'a text message'
    if (fault !== undefined) abort(fault)
  })
  ws.on('close', (code, reason) => connection.ended(closeReason(code, reason.toString())))
  ws.on('error', (error) => connection.ended(printable(error.message)))
  return {
    connection,
    check() {
      const fault = liveness.check()
      if (fault !== undefined) abort(fault)
    },
  }
}

/** What the other side said, as it may stand in a log. */
function closeReason(code: number, reason: string): string {
  return reason === '' ? `closed with code ${code}` : printable(reason)
}

/** A close frame holds 123 bytes of reason. */
function shortReason(reason: string): string {
  return printable(reason).slice(0, 123)
}

const SEND = { binary: true }
