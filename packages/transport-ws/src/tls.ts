// Mutual TLS between hosts: which name a certificate speaks for, and what both roles ask of it.
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import type { DetailedPeerCertificate, PeerCertificate, TlsOptions, TLSSocket } from 'node:tls'
import { QuorateError, type ClusterId, type NodeId } from '@quorate/core'
import type { PeerTlsOptions } from './options.ts'

/** What the accepting side asks: TLS 1.3, a certificate of a known authority, no resumption. */
export function acceptorTls(options: PeerTlsOptions): TlsOptions {
  const { identify: _identify, ...certificates } = options
  return {
    ...certificates,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    // A resumed session would let in whom a renewed check would refuse.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** Whether a certificate was issued to `host` of `cluster`. */
export function speaksFor(
  certificate: PeerCertificate,
  cluster: ClusterId,
  host: NodeId,
  identify: PeerTlsOptions['identify'],
): boolean {
  if (identify !== undefined) return identify(certificate) === host
  const names = alternativeNames(certificate)
  const uris = names.filter((name) => name.startsWith('URI:quorate://'))
  if (uris.length > 0) return uris.includes(`URI:quorate://${cluster}/${host}`)
  return names.includes(`DNS:${host}`)
}

/**
 * Checks that the certificate of an accepted socket speaks for whom its owner says it is.
 *
 * @throws QuorateError `UNAUTHORIZED`
 */
export function checkCertificate(
  socket: Socket,
  cluster: ClusterId,
  host: NodeId,
  identify: PeerTlsOptions['identify'],
): void {
  const secure = socket as Partial<TLSSocket>
  // A server that was joined may let anybody in: here only proven certificates count.
  if (secure.authorized !== true || secure.getPeerCertificate === undefined) {
    throw new QuorateError('UNAUTHORIZED', 'the peer shows no certificate of a known authority')
  }
  const certificate = secure.getPeerCertificate()
  if (!speaksFor(certificate, cluster, host, identify)) throw notTheirs(certificate, host)
}

/** What the dialing side asks: the certificate of whom it dialed, wherever that host is. */
export function dialerTls(
  options: PeerTlsOptions,
  cluster: ClusterId,
  host: NodeId,
): Omit<PeerTlsOptions, 'identify'> & {
  readonly checkServerIdentity: (name: string, certificate: PeerCertificate) => Error | undefined
} {
  const { identify, ...certificates } = options
  return {
    ...certificates,
    checkServerIdentity: (_name, certificate) =>
      speaksFor(certificate, cluster, host, identify) ? undefined : notTheirs(certificate, host),
  }
}

function notTheirs(
  certificate: PeerCertificate | DetailedPeerCertificate,
  host: NodeId,
): QuorateError {
  const names = (certificate.subjectaltname ?? 'no alternative name').slice(0, 200)
  return new QuorateError('UNAUTHORIZED', `the certificate is not ${host}'s: it names ${names}`)
}

function alternativeNames(certificate: PeerCertificate): readonly string[] {
  const text = certificate.subjectaltname ?? ''
  // Node quotes values that could be taken for several: none of those is a host's name.
  return text.includes('"') ? [] : text.split(', ')
}
