// The transport between hosts over real sockets of the loopback: connecting, refusing, lanes,
// coming back.
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { isQuorateError } from '@quorate/core'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { webSockets } from '../src/index.ts'
import { sparseWarnings } from '../src/sparse-log.ts'
import {
  bytes,
  closeHosts,
  cluster,
  context,
  host,
  Inbox,
  Log,
  loggerTo,
  ManualClock,
} from './rig.ts'

afterEach(closeHosts)

test('three hosts connect to each other once, and frames arrive under the sender’s name', async () => {
  const hosts = await cluster(['a', 'b', 'c'])
  await Promise.all(
    hosts.map(({ id, inbox }) =>
      inbox.until((lines) =>
        ['a', 'b', 'c'].every((other) => other === id || lines.includes(`${other} reachable`)),
      ),
    ),
  )
  for (const { id, transport } of hosts) {
    const others = hosts.filter((other) => other.id !== id)
    const outcomes = others.map((other) => transport.send(other.id, bytes(`to ${other.id}`)))
    expect(outcomes).toEqual(['queued', 'queued'])
  }
  for (const { id, inbox } of hosts) {
    const others = ['a', 'b', 'c'].filter((other) => other !== id)
    for (const other of others) await inbox.until(`${other}:to ${id}`)
    expect(inbox.lines.toSorted()).toEqual(
      others.flatMap((other) => [`${other} reachable`, `${other}:to ${id}`]).toSorted(),
    )
  }
})

test('frames of every size arrive whole and in order', async () => {
  const [a, b] = await cluster(['a', 'b'])
  await a!.inbox.until('b reachable')
  const sizes = [
    0, 1, 2, 125, 126, 127, 128, 16_383, 16_384, 65_535, 65_536, 131_072, 1_000_000, 0, 3,
  ]
  for (const size of sizes)
    expect(a!.transport.send('b', new Uint8Array(size).fill(size))).toBe('queued')
  a!.transport.send('b', bytes('end'))
  await b!.inbox.until('a:end')
  expect(b!.inbox.frames.map((frame) => frame.length)).toEqual([...sizes, 3])
  expect(
    b!.inbox.frames.every(
      (frame, at) => at === sizes.length || frame.every((byte) => byte === sizes[at]! % 256),
    ),
  ).toBe(true)
  expect(b!.inbox.frames[1]!.constructor).toBe(Uint8Array)
})

test('a host that comes back is connected again', async () => {
  const [a, b] = await cluster(['a', 'b'])
  await a!.inbox.until('b reachable')
  const port = b!.transport.port!
  await b!.transport.close()
  await a!.inbox.until('b unreachable')
  expect(a!.transport.send('b', bytes('x'))).toBe('dropped')
  const again = await host('b', { listen: port, peers: { a: a!.url } })
  await again.inbox.until('a reachable')
  await a!.inbox.until((lines) => lines.filter((line) => line === 'b reachable').length === 2)
  a!.transport.send('b', bytes('hello again'))
  await again.inbox.until('a:hello again')
})

test('a port in use is a typed error that says what to do', async () => {
  const a = await host('a')
  const second = webSockets({ listen: a.transport.port! })
  const failure = await second.start(context('b'), new Inbox()).catch((error: unknown) => error)
  expect(isQuorateError(failure, 'PORT_IN_USE')).toBe(true)
  expect((failure as Error).message).toContain(String(a.transport.port))
  await second.close()
})

test.each([
  ['another cluster', { cluster: 'other' }, 'CLUSTER_MISMATCH'],
  ['another wire version', { wireVersion: 2 }, 'WIRE_VERSION_MISMATCH'],
])('a peer of %s is refused, and both sides log why', async (_name, over, code) => {
  const a = await host('a')
  const b = await host('b', { peers: { a: a.url } }, over)
  a.transport.setPeer('b', '')
  const logged = (lines: readonly string[]): boolean => lines.some((line) => line.includes(code))
  await Promise.all([a.log.until(logged), b.log.until(logged)])
  expect(a.inbox.lines).toEqual([])
  expect(b.inbox.lines).toEqual([])
})

test('a host that is not named as a peer is refused until it is', async () => {
  const a = await host('a')
  const b = await host('b', { peers: { a: a.url }, backoff: { baseMs: 5, maxMs: 20 } })
  await b.log.until((lines) => lines.some((line) => line.includes('UNAUTHORIZED')))
  expect(a.inbox.lines).toEqual([])
  a.transport.setPeer('b', '')
  await b.inbox.until('a reachable')
  a.transport.setPeer('b', undefined)
  await b.inbox.until('a unreachable')
  expect(a.transport.send('b', bytes('x'))).toBe('dropped')
})

test('the bulk lane never holds up the fast lane', async () => {
  const [a, b] = await cluster(['a', 'b'])
  await a!.inbox.until('b reachable')
  for (let chunk = 0; chunk < 50; chunk++) a!.transport.send('b', new Uint8Array(262_144), 'bulk')
  a!.transport.send('b', bytes('heartbeat'))
  await b!.inbox.until('a:heartbeat')
  const before = b!.inbox.lines.indexOf('a:heartbeat')
  expect(
    b!.inbox.lines.slice(0, before).filter((line) => line.includes('bytes')).length,
  ).toBeLessThanOrEqual(1)
  await b!.inbox.until((lines) => lines.filter((line) => line.includes('262144')).length === 50)
})

test('a shared secret lets hosts in that hold it, and no others', async () => {
  const secret = 'a secret of thirty-two characters'
  const [a, b] = await cluster(['a', 'b'], { secret })
  await a!.inbox.until('b reachable')
  a!.transport.send('b', bytes('sealed'))
  a!.transport.send('b', new Uint8Array(100), 'bulk')
  b!.transport.send('a', bytes('too'))
  await b!.inbox.until('a:100 bytes')
  await a!.inbox.until('b:too')
  const stranger = await host('s', {
    secret: 'some other secret of some length',
    peers: { a: a!.url },
  })
  const naive = await host('n', { peers: { a: a!.url } })
  a!.transport.setPeer('s', '')
  a!.transport.setPeer('n', '')
  await stranger.log.until((lines) => lines.some((line) => line.includes('no secret in common')))
  await naive.log.until((lines) => lines.some((line) => line.includes('asks for one')))
  const logs = [a!, b!, stranger, naive].flatMap(({ log }) => log.lines).join('\n')
  expect(logs).not.toContain(secret.slice(0, 12))
})

test('close while the port is being bound gives the port back', async () => {
  const transport = webSockets({ listen: 0 })
  const starting = transport.start(context('a'), new Inbox()).catch((error: unknown) => error)
  await transport.close()
  expect(isQuorateError(await starting, 'CLOSED')).toBe(true)
  expect([transport.status, transport.port]).toEqual(['closed', undefined])
})

test('a peer that accepts and never answers is given up, and tried again', async () => {
  const silent = createServer()
  const sockets: Socket[] = []
  silent.on('connection', (socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const clock = new ManualClock()
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const a = await host('a', { peers: { b: url } }, { clock })
  clock.advance(0)
  await new Promise<void>((resolve) => silent.once('connection', () => resolve()))
  clock.advance(5_000)
  await a.log.until((lines) => lines.some((line) => line.includes('no answer within 5000 ms')))
  const again = new Promise<void>((resolve) => silent.once('connection', () => resolve()))
  clock.advance(100)
  await again
  expect(a.inbox.lines).toEqual([])
  for (const socket of sockets) socket.destroy()
  silent.close()
})

test('strangers cannot fill the log', async () => {
  const clock = new ManualClock()
  const log = new Log()
  const warn = sparseWarnings(clock, loggerTo(log))
  for (let line = 0; line < 1_000; line++) warn({ line }, 'a stranger')
  expect(log.lines).toHaveLength(10)
  clock.advance(10_000)
  warn({ line: 1_000 }, 'a stranger')
  expect(log.lines.at(-1)).toBe('a stranger {"line":1000,"leftOut":990}')
})

test('a peer that upgrades and never greets is given up, with the reason', async () => {
  const silent = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise<void>((resolve) => silent.once('listening', () => resolve()))
  const clock = new ManualClock()
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const a = await host('a', { peers: { b: url } }, { clock })
  const greeted = new Promise<void>((resolve) => {
    silent.once('connection', (ws) => void ws.once('message', () => resolve()))
  })
  clock.advance(0)
  await greeted
  clock.advance(5_000)
  await a.log.until((lines) => lines.some((line) => /handshake failed.*TIMEOUT/.test(line)))
  expect(a.inbox.lines).toEqual([])
  silent.close()
})
