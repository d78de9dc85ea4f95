// Hosts and clients that come and go, over and over: afterwards no socket, timer or listener is
// left, and the heap is where it was. QUORATE_SOAK_ROUNDS makes it longer.
import { getEventListeners } from 'node:events'
import { createServer } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createRandom, systemClock, type Clock, type Timer } from '@quorate/core'
import { expect, test } from 'vitest'
import { webSocketDialer, webSocketListener, webSockets } from '../src/index.ts'
import { bytes, Caller, closeHosts, cluster, context, host, Inbox } from './rig.ts'

const ROUNDS = Number(process.env['QUORATE_SOAK_ROUNDS'] ?? 30)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** What the process still waits for, of the kinds that a transport makes. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /TCP|TLS|Timeout|Immediate/.test(kind))
}

/** What there is more of than before, once the turns are over in which handles close. */
async function leftOver(before: readonly string[]): Promise<string[]> {
  const more = (): string[] => {
    const rest = [...before]
    return handles().filter((kind) => {
      const at = rest.indexOf(kind)
      if (at >= 0) rest.splice(at, 1)
      return at < 0
    })
  }
  for (let turn = 0; turn < 1_000 && more().length > 0; turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 1))
  }
  return more()
}

/** The platform's clock, with an account of its timers. */
function countingClock(): Clock & { readonly timers: () => number } {
  const system = systemClock()
  const set = new Set<Timer>()
  return {
    ...system,
    timers: () => set.size,
    setTimer(delayMs, callback) {
      const timer = system.setTimer(delayMs, () => {
        set.delete(handle)
        callback()
      })
      const handle = {
        cancel() {
          set.delete(handle)
          timer.cancel()
        },
      }
      set.add(handle)
      return handle
    },
  }
}

async function life(round: number, clock: Clock): Promise<void> {
  const secret = round % 2 === 0 ? undefined : 'a secret of thirty-two characters'
  const [a, b, c] = await cluster(
    ['a', 'b', 'c'],
    { secret, backoff: { baseMs: 1, maxMs: 5 } },
    { clock },
  )
  for (const [one, other] of [
    [a, b],
    [b, c],
    [c, a],
  ] as const) {
    await one!.inbox.until(`${other!.id} reachable`)
    for (let count = 0; count < 50; count++) one!.transport.send(other!.id, new Uint8Array(1_000))
    one!.transport.send(other!.id, bytes('last'))
    await other!.inbox.until(`${one!.id}:last`)
  }
  // One goes in the middle of everything and comes back as another process would.
  const port = c!.transport.port!
  await c!.transport.close()
  const again = await host('c', { listen: port, secret, peers: { a: a!.url } }, { clock })
  await again.inbox.until('a reachable')
  await closeHosts()
}

async function visit(clock: Clock): Promise<void> {
  const listener = webSocketListener({ port: 0 })
  await listener.start(context('a', { clock }), (connection) => {
    connection.send(bytes('welcome'))
    return new Caller()
  })
  const dialer = webSocketDialer({ clock })
  const { signal } = new AbortController()
  for (let client = 0; client < 5; client++) {
    const caller = new Caller()
    const connection = await dialer.dial(`ws://127.0.0.1:${listener.port}`, caller, { signal })
    await caller.until('welcome')
    if (client % 2 === 0) connection.close()
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  await listener.close()
}

test('hosts and clients come and go without a trace', async () => {
  const clock = countingClock()
  const before = handles()
  const heaps: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await life(round, clock)
    await visit(clock)
    collect()
    heaps.push(process.memoryUsage().heapUsed)
  }
  expect(await leftOver(before)).toEqual([])
  expect(clock.timers()).toBe(0)
  // From a third of the way, when everything has been compiled and cached, to the end.
  const grown = heaps.at(-1)! - heaps[Math.floor(ROUNDS / 3)]!
  expect(grown).toBeLessThan(2 * 1_048_576)
})

test('a server that was joined is left as it was', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listeners = (): number[] =>
    ['upgrade', 'connection', 'error', 'close', 'clientError'].map((name) =>
      server.listenerCount(name),
    )
  const before = listeners()
  const transport = webSockets({ listen: { server, path: '/peers' } })
  await transport.start(context('a'), new Inbox())
  const listener = webSocketListener({ server, path: '/clients' })
  await listener.start(context('a'), () => new Caller())
  expect(listeners()).not.toEqual(before)
  await transport.close()
  await listener.close()
  expect(listeners()).toEqual(before)
  expect(server.listening).toBe(true)
  await new Promise<void>((resolve) => server.close(() => resolve()))
})

test('close in the middle of everything settles, and leaves nothing', async () => {
  const random = createRandom(Number(process.env['QUORATE_SEED'] ?? 11))
  const before = handles()
  for (let round = 0; round < 25; round++) {
    const hosts = await cluster(['a', 'b', 'c'])
    // Between no turn at all and enough for some handshakes.
    for (let turn = random.below(40); turn > 0; turn--) {
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    const signal = random.below(2) === 0 ? AbortSignal.abort() : undefined
    await Promise.all(hosts.map(({ transport }) => transport.close({ signal })))
    expect(hosts.map(({ transport }) => transport.status)).toEqual(['closed', 'closed', 'closed'])
  }
  expect(await leftOver(before)).toEqual([])
})
