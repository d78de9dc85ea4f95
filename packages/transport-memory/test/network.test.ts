// What is particular to the in-process network: its switches, its clients and its fairness.
import {
  createRandom,
  defaultLimits,
  isQuorateError,
  noMetrics,
  resolveLimits,
  silentLogger,
  systemClock,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type TransportContext,
} from '@quorate/core'
import { expect, test } from 'vitest'
import { memoryNetwork } from '../src/index.ts'

function context(host: string, over: Partial<TransportContext> = {}): TransportContext {
  return {
    cluster: 'c',
    host,
    wireVersion: 1,
    clock: systemClock(),
    random: createRandom(1),
    limits: defaultLimits,
    logger: silentLogger,
    metrics: noMetrics,
    ...over,
  }
}

class Inbox {
  readonly log: string[] = []
  #wake: (() => void) | undefined
  onFrame = (from: string, frame: Uint8Array): void => this.#add(`${from}:${text(frame)}`)
  onPeer = (peer: string, state: string): void => this.#add(`${peer} ${state}`)
  #add(line: string): void {
    this.log.push(line)
    this.#wake?.()
  }
  async until(line: string): Promise<void> {
    while (!this.log.includes(line)) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
const settle = async (): Promise<void> => {
  for (let round = 0; round < 20; round++)
    await new Promise<void>((resolve) => setImmediate(resolve))
}

test('hosts find each other, and only those of their cluster and wire version', async () => {
  const network = memoryNetwork()
  const inboxes = [new Inbox(), new Inbox(), new Inbox(), new Inbox()] as const
  const [a, b, other, newer] = [0, 1, 2, 3].map(() => network.transport())
  await a!.start(context('a'), inboxes[0])
  await other!.start(context('b', { cluster: 'other' }), inboxes[2])
  await newer!.start(context('n', { wireVersion: 2 }), inboxes[3])
  await b!.start(context('b'), inboxes[1])
  expect(a!.send('b', bytes('hello'))).toBe('queued')
  expect(a!.send('n', bytes('hello'))).toBe('dropped')
  expect(inboxes[1].log).toEqual([])
  await inboxes[1].until('a:hello')
  await settle()
  expect(inboxes[0].log).toEqual(['b reachable'])
  expect(inboxes[1].log).toEqual(['a reachable', 'a:hello'])
  expect(inboxes[2].log).toEqual([])
  await other!.close()
  expect(a!.send('b', bytes('again'))).toBe('queued')
  await inboxes[1].until('a:again')
})

test('a name that is taken is a conflict', async () => {
  const network = memoryNetwork()
  await network.transport().start(context('a'), new Inbox())
  const failure = await network
    .transport()
    .start(context('a'), new Inbox())
    .catch((e: unknown) => e)
  expect(isQuorateError(failure, 'CONFLICT')).toBe(true)
})

test('a cut loses what was on the way and tells both; a heal connects again', async () => {
  const network = memoryNetwork()
  const [one, two] = [new Inbox(), new Inbox()]
  const [a, b] = [network.transport(), network.transport()]
  await a.start(context('a'), one)
  await b.start(context('b'), two)
  await two.until('a reachable')
  a.send('b', bytes('lost'))
  network.cut('a', 'b')
  expect(a.send('b', bytes('refused'))).toBe('dropped')
  await two.until('a unreachable')
  network.heal()
  a.send('b', bytes('arrives'))
  await two.until('a:arrives')
  expect(two.log).toEqual(['a reachable', 'a unreachable', 'a reachable', 'a:arrives'])
  expect(one.log).toEqual(['b reachable', 'b unreachable', 'b reachable'])
})

test('one host can be cut from all others, and healed alone', async () => {
  const network = memoryNetwork()
  const transports = new Map<string, ReturnType<typeof network.transport>>()
  for (const host of ['a', 'b', 'c']) {
    transports.set(host, network.transport())
    await transports.get(host)!.start(context(host), new Inbox())
  }
  network.cut('a')
  network.cut('b', 'c')
  expect(transports.get('a')!.send('b', bytes('x'))).toBe('dropped')
  network.heal('a')
  expect(transports.get('a')!.send('b', bytes('x'))).toBe('queued')
  expect(transports.get('b')!.send('c', bytes('x'))).toBe('dropped')
  network.heal('b', 'c')
  expect(transports.get('b')!.send('c', bytes('x'))).toBe('queued')
})

test('the receiver owns its copy of a frame', async () => {
  const network = memoryNetwork()
  const received: Uint8Array[] = []
  const inbox = new Inbox()
  const [a, b] = [network.transport(), network.transport()]
  await a.start(context('a'), inbox)
  await b.start(context('b'), {
    onFrame: (_from, frame) => void received.push(frame.fill(0)),
    onPeer() {},
  })
  const frame = bytes('mine')
  a.send('b', frame)
  await settle()
  expect(received).toHaveLength(1)
  expect(text(frame)).toBe('mine')
})

test('hosts that answer each other at once leave room for the rest of the program', async () => {
  const network = memoryNetwork()
  const [a, b] = [network.transport(), network.transport()]
  let returns = 0
  await a.start(context('a'), {
    onFrame: (from, frame) => void (returns++, a.send(from, frame)),
    onPeer() {},
  })
  await b.start(context('b'), { onFrame: (from, frame) => void b.send(from, frame), onPeer() {} })
  a.send('b', bytes('ball'))
  // Timers run while the ball flies, and the ball flies while timers run.
  let timers = 0
  for (; returns < 2_000; timers++) await new Promise<void>((resolve) => setTimeout(resolve, 0))
  expect(timers).toBeGreaterThan(0)
  await a.close()
  await b.close()
})

test('no timer is left after close', async () => {
  // Time stands still, so that whatever has been set waits.
  const timers = new Set<object>()
  const clock: Clock = {
    ...systemClock(),
    setTimer() {
      const timer = { cancel: () => void timers.delete(timer) }
      timers.add(timer)
      return timer
    },
  }
  const network = memoryNetwork({ clock })
  const [a, b] = [network.transport(), network.transport()]
  await a.start(context('a', { clock }), new Inbox())
  await b.start(context('b', { clock }), new Inbox())
  a.send('b', bytes('x'))
  await settle()
  expect(timers.size).toBeGreaterThan(0)
  await a.close()
  await b.close()
  expect(timers.size).toBe(0)
})

/** A client's or a listener's end that writes down what it is told. */
class Caller implements ConnectionHandlers {
  readonly log: string[] = []
  readonly closed: Promise<void>
  #close!: () => void
  constructor() {
    this.closed = new Promise((resolve) => (this.#close = resolve))
  }
  onFrame = (frame: Uint8Array): void => void this.log.push(text(frame))
  onClose = (reason: string): void => {
    this.log.push(`closed: ${reason}`)
    this.#close()
  }
}

test('clients: frames in order both ways, then the end with its reason', async () => {
  const network = memoryNetwork()
  const server = new Caller()
  let accepted: Connection | undefined
  const listener = network.listener('kv')
  await listener.start(context('a'), (connection) => {
    accepted = connection
    return server
  })
  const client = new Caller()
  const connection = await network.dialer().dial('kv', client)
  for (const frame of ['1', '2', '3']) connection.send(bytes(frame))
  expect(server.log).toEqual([])
  accepted!.send(bytes('answer'))
  await settle()
  connection.send(bytes('last'))
  connection.close('done')
  expect(connection.send(bytes('late'))).toBe('dropped')
  await Promise.all([client.closed, server.closed])
  expect(server.log).toEqual(['1', '2', '3', 'last', 'closed: done'])
  expect(client.log).toEqual(['answer', 'closed: done'])
  connection.close('again')
  await settle()
  expect(client.log).toHaveLength(2)
})

test('clients: a full queue and an oversized frame are dropped', async () => {
  const limits = resolveLimits({
    frameBytesMax: 8_192,
    commandBytesMax: 1_024,
    messageBytesMax: 1_024,
    sendQueueBytesMax: 10_000,
  })
  const network = memoryNetwork({ limits })
  const listener = network.listener('kv')
  const server = new Caller()
  await listener.start(context('a', { limits }), () => server)
  const connection = await network.dialer().dial('kv', new Caller())
  expect(connection.send(new Uint8Array(8_193))).toBe('dropped')
  expect(connection.send(new Uint8Array(8_192))).toBe('queued')
  expect(connection.send(new Uint8Array(1_745))).toBe('dropped')
  expect(connection.send(new Uint8Array(1_744))).toBe('queued')
  await settle()
  expect(connection.send(new Uint8Array(8_192))).toBe('queued')
  await listener.close()
})

test('frames without a byte fill a queue too', async () => {
  const small = { frameBytesMax: 8_192, commandBytesMax: 1_024, messageBytesMax: 1_024 }
  const limits = resolveLimits({ ...small, sendQueueBytesMax: 10_000 })
  const network = memoryNetwork({ limits })
  const a = network.transport()
  const b = network.transport()
  const inbox = new Inbox()
  await a.start(context('a', { limits }), new Inbox())
  await b.start(context('b', { limits }), inbox)
  await inbox.until('a reachable')
  const listener = network.listener('kv')
  await listener.start(context('a', { limits }), () => new Caller())
  const client = await network.dialer().dial('kv', new Caller())
  const empty = new Uint8Array(0)
  const queued = (send: () => string): number =>
    Array.from({ length: 1_000 }, send).filter((outcome) => outcome === 'queued').length
  expect(queued(() => a.send('b', empty))).toBeLessThan(200)
  expect(queued(() => client.send(empty))).toBeLessThan(200)
  await settle()
  expect(a.send('b', empty, 'bulk')).toBe('queued')
  expect(client.send(empty)).toBe('queued')
  await Promise.all([a.close(), b.close(), listener.close()])
})

test('clients: nobody there, an abort, a taken address, and a listener that closes', async () => {
  const network = memoryNetwork()
  const dialer = network.dialer()
  const nobody = await dialer.dial('kv', new Caller()).catch((e: unknown) => e)
  expect(isQuorateError(nobody, 'UNAVAILABLE')).toBe(true)
  const listener = network.listener('kv')
  await listener.start(context('a'), () => new Caller())
  const taken = await network
    .listener('kv')
    .start(context('a'), () => new Caller())
    .catch((e: unknown) => e)
  expect(isQuorateError(taken, 'PORT_IN_USE')).toBe(true)
  const signal = AbortSignal.abort()
  const aborted = await dialer.dial('kv', new Caller(), { signal }).catch((e: unknown) => e)
  expect(isQuorateError(aborted, 'ABORTED')).toBe(true)
  const client = new Caller()
  await dialer.dial('kv', client)
  await listener.close()
  await client.closed
  expect(client.log).toEqual(['closed: the listener closes'])
  const after = await dialer.dial('kv', new Caller()).catch((e: unknown) => e)
  expect(isQuorateError(after, 'UNAVAILABLE')).toBe(true)
})
