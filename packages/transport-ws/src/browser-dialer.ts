// Connects to hosts over the WebSocket of the platform: browsers, Deno, Bun, and Node from 22.
import {
  abortError,
  defaultLimits,
  QuorateError,
  rejectUnknownOptions,
  systemClock,
  type ClientDialer,
  type Clock,
} from '@quorate/core'
import { ClientConnection, type ConnectionLimits } from './client-connection.ts'
import { positive } from './positive.ts'

/** Options of {@link webSocketDialer}. */
export interface WebSocketDialerOptions {
  /** Largest frame, in bytes. Default 16,777,216 (16 MiB). */
  readonly frameBytesMax?: number | undefined
  /** Most bytes that wait to be sent over one connection. Default 8,388,608 (8 MiB). */
  readonly queueBytesMax?: number | undefined
  /** Milliseconds to wait for a connection. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Time. Default: the platform's. */
  readonly clock?: Clock | undefined
}

const OPTIONS = ['frameBytesMax', 'queueBytesMax', 'timeoutMs', 'clock']

/** The part of the platform's WebSocket that is used, without the DOM's types. */
interface PlatformSocket {
  binaryType: string
  readonly bufferedAmount: number
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onerror: (() => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  send(bytes: Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

/** A browser tells nobody when its socket has room again: it is asked after so long. */
const ROOM_CHECK_MS = 10

/**
 * Makes a dialer that connects a page to hosts, at addresses such as `wss://store.example`.
 *
 * @throws QuorateError `INVALID_OPTIONS`, also for those of a program's dialer that a browser has no
 * use for
 */
export function webSocketDialer(options: WebSocketDialerOptions = {}): ClientDialer {
  rejectUnknownOptions(options, OPTIONS, 'webSocketDialer')
  const clock = options.clock ?? systemClock()
  const timeoutMs = positive('timeoutMs', options.timeoutMs, 5_000)
  const limits: ConnectionLimits = {
    frameBytesMax: positive('frameBytesMax', options.frameBytesMax, defaultLimits.frameBytesMax),
    queueBytesMax: positive('queueBytesMax', options.queueBytesMax, 8_388_608),
  }
  return {
    async dial(address, handlers, { signal } = {}) {
      if (signal?.aborted === true) throw abortError(signal, `connecting to ${address}`)
      const socket = connect(address)
      const connection = platformConnection(socket, limits, clock)
      connection.attach(handlers)
      await new Promise<void>((resolve, reject) => {
        const settle = (): void => {
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
          socket.onopen = null
        }
        const fail = (error: QuorateError): void => {
          settle()
          socket.onclose = null
          socket.close()
          reject(error)
        }
        const onAbort = (): void => {
          fail(abortError(signal as AbortSignal, `connecting to ${address}`))
        }
        const timer = clock.setTimer(timeoutMs, () => {
          fail(new QuorateError('UNAVAILABLE', `${address} did not answer in ${timeoutMs} ms`))
        })
        signal?.addEventListener('abort', onAbort, { once: true })
        socket.onopen = () => {
          settle()
          socket.onclose = ({ code, reason }) => {
            connection.ended(reason === '' ? `closed with code ${code}` : reason)
          }
          resolve()
        }
        socket.onclose = () => fail(new QuorateError('UNAVAILABLE', `${address} does not answer`))
      })
      return connection
    },
  }
}

function connect(address: string): PlatformSocket {
  const { WebSocket } = globalThis as unknown as {
    readonly WebSocket?: new (address: string) => PlatformSocket
  }
  if (WebSocket === undefined) {
    throw new QuorateError('NOT_SUPPORTED', 'this platform has no WebSocket of its own')
  }
  try {
    const socket = new WebSocket(address)
    socket.binaryType = 'arraybuffer'
    return socket
  } catch (cause) {
    throw new QuorateError('INVALID_ARGUMENT', `not the address of a host: ${address}`, { cause })
  }
}

function platformConnection(
  socket: PlatformSocket,
  limits: ConnectionLimits,
  clock: Clock,
): ClientConnection {
  const connection = new ClientConnection(
    {
      get bufferedAmount() {
        return socket.bufferedAmount
      },
      send(message, written) {
        socket.send(message)
        if (socket.bufferedAmount > 0) clock.setTimer(ROOM_CHECK_MS, written)
        else queueMicrotask(written)
      },
      close: (code, reason) => socket.close(code, shortReason(reason)),
      // Called as somebody's method, a browser's own function would throw.
      defer: (callback) => queueMicrotask(callback),
    },
    limits,
  )
  // What went wrong is told by `onclose`, which follows; without a listener some platforms throw.
  socket.onerror = () => {}
  socket.onmessage = ({ data }) => {
    const fault =
      data instanceof ArrayBuffer ? connection.receive(new Uint8Array(data)) : 'a text message'
    if (fault === undefined) return
    connection.ended(fault)
    socket.close(4002, shortReason(fault))
  }
  return connection
}

/** A close frame holds 123 bytes of reason; ASCII keeps bytes and characters the same. */
function shortReason(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 123)
}
