// The handshake without sockets: who is refused, what is proven, and what a recorded message is
// worth on another connection.
import { isQuorateError, type TransportContext } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { drawInstance, Handshake, type HandshakeStep, type Judge } from '../src/handshake.ts'
import { sharedKeys, TAG_BYTES } from '../src/secret.ts'
import { decodeHandshake, encodeHello, encodeProof, PROOF_BYTES, type Hello } from '../src/wire.ts'
import { context } from './rig.ts'

interface SideOptions {
  readonly over?: Partial<TransportContext>
  readonly secret?: string | readonly string[]
  readonly judge?: Partial<Judge>
  readonly expects?: string
}

const SECRET = 'a secret of thirty-two characters'
const OTHER = 'another secret of some length too'

function side(id: string, { over, secret, judge, expects }: SideOptions = {}): Handshake {
  const keys = sharedKeys(secret)
  return new Handshake(
    { context: context(id, over), instance: drawInstance(), keys: () => keys },
    expects,
    { checkPeer() {}, admit() {}, ...judge },
  )
}

/** Runs a handshake to its end; `change` may replace each message on its way. */
function run(
  dialer: Handshake,
  acceptor: Handshake,
  change: (message: Uint8Array, number: number) => Uint8Array = (message) => message,
): { dialer: HandshakeStep | undefined; acceptor: HandshakeStep | undefined; sent: Uint8Array[] } {
  const sent: Uint8Array[] = []
  const ends: Record<'dialer' | 'acceptor', HandshakeStep | undefined> = {
    dialer: undefined,
    acceptor: undefined,
  }
  const waiting: ['dialer' | 'acceptor', Uint8Array][] = [['acceptor', dialer.start()]]
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [to, message] = next
    const arriving = change(message, sent.length)
    sent.push(arriving)
    if (ends[to] !== undefined) continue
    const step = (to === 'dialer' ? dialer : acceptor).receive(arriving)
    if (step.peer !== undefined || step.refusal !== undefined) ends[to] = step
    for (const each of step.send) waiting.push([to === 'dialer' ? 'acceptor' : 'dialer', each])
  }
  return { ...ends, sent }
}

const pair = (one: SideOptions = {}, two: SideOptions = {}): [Handshake, Handshake] => [
  side('a', { expects: 'b', ...one }),
  side('b', two),
]

describe('two hosts that fit', () => {
  test.each([
    ['without a secret', {}],
    ['with one', { secret: SECRET }],
  ])('%s agree on who they are', (_name, options) => {
    const { dialer, acceptor } = run(...pair(options, options))
    expect(dialer?.peer?.id).toBe('b')
    expect(acceptor?.peer?.id).toBe('a')
  })

  test('agree during a change of secrets on one that both hold', () => {
    const { dialer, acceptor } = run(...pair({ secret: [OTHER, SECRET] }, { secret: SECRET }))
    expect([dialer?.peer?.id, acceptor?.peer?.id]).toEqual(['b', 'a'])
  })

  test('never put the secret on the wire', () => {
    const { sent } = run(...pair({ secret: SECRET }, { secret: SECRET }))
    const wire = Buffer.concat(sent).toString('latin1')
    expect(sent).toHaveLength(4)
    expect(wire).not.toContain(SECRET.slice(0, 6))
  })
})

describe('is refused, and both sides know why:', () => {
  const cases: [string, string, SideOptions, SideOptions][] = [
    ['another cluster', 'CLUSTER_MISMATCH', { over: { cluster: 'other' } }, {}],
    ['another wire version', 'WIRE_VERSION_MISMATCH', { over: { wireVersion: 7 } }, {}],
    ['a host that was dialed under another name', 'UNAUTHORIZED', { expects: 'z' }, {}],
    ['a host that calls itself by our name', 'UNAUTHORIZED', { over: { host: 'b' } }, {}],
    ['a secret where none is expected', 'UNAUTHORIZED', { secret: SECRET }, {}],
    ['no secret where one is expected', 'UNAUTHORIZED', {}, { secret: SECRET }],
    ['another secret', 'UNAUTHORIZED', { secret: OTHER }, { secret: SECRET }],
  ]
  test.each(cases)('%s', (_name, code, one, two) => {
    const { dialer, acceptor } = run(...pair(one, two))
    expect([dialer?.refusal?.code, acceptor?.refusal?.code]).toEqual([code, code])
    expect(new Set([dialer?.refusal?.by, acceptor?.refusal?.by])).toEqual(new Set(['them', 'us']))
    expect(dialer?.refusal?.reason).toBe(acceptor?.refusal?.reason)
  })

  test('the host that was reached refuses a connection that is for another', () => {
    const { acceptor } = run(...pair({ expects: 'z' }))
    expect(acceptor?.refusal).toMatchObject({ by: 'us', reason: 'a connection for z reached b' })
  })

  test('an acceptor that answers under another name', () => {
    const { dialer } = run(
      side('a', { expects: 'b' }),
      side('c', { over: { host: 'b' } }),
      (message, number) => {
        if (number !== 1) return message
        const { hello } = decodeHandshake(message) as { hello: Hello }
        return encodeHello({ ...hello, from: 'c' })
      },
    )
    expect(dialer?.refusal).toMatchObject({ code: 'UNAUTHORIZED', by: 'us' })
  })
})

describe('with a secret,', () => {
  const both: [SideOptions, SideOptions] = [{ secret: SECRET }, { secret: SECRET }]

  test('a changed bit anywhere ends the handshake', () => {
    const lengths = run(...pair(...both)).sent.map((message) => message.length)
    let tried = 0
    for (const [number, length] of lengths.entries()) {
      for (let at = 0; at < length * 8; at++) {
        const outcome = run(...pair(...both), (message, index) => {
          if (index !== number) return message
          const changed = message.slice()
          changed[at >> 3]! ^= 1 << (at & 7)
          return changed
        })
        const made = outcome.dialer?.peer !== undefined && outcome.acceptor?.peer !== undefined
        if (made) throw new Error(`bit ${at} of message ${number}: nobody noticed`)
        tried++
      }
    }
    expect(tried).toBeGreaterThan(1_500)
  })

  test('recorded messages are worth nothing on another connection', () => {
    const { sent } = run(...pair(...both))
    // Whoever plays the dialer's messages again meets another nonce of the acceptor.
    const acceptor = side('b', both[1])
    expect(acceptor.receive(sent[0]!).send).toHaveLength(1)
    expect(acceptor.receive(sent[2]!).refusal?.code).toBe('UNAUTHORIZED')
    // Whoever plays the acceptor's messages again meets another nonce of the dialer.
    const dialer = side('a', { ...both[0], expects: 'b' })
    dialer.start()
    expect(dialer.receive(sent[1]!).refusal?.code).toBe('UNAUTHORIZED')
  })

  test('a proof cannot be sent back to its author', () => {
    // The stranger mirrors everything: it answers a's hello with what a itself would say as b.
    const mirror = side('b', {})
    const dialer = side('a', { ...both[0], expects: 'b' })
    const hello = dialer.start()
    const answer = mirror.receive(encodeWithoutKeys(hello)).send[0]!
    const { hello: stranger } = decodeHandshake(answer) as { hello: Hello }
    const claimed = (decodeHandshake(hello) as { hello: Hello }).hello.keys
    const forged = encodeHello({ ...stranger, keys: claimed, proof: new Uint8Array(PROOF_BYTES) })
    expect(dialer.receive(forged).refusal?.code).toBe('UNAUTHORIZED')
  })

  test('the acceptor’s own proof does not serve the dialer', () => {
    const acceptor = side('b', both[1])
    const hello = side('a', { ...both[0], expects: 'b' }).start()
    const [answer] = acceptor.receive(hello).send
    const { hello: proven } = decodeHandshake(answer!) as { hello: Hello }
    expect(acceptor.receive(encodeProof(proven.proof)).refusal?.code).toBe('UNAUTHORIZED')
  })

  test('messages are sealed: in order, once, on this connection, in this direction', () => {
    const { dialer, acceptor } = run(...pair(...both))
    const sealed = (fill: number): Uint8Array => {
      const message = new Uint8Array(20 + TAG_BYTES).fill(fill)
      dialer!.peer!.seals!.send.write(message)
      return message
    }
    const [first, second, third] = [sealed(1), sealed(2), sealed(3)]
    const check = (message: Uint8Array): boolean => acceptor!.peer!.seals!.receive.check(message)
    expect(check(first)).toBe(true)
    // Each failure ends a connection, so each is tried on a copy of the state: another handshake.
    expect(check(third)).toBe(false)
    const fresh = run(...pair(...both))
    expect(fresh.acceptor!.peer!.seals!.receive.check(first)).toBe(false)
    expect(dialer!.peer!.seals!.receive.check(second)).toBe(false)
    const again = run(...pair(...both))
    const one = new Uint8Array(8 + TAG_BYTES)
    again.dialer!.peer!.seals!.send.write(one)
    expect(again.acceptor!.peer!.seals!.receive.check(one)).toBe(true)
    expect(again.acceptor!.peer!.seals!.receive.check(one)).toBe(false)
    expect(again.acceptor!.peer!.seals!.receive.check(new Uint8Array(TAG_BYTES))).toBe(false)
  })

  test('short ones, none and too many are refused before anything is opened', () => {
    for (const bad of ['short', [], [1, 2, 3, 4, 5].map((n) => `${n} of the secrets`)]) {
      const failure = catching(() => sharedKeys(bad))
      expect(isQuorateError(failure, 'INVALID_OPTIONS')).toBe(true)
    }
  })
})

function encodeWithoutKeys(message: Uint8Array): Uint8Array {
  const { hello } = decodeHandshake(message) as { hello: Hello }
  return encodeHello({ ...hello, keys: [] })
}

function catching(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}
