// Clients over WebSocket: both ends, in Node and through the platform's own WebSocket.
import { isQuorateError, type ClientDialer } from '@quorate/core'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { webSocketDialer as browserDialer } from '../src/browser.ts'
import { webSocketDialer, webSocketListener, type WebSocketListener } from '../src/index.ts'
import { bytes, Caller, context } from './rig.ts'

const servers: Caller[] = []
let listener: WebSocketListener
let address: string
const platform = globalThis as { WebSocket?: unknown }
const before = platform.WebSocket

beforeAll(async () => {
  // Node 20 has no WebSocket of its own; that of `ws` has the same interface.
  platform.WebSocket = WebSocket
  listener = webSocketListener({ port: 0 })
  await listener.start(context('a'), (connection) => {
    const caller = new Caller()
    caller.connection = connection
    connection.send(bytes('welcome'))
    servers.push(caller)
    return caller
  })
  address = `ws://127.0.0.1:${listener.port}`
})

afterAll(async () => {
  await listener.close()
  platform.WebSocket = before
})

/** In a browser these functions throw where they are called as a method of anything but the window. */
function asInBrowser(...names: ('queueMicrotask' | 'setTimeout' | 'clearTimeout')[]): () => void {
  const kept = names.map((name) => [name, globalThis[name]] as const)
  for (const [name, real] of kept) {
    const strict = function (this: unknown, ...args: unknown[]): unknown {
      if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation')
      return Reflect.apply(real, globalThis, args)
    }
    Object.assign(globalThis, { [name]: strict })
  }
  return () => Object.assign(globalThis, Object.fromEntries(kept))
}

const dialers: [string, () => ClientDialer][] = [
  ['in Node', () => webSocketDialer()],
  ['in a browser', () => browserDialer()],
]

describe.each(dialers)('%s', (_name, dialer) => {
  test('frames arrive in order both ways, then the end with its reason', async () => {
    const client = new Caller()
    const connection = await dialer().dial(address, client)
    const server = servers.at(-1)!
    await client.until('welcome')
    for (let count = 0; count < 100; count++) connection.send(bytes(`${count}`))
    connection.send(new Uint8Array(300_000))
    connection.send(new Uint8Array(0))
    connection.close('done')
    expect(connection.send(bytes('late'))).toBe('dropped')
    await server.until('closed: done')
    await client.until('closed: done')
    // Another client's whole visit: by then the goodbye has been answered.
    const next = new Caller()
    const visit = await dialer().dial(address, next)
    await next.until('welcome')
    visit.close()
    expect(client.lines).toEqual(['welcome', 'closed: done'])
    expect(server.lines).toEqual([
      ...Array.from({ length: 100 }, (_, count) => `${count}`),
      '300000 bytes',
      '',
      'closed: done',
    ])
  })

  test('functions of the platform are called as a browser wants it', async () => {
    const client = new Caller()
    const restore = asInBrowser('queueMicrotask', 'setTimeout', 'clearTimeout')
    try {
      const connection = await dialer().dial(address, client)
      await client.until('welcome')
      expect(connection.send(bytes('hello'))).toBe('queued')
      await servers.at(-1)!.until('hello')
      connection.close('done')
      await client.until('closed: done')
    } finally {
      restore()
    }
  })

  test('the server ends a connection with a reason', async () => {
    const client = new Caller()
    await dialer().dial(address, client)
    await client.until('welcome')
    servers.at(-1)!.connection!.close('enough')
    await client.until('closed: enough')
    await servers.at(-1)!.until('closed: enough')
    expect(client.lines).toEqual(['welcome', 'closed: enough'])
  })

  test('nobody there, an abort, a bad address', async () => {
    const code = async (promise: Promise<unknown>): Promise<unknown> => {
      const error = await promise.catch((cause: unknown) => cause)
      return isQuorateError(error) ? error.code : error
    }
    expect(await code(dialer().dial('ws://127.0.0.1:1', new Caller()))).toBe('UNAVAILABLE')
    expect(await code(dialer().dial('nonsense', new Caller()))).toBe('INVALID_ARGUMENT')
    expect(await code(dialer().dial(address, new Caller(), { signal: AbortSignal.abort() }))).toBe(
      'ABORTED',
    )
    const controller = new AbortController()
    const dialing = dialer().dial(address, new Caller(), { signal: controller.signal })
    controller.abort()
    expect(await code(dialing)).toBe('ABORTED')
  })
})

test('closing the listener ends its connections', async () => {
  const other = webSocketListener({ port: 0 })
  await other.start(context('a'), () => new Caller())
  const client = new Caller()
  await webSocketDialer().dial(`ws://127.0.0.1:${other.port}`, client)
  await other.close()
  await client.until('closed: the listener closes')
  expect(other.port).toBeUndefined()
})
