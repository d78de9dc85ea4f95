// Mutual TLS: who gets in, who does not, and what changing certificates does to connections.
import { connect as connectPlain } from 'node:net'
import { connect, type PeerCertificate } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { PeerTlsOptions } from '../src/index.ts'
import { speaksFor } from '../src/tls.ts'
import { authority, selfSigned, type Authority, type Credentials } from './certificates.ts'
import { bytes, closeHosts, host, type TestHost } from './rig.ts'

let ca: Authority
let otherCa: Authority
const of: Record<string, PeerTlsOptions> = {}

beforeAll(async () => {
  ca = await authority('the cluster’s authority')
  otherCa = await authority('another authority')
  for (const id of ['a', 'b']) {
    of[id] = { ca: ca.cert, ...(await ca.issue({ uri: `quorate://c/${id}` })) }
  }
})
afterEach(closeHosts)

const mentions =
  (pattern: RegExp) =>
  (lines: readonly string[]): boolean =>
    lines.some((line) => pattern.test(line))

/** Starts `a` properly and `b` with whatever is wrong; `b` dials. */
async function attempt(
  tls: PeerTlsOptions,
  acceptor: PeerTlsOptions = of['a']!,
): Promise<[TestHost, TestHost]> {
  const a = await host('a', { tls: acceptor, peers: { b: '' } })
  const b = await host('b', { tls, peers: { a: a.url }, backoff: { baseMs: 5, maxMs: 20 } })
  return [a, b]
}

test('hosts with certificates of their authority and in their name connect', async () => {
  const [a, b] = await attempt(of['b']!)
  expect(a.transport.supports.authenticated).toBe(true)
  await b.inbox.until('a reachable')
  b.transport.send('a', bytes('hello'))
  await a.inbox.until('b:hello')
})

test('a DNS name that equals the host’s serves as well', async () => {
  const [, b] = await attempt({ ca: ca.cert, ...(await ca.issue({ dns: 'b' })) })
  await b.inbox.until('a reachable')
  expect(b.inbox.lines).toEqual(['a reachable'])
})

describe('an acceptor refuses', () => {
  const cases: [string, () => Promise<Partial<Credentials>>, RegExp][] = [
    [
      'no certificate',
      async () => ({ cert: undefined, key: undefined }) as never,
      /TLS|ECONNRESET|alert/,
    ],
    [
      'an expired certificate',
      () => ca.issue({ uri: 'quorate://c/b', fromDays: -3, toDays: -1 }),
      /CERT_HAS_EXPIRED/,
    ],
    [
      'one that is not valid yet',
      () => ca.issue({ uri: 'quorate://c/b', fromDays: 1 }),
      /CERT_NOT_YET_VALID/,
    ],
    ['one of another authority', () => otherCa.issue({ uri: 'quorate://c/b' }), /UNABLE_TO/],
    ['a self-signed one', () => selfSigned({ uri: 'quorate://c/b' }), /SELF_SIGNED/],
    [
      'one that may only serve',
      () => ca.issue({ uri: 'quorate://c/b', usage: 'server' }),
      /INVALID_PURPOSE/,
    ],
    ['one of another host', () => ca.issue({ uri: 'quorate://c/z' }), /certificate is not b's/],
    ['one of another cluster', () => ca.issue({ uri: 'quorate://d/b' }), /certificate is not b's/],
    [
      'one of a client, without a host’s name',
      () => ca.issue({ usage: 'client' }),
      /certificate is not b's/,
    ],
    [
      'a URI of another host beside the DNS name',
      () => ca.issue({ uri: 'quorate://c/z', dns: 'b' }),
      /certificate is not b's/,
    ],
  ]
  test.each(cases)('%s', async (_name, credentials, reason) => {
    const [a, b] = await attempt({ ca: ca.cert, ...(await credentials()) })
    await Promise.all([
      b.log.until(mentions(/cannot be reached|handshake failed/)),
      a.log.until(mentions(/rejected|handshake failed/)),
    ])
    expect([...a.log.lines, ...b.log.lines].join('\n')).toMatch(reason)
    expect([a.inbox.lines, b.inbox.lines]).toEqual([[], []])
  })

  test('a revoked one', async () => {
    const revoked = await ca.issue({ uri: 'quorate://c/b' })
    const crl = await ca.revoke(revoked)
    const [a, b] = await attempt({ ca: ca.cert, ...revoked }, { ...of['a']!, crl })
    await a.log.until(mentions(/rejected/))
    await b.log.until(mentions(/cannot be reached/))
    expect([a.inbox.lines, b.inbox.lines]).toEqual([[], []])
  })
})

describe('a dialer refuses', () => {
  const cases: [string, () => Promise<Credentials>][] = [
    ['another host at the address', () => ca.issue({ uri: 'quorate://c/z' })],
    ['a certificate of another authority', () => otherCa.issue({ uri: 'quorate://c/a' })],
    ['one that may only be a client', () => ca.issue({ uri: 'quorate://c/a', usage: 'client' })],
    ['an expired one', () => ca.issue({ uri: 'quorate://c/a', fromDays: -3, toDays: -1 })],
  ]
  test.each(cases)('%s', async (_name, credentials) => {
    const [a, b] = await attempt(of['b']!, { ca: ca.cert, ...(await credentials()) })
    await b.log.until(mentions(/cannot be reached/))
    expect([a.inbox.lines, b.inbox.lines]).toEqual([[], []])
  })
})

test('a name of one’s own choosing decides through `identify`', async () => {
  const identify = (certificate: PeerCertificate): string | undefined =>
    /DNS:([a-z])\.hosts\.test/.exec(certificate.subjectaltname ?? '')?.[1]
  const issued = async (id: string): Promise<PeerTlsOptions> => ({
    ca: ca.cert,
    identify,
    ...(await ca.issue({ dns: `${id}.hosts.test` })),
  })
  const [a, b] = await attempt(await issued('b'), await issued('a'))
  await b.inbox.until('a reachable')
  a.transport.setPeer('b', undefined)
  await b.inbox.until('a unreachable')
  expect(a.inbox.lines).toEqual(['b reachable', 'b unreachable'])
})

test('an alternative name that only looks like several is none', () => {
  const forged = { subjectaltname: 'DNS:"x, URI:quorate://c/b, y", DNS:"z"' } as PeerCertificate
  expect(speaksFor(forged, 'c', 'b', undefined)).toBe(false)
  expect(speaksFor({ subjectaltname: 'DNS:b' } as PeerCertificate, 'c', 'b', undefined)).toBe(true)
  expect(speaksFor({} as PeerCertificate, 'c', 'b', undefined)).toBe(false)
})

describe('on the wire', () => {
  test('plain text to a TLS port ends the connection', async () => {
    const a = await host('a', { tls: of['a']! })
    const socket = connectPlain(a.transport.port!, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
    await a.log.until(mentions(/TLS/))
    expect(a.inbox.lines).toEqual([])
  })

  test('TLS to a plain port ends the connection', async () => {
    const a = await host('a', { peers: { b: '' } })
    const url = `wss://127.0.0.1:${a.transport.port}`
    const b = await host('b', { tls: of['b']!, peers: { a: url } })
    await b.log.until(mentions(/cannot be reached/))
    expect([a.inbox.lines, b.inbox.lines]).toEqual([[], []])
  })

  test.each(['TLSv1.2', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const a = await host('a', { tls: of['a']! })
    const { cert, key } = of['b']!
    const failure = await new Promise<Error>((resolve) => {
      const socket = connect({
        port: a.transport.port!,
        host: '127.0.0.1',
        ca: ca.cert,
        cert: cert!,
        key: key!,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
        checkServerIdentity: () => undefined,
      })
      socket.once('error', resolve)
    })
    expect(failure.message).toMatch(/protocol version|handshake failure|alert/i)
    await a.log.until(mentions(/TLS/))
  })
})

test('certificates change under load without a frame lost', async () => {
  const [a, b] = await attempt(of['b']!)
  await b.inbox.until('a reachable')
  const next = await authority('the next authority')
  const both = [ca.cert, next.cert]
  let sent = 0
  const sendSome = (): void => {
    for (let count = 0; count < 200; count++) b.transport.send('a', bytes(`${sent++}`))
  }
  sendSome()
  // First both learn the new authority, then both change, then the old one goes.
  for (const each of [a, b]) each.transport.reload({ tls: { ...of[each.id]!, ca: both } })
  sendSome()
  const renewed: Record<string, Credentials> = {}
  for (const id of ['a', 'b']) renewed[id] = await next.issue({ uri: `quorate://c/${id}` })
  for (const each of [a, b]) each.transport.reload({ tls: { ca: both, ...renewed[each.id]! } })
  sendSome()
  for (const each of [a, b]) each.transport.reload({ tls: { ca: next.cert, ...renewed[each.id]! } })
  sendSome()
  await a.inbox.until(`b:${sent - 1}`)
  const frames = a.inbox.lines.filter((line) => line.startsWith('b:'))
  expect(frames).toEqual(Array.from({ length: sent }, (_, count) => `b:${count}`))
  expect(a.inbox.lines.filter((line) => line.includes('reachable'))).toEqual(['b reachable'])
  // A new connection is made with the new certificates, and one with an old one is not.
  a.transport.setPeer('b', undefined)
  await b.inbox.until('a unreachable')
  a.transport.setPeer('b', '')
  await b.inbox.until((lines) => lines.filter((line) => line === 'a reachable').length === 2)
  const old = await host('o', {
    tls: { ca: both, ...(await ca.issue({ uri: 'quorate://c/o' })) },
    peers: { a: a.url },
  })
  a.transport.setPeer('o', '')
  await old.log.until(mentions(/cannot be reached/))
  expect(old.inbox.lines).toEqual([])
})

test('TLS cannot be turned on by a reload', async () => {
  const a = await host('a')
  expect(() => a.transport.reload({ tls: of['a']! })).toThrow(/adds none/)
})
