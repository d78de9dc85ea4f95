// Connects a program to hosts over WebSocket; the browser's counterpart is in browser-dialer.ts.
import type { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import {
  abortError,
  defaultLimits,
  QuorateError,
  rejectUnknownOptions,
  systemClock,
  type ClientDialer,
  type Clock,
  type Connection,
} from '@quorate/core'
import { WebSocket, type ClientOptions } from 'ws'
import { nodeConnection } from './client-socket.ts'
import { positive } from './positive.ts'

/** Options of {@link webSocketDialer}. */
export interface WebSocketDialerOptions {
  /** Largest frame, in bytes. Default 16,777,216 (16 MiB). */
  readonly frameBytesMax?: number | undefined
  /** Most bytes that wait to be sent over one connection. Default 8,388,608 (8 MiB). */
  readonly queueBytesMax?: number | undefined
  /** Milliseconds to wait for a connection. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds between checks of life; three bad ones in a row end a connection. Default 10,000. Not in a browser. */
  readonly checkIntervalMs?: number | undefined
  /** Certificates for `wss://`, besides those that the system trusts. Not in a browser. */
  readonly tls?: SecureContextOptions | undefined
  /** Time. Default: the platform's. */
  readonly clock?: Clock | undefined
}

const OPTIONS = ['frameBytesMax', 'queueBytesMax', 'timeoutMs', 'checkIntervalMs', 'tls', 'clock']

/** Makes a dialer that connects clients over WebSocket, to addresses such as `ws://127.0.0.1:7101`. */
export function webSocketDialer(options: WebSocketDialerOptions = {}): ClientDialer {
  rejectUnknownOptions(options, OPTIONS, 'webSocketDialer')
  const clock = options.clock ?? systemClock()
  const timeoutMs = positive('timeoutMs', options.timeoutMs, 5_000)
  const checkIntervalMs = positive('checkIntervalMs', options.checkIntervalMs, 10_000)
  const limits = {
    frameBytesMax: positive('frameBytesMax', options.frameBytesMax, defaultLimits.frameBytesMax),
    queueBytesMax: positive('queueBytesMax', options.queueBytesMax, 8_388_608),
  }
  return {
    async dial(address, handlers, { signal } = {}) {
      if (signal?.aborted === true) throw abortError(signal, `connecting to ${address}`)
      const ws = connect(address, options.tls, limits.frameBytesMax)
      // In the turn in which it opens: the first frame may be right behind.
      return opened(ws, address, { clock, timeoutMs, signal }, (socket) => {
        const { connection, check } = nodeConnection(ws, socket, limits)
        connection.attach(handlers)
        let timer = clock.setTimer(checkIntervalMs, function again() {
          check()
          timer = clock.setTimer(checkIntervalMs, again)
        })
        ws.once('close', () => timer.cancel())
        return connection
      })
    },
  }
}

interface Wait {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

function opened(
  ws: WebSocket,
  address: string,
  { clock, timeoutMs, signal }: Wait,
  connected: (socket: Socket) => Connection,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      ws.off('open', onOpen)
      ws.off('unexpected-response', onRefused)
      ws.off('error', onError)
    }
    const fail = (error: QuorateError): void => {
      settle()
      ws.on('error', () => {})
      ws.terminate()
      reject(error)
    }
    const onAbort = (): void => fail(abortError(signal as AbortSignal, `connecting to ${address}`))
    const onError = (cause: Error): void => {
      fail(new QuorateError('UNAVAILABLE', `${address}: ${cause.message}`, { cause }))
    }
    const onRefused = (_request: unknown, response: { statusCode?: number | undefined }): void => {
      const status = response.statusCode
      const code = status === 401 || status === 403 ? 'UNAUTHORIZED' : 'UNAVAILABLE'
      fail(new QuorateError(code, `${address} answered with status ${status}`))
    }
    const onOpen = (): void => {
      settle()
      resolve(connected(socket as Socket))
    }
    const timer = clock.setTimer(timeoutMs, () => {
      fail(new QuorateError('UNAVAILABLE', `${address} did not answer within ${timeoutMs} ms`))
    })
    ws.once('upgrade', (response) => (socket = response.socket))
    ws.on('open', onOpen)
    ws.on('unexpected-response', onRefused)
    ws.on('error', onError)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function connect(
  address: string,
  tls: SecureContextOptions | undefined,
  frameBytesMax: number,
): WebSocket {
  const options: ClientOptions = {
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: Math.max(frameBytesMax, 131_072) + 64,
    maxFragments: 64,
    // Masks guard proxies against pages that choose what is sent; a program chooses its own bytes.
    generateMask: (mask) => void mask.fill(0),
    ...tls,
  }
  try {
    return new WebSocket(address, options)
  } catch (cause) {
    throw new QuorateError('INVALID_ARGUMENT', `not the address of a host: ${address}`, { cause })
  }
}
