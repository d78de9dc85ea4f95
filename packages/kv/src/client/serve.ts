// Lets clients reach a store through one host: requests come in many to a frame, answers leave the
// same way, and a client that asks for too much is told so before it costs anything.
import { QuorateError } from '@quorate/core'
import type {
  AbortOptions,
  ClientListener,
  Clock,
  Closeable,
  Connection,
  ConnectionHandlers,
  Lifecycle,
  Timer,
} from '@quorate/core'
import { storeOf } from '../store/create-kv.ts'
import type { Kv } from '../store/create-kv.ts'
import type { Store } from '../store/store.ts'
import { checkOptionNames } from '../options.ts'
import type { OptionNames } from '../options.ts'
import { errorReply } from '../routing/wire.ts'
import type { KvReply } from '../routing/wire.ts'
import { FrameWriter, eachRecord, readHello, readRequestRecord } from './frames.ts'
import type { RequestRecord } from './frames.ts'

const OPTIONS: OptionNames<ServeKvOptions> = {
  kv: true,
  listener: true,
  advertise: true,
  inFlightMax: true,
  inFlightBytesMax: true,
  connectionsMax: true,
}
const HELLO_TIMEOUT_MS = 5_000
const FRAME_TARGET_BYTES = 262_144

/** What a store is served by. */
export interface ServeKvOptions {
  /** The store. */
  readonly kv: Kv
  /** Accepts connections. It is started here and closed with what is returned. */
  readonly listener: ClientListener
  /** The address that clients are told for this host. Default: they know it, or go through others. */
  readonly advertise?: string | undefined
  /** Most requests under way on one connection; others are refused. Default 16,384. */
  readonly inFlightMax?: number | undefined
  /** Most bytes of requests under way on one connection. Default 67,108,864 (64 MiB). */
  readonly inFlightBytesMax?: number | undefined
  /** Most connections. Default 10,000. */
  readonly connectionsMax?: number | undefined
}

/** A store that is served to clients. */
export interface KvServer extends Closeable {
  /** How many clients are connected. */
  readonly connections: number
  /** How many requests of clients are under way. */
  readonly inFlight: number
}

/**
 * Serves a store to clients. Resolves once connections are accepted.
 *
 * @throws QuorateError what the listener throws, such as `PORT_IN_USE`; `INVALID_OPTIONS` for an
 * option that there is not
 */
export async function serveKv(options: ServeKvOptions): Promise<KvServer> {
  checkOptionNames('serveKv', options, OPTIONS)
  const server = new Server(storeOf(options.kv), options)
  await server.start()
  return server
}

class Server implements KvServer {
  readonly store: Store
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  readonly #options: ServeKvOptions
  readonly #clients = new Set<ClientConnection>()
  #lifecycle: Lifecycle = 'opening'
  #closing: Promise<void> | undefined

  constructor(store: Store, options: ServeKvOptions) {
    this.store = store
    this.#options = options
    this.inFlightMax = options.inFlightMax ?? 16_384
    this.inFlightBytesMax = options.inFlightBytesMax ?? 67_108_864
  }

  get status(): Lifecycle {
    return this.#lifecycle
  }

  get connections(): number {
    return this.#clients.size
  }

  get inFlight(): number {
    let sum = 0
    for (const client of this.#clients) sum += client.inFlight
    return sum
  }

  async start(): Promise<void> {
    const { clock, limits, logger, metrics } = this.store.host
    await this.#options.listener.start({ clock, limits, logger, metrics }, (connection) =>
      this.#accept(connection),
    )
    this.store.announce(this.#options.advertise)
    this.#lifecycle = 'open'
  }

  close(options?: AbortOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  forget(client: ClientConnection): void {
    this.#clients.delete(client)
  }

  async #close(options?: AbortOptions): Promise<void> {
    this.#lifecycle = 'closing'
    this.store.announce(undefined)
    for (const client of this.#clients) client.end('the store is no longer served')
    await this.#options.listener.close(options)
    this.#lifecycle = 'closed'
  }

  #accept(connection: Connection): ConnectionHandlers {
    const client = new ClientConnection(this, connection, this.store.host.clock)
    this.#clients.add(client)
    const max = this.#options.connectionsMax ?? 10_000
    if (this.#clients.size > max) client.end(`there are ${max} connections already`)
    return client
  }
}

/** One client, seen from the host. */
class ClientConnection implements ConnectionHandlers {
  readonly #server: Server
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #out = new FrameWriter()
  #helloTimer: Timer | undefined
  #greeted = false
  #closed = false
  #flushing = false
  #inFlightBytes = 0
  inFlight = 0

  constructor(server: Server, connection: Connection, clock: Clock) {
    this.#server = server
    this.#connection = connection
    this.#clock = clock
    this.#helloTimer = clock.setTimer(HELLO_TIMEOUT_MS, () => this.end('no handshake in time'))
  }

  onFrame(frame: Uint8Array): void {
    if (this.#closed) return
    try {
      eachRecord(frame, (record) => {
        if (this.#closed) return
        if (this.#greeted) this.#request(record)
        else this.#hello(record)
      })
    } catch (error) {
      this.#server.store.host.logger.warn({ error }, 'a client sent what cannot be read')
      this.end('a frame that cannot be read')
    }
  }

  onClose(): void {
    this.#closed = true
    this.#helloTimer?.cancel()
    this.#server.forget(this)
  }

  /** Ends the connection, with what has been answered so far. */
  end(reason: string): void {
    if (this.#closed) return
    this.#flush()
    this.onClose()
    this.#connection.close(reason)
  }

  #hello(record: Uint8Array): void {
    const { store, inFlightMax } = this.#server
    const wanted = readHello(record)
    if (wanted !== store.name) {
      const message = `host ${store.host.id} serves store "${store.name}", not "${wanted.slice(0, 64)}"`
      this.#out.reply(0, errorReply(0, new QuorateError('INVALID_OPTIONS', message)))
      return this.end('another store')
    }
    this.#greeted = true
    this.#helloTimer?.cancel()
    this.#out.welcome({
      host: store.host.id,
      cluster: store.host.cluster,
      fingerprint: store.fingerprint,
      commandBytesMax: store.commandBytesMax,
      inFlightMax,
      map: store.map(),
    })
    this.#flush()
  }

  #request(record: Uint8Array): void {
    const { id, target, request }: RequestRecord = readRequestRecord(record)
    const { store, inFlightMax, inFlightBytesMax } = this.#server
    const bytes = record.length
    if (this.inFlight >= inFlightMax || this.#inFlightBytes + bytes > inFlightBytesMax) {
      const message = 'too many requests of this client are under way'
      const error = new QuorateError('LIMIT_EXCEEDED', message, { retryable: true })
      return this.#answer(id, errorReply(store.routes.version, error))
    }
    this.inFlight++
    this.#inFlightBytes += bytes
    const respond = (reply: KvReply): void => {
      this.inFlight--
      this.#inFlightBytes -= bytes
      this.#answer(id, reply)
    }
    if (target === '') store.handle(request, respond)
    else store.forward(target, request, respond)
  }

  #answer(id: number, reply: KvReply): void {
    if (this.#closed) return
    this.#out.reply(id, reply)
    if (this.#out.length >= FRAME_TARGET_BYTES) return this.#flush()
    if (this.#flushing) return
    this.#flushing = true
    this.#clock.defer(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    if (this.#closed || this.#out.length === 0) return
    // A client that does not read what it asked for would fill this host's memory.
    if (this.#connection.send(this.#out.take()) === 'dropped') {
      this.onClose()
      this.#connection.close('answers are not read fast enough')
    }
  }
}
