// Certificates for the tests, made on the spot: authorities, hosts, and everything that can be
// wrong with a certificate.
import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto as never)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000

/** A certificate and its key as PEM. */
export interface Credentials {
  readonly cert: string
  readonly key: string
}

/** What a certificate says. */
export interface Claims {
  readonly uri?: string
  readonly dns?: string
  readonly usage?: 'both' | 'client' | 'server'
  readonly fromDays?: number
  readonly toDays?: number
}

/** An authority that issues and revokes. */
export interface Authority {
  readonly cert: string
  issue(claims: Claims): Promise<Credentials>
  /** A list that revokes these certificates. */
  revoke(...revoked: readonly Credentials[]): Promise<string>
}

let serial = 1

async function keys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', key)
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,64}/g)!
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

function extensions({ uri, dns, usage = 'both' }: Claims): x509.Extension[] {
  const names: x509.JsonGeneralName[] = []
  if (uri !== undefined) names.push({ type: 'url', value: uri })
  if (dns !== undefined) names.push({ type: 'dns', value: dns })
  const usages = []
  if (usage !== 'client') usages.push(x509.ExtendedKeyUsage.serverAuth)
  if (usage !== 'server') usages.push(x509.ExtendedKeyUsage.clientAuth)
  return [
    new x509.BasicConstraintsExtension(false),
    new x509.ExtendedKeyUsageExtension(usages),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ]
}

export async function authority(name: string): Promise<Authority> {
  const own = await keys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: (serial++).toString(16).padStart(4, '0'),
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + 10 * DAY),
    signingAlgorithm: algorithm,
    keys: own,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
    ],
  })
  return {
    cert: certificate.toString('pem'),
    async issue(claims) {
      const pair = await keys()
      const issued = await x509.X509CertificateGenerator.create({
        serialNumber: (serial++).toString(16).padStart(4, '0'),
        subject: 'CN=host',
        issuer: certificate.subject,
        notBefore: new Date(Date.now() + (claims.fromDays ?? -1) * DAY),
        notAfter: new Date(Date.now() + (claims.toDays ?? 5) * DAY),
        signingAlgorithm: algorithm,
        publicKey: pair.publicKey,
        signingKey: own.privateKey,
        extensions: extensions(claims),
      })
      return { cert: issued.toString('pem'), key: await pem(pair.privateKey) }
    },
    async revoke(...revoked) {
      const list = await x509.X509CrlGenerator.create({
        issuer: certificate.subject,
        thisUpdate: new Date(Date.now() - DAY),
        nextUpdate: new Date(Date.now() + DAY),
        entries: revoked.map(({ cert }) => ({
          serialNumber: new x509.X509Certificate(cert).serialNumber,
          revocationDate: new Date(Date.now() - DAY / 2),
        })),
        signingAlgorithm: algorithm,
        signingKey: own.privateKey,
      })
      // The label that OpenSSL reads.
      return list.toString('pem').replaceAll(' CRL-', ' X509 CRL-')
    },
  }
}

/** A certificate that vouches for itself. */
export async function selfSigned(claims: Claims): Promise<Credentials> {
  const pair = await keys()
  const issued = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: (serial++).toString(16).padStart(4, '0'),
    name: 'CN=host',
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + DAY),
    signingAlgorithm: algorithm,
    keys: pair,
    extensions: extensions(claims),
  })
  return { cert: issued.toString('pem'), key: await pem(pair.privateKey) }
}
