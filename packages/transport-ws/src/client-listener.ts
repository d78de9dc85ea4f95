// Accepts clients over WebSocket, with what keeps strangers from holding more than their share.
import type { TlsOptions } from 'node:tls'
import {
  QuorateError,
  rejectUnknownOptions,
  type AbortOptions,
  type ClientListener,
  type Connection,
  type ConnectionHandlers,
  type Lifecycle,
  type Timer,
  type TransportContext,
} from '@quorate/core'
import { nodeConnection, type NodeConnection } from './client-socket.ts'
import { Listening, type Accepted, type ListenOptions } from './listening.ts'
import { positive } from './positive.ts'
import { Sockets } from './sockets.ts'
import { sparseWarnings } from './sparse-log.ts'

/** Options of {@link webSocketListener}. */
export interface WebSocketListenerOptions extends ListenOptions {
  /** Certificates, and what is asked of clients. Default: none, `ws://`. Not together with `server`. */
  readonly tls?: TlsOptions | undefined
  /** Origins of pages that may connect, as browsers send them. Default: none; programs send no origin and may. */
  readonly origins?: readonly string[] | undefined
  /** Host names, besides addresses and `localhost`, under which pages may reach it. Default: none. */
  readonly hosts?: readonly string[] | undefined
  /** Most connections at a time. Default 10,000. */
  readonly connectionsMax?: number | undefined
  /** Most connections at a time from one address. Default 1,000. */
  readonly connectionsPerAddressMax?: number | undefined
  /** Largest frame of a client, in bytes. Default: the host's `frameBytesMax`. */
  readonly frameBytesMax?: number | undefined
  /** Most bytes that wait for one client. Default 8,388,608 (8 MiB). */
  readonly queueBytesMax?: number | undefined
  /** Milliseconds between checks of life; three bad ones in a row end a connection. Default 10,000. */
  readonly checkIntervalMs?: number | undefined
  /** Milliseconds from a socket to the end of its upgrade. Default 5,000. */
  readonly handshakeTimeoutMs?: number | undefined
}

/** A {@link ClientListener} over WebSocket. */
export interface WebSocketListener extends ClientListener {
  /** The TCP port that it listens on; `undefined` while it does not. */
  readonly port: number | undefined
  /** Connections made from now on use these certificates; those that stand go on. */
  reload(tls: TlsOptions): void
}

type ListenerContext = Pick<TransportContext, 'clock' | 'limits' | 'logger' | 'metrics'>

const OPTIONS = [
  'port',
  'host',
  'server',
  'path',
  'tls',
  'origins',
  'hosts',
  'connectionsMax',
  'connectionsPerAddressMax',
  'frameBytesMax',
  'queueBytesMax',
  'checkIntervalMs',
  'handshakeTimeoutMs',
]

class WsListener implements WebSocketListener {
  readonly #options: WebSocketListenerOptions
  readonly #sockets = new Sockets()
  readonly #connections = new Set<NodeConnection>()
  readonly #checkIntervalMs: number
  #status: Lifecycle = 'opening'
  #context: ListenerContext | undefined
  #listening: Listening | undefined
  #checks: Timer | undefined
  #onConnection: ((connection: Connection) => ConnectionHandlers) | undefined
  #closed: Promise<void> | undefined

  constructor(options: WebSocketListenerOptions) {
    rejectUnknownOptions(options, OPTIONS, 'webSocketListener')
    this.#options = options
    this.#checkIntervalMs = positive('checkIntervalMs', options.checkIntervalMs, 10_000)
  }

  get status(): Lifecycle {
    return this.#status
  }

  get port(): number | undefined {
    return this.#listening?.port
  }

  async start(
    context: ListenerContext,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<void> {
    if (this.#status === 'closing' || this.#status === 'closed') throw closedError()
    if (this.#context !== undefined) throw new TypeError('a listener is started once')
    const options = this.#options
    const { clock } = context
    const warn = sparseWarnings(clock, context.logger)
    this.#context = context
    this.#onConnection = onConnection
    const gate = {
      connectionsMax: positive('connectionsMax', options.connectionsMax, 10_000),
      connectionsPerAddressMax: positive(
        'connectionsPerAddressMax',
        options.connectionsPerAddressMax,
        1_000,
      ),
      handshakeTimeoutMs: positive('handshakeTimeoutMs', options.handshakeTimeoutMs, 5_000),
      origins: options.origins ?? [],
      hosts: options.hosts ?? [],
      payloadBytesMax: Math.max(this.#frameBytesMax(context), 131_072) + 64,
    }
    this.#listening = new Listening(options, gate, {
      clock,
      tls: options.tls,
      onAccepted: (accepted) => this.#accepted(accepted),
      onRejected: (reason, address) => warn({ reason, address }, 'a client was rejected'),
    })
    await this.#listening.listen()
    if (this.status !== 'opening') throw closedError()
    this.#status = 'open'
    this.#scheduleChecks()
  }

  reload(tls: TlsOptions): void {
    this.#listening?.reload(tls)
  }

  close(options?: AbortOptions): Promise<void> {
    this.#closed ??= this.#close(options?.signal)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #frameBytesMax(context: ListenerContext): number {
    return positive('frameBytesMax', this.#options.frameBytesMax, context.limits.frameBytesMax)
  }

  #accepted({ ws, socket, settled }: Accepted): void {
    settled()
    this.#sockets.add(ws)
    const context = this.#context
    if (this.#status !== 'open' || context === undefined) return ws.terminate()
    const each = nodeConnection(ws, socket, {
      frameBytesMax: this.#frameBytesMax(context),
      queueBytesMax: positive('queueBytesMax', this.#options.queueBytesMax, 8_388_608),
    })
    this.#connections.add(each)
    ws.once('close', () => this.#connections.delete(each))
    const handlers = this.#onConnection?.(each.connection)
    if (handlers !== undefined) each.connection.attach(handlers)
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#status = 'closing'
    this.#checks?.cancel()
    const stopped = this.#listening?.close()
    for (const { connection } of this.#connections) connection.close('the listener closes')
    if (this.#context !== undefined) await this.#sockets.drain(this.#context.clock, 1001, signal)
    await stopped
    this.#status = 'closed'
  }

  #scheduleChecks(): void {
    this.#checks = this.#context?.clock.setTimer(this.#checkIntervalMs, () => {
      for (const each of this.#connections) each.check()
      this.#scheduleChecks()
    })
  }
}

function closedError(): QuorateError {
  return new QuorateError('CLOSED', 'the listener is closed')
}

/** Makes a listener for clients over WebSocket. */
export function webSocketListener(options: WebSocketListenerOptions = {}): WebSocketListener {
  return new WsListener(options)
}
