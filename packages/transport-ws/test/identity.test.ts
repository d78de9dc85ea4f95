// Identity over real sockets: wiped disks, old copies, doubles, messages of other connections.
import { WebSocket } from 'ws'
import { afterEach, expect, test } from 'vitest'
import { drawInstance, Handshake } from '../src/handshake.ts'
import { sharedKeys, TAG_BYTES } from '../src/secret.ts'
import { kind, SEALED } from '../src/wire.ts'
import { bytes, closeHosts, context, host, type TestHost } from './rig.ts'

afterEach(closeHosts)

const mentions =
  (pattern: RegExp) =>
  (lines: readonly string[]): boolean =>
    lines.some((line) => pattern.test(line))
const count = (lines: readonly string[], line: string): number =>
  lines.filter((each) => each === line).length

const quick = { backoff: { baseMs: 5, maxMs: 20 } }

test('a host that comes back with another storage is refused until it is named anew', async () => {
  const a = await host('a', { peers: { b: '' } })
  const b = await host('b', { peers: { a: a.url }, ...quick }, { store: 'first', epoch: 3 })
  await b.inbox.until('a reachable')
  await b.transport.close()
  const wiped = await host('b', { peers: { a: a.url }, ...quick }, { store: 'second', epoch: 1 })
  await wiped.log.until(mentions(/another storage than before/))
  expect(wiped.inbox.lines).toEqual([])
  a.transport.setPeer('b', '')
  await wiped.inbox.until('a reachable')
})

test('a host on a copy of an older disk is refused, on the newer one it is not', async () => {
  const a = await host('a', { peers: { b: '' } })
  const start = (epoch: number): Promise<TestHost> =>
    host('b', { peers: { a: a.url }, ...quick }, { store: 'disk', epoch })
  const b = await start(5)
  await b.inbox.until('a reachable')
  await b.transport.close()
  const old = await start(4)
  await old.log.until(mentions(/copy of an older disk/))
  expect(old.inbox.lines).toEqual([])
  await old.transport.close()
  const next = await start(6)
  await next.inbox.until('a reachable')
})

test('a host that says that its storage is lost is let in with another, and not with an older one', async () => {
  const a = await host('a', { peers: { b: '' } })
  const b = await host('b', { peers: { a: a.url }, ...quick }, { store: 'first', epoch: 3 })
  await b.inbox.until('a reachable')
  await b.transport.close()
  const lost = { store: 'second', epoch: 2, rejoin: true }
  const rejoined = await host('b', { peers: { a: a.url }, ...quick }, lost)
  await rejoined.inbox.until('a reachable')
  await rejoined.transport.close()
  const older = await host('b', { peers: { a: a.url }, ...quick }, { ...lost, epoch: 1 })
  await older.log.until(mentions(/copy of an older disk/))
  expect(older.inbox.lines).toEqual([])
})

test('a host that repeats the start of another process is refused: the disk was copied', async () => {
  const a = await host('a', { peers: { b: '' } })
  const start = (): Promise<TestHost> =>
    host('b', { peers: { a: a.url }, ...quick }, { store: 'disk', epoch: 5 })
  const first = await start()
  await first.inbox.until('a reachable')
  await first.transport.close()
  const copy = await start()
  await copy.log.until(mentions(/copy of an older disk/))
  expect(copy.inbox.lines).toEqual([])
})

test('of two processes under one name, one connection stands at a time', async () => {
  const a = await host('a', { peers: { b: '' } })
  const first = await host('b', { peers: { a: a.url }, ...quick })
  await first.inbox.until('a reachable')
  const second = await host('b', { peers: { a: a.url }, ...quick })
  await second.inbox.until('a reachable')
  await first.inbox.until('a unreachable')
  await a.inbox.until((lines) => count(lines, 'b reachable') >= 2)
  const news = a.inbox.lines.filter((line) => line.includes('reachable'))
  // Told in pairs: never two connections at once.
  expect(news.every((line, at) => line === (at % 2 === 0 ? 'b reachable' : 'b unreachable'))).toBe(
    true,
  )
})

const secret = 'a secret of thirty-two characters'

/** A peer that holds the secret and speaks by hand. */
async function byHand(
  a: TestHost,
  id: string,
): Promise<{ ws: WebSocket; seal: (frame: string) => Uint8Array; ended: Promise<string> }> {
  const ws = new WebSocket(a.url)
  const keys = sharedKeys(secret)
  const identity = { context: context(id), instance: drawInstance(), keys: () => keys }
  const handshake = new Handshake(identity, 'a', { checkPeer() {}, admit() {} })
  const ended = new Promise<string>((resolve) => {
    ws.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`))
    ws.on('error', () => {})
  })
  await new Promise<void>((resolve) => ws.once('open', () => resolve()))
  ws.send(handshake.start())
  const peer = await new Promise<NonNullable<ReturnType<Handshake['receive']>['peer']>>(
    (resolve) => {
      ws.on('message', (data: Buffer) => {
        const step = handshake.receive(data)
        for (const message of step.send) ws.send(message)
        if (step.peer !== undefined) {
          ws.removeAllListeners('message')
          resolve(step.peer)
        }
      })
    },
  )
  const seal = (frame: string): Uint8Array => {
    const message = new Uint8Array(2 + frame.length + TAG_BYTES)
    message[0] = kind.fast | SEALED
    message[1] = frame.length
    message.set(bytes(frame), 2)
    peer.seals!.send.write(message)
    return message
  }
  return { ws, seal, ended }
}

test('a message of an earlier connection, played again, ends the connection', async () => {
  const a = await host('a', { secret, peers: { b: '' } })
  const one = await byHand(a, 'b')
  const recorded = one.seal('pay once')
  one.ws.send(recorded)
  await a.inbox.until('b:pay once')
  one.ws.close()
  await a.inbox.until('b unreachable')
  const two = await byHand(a, 'b')
  two.ws.send(recorded)
  await two.ended
  await a.inbox.until((lines) => count(lines, 'b unreachable') === 2)
  expect(count(a.inbox.lines, 'b:pay once')).toBe(1)
})

test('a message of another peer’s connection ends the connection', async () => {
  const a = await host('a', { secret, peers: { b: '', c: '' } })
  const b = await byHand(a, 'b')
  const c = await byHand(a, 'c')
  c.ws.send(b.seal('from b'))
  await c.ended
  await a.inbox.until('c unreachable')
  expect(a.inbox.lines.filter((line) => line.includes('from b'))).toEqual([])
  b.ws.close()
})

test('the same message twice on one connection ends it after the first', async () => {
  const a = await host('a', { secret, peers: { b: '' } })
  const b = await byHand(a, 'b')
  const message = b.seal('once')
  b.ws.send(message)
  b.ws.send(message)
  await b.ended
  await a.inbox.until('b unreachable')
  expect(count(a.inbox.lines, 'b:once')).toBe(1)
})

test('a removed member is cut off and stays out', async () => {
  const a = await host('a', { secret, peers: { b: '' } })
  const b = await byHand(a, 'b')
  b.ws.send(b.seal('while a member'))
  await a.inbox.until('b:while a member')
  a.transport.setPeer('b', undefined)
  b.ws.send(b.seal('when no more'))
  await b.ended
  await a.inbox.until('b unreachable')
  const again = await host('b', { secret, peers: { a: a.url }, ...quick })
  await again.log.until(mentions(/is no peer of a/))
  expect(a.inbox.lines).toEqual(['b reachable', 'b:while a member', 'b unreachable'])
})
