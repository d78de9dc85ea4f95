// The transport between hosts: accepts and dials, lets handshakes decide, and moves frames
// between the host and the connections of its peers.
import type { Socket } from 'node:net'
import {
  checkId,
  QuorateError,
  storageFault,
  type AbortOptions,
  type Lane,
  type Lifecycle,
  type NodeId,
  type PeerStorage,
  type SendOutcome,
  type Timer,
  type Transport,
  type TransportContext,
  type TransportHandlers,
  type TransportSupports,
  type Logger,
} from '@quorate/core'
import type { WebSocket } from 'ws'
import { Channel, MESSAGE_BYTES, type ChannelOwner } from './channel.ts'
import { dial } from './dial.ts'
import { drawInstance, Handshake, type Identity, type Peer } from './handshake.ts'
import { Link } from './link.ts'
import { Listening, type Accepted } from './listening.ts'
import { meters, type Meters } from './meters.ts'
import { negotiate } from './negotiation.ts'
import {
  checkUrl,
  resolveOptions,
  type PeerTlsOptions,
  type ResolvedOptions,
  type WebSocketsOptions,
} from './options.ts'
import { sharedKeys, type SharedKey } from './secret.ts'
import { Sockets } from './sockets.ts'
import { sparseWarnings } from './sparse-log.ts'
import { acceptorTls, checkCertificate, dialerTls } from './tls.ts'
import type { Hello, Refusal } from './wire.ts'

/** Bytes of a message besides its one largest frame. */
const MESSAGE_OVERHEAD = 64

/** A {@link Transport} over WebSocket. */
export interface WebSocketTransport extends Transport {
  /** The TCP port that it listens on; `undefined` while it does not. */
  readonly port: number | undefined
  /**
   * Replaces certificates, secrets, or both, without a restart: connections made from now on use
   * them, and those that stand go on. Neither can be turned on or off while it runs.
   *
   * @throws QuorateError `INVALID_OPTIONS`
   */
  reload(options: Pick<WebSocketsOptions, 'tls' | 'secret'>): void
}

type Warn = ReturnType<typeof sparseWarnings>

class WsTransport implements WebSocketTransport, ChannelOwner {
  readonly supports: TransportSupports
  readonly #options: ResolvedOptions
  /** The peers to begin with. */
  readonly #peers: Map<NodeId, string>
  readonly #links = new Map<NodeId, Link>()
  /** What each peer was when it was last connected. */
  readonly #memories = new Map<NodeId, PeerStorage>()
  readonly #sockets = new Sockets()
  readonly #pending = new Set<(reason: string) => void>()
  readonly #channels = new Map<Channel, Link>()
  readonly #instance = drawInstance()
  #keys: readonly SharedKey[]
  #tls: PeerTlsOptions | undefined
  #status: Lifecycle = 'opening'
  #context: TransportContext | undefined
  #handlers: TransportHandlers | undefined
  #identity: Identity | undefined
  #meters: Meters | undefined
  #warn: Warn | undefined
  #logger: Logger | undefined
  #listening: Listening | undefined
  #checks: Timer | undefined
  #dirty: Channel[] = []
  #closed: Promise<void> | undefined

  constructor(options: WebSocketsOptions) {
    this.#options = resolveOptions(options)
    this.#peers = new Map(this.#options.peers)
    this.#keys = sharedKeys(options.secret)
    this.#tls = options.tls
    this.supports = Object.freeze({
      lanes: true,
      dynamicPeers: true,
      authenticated: options.tls !== undefined || this.#keys.length > 0,
    })
  }

  get status(): Lifecycle {
    return this.#status
  }

  get port(): number | undefined {
    return this.#listening?.port
  }

  get meters(): Meters {
    return this.#meters as Meters
  }

  get limits(): TransportContext['limits'] {
    return this.#running.limits
  }

  async start(context: TransportContext, handlers: TransportHandlers): Promise<void> {
    if (this.#status === 'closing' || this.#status === 'closed') throw closedError()
    if (this.#context !== undefined) throw new TypeError('a transport is started once')
    this.#context = context
    this.#handlers = handlers
    this.#meters = meters(context.metrics)
    this.#warn = sparseWarnings(context.clock, context.logger)
    this.#logger = context.logger
    this.#identity = {
      context,
      instance: this.#instance,
      keys: () => this.#keys,
    }
    for (const [peer, url] of this.#peers) if (peer !== context.host) this.#addLink(peer, url)
    if (this.#options.listen !== undefined) await this.#listen(this.#options.listen)
    // `close` may have run while the port was being bound.
    if (this.status !== 'opening') throw closedError()
    this.#status = 'open'
    for (const link of this.#links.values()) link.start()
    this.#scheduleChecks()
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane = 'fast'): SendOutcome {
    const outcome = this.#links.get(to)?.channel?.send(frame, lane) ?? 'dropped'
    if (outcome === 'dropped') this.#meters?.droppedFrames.add()
    return outcome
  }

  setPeer(peer: NodeId, address: string | undefined): void {
    checkId(peer, 'a peer')
    const url =
      address === undefined ? undefined : checkUrl(address, this.#options.tls !== undefined)
    if (this.#status === 'closing' || this.#status === 'closed') return
    if (this.#context === undefined) {
      if (url === undefined) this.#peers.delete(peer)
      else this.#peers.set(peer, url)
      return
    }
    if (peer === this.#context.host) return
    this.#memories.delete(peer)
    const link = this.#links.get(peer)
    if (url === undefined) {
      // Told apart from this call, which may come from within a handler.
      if (link !== undefined) queueMicrotask(() => link.remove('removed from the cluster'))
      this.#links.delete(peer)
    } else if (link === undefined) {
      const added = this.#addLink(peer, url)
      if (this.#status === 'open') added.start()
    } else link.redirect(url)
  }

  reload({ tls, secret }: Pick<WebSocketsOptions, 'tls' | 'secret'>): void {
    const keys = secret === undefined ? this.#keys : sharedKeys(secret)
    const before = [this.#tls === undefined, this.#keys.length === 0]
    const after = [(tls ?? this.#tls) === undefined, keys.length === 0]
    if (before.join() !== after.join()) {
      throw new QuorateError(
        'INVALID_OPTIONS',
        'reload replaces certificates and secrets, it adds none',
      )
    }
    if (tls !== undefined) {
      this.#listening?.reload(acceptorTls(tls))
      this.#tls = tls
    }
    this.#keys = keys
  }

  close(options?: AbortOptions): Promise<void> {
    this.#closed ??= this.#close(options?.signal)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  schedule(channel: Channel): void {
    // A host sends all that a turn caused at its end: there is nothing to wait for.
    if (this.#dirty.push(channel) === 1) queueMicrotask(this.#flush)
  }

  onFrame(channel: Channel, frame: Uint8Array): void {
    this.#handlers?.onFrame(channel.peer.id, frame)
  }

  onEnd(channel: Channel, reason: string): void {
    const link = this.#channels.get(channel)
    this.#channels.delete(channel)
    this.meters.connections.set(this.#channels.size)
    const peer = channel.peer.id
    this.#running.logger.info({ peer, reason }, 'the connection to a peer has ended')
    link?.lost(channel)
  }

  get #running(): TransportContext {
    return this.#context as TransportContext
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const channel of dirty) channel.flush()
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#status = 'closing'
    this.#checks?.cancel()
    for (const giveUp of this.#pending) giveUp('this host closes')
    for (const link of this.#links.values()) link.remove('this host closes')
    const stopped = this.#listening?.close()
    if (this.#context !== undefined) await this.#sockets.drain(this.#context.clock, 1001, signal)
    await stopped
    this.#status = 'closed'
  }

  #addLink(peer: NodeId, url: string): Link {
    const link = new Link(peer, url, {
      host: this.#running.host,
      clock: this.#running.clock,
      random: this.#running.random,
      backoff: this.#options.backoff,
      dial: (each) => this.#dial(each),
      onChange: ({ peer: id }, state) => {
        if (this.#status === 'open') this.#handlers?.onPeer(id, state)
      },
    })
    this.#links.set(peer, link)
    return link
  }

  async #listen(listen: NonNullable<ResolvedOptions['listen']>): Promise<void> {
    const options = this.#options
    const { limits, clock } = this.#running
    const warn = this.#warn as Warn
    const gate = {
      connectionsMax: options.connectionsMax,
      connectionsPerAddressMax: options.connectionsPerAddressMax,
      handshakeTimeoutMs: options.handshakeTimeoutMs,
      origins: [],
      hosts: [],
      payloadBytesMax: payloadBytesMax(limits),
    }
    this.#listening = new Listening(listen, gate, {
      clock,
      tls: this.#tls && acceptorTls(this.#tls),
      onAccepted: (accepted) => this.#accepted(accepted),
      onRejected: (reason, address) => {
        this.meters.rejectedSockets.add()
        warn({ reason, address }, 'a connection was rejected')
      },
    })
    await this.#listening.listen()
  }

  #accepted(accepted: Accepted): void {
    const { ws, socket } = accepted
    socket.setNoDelay(true)
    this.#sockets.add(ws)
    if (this.#status !== 'open') return ws.terminate()
    const { cluster } = this.#running
    const tls = this.#tls
    const handshake = new Handshake(this.#identity as Identity, undefined, {
      checkPeer: (hello) => {
        if (tls !== undefined) checkCertificate(socket, cluster, hello.from, tls.identify)
        this.#checkPeer(hello)
      },
      admit: (hello) => this.#admit(hello),
    })
    this.#negotiate(ws, socket, handshake, 'them', () => accepted.settled())
  }

  #dial(link: Link): void {
    const handshake = new Handshake(this.#identity as Identity, link.peer, {
      checkPeer: (hello) => this.#checkPeer(hello),
      admit() {},
    })
    const { cluster } = this.#running
    const ws = dial({
      url: link.url,
      clock: this.#running.clock,
      timeoutMs: this.#options.handshakeTimeoutMs,
      payloadBytesMax: payloadBytesMax(this.#running.limits),
      tls: this.#tls && dialerTls(this.#tls, cluster, link.peer),
      onOpen: (_ws, socket) => {
        if (link.channel !== undefined) {
          ws.terminate()
          link.dialed()
          return
        }
        link.handshaking = true
        this.#negotiate(ws, socket, handshake, 'us', () => link.dialed())
      },
      onFail: (reason) => {
        this.#running.logger.debug({ peer: link.peer, reason }, 'a peer cannot be reached')
        link.dialed()
      },
    })
    link.abandon = () => ws.terminate()
    this.#sockets.add(ws)
  }

  #negotiate(
    ws: WebSocket,
    socket: Socket,
    handshake: Handshake,
    dialedBy: 'us' | 'them',
    settled: () => void,
  ): void {
    const giveUp = negotiate(ws, socket, handshake, {
      clock: this.#running.clock,
      timeoutMs: this.#options.handshakeTimeoutMs,
      dials: dialedBy === 'us',
      onVerdict: (verdict) => {
        this.#pending.delete(giveUp)
        if ('peer' in verdict) this.#established(ws, socket, verdict.peer, dialedBy)
        else this.#refused(handshake.peerName, verdict.refusal)
        settled()
      },
    })
    this.#pending.add(giveUp)
  }

  #established(ws: WebSocket, socket: Socket, peer: Peer, dialedBy: 'us' | 'them'): void {
    const link = this.#links.get(peer.id)
    const { instance } = peer.hello
    if (this.#status !== 'open' || !link?.admits(dialedBy, instance)) {
      ws.close(1000, 'another connection stands')
      return
    }
    this.#memories.set(peer.id, storageOf(peer.hello))
    const channel = new Channel(ws, socket, peer, dialedBy, this)
    this.#channels.set(channel, link)
    this.meters.connections.set(this.#channels.size)
    link.adopt(channel)
  }

  #refused(peer: NodeId | undefined, refusal: Refusal & { readonly by: 'us' | 'them' }): void {
    const { code, reason, by } = refusal
    this.meters.refusedHandshakes.add()
    // Two hosts that dial each other at once are nothing to look into: one of the two gives way, and
    // may do so before it has said a word.
    const gone = code === 'UNAVAILABLE' && by === 'them' && peer === undefined
    if (code === 'CONFLICT' || gone) this.#logger?.debug({ peer, by, reason }, 'a dial gave way')
    else this.#warn?.({ peer, code, reason, by }, 'a handshake failed')
  }

  /** The acceptor's last word: whether there is a place for a proven peer. */
  #admit(hello: Hello): void {
    const link = this.#links.get(hello.from)
    if (link?.admits('them', hello.instance)) return
    // The peer would not dial if it still had the connection: it may be dead at the other end.
    link?.channel?.doubt()
    throw new QuorateError('CONFLICT', 'another connection stands')
  }

  #checkPeer(hello: Hello): void {
    const peer = hello.from
    if (!this.#links.has(peer)) {
      throw new QuorateError('UNAUTHORIZED', `${peer} is no peer of ${this.#running.host}`)
    }
    const fault = storageFault(this.#memories.get(peer), storageOf(hello))
    if (fault !== undefined) throw new QuorateError('UNAUTHORIZED', `${peer} is refused: ${fault}`)
  }

  #scheduleChecks(): void {
    this.#checks = this.#running.clock.setTimer(this.#options.checkIntervalMs, () => {
      for (const channel of this.#channels.keys()) channel.check()
      this.#scheduleChecks()
    })
  }
}

/** What a peer says of its storage; a peer that has named none is told apart by nothing. */
function storageOf({ store, epoch, rejoin, instance }: Hello): PeerStorage {
  return { store, epoch: epoch === 0 ? undefined : epoch, rejoin, run: instance.join() }
}

/** The largest message: a batch of small frames, or one large frame. */
function payloadBytesMax(limits: TransportContext['limits']): number {
  return Math.max(limits.frameBytesMax, MESSAGE_BYTES) + MESSAGE_OVERHEAD
}

function closedError(): QuorateError {
  return new QuorateError('CLOSED', 'the transport is closed')
}

/** Makes a transport over WebSocket. */
export function webSockets(options: WebSocketsOptions = {}): WebSocketTransport {
  return new WsTransport(options)
}
