// What strangers may do to a port: too many, too slow, too much, from the wrong page, or not in
// WebSocket at all. Each is cut off, and everybody else goes on.
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  webSocketDialer,
  webSocketListener,
  type WebSocketListener,
  type WebSocketListenerOptions,
} from '../src/index.ts'
import { frame, raw, upgraded, upgradeRequest, type RawSocket } from './raw.ts'
import { bytes, Caller, closeHosts, context, host, Log, loggerTo, ManualClock } from './rig.ts'

const mentions =
  (pattern: RegExp) =>
  (lines: readonly string[]): boolean =>
    lines.some((line) => pattern.test(line))

let listener: WebSocketListener
let clock: ManualClock
let log: Log
let callers: Caller[]

async function listen(options: WebSocketListenerOptions = {}): Promise<number> {
  clock = new ManualClock()
  log = new Log()
  callers = []
  listener = webSocketListener({ port: 0, ...options })
  await listener.start(context('a', { clock, logger: loggerTo(log) }), (connection) => {
    const caller = new Caller()
    caller.connection = connection
    callers.push(caller)
    return caller
  })
  return listener.port!
}

/** Raw sockets answer no goodbye: the time for one has to pass. */
async function closeListener(): Promise<void> {
  const closing = listener?.close()
  clock?.advance(1_000)
  await closing
}

/** That the listener still serves: a client comes, speaks and is heard. */
async function stillServes(port: number): Promise<void> {
  const connection = await webSocketDialer().dial(`ws://127.0.0.1:${port}`, new Caller())
  connection.send(bytes('still there?'))
  connection.close()
  await callers.at(-1)!.until('still there?')
}

beforeEach(() => void (callers = []))
afterEach(async () => {
  await closeListener()
  await closeHosts()
})

describe('too many:', () => {
  test('connections over the total are closed, and a place that is free again is given', async () => {
    const port = await listen({ connectionsMax: 3 })
    const all = [await upgraded(port), await upgraded(port), await upgraded(port)]
    const fourth = await raw(port)
    await fourth.closed
    expect(fourth.received()).toBe('')
    await log.until(mentions(/too many connections"/))
    all[0]!.socket.destroy()
    await callers[0]!.until((lines) => lines.some((line) => line.startsWith('closed')))
    await stillServes(port)
  })

  test('connections of one address over its share are closed', async () => {
    const port = await listen({ connectionsPerAddressMax: 2 })
    await upgraded(port)
    await raw(port)
    await (
      await raw(port)
    ).closed
    await log.until(mentions(/too many connections of one address/))
    expect(callers).toHaveLength(1)
  })

  test('the cap holds on a server that was joined', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await listen({ port: undefined, server, connectionsMax: 1 })
    await upgraded(port)
    const second = await raw(port)
    second.socket.write(upgradeRequest())
    await second.closed
    expect(second.received()).toMatch(/^HTTP\/1\.1 503 /)
    await closeListener()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  test('it holds where no client has an address: behind a proxy, on a socket of the file system', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-'))
    const path = join(directory, 'socket')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await listen({ port: undefined, server, connectionsMax: 2 })
    const first = await upgraded(path)
    await upgraded(path)
    const refused = async (): Promise<void> => {
      const more = await raw(path)
      more.socket.write(upgradeRequest())
      await more.closed
      expect(more.received()).toMatch(/^HTTP\/1\.1 503 /)
    }
    await refused()
    first.socket.destroy()
    await callers[0]!.until((lines) => lines.some((line) => line.startsWith('closed')))
    await upgraded(path)
    await refused()
    await closeListener()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await rm(directory, { recursive: true })
  })
})

describe('too slow:', () => {
  test.each([
    ['says nothing', ''],
    ['sends half a header', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: '],
    [
      'asks for a page with a body that never comes',
      'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n1',
    ],
  ])('a socket that %s is closed after the deadline', async (_name, text) => {
    const port = await listen()
    const { timers } = clock
    const slow = await raw(port)
    slow.socket.write(text)
    await clock.until(timers + 1)
    clock.advance(5_000)
    await slow.closed
    expect(callers).toHaveLength(0)
    await stillServes(port)
  })

  describe('who is back from the same port before the end of the socket before was told', () => {
    const back = async (): Promise<RawSocket> => {
      const port = await listen()
      const { timers } = clock
      const first = await raw(port)
      await clock.until(timers + 1)
      const { localPort } = first.socket
      // Both before this process looks at its sockets again: the end of the first is told last.
      first.socket.resetAndDestroy()
      const second = await raw(port, localPort)
      await first.closed
      await stillServes(port)
      expect(clock.timers).toBe(timers + 1)
      expect(second.socket.localPort).toBe(localPort)
      expect(second.socket.closed).toBe(false)
      return second
    }

    test('has a deadline of its own', async () => {
      const second = await back()
      clock.advance(5_000)
      await second.closed
      expect(callers).toHaveLength(1)
    })

    test('is let in', async () => {
      const second = await back()
      second.socket.write(upgradeRequest())
      await new Promise<void>((resolve) => second.socket.once('data', () => resolve()))
      expect(second.received()).toMatch(/^HTTP\/1\.1 101 /)
      second.socket.destroy()
    })
  })

  test('headers one byte at a time do not extend the deadline', async () => {
    const port = await listen()
    const { timers } = clock
    const slow = await raw(port)
    await clock.until(timers + 1)
    for (const character of 'GET / HTTP/1.1\r\n') {
      slow.socket.write(character)
      clock.advance(300)
    }
    clock.advance(300)
    await slow.closed
    expect(callers).toHaveLength(0)
  })

  test('a peer that upgrades and never greets is cut off, and the reason is logged', async () => {
    const manual = new ManualClock()
    const a = await host('a', {}, { clock: manual })
    const { timers } = manual
    const silent = await upgraded(a.transport.port!)
    await manual.until(timers + 2)
    manual.advance(5_000)
    await silent.closed
    await a.log.until(mentions(/TIMEOUT|no handshake in time/))
    expect(a.inbox.lines).toEqual([])
  })

  test('a client that does not read costs its queue and no more, then its connection', async () => {
    const port = await listen({ queueBytesMax: 1_000_000 })
    const reader = await upgraded(port)
    reader.socket.pause()
    const caller = callers[0]!
    let queuedBytes = 0
    // Until the buffers of the system are full, and then the queue.
    for (let full = 0; full < 20;) {
      const outcome = caller.connection!.send(new Uint8Array(50_000))
      if (outcome === 'queued') queuedBytes += 50_000
      full = outcome === 'dropped' ? full + 1 : 0
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    expect(queuedBytes).toBeLessThan(64_000_000)
    const other = new Caller()
    await webSocketDialer().dial(`ws://127.0.0.1:${port}`, other)
    callers[1]!.connection!.send(bytes('others go on'))
    await other.until('others go on')
    // It speaks all the while: only that it does not read is held against it.
    for (let check = 0; check < 4; check++) {
      reader.socket.write(frame(Uint8Array.of(1, 48 + check)))
      await caller.until(`${check}`)
      clock.advance(10_000)
    }
    await caller.until('closed: the other side does not read')
    expect(caller.connection!.send(bytes('x'))).toBe('dropped')
    reader.socket.destroy()
  })

  test('a client that vanished without a word is noticed', async () => {
    const port = await listen()
    // Reads, but answers no ping: what a machine that lost its power looks like.
    await upgraded(port)
    for (let check = 0; check < 4; check++) clock.advance(10_000)
    await callers[0]!.until('closed: the other side is silent')
    expect(callers[0]!.lines).toHaveLength(1)
  })

  test('who closes is told at once, also where the other side never answers', async () => {
    const port = await listen()
    await upgraded(port)
    callers[0]!.connection!.close('enough')
    await callers[0]!.until('closed: enough')
    expect(callers[0]!.lines).toEqual(['closed: enough'])
  })

  test('a client that answers pings stays', async () => {
    const port = await listen()
    const ws = new WebSocket(`ws://127.0.0.1:${port}`)
    await new Promise<void>((resolve) => ws.once('open', () => resolve()))
    let pings = 0
    ws.on('ping', () => pings++)
    // The first check hears the upgrade, and every second one a pong: nothing else is said.
    for (let check = 0; check < 9; check++) {
      clock.advance(10_000)
      while (pings < Math.ceil(check / 2)) {
        await new Promise<void>((resolve) => ws.once('ping', () => resolve()))
      }
      // Another client's whole visit: by then the pong has arrived.
      await stillServes(port)
    }
    expect(callers[0]!.lines).toEqual([])
    ws.terminate()
  })
})

describe('too much:', () => {
  test('more bytes than a handshake has are not waited for', async () => {
    const a = await host('a')
    const greedy = await upgraded(a.transport.port!)
    greedy.socket.write(frame(new Uint8Array(60_000)))
    await greedy.closed
    await a.log.until(mentions(/LIMIT_EXCEEDED|MALFORMED/))
    expect(a.inbox.lines).toEqual([])
  })

  test('headers over 8 KiB are refused', async () => {
    const port = await listen()
    const wordy = await raw(port)
    wordy.socket.write(upgradeRequest({ 'X-Much': 'x'.repeat(9_000) }))
    await wordy.closed
    expect(callers).toHaveLength(0)
    await stillServes(port)
  })
})

describe('not a WebSocket, or not a good one:', () => {
  const cases: [string, Buffer | (() => Buffer)][] = [
    ['a text message', frame('hello', { opcode: 1 })],
    ['invalid UTF-8 in a text message', frame(Uint8Array.of(0xff, 0xfe), { opcode: 1 })],
    ['an empty message', frame('')],
    ['a batch whose frame is cut off', frame(Uint8Array.of(5, 1, 2))],
    ['an unmasked message', frame(Uint8Array.of(1, 65), { masked: false })],
    ['a compressed message that was never agreed on', frame('x', { rsv1: true })],
    ['an unknown opcode', frame('x', { opcode: 3 })],
    ['a continuation without a start', frame('x', { opcode: 0 })],
    ['a start within a message', Buffer.concat([frame('a', { fin: false }), frame('b')])],
    ['a control frame in fragments', frame('x', { opcode: 9, fin: false })],
    ['a control frame of 126 bytes', frame('x'.repeat(126), { opcode: 9 })],
    ['a close frame of one byte', frame('x', { opcode: 8 })],
    ['a close frame of a forbidden code', frame(Uint8Array.of(0x03, 0xed), { opcode: 8 })],
    ['a length of 2^63', frame('', { length: 2 ** 53 })],
    ['a length of 2^32 - 1', frame('', { length: 2 ** 32 - 1 })],
    ['a length one over the limit', frame('', { length: 1_000_000 })],
    [
      'more fragments than a message may have',
      () =>
        Buffer.concat([
          frame('', { fin: false }),
          ...Array.from({ length: 16_385 }, () => frame('', { opcode: 0, fin: false })),
        ]),
    ],
    ['HTTP where frames are expected', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ]
  test.each(cases)('%s ends the connection', async (_name, input) => {
    const port = await listen({ frameBytesMax: 10_000 })
    const bad = await upgraded(port)
    bad.socket.write(typeof input === 'function' ? input() : input)
    const caller = callers[0]!
    await caller.until((lines) => lines.some((line) => line.startsWith('closed')))
    // Nothing of it was told.
    expect(caller.frames).toEqual([])
    bad.socket.destroy()
    await stillServes(port)
  })

  test('compression is not offered, whatever is asked for', async () => {
    const port = await listen()
    const bomb = await raw(port)
    bomb.socket.write(upgradeRequest({ 'Sec-WebSocket-Extensions': 'permessage-deflate' }))
    await new Promise<void>((resolve) => bomb.socket.once('data', () => resolve()))
    expect(bomb.received()).toMatch(/^HTTP\/1\.1 101 /)
    expect(bomb.received().toLowerCase()).not.toContain('permessage-deflate')
    bomb.socket.destroy()
  })

  test('a flood of pings is answered within bounds, and others go on', async () => {
    const port = await listen()
    const flood = await upgraded(port)
    flood.socket.pause()
    const pings = Buffer.concat(
      Array.from({ length: 5_000 }, () => frame('x'.repeat(125), { opcode: 9 })),
    )
    for (let round = 0; round < 10; round++) flood.socket.write(pings)
    await stillServes(port)
    expect(callers[0]!.frames).toEqual([])
    flood.socket.destroy()
  })

  test('two messages in one chunk, and one byte a chunk, are the same to it', async () => {
    const port = await listen()
    const each = await upgraded(port)
    each.socket.write(
      Buffer.concat([frame(Uint8Array.of(1, 49)), frame(Uint8Array.of(1, 50, 1, 51))]),
    )
    await callers[0]!.until('3')
    for (const byte of frame(Uint8Array.of(4, 52, 52, 52, 52))) {
      each.socket.write(Uint8Array.of(byte))
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await callers[0]!.until('4444')
    expect(callers[0]!.lines).toEqual(['1', '2', '3', '4444'])
    each.socket.destroy()
  })

  test('part of a frame at the end of a connection is not delivered', async () => {
    const port = await listen()
    const each = await upgraded(port)
    each.socket.end(
      Buffer.concat([
        frame(Uint8Array.of(1, 49)),
        frame(Uint8Array.of(3, 50, 50, 50)).subarray(0, 9),
      ]),
    )
    await callers[0]!.until((lines) => lines.some((line) => line.startsWith('closed')))
    expect(callers[0]!.frames).toHaveLength(1)
  })
})

describe('pages:', () => {
  const allowed = { origins: ['https://good.test'], hosts: ['good.test'] }
  const status = async (headers: Record<string, string>, path?: string): Promise<string> => {
    const port = await listen(allowed)
    const each = await raw(port)
    each.socket.write(upgradeRequest(headers, path))
    await new Promise<void>((resolve) => each.socket.once('data', () => resolve()))
    const answer = each.received().slice(9, 12)
    each.socket.destroy()
    return answer
  }
  test.each([
    ['a program, which has no origin', {}, '101'],
    ['the page that is allowed', { Origin: 'https://good.test' }, '101'],
    [
      'it, under a name that is allowed',
      { Origin: 'https://good.test', Host: 'good.test:8080' },
      '101',
    ],
    ['it, under localhost', { Origin: 'https://good.test', Host: 'localhost:1' }, '101'],
    ['it, under an IPv6 address', { Origin: 'https://good.test', Host: '[::1]:1' }, '101'],
    ['another page', { Origin: 'https://evil.test' }, '403'],
    ['no page in particular', { Origin: 'null' }, '403'],
    ['an empty origin', { Origin: '' }, '403'],
    ['it, over http', { Origin: 'http://good.test' }, '403'],
    ['it, on a port', { Origin: 'https://good.test:444' }, '403'],
    ['a page below it', { Origin: 'https://sub.good.test' }, '403'],
    ['a page that begins like it', { Origin: 'https://good.test.evil.test' }, '403'],
    ['it, under a rebound name', { Origin: 'https://good.test', Host: 'attacker.test' }, '403'],
  ])('%s', async (_name, headers, expected) => {
    expect(await status(headers)).toBe(expected)
  })

  test('another path is not found', async () => {
    expect(await status({}, '/other')).toBe('404')
    expect(await status({}, '/?query=is+ignored')).toBe('101')
  })

  test('no page reaches the port of the hosts', async () => {
    const a = await host('a')
    const page = await raw(a.transport.port!)
    page.socket.write(upgradeRequest({ Origin: 'http://127.0.0.1' }))
    await page.closed
    expect(page.received()).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('a request that is no upgrade is told so', async () => {
    const port = await listen()
    const each = await raw(port)
    each.socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await each.closed
    expect(each.received()).toMatch(/^HTTP\/1\.1 426 /)
  })
})
