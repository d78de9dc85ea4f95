// The network itself: who is on it, who can reach whom, and the switches by which a test cuts
// and heals it.
import {
  defaultLimits,
  QuorateError,
  systemClock,
  type ClientDialer,
  type ClientListener,
  type Clock,
  type Limits,
  type NodeId,
  type Transport,
  type TransportContext,
} from '@quorate/core'
import { dialer, MemoryListener } from './client.ts'
import { MemoryTransport, type Switchboard } from './transport.ts'

/** Options of {@link memoryNetwork}; hosts and listeners use those of their own context. */
export interface MemoryNetworkOptions {
  /** The clock of clients that dial. Default: the platform's. */
  readonly clock?: Clock | undefined
  /** The limits of clients that dial. Default: {@link defaultLimits}. */
  readonly limits?: Limits | undefined
}

/** A network inside one process. */
export interface MemoryNetwork {
  /**
   * A transport for one host. It reaches every other host on the network that has the same cluster
   * and wire version, without a list of peers; `setPeer(peer, undefined)` shuts one out.
   */
  transport(): Transport
  /** A listener for clients at an address: any text, once on a network. */
  listener(address: string): ClientListener
  /** Connects clients to the listeners of this network. */
  dialer(): ClientDialer
  /** Cuts the connection of two hosts, or of one host with all others; frames on the way are lost. */
  cut(host: NodeId, other?: NodeId): void
  /** Undoes {@link MemoryNetwork.cut} for two hosts, for all cuts of one, or for all there are. */
  heal(host?: NodeId, other?: NodeId): void
}

class Network implements MemoryNetwork, Switchboard {
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #hosts = new Map<string, MemoryTransport>()
  readonly #listeners = new Map<string, MemoryListener>()
  readonly #cuts = new Map<string, readonly [NodeId, NodeId | undefined]>()

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock ?? systemClock()
    this.#limits = options.limits ?? defaultLimits
  }

  transport(): Transport {
    return new MemoryTransport(this)
  }

  listener(address: string): ClientListener {
    return new MemoryListener(address, this.#listeners)
  }

  dialer(): ClientDialer {
    return dialer(this.#listeners, this.#limits, this.#clock)
  }

  cut(host: NodeId, other?: NodeId): void {
    this.#cuts.set(cutName(host, other), [host, other])
    this.#reviewAll()
  }

  heal(host?: NodeId, other?: NodeId): void {
    if (host === undefined) this.#cuts.clear()
    else if (other !== undefined) this.#cuts.delete(cutName(host, other))
    else {
      for (const [name, pair] of this.#cuts) if (pair.includes(host)) this.#cuts.delete(name)
    }
    this.#reviewAll()
  }

  join(host: MemoryTransport, context: TransportContext): void {
    const name = `${context.cluster}/${context.host}`
    if (this.#hosts.has(name)) {
      throw new QuorateError('CONFLICT', `the network already has a host ${name}`)
    }
    this.#hosts.set(name, host)
  }

  leave(host: MemoryTransport): void {
    for (const [name, other] of this.#hosts) {
      if (other === host) this.#hosts.delete(name)
    }
    for (const other of this.#hosts.values()) other.disconnect(host)
  }

  review(host: MemoryTransport): void {
    for (const other of this.#hosts.values()) if (other !== host) this.#reviewPair(host, other)
  }

  #reviewAll(): void {
    for (const host of this.#hosts.values()) this.review(host)
  }

  #reviewPair(a: MemoryTransport, b: MemoryTransport): void {
    const first = a.context?.host
    const second = b.context?.host
    if (first === undefined || second === undefined) return
    if (a.accepts(b) && b.accepts(a) && !this.#isCut(first, second)) {
      a.connect(b)
      b.connect(a)
    } else {
      a.disconnect(b)
      b.disconnect(a)
    }
  }

  #isCut(a: NodeId, b: NodeId): boolean {
    const names = [cutName(a, b), cutName(a), cutName(b)]
    return names.some((name) => this.#cuts.has(name))
  }
}

function cutName(host: NodeId, other?: NodeId): string {
  return other === undefined ? host : [host, other].toSorted().join(' ')
}

/** Makes a network inside this process, for one program's hosts and for tests. */
export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new Network(options)
}
