// The network between simulated hosts. Fault model: a link loses, duplicates, delays and reorders
// frames, stops for a while, or is cut in either direction; what arrives is what was sent.
import type {
  Lane,
  Lifecycle,
  NodeId,
  Random,
  SendOutcome,
  Transport,
  TransportContext,
  TransportHandlers,
} from '@quorate/core'
import type { HostScope } from './host-clock.ts'
import type { Timeline } from './timeline.ts'

/** How bad a network is. Probabilities are from 0 to 1. */
export interface NetworkFaults {
  /** The probability that a frame is lost. */
  readonly loss: number
  /** The probability that a frame comes twice. */
  readonly duplication: number
  /** The smallest delay in milliseconds. */
  readonly delayMinMs: number
  /** The mean of what is added to it, exponentially distributed, in milliseconds. */
  readonly delayMeanMs: number
  /** The probability of a delay fifty times as long. */
  readonly tail: number
  /** Whether frames of one link may overtake each other. */
  readonly reorder: boolean
}

/** What a network did. */
export interface NetworkCounts {
  /** Frames handed to it. */
  sent: number
  /** Frames delivered, copies included. */
  delivered: number
  /** Frames lost by chance. */
  lost: number
  /** Frames delivered twice. */
  duplicated: number
  /** Frames lost because the link was cut or an end was down. */
  cut: number
}

/** Who watches the network, for diagrams. */
export interface NetworkWatcher {
  /** A frame left; `arrivesMs` is `undefined` where it will not arrive. */
  sent(from: NodeId, to: NodeId, frame: Uint8Array, arrivesMs: number | undefined): void
}

interface Endpoint {
  readonly scope: HostScope
  readonly handlers: TransportHandlers
  /** The peers that it has been told are reachable. */
  readonly reachable: Set<NodeId>
}

/** The frames in one direction between two hosts. */
interface Link {
  cut: boolean
  /** Counts the connections that there were: what an earlier one carried does not arrive. */
  connection: number
  cloggedUntilMs: number
  lastArrivalMs: number
}

/** The network of one run. */
export class SimNetwork {
  /** What it did so far. */
  readonly counts: NetworkCounts = { sent: 0, delivered: 0, lost: 0, duplicated: 0, cut: 0 }
  /** Who watches. */
  watcher: NetworkWatcher | undefined
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #ids: readonly NodeId[]
  readonly #links = new Map<string, Link>()
  readonly #endpoints = new Map<NodeId, Endpoint>()
  #faults: NetworkFaults

  /** A network between hosts, with its own randomness. */
  constructor(timeline: Timeline, random: Random, ids: readonly NodeId[], faults: NetworkFaults) {
    this.#timeline = timeline
    this.#random = random
    this.#ids = ids
    this.#faults = faults
    for (const a of ids) {
      for (const b of ids) {
        if (a !== b) {
          this.#links.set(`${a}>${b}`, {
            cut: false,
            connection: 0,
            cloggedUntilMs: 0,
            lastArrivalMs: 0,
          })
        }
      }
    }
  }

  /** Changes how bad it is. */
  setFaults(faults: NetworkFaults): void {
    this.#faults = faults
  }

  /** The transport of one start of a host. */
  transport(id: NodeId, scope: HostScope): Transport {
    return new SimTransport(this, id, scope)
  }

  /** Cuts or mends a link in one direction. */
  setCut(from: NodeId, to: NodeId, cut: boolean): void {
    const link = this.#links.get(`${from}>${to}`)
    if (link === undefined || link.cut === cut) return
    link.cut = cut
    // Both ends notice, late, by silence; a mended link is used again soon.
    this.#tell(to, from, cut ? 'unreachable' : 'reachable', cut ? 800 : 50)
  }

  /** Mends all links. */
  mend(): void {
    for (const [name, link] of this.#links) {
      link.cloggedUntilMs = 0
      const [from, to] = name.split('>') as [NodeId, NodeId]
      if (link.cut) this.setCut(from, to, false)
    }
  }

  /** Stops a link for a while: what is sent meanwhile arrives afterwards. */
  clog(from: NodeId, to: NodeId, forMs: number): void {
    const link = this.#links.get(`${from}>${to}`)
    if (link !== undefined) link.cloggedUntilMs = this.#timeline.nowMs + forMs
  }

  /** Resets the connection of two hosts: what is under way between them is lost, and both notice. */
  reset(a: NodeId, b: NodeId): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const link = this.#links.get(`${from}>${to}`)
      if (link === undefined) continue
      link.connection++
      this.#endpoints.get(to)?.reachable.delete(from)
      this.#notice(to, from, 'unreachable')
      this.#tell(to, from, 'reachable', 50)
    }
  }

  /** A host's transport begins to listen. */
  join(id: NodeId, endpoint: Endpoint): void {
    this.#endpoints.set(id, endpoint)
    for (const peer of this.#ids) {
      if (peer === id) continue
      this.#tell(id, peer, 'reachable', 1)
      this.#tell(peer, id, 'reachable', 1)
    }
  }

  /** A host's transport is gone. */
  leave(id: NodeId, endpoint: Endpoint): void {
    if (this.#endpoints.get(id) !== endpoint) return
    this.#endpoints.delete(id)
    for (const peer of this.#ids) if (peer !== id) this.#tell(peer, id, 'unreachable', 20)
  }

  /** A host's process has died, and its connections with it. */
  drop(id: NodeId, scope: HostScope): void {
    const endpoint = this.#endpoints.get(id)
    if (endpoint?.scope === scope) this.leave(id, endpoint)
  }

  /** Takes a frame from a host. */
  send(from: NodeId, to: NodeId, frame: Uint8Array): SendOutcome {
    const link = this.#links.get(`${from}>${to}`)
    if (link === undefined) return 'dropped'
    this.counts.sent++
    const lost = this.#random.fraction() < this.#faults.loss
    const copies = this.#random.fraction() < this.#faults.duplication ? 2 : 1
    const delays = Array.from({ length: copies }, () => this.#delayMs(link))
    if (lost) {
      this.counts.lost++
      this.watcher?.sent(from, to, frame, undefined)
      return 'queued'
    }
    if (copies === 2) this.counts.duplicated++
    const receiver = this.#endpoints.get(to)
    const { connection } = link
    for (const delayMs of delays) {
      this.watcher?.sent(from, to, frame, this.#timeline.nowMs + delayMs)
      // A copy for each delivery: the receiver owns what it is given.
      const copy = frame.slice()
      this.#timeline.after(delayMs, () => {
        if (link.connection === connection) this.#deliver(from, to, receiver, link, copy)
        else this.counts.cut++
      })
    }
    return 'queued'
  }

  #deliver(
    from: NodeId,
    to: NodeId,
    receiver: Endpoint | undefined,
    link: Link,
    frame: Uint8Array,
  ): void {
    const endpoint = this.#endpoints.get(to)
    // A frame for an earlier start of the receiver belonged to a connection that is gone, and none
    // comes before the receiver has been told of the connection.
    const connected = endpoint?.reachable.has(from) === true
    if (endpoint === undefined || endpoint !== receiver || link.cut || !connected) {
      this.counts.cut++
      return
    }
    this.counts.delivered++
    this.#timeline.trace(1, this.#ids.indexOf(from) * 64 + this.#ids.indexOf(to))
    this.#timeline.traceBytes(frame)
    endpoint.scope.enter(() => endpoint.handlers.onFrame(from, frame))
  }

  #delayMs(link: Link): number {
    const { delayMinMs, delayMeanMs, tail, reorder } = this.#faults
    const stretch = this.#random.fraction() < tail ? 50 : 1
    const drawn = delayMinMs + exponential(this.#random, delayMeanMs) * stretch
    const { nowMs } = this.#timeline
    let arrival = Math.max(nowMs, link.cloggedUntilMs) + drawn
    if (!reorder) arrival = Math.max(arrival, link.lastArrivalMs)
    link.lastArrivalMs = Math.max(link.lastArrivalMs, arrival)
    return arrival - nowMs
  }

  #tell(id: NodeId, peer: NodeId, state: 'reachable' | 'unreachable', delayMs: number): void {
    const endpoint = this.#endpoints.get(id)
    if (endpoint === undefined) return
    this.#timeline.after(delayMs, () => {
      if (this.#endpoints.get(id) !== endpoint) return
      const up = this.#endpoints.has(peer) && this.#links.get(`${peer}>${id}`)?.cut !== true
      if (up !== (state === 'reachable') || endpoint.reachable.has(peer) === up) return
      if (up) endpoint.reachable.add(peer)
      else endpoint.reachable.delete(peer)
      this.#notice(id, peer, state)
    })
  }

  #notice(id: NodeId, peer: NodeId, state: 'reachable' | 'unreachable'): void {
    const endpoint = this.#endpoints.get(id)
    endpoint?.scope.enter(() => endpoint.handlers.onPeer(peer, state))
  }
}

/** An exponentially distributed number, computed without the platform's transcendental functions. */
export function exponential(random: Random, mean: number): number {
  // The sum of a geometric number of halvings approximates -ln(u) to what a delay needs, and gives
  // the same bits everywhere.
  let value = random.fraction()
  let halvings = 0
  while (value < 0.5 && halvings < 30) {
    value = random.fraction()
    halvings++
  }
  return mean * 0.6931471805599453 * (halvings + 2 * (1 - value))
}

class SimTransport implements Transport {
  readonly supports = { lanes: true, dynamicPeers: true, authenticated: true }
  readonly #network: SimNetwork
  readonly #id: NodeId
  readonly #scope: HostScope
  #endpoint: Endpoint | undefined
  #status: Lifecycle = 'opening'

  constructor(network: SimNetwork, id: NodeId, scope: HostScope) {
    this.#network = network
    this.#id = id
    this.#scope = scope
  }

  get status(): Lifecycle {
    return this.#status
  }

  start(_context: TransportContext, handlers: TransportHandlers): Promise<void> {
    this.#endpoint = { scope: this.#scope, handlers, reachable: new Set() }
    this.#status = 'open'
    this.#network.join(this.#id, this.#endpoint)
    return Promise.resolve()
  }

  send(to: NodeId, frame: Uint8Array, _lane?: Lane): SendOutcome {
    if (this.#status !== 'open' || this.#scope.over) return 'dropped'
    return this.#network.send(this.#id, to, frame)
  }

  setPeer(): void {
    // Every host of the run is known from the start.
  }

  close(): Promise<void> {
    if (this.#endpoint !== undefined) this.#network.leave(this.#id, this.#endpoint)
    this.#endpoint = undefined
    this.#status = 'closed'
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
