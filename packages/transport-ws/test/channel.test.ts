// A peer that has proven who it is and then misbehaves: with malformed messages, with silence,
// with floods. Its connection ends, or its frames are bounded, and other peers go on.
import { resolveLimits } from '@quorate/core'
import { afterEach, describe, expect, test } from 'vitest'
import { drawInstance, Handshake } from '../src/handshake.ts'
import { webSockets } from '../src/index.ts'
import { kind, SEALED } from '../src/wire.ts'
import { frame, type RawSocket, upgraded } from './raw.ts'
import {
  bytes,
  closeHosts,
  cluster,
  context,
  host,
  ManualClock,
  text,
  type TestHost,
} from './rig.ts'

afterEach(closeHosts)

/** A peer of `a` without a secret that speaks by hand, and can stop reading. */
async function peer(a: TestHost, id: string): Promise<RawSocket> {
  const identity = { context: context(id), instance: drawInstance(), keys: () => [] }
  const handshake = new Handshake(identity, 'a', { checkPeer() {}, admit() {} })
  const each = await upgraded(a.transport.port!)
  let messages = Buffer.alloc(0)
  const done = new Promise<void>((resolve) => {
    each.socket.on('data', function onData(chunk: Buffer) {
      messages = Buffer.concat([messages, chunk])
      for (;;) {
        const length = messages.length >= 2 ? payloadLength(messages) : undefined
        if (length === undefined || messages.length < length.end) return
        const step = handshake.receive(messages.subarray(length.start, length.end))
        messages = messages.subarray(length.end)
        for (const message of step.send) each.socket.write(frame(message))
        if (step.peer === undefined) continue
        each.socket.off('data', onData)
        resolve()
        return
      }
    })
  })
  each.socket.write(frame(handshake.start()))
  await done
  await a.inbox.until(`${id} reachable`)
  return each
}

function payloadLength(data: Buffer): { start: number; end: number } | undefined {
  const short = data[1]! & 0x7f
  if (short < 126) return { start: 2, end: 2 + short }
  return data.length < 4 ? undefined : { start: 4, end: 4 + data.readUInt16BE(2) }
}

describe('a message that no host writes ends the connection:', () => {
  const cases: [string, Buffer][] = [
    ['an empty one', frame('')],
    ['a text one', frame('\u0010\u0001a', { opcode: 1 })],
    ['an unknown kind', frame(Uint8Array.of(99, 1, 65))],
    ['a batch without a frame', frame(Uint8Array.of(kind.fast))],
    ['a frame that is cut off', frame(Uint8Array.of(kind.fast, 5, 65))],
    ['a good frame and a bad one', frame(Uint8Array.of(kind.fast, 1, 65, 9, 66))],
    ['two frames in a bulk message', frame(Uint8Array.of(kind.bulk, 1, 65, 1, 66))],
    [
      'bulk frames that wait for no confirmation',
      Buffer.concat(Array.from({ length: 100 }, () => frame(Uint8Array.of(kind.bulk, 1, 65)))),
    ],
    ['a confirmation of nothing', frame(Uint8Array.of(kind.bulkArrived))],
    ['a sealed message without a secret', frame(Uint8Array.of(kind.fast | SEALED, 1, 65))],
    ['another hello', frame(Uint8Array.of(kind.hello, 0))],
    ['a frame over the limit', frame(Uint8Array.of(kind.fast, 0xff, 0xff, 0xff, 0x7f))],
    ['a message over the limit', frame('', { length: 20_000_000 })],
  ]
  test.each(cases)('%s', async (_name, message) => {
    const a = await host('a', { peers: { b: '' } })
    const b = await peer(a, 'b')
    b.socket.write(message)
    await a.inbox.until('b unreachable')
    // Nothing of a message is told where part of it is malformed.
    const told = a.inbox.lines.filter((line) => line !== 'b:A')
    expect(told).toEqual(['b reachable', 'b unreachable'])
    expect(a.inbox.lines.length - told.length).toBeLessThanOrEqual(8)
    b.socket.destroy()
  })
})

test('a peer that falls silent is given up after three checks, and not before', async () => {
  const clock = new ManualClock()
  const a = await host('a', { peers: { b: '' } }, { clock })
  const b = await peer(a, 'b')
  clock.advance(3_000)
  b.socket.write(frame(Uint8Array.of(kind.fast, 1, 49)))
  await a.inbox.until('b:1')
  for (let check = 0; check < 3; check++) clock.advance(3_000)
  expect(a.inbox.lines).toEqual(['b reachable', 'b:1'])
  clock.advance(3_000)
  expect(a.inbox.lines).toEqual(['b reachable', 'b:1', 'b unreachable'])
  expect(a.transport.send('b', bytes('x'))).toBe('dropped')
  b.socket.destroy()
})

const limits = resolveLimits({
  frameBytesMax: 300_000,
  commandBytesMax: 4_096,
  messageBytesMax: 4_096,
  sendQueueBytesMax: 2_000_000,
})

test('a peer that does not read costs its own queue, is given up, and slows nobody', async () => {
  const clock = new ManualClock()
  const a = await host('a', { peers: { b: '', c: '' } }, { clock, limits })
  const b = await peer(a, 'b')
  b.socket.pause()
  const c = await host('c', { peers: { a: a.url } })
  await c.inbox.until('a reachable')
  let queuedBytes = 0
  let round = 0
  for (let full = 0; full < 20; round++) {
    const outcome = a.transport.send('b', new Uint8Array(50_000))
    if (outcome === 'queued') queuedBytes += 50_000
    full = outcome === 'dropped' ? full + 1 : 0
    // Every frame to the other peer goes through, however full the slow one's queue is.
    expect(a.transport.send('c', bytes(`${round}`))).toBe('queued')
    await c.inbox.until(`a:${round}`)
  }
  expect(queuedBytes).toBeLessThan(64_000_000)
  for (let check = 0; check < 4; check++) {
    clock.advance(3_000)
    // c reads and answers pings; its answer has come when its next frame has.
    c.transport.send('a', bytes(`alive ${check}`))
    await a.inbox.until(`c:alive ${check}`)
  }
  await a.inbox.until('b unreachable')
  expect(c.inbox.lines.filter((line) => line.includes('reachable'))).toEqual(['a reachable'])
  b.socket.destroy()
})

test('a peer that floods is read no faster than its frames are handled, and others get through', async () => {
  const [a, b, c] = await cluster(['a', 'b', 'c'], {}, { limits })
  for (const other of ['b', 'c']) await a!.inbox.until(`${other} reachable`)
  await b!.inbox.until('a reachable')
  await c!.inbox.until('a reachable')
  let flooding = true
  let refused = 0
  const flood = (): void => {
    for (let count = 0; count < 2_000; count++) {
      if (b!.transport.send('a', new Uint8Array(1_000)) === 'dropped') refused++
    }
    if (flooding) setImmediate(flood)
  }
  flood()
  for (let round = 0; round < 30; round++) {
    c!.transport.send('a', bytes(`ping ${round}`))
    await a!.inbox.until(`c:ping ${round}`)
    a!.transport.send('c', bytes(`pong ${round}`))
    await c!.inbox.until(`a:pong ${round}`)
  }
  flooding = false
  // More was offered than could go: the flood met its own bound, in its own process.
  expect(refused).toBeGreaterThan(0)
})

test('the next bulk frame leaves when the one before has been confirmed, and fast ones do not wait', async () => {
  const a = await host('a', { peers: { b: '' } })
  const b = await peer(a, 'b')
  let received = ''
  const arrival = async (what: string): Promise<void> => {
    while (!received.includes(what)) {
      await new Promise<void>((resolve) => b.socket.once('data', () => resolve()))
    }
  }
  b.socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
  for (const chunk of ['bulk-1', 'bulk-2', 'bulk-3']) a.transport.send('b', bytes(chunk), 'bulk')
  await arrival('bulk-1')
  for (const each of ['fast-1', 'fast-2', 'fast-3']) {
    a.transport.send('b', bytes(each))
    await arrival(each)
  }
  expect(received).not.toContain('bulk-2')
  b.socket.write(frame(Uint8Array.of(kind.bulkArrived)))
  await arrival('bulk-2')
  expect(received).not.toContain('bulk-3')
  b.socket.destroy()
})

test('a dead peer is not waited for: frames to others go out in the same turn', async () => {
  const a = await host('a', { peers: { b: '', c: '', dead: 'ws://127.0.0.1:1' } })
  const b = await host('b', { peers: { a: a.url } })
  await b.inbox.until('a reachable')
  for (let count = 0; count < 1_000; count++) {
    expect(a.transport.send('dead', bytes('x'))).toBe('dropped')
    expect(a.transport.send('b', bytes(`${count}`))).toBe('queued')
  }
  await b.inbox.until('a:999')
})

test('one connection carries both directions', async () => {
  const [a, b] = await cluster(['a', 'b'])
  await a!.inbox.until('b reachable')
  await b!.inbox.until('a reachable')
  for (let round = 0; round < 50; round++) {
    a!.transport.send('b', bytes(`${round}`))
    await b!.inbox.until(`a:${round}`)
    b!.transport.send('a', bytes(`${round}`))
    await a!.inbox.until(`b:${round}`)
  }
  const news = [...a!.inbox.lines, ...b!.inbox.lines].filter((line) => line.includes('reachable'))
  expect(news).toEqual(['b reachable', 'a reachable'])
})

test('a handler that closes the transport hears nothing more of the same message', async () => {
  const a = webSockets({ listen: 0, peers: { b: '' } })
  const heard: string[] = []
  let closing: Promise<void> | undefined
  await a.start(context('a'), {
    onFrame(_from, each) {
      heard.push(text(each))
      closing ??= a.close()
    },
    onPeer() {},
  })
  const b = await host('b', { peers: { a: `ws://127.0.0.1:${a.port}` } })
  await b.inbox.until('a reachable')
  for (let count = 0; count < 10; count++) b.transport.send('a', bytes(`${count}`))
  await b.inbox.until('a unreachable')
  await closing
  expect(heard).toEqual(['0'])
})
