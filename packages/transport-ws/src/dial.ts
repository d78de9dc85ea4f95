// Opens a WebSocket to another host, up to the point where the handshake can begin.
import type { Socket } from 'node:net'
import type { PeerCertificate, SecureContextOptions } from 'node:tls'
import type { Clock } from '@quorate/core'
import { WebSocket, type ClientOptions } from 'ws'

/** What a dial needs. */
export interface DialOptions {
  readonly url: string
  readonly clock: Clock
  /** Time until it must be open. */
  readonly timeoutMs: number
  readonly payloadBytesMax: number
  /** Certificates, and the check of the other side's; for `wss:` only. */
  readonly tls?:
    | (SecureContextOptions & {
        readonly checkServerIdentity: (
          name: string,
          certificate: PeerCertificate,
        ) => Error | undefined
      })
    | undefined
  onOpen(ws: WebSocket, socket: Socket): void
  /** It failed before it was open; called at most once, and never after `onOpen`. */
  onFail(reason: string): void
}

/** Begins to connect. The socket is returned for whoever keeps account of all. */
export function dial(options: DialOptions): WebSocket {
  const secure = { ...options.tls, minVersion: 'TLSv1.3', rejectUnauthorized: true }
  const ws = new WebSocket(options.url, {
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: options.payloadBytesMax,
    maxFragments: 64,
    // Masks guard proxies against pages that choose what is sent; a host chooses its own bytes.
    generateMask: (mask) => void mask.fill(0),
    // The types of `ws` give `checkServerIdentity` another result than TLS asks for.
    ...(options.tls === undefined ? {} : (secure as unknown as ClientOptions)),
  })
  let socket: Socket | undefined
  let over = false
  const fail = (reason: string): void => {
    if (over) return
    over = true
    timer.cancel()
    options.onFail(reason)
  }
  const timer = options.clock.setTimer(options.timeoutMs, () => {
    fail(`no answer within ${options.timeoutMs} ms`)
    ws.terminate()
  })
  ws.once('upgrade', (response) => {
    socket = response.socket
    socket.setNoDelay(true)
  })
  ws.once('open', () => {
    if (over) return
    over = true
    timer.cancel()
    options.onOpen(ws, socket as Socket)
  })
  // Stays for good: an error without a listener would end the process.
  ws.on('error', (error) => fail(error.message))
  ws.once('close', (code) => fail(`closed with code ${code}`))
  return ws
}
