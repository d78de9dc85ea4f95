// What a user sets on the transport between hosts, and the checks that turn a mistake into a
// typed error before anything is opened.
import type { PeerCertificate, TlsOptions } from 'node:tls'
import { checkId, QuorateError, rejectUnknownOptions, type NodeId } from '@quorate/core'
import type { BackoffOptions } from './backoff.ts'
import type { ListenOptions } from './listening.ts'
import { positive } from './positive.ts'

/** Certificates of this host, for both roles: it accepts and it dials. */
export interface PeerTlsOptions extends Pick<
  TlsOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'crl' | 'pfx'
> {
  /**
   * The host that a certificate was issued to; `undefined` where it is no host's. Default: the name
   * in a URI `quorate://<cluster>/<host>` among its subject alternative names, or, without such a
   * URI, a DNS name there that equals the name the peer claims.
   */
  readonly identify?: ((certificate: PeerCertificate) => NodeId | undefined) | undefined
}

/** Options of {@link webSockets}. */
export interface WebSocketsOptions {
  /** Where other hosts connect: a port, or more of it. Default: nowhere, this host only dials. */
  readonly listen?: number | ListenOptions | undefined
  /**
   * The other hosts by name, each with the URL under which it listens (`ws://` or `wss://`), or `''`
   * for one that only dials. A host that is not named here or by `setPeer` is refused.
   */
  readonly peers?: Readonly<Record<NodeId, string>> | undefined
  /** Mutual TLS. Default: none, and every URL is `ws://`. */
  readonly tls?: PeerTlsOptions | undefined
  /**
   * A secret that all hosts share, at least 16 bytes (32 at random are good), or up to four during a
   * change of secrets, the preferred one first. It is never sent: both sides prove that they hold
   * it, and every message carries a tag under a key of its connection. Default: none.
   */
  readonly secret?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** Waits between attempts to connect. */
  readonly backoff?: BackoffOptions | undefined
  /** Milliseconds between checks of life; three bad ones in a row end a connection. Default 3,000. */
  readonly checkIntervalMs?: number | undefined
  /** Milliseconds from a socket to the end of its handshake. Default 5,000. */
  readonly handshakeTimeoutMs?: number | undefined
  /** Most connections that it accepts at a time, in handshakes too. Default 256. */
  readonly connectionsMax?: number | undefined
  /** Most of them from one address. Default 64. */
  readonly connectionsPerAddressMax?: number | undefined
}

/** The options with everything filled in. */
export interface ResolvedOptions {
  readonly listen: ListenOptions | undefined
  readonly peers: ReadonlyMap<NodeId, string>
  readonly tls: PeerTlsOptions | undefined
  readonly secret: WebSocketsOptions['secret']
  readonly backoff: BackoffOptions
  readonly checkIntervalMs: number
  readonly handshakeTimeoutMs: number
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
}

export function resolveOptions(options: WebSocketsOptions): ResolvedOptions {
  const known = [
    'listen',
    'peers',
    'tls',
    'secret',
    'backoff',
    'checkIntervalMs',
    'handshakeTimeoutMs',
    'connectionsMax',
    'connectionsPerAddressMax',
  ]
  rejectUnknownOptions(options, known, 'webSockets')
  const peers = new Map<NodeId, string>()
  for (const [peer, url] of Object.entries(options.peers ?? {})) {
    peers.set(checkId(peer, 'a peer'), checkUrl(url, options.tls !== undefined))
  }
  const { baseMs, maxMs } = options.backoff ?? {}
  return {
    listen: typeof options.listen === 'number' ? { port: options.listen } : options.listen,
    peers,
    tls: options.tls,
    secret: options.secret,
    backoff: {
      baseMs: positive('backoff.baseMs', baseMs, 100),
      maxMs: positive('backoff.maxMs', maxMs, 10_000),
    },
    checkIntervalMs: positive('checkIntervalMs', options.checkIntervalMs, 3_000),
    handshakeTimeoutMs: positive('handshakeTimeoutMs', options.handshakeTimeoutMs, 5_000),
    connectionsMax: positive('connectionsMax', options.connectionsMax, 256),
    connectionsPerAddressMax: positive(
      'connectionsPerAddressMax',
      options.connectionsPerAddressMax,
      64,
    ),
  }
}

/** A peer's URL as it will be dialed, or `''` for a peer that is never dialed. */
export function checkUrl(text: string, tls: boolean): string {
  if (text === '') return ''
  const url = URL.canParse(text) ? new URL(text) : undefined
  const wanted = tls ? 'wss:' : 'ws:'
  if (url?.protocol !== wanted) {
    throw new QuorateError(
      'INVALID_OPTIONS',
      `a peer's address must be a ${wanted}// URL, got ${JSON.stringify(String(text).slice(0, 200))}`,
    )
  }
  url.hash = ''
  return url.href
}
