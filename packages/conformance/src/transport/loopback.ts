// The smallest transport that passes the suite, and the faults that can be put into it: each of
// them is what a check exists for.
import {
  QuorateError,
  storageFault,
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
import type { TransportHarness } from './harness.ts'

/** What can be wrong with a transport. */
export type TransportFault =
  | 'changes-frames'
  | 'joins-frames'
  | 'trusts-the-content'
  | 'delivers-to-all'
  | 'delivers-inside-send'
  | 'queues-for-strangers'
  | 'takes-oversized-frames'
  | 'reuses-memory'
  | 'has-no-bound'
  | 'never-drains'
  | 'has-one-lane'
  | 'waits-for-peers'
  | 'tells-frames-first'
  | 'ignores-clusters'
  | 'ignores-wire-versions'
  | 'hides-losses'
  | 'never-reconnects'
  | 'delivers-old-frames'
  | 'keeps-removed-peers'
  | 'ignores-storages'
  | 'refuses-all-new-storages'
  | 'takes-older-storages'
  | 'takes-repeated-starts'
  | 'refuses-the-next-start'
  | 'is-never-closed'
  | 'closes-once'
  | 'starts-again'
  | 'tells-after-close'
  | 'ignores-abort'
  | 'leaves-a-timer'

interface Parcel {
  readonly from: NodeId
  readonly frame: Uint8Array
  readonly connection: object
}

/** First byte of the frames that the fault which joins frames joins: `t` of "together". */
const TOGETHER = 0x74

/** What the hosts of one check share. */
interface Wire {
  readonly hosts: Map<NodeId, Loopback>
  readonly fault: TransportFault | undefined
  /** Hosts that were closed once. */
  readonly gone: Set<NodeId>
  /** Every host of the check. */
  readonly names: readonly NodeId[]
}

class Loopback implements Transport {
  readonly supports: TransportSupports = { lanes: true, dynamicPeers: true, authenticated: true }
  readonly id: NodeId
  status: Lifecycle = 'opening'
  context: TransportContext | undefined
  readonly #wire: Wire
  readonly #connections = new Map<NodeId, object>()
  readonly #removed = new Set<NodeId>()
  readonly #known = new Map<NodeId, PeerStorage>()
  readonly #queued = new Map<NodeId, number>()
  readonly #memory = new Uint8Array(65_536)
  #handlers: TransportHandlers | undefined
  #news: (() => void)[] = []
  #parcels: { fast: Parcel[]; bulk: Parcel[] } = { fast: [], bulk: [] }
  #full = false
  #closed = false
  #scheduled = false

  constructor(id: NodeId, wire: Wire) {
    this.id = id
    this.#wire = wire
  }

  #has(fault: TransportFault): boolean {
    return this.#wire.fault === fault
  }

  async start(context: TransportContext, handlers: TransportHandlers): Promise<void> {
    if (this.#closed && !this.#has('starts-again')) {
      throw new QuorateError('CLOSED', 'the transport is closed')
    }
    this.context = context
    this.#handlers = handlers
    this.status = 'open'
    this.#wire.hosts.set(this.id, this)
    if (this.#has('leaves-a-timer')) context.clock.setTimer(60_000, () => {})
    this.#connect()
    while (this.#has('waits-for-peers') && this.#wire.names.length > 1) {
      if (this.#wire.hosts.size > 1) break
      await new Promise<void>((resolve) => context.clock.setTimer(1, resolve))
    }
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane = 'fast'): SendOutcome {
    const peer = this.#wire.hosts.get(to)
    const connection = this.#connections.get(to)
    const limits = this.context?.limits
    if (this.#has('queues-for-strangers') && !this.#wire.names.includes(to)) return 'queued'
    if (peer === undefined || connection === undefined || limits === undefined) return 'dropped'
    if (frame.length > limits.frameBytesMax && !this.#has('takes-oversized-frames'))
      return 'dropped'
    const queued = (this.#queued.get(to) ?? 0) + frame.length
    const full = queued > limits.sendQueueBytesMax && !this.#has('has-no-bound')
    if (full) this.#full = true
    if (full || (this.#full && this.#has('never-drains'))) return 'dropped'
    this.#queued.set(to, queued)
    const receivers = this.#has('delivers-to-all')
      ? [...this.#connections.keys()].map((id) => this.#wire.hosts.get(id))
      : [peer]
    for (const receiver of receivers) {
      const own = receiver && this.#connections.get(receiver.id)
      if (own !== undefined) receiver?.receive({ from: this.id, frame, connection: own }, lane)
    }
    return 'queued'
  }

  setPeer(peer: NodeId, address: string | undefined): void {
    this.#known.delete(peer)
    if (address !== undefined) this.#removed.delete(peer)
    else if (!this.#has('keeps-removed-peers')) this.#removed.add(peer)
    if (address === undefined && !this.#has('keeps-removed-peers')) this.#disconnect(peer)
    else this.#connect()
  }

  async close(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#closed && this.#has('closes-once')) throw new Error('closed already')
    if (options.signal?.aborted === true && this.#has('ignores-abort')) {
      await new Promise(() => {})
    }
    const peers = [...this.#connections.keys()]
    const hides = this.#has('hides-losses') && this.context?.store === undefined
    for (const peer of peers) this.#disconnect(peer, hides)
    this.#news = []
    this.#parcels = { fast: [], bulk: [] }
    this.#wire.gone.add(this.id)
    this.#closed = true
    if (this.#wire.hosts.get(this.id) === this) this.#wire.hosts.delete(this.id)
    this.status = this.#has('is-never-closed') ? 'closing' : 'closed'
    if (this.#has('tells-after-close')) {
      this.context?.clock.defer(() => {
        for (const peer of peers) this.#handlers?.onPeer(peer, 'unreachable')
      })
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #connect(): void {
    for (const peer of this.#wire.hosts.values()) {
      if (peer === this || !this.accepts(peer) || !peer.accepts(this)) continue
      if (this.#connections.has(peer.id)) continue
      const connection = {}
      this.connected(peer.id, connection)
      peer.connected(this.id, connection)
    }
  }

  #disconnect(id: NodeId, secretly = false): void {
    const peer = this.#wire.hosts.get(id)
    this.disconnected(id, secretly)
    peer?.disconnected(this.id, secretly)
  }

  accepts(peer: Loopback): boolean {
    const [mine, theirs] = [this.context, peer.context]
    if (mine === undefined || theirs === undefined) return false
    const forgets = this.#has('never-reconnects') && theirs.store === undefined
    if (forgets && this.#wire.gone.has(peer.id)) return false
    const cluster = mine.cluster === theirs.cluster || this.#has('ignores-clusters')
    const version = mine.wireVersion === theirs.wireVersion || this.#has('ignores-wire-versions')
    return cluster && version && !this.#removed.has(peer.id) && this.#trusts(peer)
  }

  /** What a peer says of its storage. */
  get storage(): PeerStorage {
    const { store, epoch, rejoin } = this.context ?? {}
    return { store, epoch, rejoin, run: this }
  }

  #trusts({ id, storage }: Loopback): boolean {
    const before = this.#known.get(id)
    if (before?.store === undefined) return true
    const another = before.store !== storage.store
    if (another && this.#has('ignores-storages')) return true
    if (another && this.#has('refuses-all-new-storages')) return false
    const grown = (storage.epoch ?? 0) - (before.epoch ?? 0)
    if (!another && grown > 0 && this.#has('refuses-the-next-start')) return false
    if (!another && grown < 0 && this.#has('takes-older-storages')) return true
    if (!another && grown === 0 && this.#has('takes-repeated-starts')) return true
    return storageFault(before, storage) === undefined
  }

  connected(peer: NodeId, connection: object): void {
    this.#connections.set(peer, connection)
    const other = this.#wire.hosts.get(peer)
    if (other !== undefined) this.#known.set(peer, other.storage)
    this.#queued.delete(peer)
    const hidden = this.#has('hides-losses') && other?.storage.store === undefined
    if (hidden && this.#wire.gone.has(peer)) this.#tell(peer, 'unreachable')
    if (this.#has('tells-frames-first') && this.id > peer) {
      this.context?.clock.setTimer(5, () => this.#tell(peer, 'reachable'))
    } else this.#tell(peer, 'reachable')
  }

  disconnected(peer: NodeId, secretly: boolean): void {
    if (this.#connections.delete(peer) && this.status === 'open' && !secretly) {
      this.#tell(peer, 'unreachable')
    }
  }

  receive(parcel: Parcel, lane: Lane): void {
    if (this.#has('delivers-inside-send') && parcel.frame.length < 20) return this.#hand(parcel)
    this.#parcels[this.#has('has-one-lane') ? 'fast' : lane].push(parcel)
    this.#schedule()
  }

  /** What has been delivered no longer counts at the sender. */
  delivered(to: NodeId, bytes: number): void {
    this.#queued.set(to, (this.#queued.get(to) ?? 0) - bytes)
  }

  #tell(peer: NodeId, state: 'reachable' | 'unreachable'): void {
    this.#news.push(() => this.#handlers?.onPeer(peer, state))
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.context?.clock.defer(() => this.#drain())
  }

  #drain(): void {
    this.#scheduled = false
    for (const tell of this.#news.splice(0)) tell()
    const { fast, bulk } = this.#parcels
    this.#parcels = { fast: [], bulk: [] }
    for (let at = 0; at < fast.length; at++) {
      const [one, two] = [fast[at] as Parcel, fast[at + 1]]
      const small = two?.from === one.from && one.frame.length < 20 && two.frame[0] === TOGETHER
      if (small && this.#has('joins-frames')) {
        at++
        this.#hand({ ...one, frame: Uint8Array.from([...one.frame, ...two.frame]) })
      } else this.#hand(one)
    }
    for (const parcel of bulk) this.#hand(parcel)
  }

  #hand({ from, frame, connection }: Parcel): void {
    this.#wire.hosts.get(from)?.delivered(this.id, frame.length)
    const current = this.#connections.get(from) === connection
    if (this.status !== 'open' || (!current && !this.#has('delivers-old-frames'))) return
    let bytes = frame.slice()
    if (this.#has('changes-frames') && frame.length === 16_384) bytes[100] = ~(frame[100] as number)
    if (this.#has('reuses-memory') && frame.length <= this.#memory.length) {
      bytes = this.#memory.subarray(0, frame.length)
      bytes.set(frame)
    }
    const said = /^([a-c]) says/.exec(new TextDecoder().decode(frame.subarray(0, 6)))?.[1]
    const name = this.#has('trusts-the-content') ? (said ?? from) : from
    this.#handlers?.onFrame(name, bytes)
  }
}

/** Hosts that hand each other frames; with a fault, one of them that the suite must find. */
export function loopbackHarness(fault?: TransportFault): TransportHarness {
  return {
    // Everything here happens at once, so that a check need not wait long for what will not come.
    patienceMs: fault === undefined ? 10_000 : 300,
    async create(names) {
      const wire: Wire = { hosts: new Map(), fault, gone: new Set(), names }
      return {
        transport: (host) => new Loopback(host, wire),
        address: (host) => host,
        async close() {},
      }
    },
  }
}
