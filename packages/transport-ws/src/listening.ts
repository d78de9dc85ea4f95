// The HTTP side of accepting WebSockets, for hosts and for clients: binds a port or joins a
// server, and turns away what is too many, too slow, or comes from a page that is not allowed.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions, TLSSocket } from 'node:tls'
import { QuorateError, type Clock, type Timer } from '@quorate/core'
import { WebSocketServer, type WebSocket } from 'ws'
import { printable } from './wire.ts'

/** Where to accept connections. */
export interface ListenOptions {
  /** TCP port; 0 lets the system choose one. Not together with `server`. */
  readonly port?: number | undefined
  /** Address to bind. Default `'127.0.0.1'`: name another one to be reached from other machines. */
  readonly host?: string | undefined
  /** An HTTP or HTTPS server to join instead; its owner listens and closes. */
  readonly server?: Server | SecureServer | undefined
  /** Path of the URL, query excluded. Default `'/'`. */
  readonly path?: string | undefined
}

/** Whom to let in. */
export interface GateOptions {
  /** Most connections at a time. */
  readonly connectionsMax: number
  /** Most connections at a time from one address. */
  readonly connectionsPerAddressMax: number
  /** Time from the connection of a socket to the end of its upgrade and handshake. */
  readonly handshakeTimeoutMs: number
  /** Origins of pages that may connect, exactly as browsers send them. */
  readonly origins: readonly string[]
  /** Names besides addresses and `localhost` that a browser's request may give as its host. */
  readonly hosts: readonly string[]
  /** Largest WebSocket message. */
  readonly payloadBytesMax: number
}

/** A connection that has been let in, until {@link Accepted.settled} still under its deadline. */
export interface Accepted {
  readonly ws: WebSocket
  readonly socket: Socket
  readonly request: IncomingMessage
  /** The handshake is over: the deadline no longer applies. */
  settled(): void
}

/** What a listening needs besides its options. */
export interface ListeningContext {
  readonly clock: Clock
  /** Certificates, where the port speaks TLS. */
  readonly tls?: TlsOptions | undefined
  onAccepted(accepted: Accepted): void
  onRejected(reason: string, address: string): void
}

/** A socket that counts against the limits until it is closed. */
interface Counted {
  readonly socket: Socket
  /** Until its handshake is over. */
  deadline: Timer | undefined
}

/** A port or a path of a server on which WebSockets are accepted. */
export class Listening {
  readonly #options: ListenOptions
  readonly #gate: GateOptions
  readonly #context: ListeningContext
  readonly #server: Server | SecureServer
  readonly #owned: boolean
  readonly #wss: WebSocketServer
  readonly #sockets = new Set<Counted>()
  /** Sockets of the own port, by name: under TLS, what is upgraded is not the socket that was counted. */
  readonly #named = new Map<string, Counted>()
  readonly #perAddress = new Map<string, number>()
  #listened: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor(options: ListenOptions, gate: GateOptions, context: ListeningContext) {
    this.#options = options
    this.#gate = gate
    this.#context = context
    this.#owned = options.server === undefined
    this.#server = options.server ?? ownServer(gate, context.tls)
    this.#wss = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: gate.payloadBytesMax,
      maxFragments: 64,
    })
    this.#server.on('upgrade', this.#onUpgrade)
    if (this.#owned) this.#server.on('connection', this.#onConnection)
    if (this.#owned) this.#server.on('tlsClientError', this.#onTlsError)
  }

  /** The port that it listens on. */
  get port(): number | undefined {
    const address = this.#server.address() as AddressInfo | string | null
    return typeof address === 'object' ? (address?.port ?? undefined) : undefined
  }

  /**
   * Listens, unless it joined a server.
   *
   * @throws QuorateError `PORT_IN_USE`, `INVALID_OPTIONS`
   */
  async listen(): Promise<void> {
    if (!this.#owned) return
    this.#listened = this.#listen()
    await this.#listened
  }

  async #listen(): Promise<void> {
    const { port = 0, host = '127.0.0.1' } = this.#options
    const server = this.#server
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(bindError(error, host, port))
      server.once('error', onError)
      server.listen({ port, host, exclusive: true }, () => {
        server.off('error', onError)
        resolve()
      })
    })
  }

  /** New connections get these certificates. */
  reload(tls: TlsOptions): void {
    if (this.#owned && 'setSecureContext' in this.#server) this.#server.setSecureContext(tls)
  }

  /** Accepts no more. Resolves when its own server is closed, for which every socket must be gone. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const server = this.#server
    server.off('upgrade', this.#onUpgrade)
    for (const { socket, deadline } of this.#sockets) {
      deadline?.cancel()
      if (deadline !== undefined) socket.destroy()
    }
    if (!this.#owned) return
    server.off('connection', this.#onConnection)
    // A port that is still being bound is given back too.
    await this.#listened?.catch(() => {})
    if (!server.listening) return
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** A socket that has just connected to the own server: counted, and given a deadline. */
  readonly #onConnection = (socket: Socket): void => {
    const counted = this.#count(socket)
    if (counted === undefined) return void socket.destroy()
    const name = nameOf(socket)
    this.#named.set(name, counted)
    socket.once('close', () => {
      // A stranger may be back under the same name before the end of the socket before is told.
      if (this.#named.get(name) === counted) this.#named.delete(name)
    })
  }

  readonly #onTlsError = (error: Error, socket: TLSSocket): void => {
    // What was wrong with a certificate stands on the socket; the error only says that it is gone.
    const reason = String(socket.authorizationError ?? error.message)
    this.#context.onRejected(`TLS: ${printable(reason)}`, socket.remoteAddress ?? '')
  }

  #count(socket: Socket): Counted | undefined {
    const address = socket.remoteAddress ?? ''
    const ofAddress = this.#perAddress.get(address) ?? 0
    if (this.#sockets.size >= this.#gate.connectionsMax) {
      this.#context.onRejected('too many connections', address)
      return undefined
    }
    if (ofAddress >= this.#gate.connectionsPerAddressMax) {
      this.#context.onRejected('too many connections of one address', address)
      return undefined
    }
    this.#perAddress.set(address, ofAddress + 1)
    const { clock } = this.#context
    const deadline = clock.setTimer(this.#gate.handshakeTimeoutMs, () => {
      this.#context.onRejected('no handshake in time', address)
      socket.destroy()
    })
    const counted: Counted = { socket, deadline }
    this.#sockets.add(counted)
    socket.once('close', () => {
      settle(counted)
      this.#sockets.delete(counted)
      const left = (this.#perAddress.get(address) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
    return counted
  }

  readonly #onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const socket = stream as Socket
    const path = (request.url ?? '/').split('?', 1)[0]
    if (path !== (this.#options.path ?? '/')) {
      // On a server that others use too, the path may be theirs.
      if (this.#server.listenerCount('upgrade') === 1) this.#reject(request, socket, 404, 'path')
      return
    }
    const fault = originFault(request, this.#gate)
    if (fault !== undefined) return this.#reject(request, socket, 403, fault)
    const counted = this.#owned ? this.#named.get(nameOf(socket)) : this.#count(socket)
    if (counted === undefined) return this.#reject(request, socket, 503, undefined)
    this.#wss.handleUpgrade(request, socket, head, (ws) => {
      // Whoever takes it listens too; an error without a listener would end the process.
      ws.on('error', () => {})
      this.#context.onAccepted({ ws, socket, request, settled: () => settle(counted) })
    })
  }

  #reject(
    request: IncomingMessage,
    socket: Socket,
    status: number,
    reason: string | undefined,
  ): void {
    if (reason !== undefined) {
      this.#context.onRejected(reason, request.socket.remoteAddress ?? '')
    }
    const text = STATUS[status] ?? ''
    socket.once('error', () => socket.destroy())
    socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    socket.destroySoon()
  }
}

const STATUS: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  404: 'Not Found',
  503: 'Service Unavailable',
}

/** Why a request may not come from where it says; requests of programs carry no Origin. */
function originFault(request: IncomingMessage, gate: GateOptions): string | undefined {
  const { origin, host } = request.headers
  if (origin === undefined) return undefined
  if (!gate.origins.includes(origin)) return 'origin not allowed'
  // A page's name can be made to resolve to this machine: the name it used must be known.
  const name = hostName(host ?? '')
  const known = name === 'localhost' || isAddress(name) || gate.hosts.includes(name)
  return known ? undefined : 'host not allowed'
}

function settle(counted: Counted): void {
  counted.deadline?.cancel()
  counted.deadline = undefined
}

function nameOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name)
}

function ownServer(gate: GateOptions, tls: TlsOptions | undefined): Server | SecureServer {
  const http = { maxHeaderSize: 8_192, headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 1 }
  const server =
    tls === undefined
      ? createServer(http)
      : createSecureServer({ ...tls, ...http, handshakeTimeout: gate.handshakeTimeoutMs })
  server.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close', 'content-length': 0 }).end()
  })
  // A client that speaks nonsense is its own problem: the socket is destroyed, nothing else.
  server.on('clientError', (_error, socket) => void socket.destroy())
  return server
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): QuorateError {
  if (error.code === 'EADDRINUSE') {
    return new QuorateError(
      'PORT_IN_USE',
      `port ${port} of ${host} is in use: stop what listens there, or choose another port`,
      { cause: error, details: { host, port } },
    )
  }
  return new QuorateError('INVALID_OPTIONS', `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
    details: { host, port },
  })
}
