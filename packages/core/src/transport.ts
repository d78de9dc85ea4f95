// How hosts exchange frames, and how clients reach a host. The contract is weak on purpose:
// whatever an implementation does beyond it, nothing above may lean on.
import type { Clock } from './clock.ts'
import type { ClusterId, NodeId } from './ids.ts'
import type { AbortOptions, Closeable } from './lifecycle.ts'
import type { Limits } from './limits.ts'
import type { Logger, Metrics } from './observability.ts'
import type { Random } from './random.ts'

/** What a transport can do; conformance suites skip by this alone. */
export interface TransportSupports {
  /** Whether a frame on the `bulk` lane never delays one on the `fast` lane by more than one frame. */
  readonly lanes: boolean
  /** Whether peers can be added and removed while it runs. */
  readonly dynamicPeers: boolean
  /** Whether the sender of a frame has been authenticated. */
  readonly authenticated: boolean
}

/** What became of a frame: `queued` says nothing about arrival, `dropped` that it will not arrive. */
export type SendOutcome = 'queued' | 'dropped'

/** `fast` for consensus and calls; `bulk` for snapshots. */
export type Lane = 'fast' | 'bulk'

/** What a host hands to its transport. */
export interface TransportContext {
  /** The cluster; peers of another are refused. */
  readonly cluster: ClusterId
  /** This host. */
  readonly host: NodeId
  /** The version of the frames' content; peers with another are refused. */
  readonly wireVersion: number
  /**
   * Names this host's storage: drawn once when the storage was made, with the alphabet of ids. A
   * peer that comes back with another storage has lost its memory, and is refused until `setPeer`
   * names it anew. Default: not checked.
   */
  readonly store?: string | undefined
  /**
   * Counts the starts of this host on its storage, from 1. A peer that comes with a smaller count
   * than it had before, or anew with the same one, runs on a copy of an older disk, and is refused
   * until `setPeer` names it anew. Default: not checked.
   */
  readonly epoch?: number | undefined
  /**
   * Whether this host says that an earlier storage of it is lost, and that it keeps none of the
   * promises made there: peers then let it in with another storage. Default `false`.
   */
  readonly rejoin?: boolean | undefined
  /** Time and timers. */
  readonly clock: Clock
  /** Jitter. */
  readonly random: Random
  /** Frame and queue sizes. */
  readonly limits: Limits
  /** Where warnings go. */
  readonly logger: Logger
  /** Where measurements go. */
  readonly metrics: Metrics
}

/** What a peer said of its storage, and which run of it said so. */
export interface PeerStorage extends Pick<TransportContext, 'store' | 'epoch' | 'rejoin'> {
  /** Another one for each start of the peer; compared by identity. */
  readonly run: unknown
}

/**
 * Why a peer must not be let in again, after it was let in with `before`: it has another storage, or
 * an older state of the one that it had. `undefined` where nothing speaks against it. For transports,
 * which forget `before` when `setPeer` names the peer anew.
 */
export function storageFault(
  before: PeerStorage | undefined,
  now: PeerStorage,
): string | undefined {
  if (before === undefined) return undefined
  if (before.store !== now.store) {
    if (now.rejoin === true) return undefined
    return 'it has another storage than before: let it rejoin, or remove it from its groups and add it anew'
  }
  const [then, count] = [before.epoch, now.epoch]
  if (then === undefined || count === undefined || count > then) return undefined
  if (count === then && before.run === now.run) return undefined
  return 'it runs on a copy of an older disk'
}

/** Whom a transport tells. Its calls never run inside `start` or `send`, and must not throw. */
export interface TransportHandlers {
  /**
   * A frame came.
   *
   * Contract. `from` is the peer of the connection, whatever the frame says. The frame belongs to
   * the receiver: the transport must not reuse its memory.
   */
  onFrame(from: NodeId, frame: Uint8Array): void
  /** A connection to a peer has been made or lost. Frames of an earlier connection no longer come. */
  onPeer(peer: NodeId, state: 'reachable' | 'unreachable'): void
}

/**
 * Carries frames between the hosts of a cluster.
 *
 * Contract. It may drop, duplicate, delay and reorder frames; it must not change, split, join or
 * invent them, nor deliver one to another host or from another sender than it names. Its queues are
 * bounded. It reconnects by itself.
 */
export interface Transport extends Closeable {
  /** What this transport can do. */
  readonly supports: TransportSupports
  /**
   * Begins to listen and to connect. Called once. Resolves when it listens, whether or not any peer
   * is there.
   *
   * @throws QuorateError `PORT_IN_USE`, `INVALID_OPTIONS`, `CLOSED`
   */
  start(context: TransportContext, handlers: TransportHandlers): Promise<void>
  /**
   * Hands a frame to the transport, which owns its memory from then on. Never waits, never throws
   * for a peer's state; an unknown peer gives `dropped`, as does a frame over `frameBytesMax`.
   *
   * @param lane - default `fast`
   */
  send(to: NodeId, frame: Uint8Array, lane?: Lane): SendOutcome
  /**
   * Adds a peer, changes its address, or removes it (`undefined`).
   *
   * @throws QuorateError `NOT_SUPPORTED` unless `supports.dynamicPeers`
   */
  setPeer(peer: NodeId, address: string | undefined): void
}

/**
 * One ordered, reliable connection between a client and a host, seen from either end. Frames arrive
 * whole and in order, until the connection ends.
 */
export interface Connection {
  /** Hands over a frame, which the connection owns from then on; `dropped` where it is closed or its queue is full. */
  send(frame: Uint8Array): SendOutcome
  /** Ends the connection, with a reason for the other side's log. Idempotent. */
  close(reason?: string): void
}

/** Whom a connection tells. */
export interface ConnectionHandlers {
  /** A frame came; it belongs to the receiver. */
  onFrame(frame: Uint8Array): void
  /** The connection has ended; nothing comes after. */
  onClose(reason: string): void
}

/** Accepts connections of clients. */
export interface ClientListener extends Closeable {
  /** Begins to accept; `onConnection` returns whom to tell of each. Called once. */
  start(
    context: Pick<TransportContext, 'clock' | 'limits' | 'logger' | 'metrics'>,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<void>
}

/** Connects clients to hosts. */
export interface ClientDialer {
  /**
   * Connects to an address.
   *
   * @throws QuorateError `UNAVAILABLE` where nobody answers, `UNAUTHORIZED`, `ABORTED`
   */
  dial(address: string, handlers: ConnectionHandlers, options?: AbortOptions): Promise<Connection>
}
