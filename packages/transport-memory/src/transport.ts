// One host's end of the in-process network. Frames wait in the inbox of the receiver, so that
// news of a connection and the frames on it are told in the order in which they came about.
import {
  QuorateError,
  storageFault,
  type AbortOptions,
  type Lane,
  type Lifecycle,
  type NodeId,
  type PeerStorage,
  type SendOutcome,
  type Transport,
  type TransportContext,
  type TransportHandlers,
  type TransportSupports,
} from '@quorate/core'
import { Fifo, FRAME_COST } from './fifo.ts'
import { Turn } from './turn.ts'

/** Frames delivered in one round before others have their turn. */
const ROUND_FRAMES_MAX = 1_024

/** What the hosts of one network share. */
export interface Switchboard {
  /** Makes a host known; throws `CONFLICT` where its name is taken. */
  join(host: MemoryTransport, context: TransportContext): void
  /** Forgets it. */
  leave(host: MemoryTransport): void
  /** Connects or disconnects `host` and others, as cuts and choices of peers now are. */
  review(host: MemoryTransport): void
}

/** One direction of a connection between two hosts. */
interface Link {
  readonly to: MemoryTransport
  readonly from: NodeId
  alive: boolean
  queuedBytes: number
  bulkBytes: number
}

interface Parcel {
  readonly link: Link
  readonly frame: Uint8Array
}

function storageOf({ context, run }: MemoryTransport): PeerStorage {
  return { store: context?.store, epoch: context?.epoch, rejoin: context?.rejoin, run }
}

/** The transport of one host on a memory network. */
export class MemoryTransport implements Transport {
  readonly supports: TransportSupports = Object.freeze({
    lanes: true,
    dynamicPeers: true,
    authenticated: true,
  })
  /** Tells this start of its host from others, without keeping the transport. */
  readonly run: symbol = Symbol('run')
  readonly #board: Switchboard
  readonly #links = new Map<NodeId, Link>()
  readonly #removed = new Set<NodeId>()
  /** What each peer was when it was last connected. */
  readonly #known = new Map<NodeId, PeerStorage>()
  readonly #news = new Fifo<{ peer: NodeId; state: 'reachable' | 'unreachable' }>()
  readonly #fast = new Fifo<Parcel>()
  readonly #bulk = new Fifo<Parcel>()
  #status: Lifecycle = 'opening'
  #context: TransportContext | undefined
  #handlers: TransportHandlers | undefined
  #turn: Turn | undefined

  constructor(board: Switchboard) {
    this.#board = board
  }

  get status(): Lifecycle {
    return this.#status
  }

  /** What it was started with; `undefined` unless it is open. */
  get context(): TransportContext | undefined {
    return this.#status === 'open' ? this.#context : undefined
  }

  async start(context: TransportContext, handlers: TransportHandlers): Promise<void> {
    if (this.#status === 'closing' || this.#status === 'closed') {
      throw new QuorateError('CLOSED', 'the transport is closed')
    }
    if (this.#context !== undefined) throw new TypeError('a transport is started once')
    this.#context = context
    this.#handlers = handlers
    this.#turn = new Turn(context.clock, () => this.#deliver())
    this.#board.join(this, context)
    this.#status = 'open'
    this.#board.review(this)
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane = 'fast'): SendOutcome {
    const link = this.#links.get(to)
    const limits = this.#context?.limits
    if (link === undefined || limits === undefined) return 'dropped'
    if (frame.length > limits.frameBytesMax) return 'dropped'
    if (link.queuedBytes + frame.length > limits.sendQueueBytesMax) return 'dropped'
    const cost = frame.length + FRAME_COST
    if (lane === 'bulk') {
      // Half of the queue stays free for the fast lane.
      if (link.bulkBytes + frame.length > limits.sendQueueBytesMax / 2) return 'dropped'
      link.bulkBytes += cost
    }
    link.queuedBytes += cost
    link.to.#receive({ link, frame }, lane)
    return 'queued'
  }

  setPeer(peer: NodeId, address: string | undefined): void {
    if (address === undefined) this.#removed.add(peer)
    else this.#removed.delete(peer)
    this.#known.delete(peer)
    if (this.#status === 'open') this.#board.review(this)
  }

  /** Whether this host talks to `peer` at all. */
  accepts(peer: MemoryTransport): boolean {
    const mine = this.context
    const theirs = peer.context
    return (
      mine !== undefined &&
      theirs !== undefined &&
      mine.cluster === theirs.cluster &&
      mine.wireVersion === theirs.wireVersion &&
      !this.#removed.has(theirs.host) &&
      !this.#distrusts(theirs.host, peer)
    )
  }

  /** Whether a host has lost the memory that it had when it was here before. */
  #distrusts(name: NodeId, peer: MemoryTransport): boolean {
    const fault = storageFault(this.#known.get(name), storageOf(peer))
    if (fault === undefined) return false
    this.#context?.logger.warn({ peer: name, reason: fault }, 'a peer is refused')
    return true
  }

  connect(peer: MemoryTransport): void {
    const from = this.context?.host
    const to = peer.context?.host
    if (from === undefined || to === undefined || this.#links.has(to)) return
    this.#known.set(to, storageOf(peer))
    this.#links.set(to, { to: peer, from, alive: true, queuedBytes: 0, bulkBytes: 0 })
    this.#tell(to, 'reachable')
  }

  disconnect(peer: MemoryTransport): void {
    for (const [name, link] of this.#links) {
      if (link.to !== peer) continue
      link.alive = false
      this.#links.delete(name)
      this.#tell(name, 'unreachable')
    }
  }

  async close(_options?: AbortOptions): Promise<void> {
    if (this.#status === 'closed') return
    this.#status = 'closing'
    this.#board.leave(this)
    this.#turn?.cancel()
    for (const link of this.#links.values()) link.alive = false
    this.#links.clear()
    this.#news.clear()
    this.#fast.clear()
    this.#bulk.clear()
    this.#status = 'closed'
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #tell(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    this.#news.push({ peer, state })
    this.#turn?.schedule()
  }

  #receive(parcel: Parcel, lane: Lane): void {
    ;(lane === 'bulk' ? this.#bulk : this.#fast).push(parcel)
    this.#turn?.schedule()
  }

  #deliver(): void {
    let done = false
    try {
      for (let count = 0; count < ROUND_FRAMES_MAX && !done; count++) done = !this.#deliverOne()
    } finally {
      if (!done) this.#turn?.schedule()
    }
  }

  #deliverOne(): boolean {
    const handlers = this.#handlers
    if (this.#status !== 'open' || handlers === undefined) return false
    const news = this.#news.shift()
    if (news !== undefined) {
      handlers.onPeer(news.peer, news.state)
      return true
    }
    const fast = this.#fast.shift()
    const parcel = fast ?? this.#bulk.shift()
    if (parcel === undefined) return false
    const { link, frame } = parcel
    const cost = frame.length + FRAME_COST
    link.queuedBytes -= cost
    if (fast === undefined) link.bulkBytes -= cost
    // A copy: the receiver owns it, and what it does to it must not reach the sender's host.
    if (link.alive) handlers.onFrame(link.from, frame.slice())
    return true
  }
}
