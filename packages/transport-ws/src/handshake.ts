// The handshake as a state machine without I/O: messages in, messages and a verdict out. Both
// sides check the same facts, and whoever refuses says why, so that both can log it.
import { randomBytes } from 'node:crypto'
import {
  isQuorateError,
  QuorateError,
  type ErrorCode,
  type NodeId,
  type TransportContext,
} from '@quorate/core'
import { proofOf, sameProof, Seal, type SharedKey } from './secret.ts'
import {
  decodeHandshake,
  encodeAccept,
  encodeHello,
  encodeProof,
  encodeRefusal,
  INSTANCE_BYTES,
  NONCE_BYTES,
  printable,
  type Hello,
  type Refusal,
} from './wire.ts'

/** What a host brings to each of its handshakes. */
export interface Identity {
  readonly context: TransportContext
  /** Drawn when the transport starts. */
  readonly instance: Uint8Array
  /** The secrets now in use. */
  keys(): readonly SharedKey[]
}

/** What else decides in one handshake. */
export interface Judge {
  /**
   * Whether a host may be a peer, after everything else agreed.
   *
   * @throws QuorateError where it may not
   */
  checkPeer(hello: Hello): void
  /**
   * The acceptor's last word on a proven peer.
   *
   * @throws QuorateError where there is no place for it
   */
  admit(hello: Hello): void
}

/** A peer that has proven who it is. */
export interface Peer {
  readonly id: NodeId
  readonly hello: Hello
  /** Seals what is sent, and opens what comes, where the hosts share a secret. */
  readonly seals: { readonly send: Seal; readonly receive: Seal } | undefined
}

/** What a message led to: what to send, and the verdict once there is one. */
export interface HandshakeStep {
  readonly send: readonly Uint8Array[]
  readonly peer?: Peer | undefined
  readonly refusal?: (Refusal & { readonly by: 'us' | 'them' }) | undefined
}

/** A fresh identity of a run of this host. */
export function drawInstance(): Uint8Array {
  return new Uint8Array(randomBytes(INSTANCE_BYTES))
}

/** One side of one handshake. */
export class Handshake {
  readonly #role: 'dialer' | 'acceptor'
  readonly #identity: Identity
  readonly #judge: Judge
  readonly #expected: NodeId | undefined
  #state: 'hello' | 'proof' | 'accept' | 'done' = 'hello'
  #mine: Uint8Array = new Uint8Array(0)
  #theirs: Uint8Array = new Uint8Array(0)
  #key: SharedKey | undefined
  #peer: Hello | undefined

  /** @param expected - whom the dialer dials; `undefined` for the acceptor */
  constructor(identity: Identity, expected: NodeId | undefined, judge: Judge) {
    this.#role = expected === undefined ? 'acceptor' : 'dialer'
    this.#identity = identity
    this.#expected = expected
    this.#judge = judge
  }

  /** The peer's name as far as it is known: proven or not. */
  get peerName(): NodeId | undefined {
    return this.#expected ?? this.#peer?.from
  }

  /** The dialer's first message. */
  start(): Uint8Array {
    this.#mine = encodeHello(this.#hello(this.#expected as NodeId, this.#identity.keys(), EMPTY))
    return this.#mine
  }

  receive(bytes: Uint8Array): HandshakeStep {
    try {
      return this.#receive(bytes)
    } catch (error) {
      if (!isQuorateError(error)) throw error
      return this.#refuse({ code: error.code, reason: error.message })
    }
  }

  #refuse(refusal: Refusal): HandshakeStep {
    this.#state = 'done'
    return { send: [encodeRefusal(refusal)], refusal: { ...refusal, by: 'us' } }
  }

  #receive(bytes: Uint8Array): HandshakeStep {
    const message = decodeHandshake(bytes)
    if (message.kind === 'refuse' && this.#state !== 'done') {
      this.#state = 'done'
      return { send: [], refusal: { ...message.refusal, by: 'them' } }
    }
    if (message.kind === 'hello' && this.#state === 'hello') {
      // The bytes are kept and hashed later: they must not change under us.
      this.#theirs = bytes.slice()
      return this.#role === 'dialer' ? this.#answered(message.hello) : this.#greeted(message.hello)
    }
    if (message.kind === 'proof' && this.#state === 'proof') return this.#proven(message.proof)
    if (message.kind === 'accept' && this.#state === 'accept') return this.#done([])
    throw new QuorateError('MALFORMED', `a ${message.kind} message out of turn`)
  }

  /** Acceptor: the dialer has said who it is. */
  #greeted(hello: Hello): HandshakeStep {
    this.#check(hello)
    const keys = this.#identity.keys()
    this.#key = keys.find((key) => hello.keys.some((name) => sameName(name, key.name)))
    if (this.#key === undefined && (keys.length > 0 || hello.keys.length > 0)) {
      throw new QuorateError('UNAUTHORIZED', secretReason(keys.length, hello.keys.length))
    }
    const chosen = this.#key === undefined ? [] : [this.#key]
    const bare = this.#hello(hello.from, chosen, EMPTY)
    this.#mine = encodeHello(bare)
    this.#state = 'proof'
    const proof = this.#key && proofOf(this.#key, 'acceptor', this.#theirs, this.#mine)
    return { send: [encodeHello({ ...bare, proof: proof ?? EMPTY })] }
  }

  /** Dialer: the acceptor has answered, with its proof. */
  #answered(hello: Hello): HandshakeStep {
    this.#check(hello)
    const keys = this.#identity.keys()
    if (hello.keys.length > 1) throw new QuorateError('MALFORMED', 'more than one chosen secret')
    const chosen = hello.keys[0]
    this.#key = chosen && keys.find((key) => sameName(key.name, chosen))
    if (this.#key === undefined && (keys.length > 0 || chosen !== undefined)) {
      throw new QuorateError('UNAUTHORIZED', secretReason(keys.length, hello.keys.length))
    }
    // What the proof covers is the acceptor's hello as it was before the proof was put into it.
    this.#theirs = encodeHello({ ...hello, proof: EMPTY })
    if (this.#key === undefined) {
      if (hello.proof.length > 0) throw new QuorateError('MALFORMED', 'a proof of no secret')
      this.#state = 'accept'
      return { send: [encodeProof(EMPTY)] }
    }
    if (!sameProof(hello.proof, proofOf(this.#key, 'acceptor', this.#mine, this.#theirs))) {
      throw new QuorateError('UNAUTHORIZED', 'the peer does not hold the secret')
    }
    this.#state = 'accept'
    return { send: [encodeProof(proofOf(this.#key, 'dialer', this.#mine, this.#theirs))] }
  }

  /** Acceptor: the dialer's proof. */
  #proven(proof: Uint8Array): HandshakeStep {
    const expected = this.#key && proofOf(this.#key, 'dialer', this.#theirs, this.#mine)
    const good = expected === undefined ? proof.length === 0 : sameProof(proof, expected)
    if (!good) throw new QuorateError('UNAUTHORIZED', 'the peer does not hold the secret')
    this.#judge.admit(this.#peer as Hello)
    return this.#done([encodeAccept()])
  }

  #done(send: readonly Uint8Array[]): HandshakeStep {
    this.#state = 'done'
    const hello = this.#peer as Hello
    const ours = this.#role
    const theirs = ours === 'dialer' ? 'acceptor' : 'dialer'
    const hellos =
      ours === 'dialer'
        ? ([this.#mine, this.#theirs] as const)
        : ([this.#theirs, this.#mine] as const)
    const key = this.#key
    const seals = key && {
      send: new Seal(key, ours, ...hellos),
      receive: new Seal(key, theirs, ...hellos),
    }
    return { send, peer: { id: hello.from, hello, seals } }
  }

  #hello(to: NodeId, keys: readonly SharedKey[], proof: Uint8Array): Hello {
    const { context, instance } = this.#identity
    return {
      cluster: context.cluster,
      from: context.host,
      to,
      wireVersion: context.wireVersion,
      instance,
      nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
      store: context.store ?? '',
      epoch: context.epoch ?? 0,
      rejoin: context.rejoin ?? false,
      keys: keys.map((key) => key.name),
      proof,
    }
  }

  /** The facts that both sides check, in the order in which they are useful to whoever reads them. */
  #check(hello: Hello): void {
    this.#peer = hello
    const { context } = this.#identity
    if (hello.cluster !== context.cluster) {
      throw refused('CLUSTER_MISMATCH', `cluster ${hello.cluster}, not ${context.cluster}`)
    }
    if (hello.wireVersion !== context.wireVersion) {
      throw refused(
        'WIRE_VERSION_MISMATCH',
        `wire version ${hello.wireVersion}, not ${context.wireVersion}`,
      )
    }
    if (hello.to !== context.host) {
      throw refused('UNAUTHORIZED', `a connection for ${hello.to} reached ${context.host}`)
    }
    if (hello.from === context.host) {
      throw refused(
        'UNAUTHORIZED',
        `another host calls itself ${hello.from}, or this one dialed itself`,
      )
    }
    if (this.#expected !== undefined && hello.from !== this.#expected) {
      throw refused('UNAUTHORIZED', `${hello.from} answered where ${this.#expected} was dialed`)
    }
    this.#judge.checkPeer(hello)
  }
}

const EMPTY = new Uint8Array(0)

function sameName(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

function secretReason(ours: number, theirs: number): string {
  if (ours === 0) return 'the peer asks for a secret, this host has none'
  return theirs === 0 ? 'the peer has no secret, this host asks for one' : 'no secret in common'
}

function refused(code: ErrorCode, reason: string): QuorateError {
  return new QuorateError(code, printable(reason))
}
